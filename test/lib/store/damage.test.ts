import assert from 'node:assert/strict';
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataFolder } from '../../../nodes/lib/store/data-folder.ts';
import type { Store } from '../../../nodes/lib/store/store.ts';

const PAGE = 4096;
const PLUGS = 3;
const HOURS = 800;
const NOW_MS = Date.UTC(2026, 10, 29, 8);
type Name = 'queue' | 'cache' | 'energy';

function fill(energy: Store): void {
  const plug = energy.prepare(`
    INSERT INTO tapo_devices (id, name, is_named, role, ip_address, port, model, firmware, state,
      created_at) VALUES (?, ?, 1, 'generic', '127.0.0.1', 80, 'P110', '1', ?, 5)`);
  const hour = energy.prepare(
    'INSERT INTO energy_hourly VALUES (?, ?, ?, 3600, 60000, 1, 90000, 0, 123456789012, 1, 0)',
  );
  const sample = energy.prepare(`
    INSERT INTO energy_samples (place, power_mw, relay_on) VALUES (?, ?, 1)`);
  energy.transaction(() => {
    // The last one is removed again; one state spans several pages.
    for (let at = 1; at <= PLUGS + 1; at += 1) plug.run(`plug-${at}`, 'ä', 'x'.repeat(at * 4_000));
    energy.prepare('DELETE FROM tapo_devices WHERE device_number > ?').run(PLUGS);
    for (let at = 0; at < HOURS * PLUGS; at += 1) {
      const [device, startS] = [1 + (at % PLUGS), 1_700_000_000 + Math.floor(at / PLUGS) * 3_600];
      hour.run(device, startS, 1_000 + at);
      sample.run(startS * 65_536 + device, at);
    }
  });
}

const ONE_ROW_OF_EACH = `
INSERT INTO energy_five_minutes VALUES (1, 300, 5, 300, 60, 50, 70, 0, 9);
INSERT INTO energy_daily VALUES (1, '2026-11-28', 86400, 5, 300, 60, 50, 70, 0, -1, 9);
INSERT INTO energy_daily_tariffs VALUES (1, '2026-11-28', 2, 5, 8589934592);
INSERT INTO energy_price_config (id, name, price_uc_per_kwh, valid_from_s, is_active, has_slots,
  vat_percent, created_at_s) VALUES (7, 'Nacht', 2500, NULL, 1, 0, 19, 3);
INSERT INTO energy_hour_tariffs VALUES (1, 3600, 2, 5, 7);
INSERT INTO energy_corrections (device_number, from_s, to_s, why, made_by, made_at_s)
  VALUES (1, 3600, 7200, 'x', 'y', 5);
INSERT INTO energy_originals VALUES (1, 3600, '[]');
INSERT INTO energy_price_slots VALUES (7, 3600, 7200, -5);
INSERT INTO energy_successors VALUES (5, 6, 'y', 7);
INSERT INTO energy_meters VALUES (1, 300, '{"at":1.5}');
INSERT INTO energy_nas_hours VALUES (3600, 1, 2, 3, 4, 9007199254740991);
INSERT INTO energy_counters VALUES (3, -5, 0, 7, 0);
INSERT INTO energy_calendar VALUES ('Europe/Berlin', 5);
INSERT INTO tapo_gone VALUES ('z', 7, 'Lamp');
`;

/** Every row of all tables except SQLite's own. */
function contentsOf(energy: Store): Map<string, unknown> {
  const tables = energy
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all();
  return new Map(
    tables.map(({ name }) => [
      String(name),
      energy.prepare(`SELECT * FROM ${String(name)} ORDER BY 1, 2`).all(),
    ]),
  );
}

/** Energy of each hour, mWh. */
function hoursOf(energy: Store): Map<string, number> {
  const rows = energy.prepare('SELECT device_number, start_s, energy_mwh FROM energy_hourly').all();
  return new Map(
    rows.map((row) => [
      `${Number(row['device_number'])} ${Number(row['start_s'])}`,
      Number(row['energy_mwh']),
    ]),
  );
}

describe('A damaged database', () => {
  let path: string;
  let data: DataFolder;

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'balupi-damage-'));
    data = DataFolder.open(path, NOW_MS);
    fill(data.energy);
  });

  afterEach(() => {
    data.close();
    rmSync(path, { recursive: true, force: true });
  });

  const fileOf = (name: Name): string => join(path, `${name}.db`);

  /** A page of the cache database that no start reads by itself. */
  const unreadPage = (): number => {
    const root = data.cache
      .prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'cache_ghosts'")
      .get();
    return (Number(root?.['rootpage']) - 1) * PAGE;
  };

  /** Ends as a power cut does: the files as they are now, with their WAL. */
  function cutPower(): void {
    const copy = `${path}-copy`;
    cpSync(path, copy, { recursive: true, filter: (name) => !name.endsWith('-shm') });
    data.close();
    rmSync(path, { recursive: true });
    renameSync(copy, path);
  }

  function overwrite(name: Name, at: number, length: number): void {
    const handle = openSync(fileOf(name), 'r+');
    writeSync(handle, Buffer.alloc(length, 0xaa), 0, length, at);
    closeSync(handle);
  }

  /** As if nothing had been written since then. */
  function asOf(name: Name, mtimeMs: number): void {
    const time = new Date(Math.floor(mtimeMs));
    utimesSync(fileOf(name), time, time);
  }

  function reopen(): void {
    data = DataFolder.open(path, NOW_MS);
  }

  const asideNames = (): string[] => data.setAside.map(({ database }) => database);

  for (const name of ['queue', 'cache', 'energy'] as const) {
    it(`is set aside, ${name} alone, and the others go on`, () => {
      data.close();
      overwrite(name, 0, PAGE);
      reopen();
      assert.deepEqual(asideNames(), [name]);
      assert.deepEqual(
        (['queue', 'cache', 'energy'] as const).map((each) => data.hasSetAside(each)),
        ['queue', 'cache', 'energy'].map((each) => each === name),
      );
      const [aside] = data.setAside;
      assert.equal(readFileSync(join(path, aside?.name ?? ''))[0], 0xaa);
      assert.equal(hoursOf(data.energy).size, HOURS * PLUGS);
    });
  }

  it('loses no energy where its header or its first page is damaged, nor what the log has', () => {
    data.energy.exec(ONE_ROW_OF_EACH);
    for (const bytes of [100, PAGE]) {
      data.energy.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
      const hour = 1_800_000_000 + bytes;
      data.energy
        .prepare('INSERT INTO energy_hourly VALUES (9, ?, 77, 3600, 1, 1, 1, 0, 1, 1, 0)')
        .run(hour);
      const before = contentsOf(data.energy);
      cutPower();
      overwrite('energy', 0, bytes);
      reopen();
      assert.deepEqual(asideNames(), ['energy'], `${bytes}`);
      assert.equal(hoursOf(data.energy).get(`9 ${hour}`), 77);
      assert.deepEqual(contentsOf(data.energy), before);
    }
  });

  it('costs the rows of a page that is damaged, and no other', () => {
    const before = hoursOf(data.energy);
    data.close();
    const looked = new DatabaseSync(fileOf('energy'));
    const [leaf] = looked
      .prepare(
        `SELECT pageno, ncell FROM dbstat
         WHERE name = 'energy_hourly' AND pagetype = 'leaf' ORDER BY pageno LIMIT 1 OFFSET 5`,
      )
      .all();
    looked.close();
    overwrite('energy', (Number(leaf?.['pageno']) - 1) * PAGE, 1);
    reopen();
    assert.deepEqual(asideNames(), ['energy']);
    const after = hoursOf(data.energy);
    assert.equal(before.size - after.size, Number(leaf?.['ncell']));
    for (const [hour, mwh] of after) assert.equal(mwh, before.get(hour));
  });

  it('gives no number of a plug again, though its row is lost', () => {
    data.energy
      .prepare('INSERT INTO energy_hourly VALUES (12, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0)')
      .run();
    data.close();
    overwrite('energy', 0, PAGE);
    reopen();
    const given = data.energy.prepare(
      "SELECT seq FROM sqlite_sequence WHERE name = 'tapo_devices'",
    );
    assert.equal(given.get()?.['seq'], 12);
  });

  it('takes up what was gathered where the power went before it was in its place', () => {
    const before = hoursOf(data.energy);
    data.close();
    renameSync(fileOf('energy'), `${fileOf('energy')}.salvaging`);
    reopen();
    assert.deepEqual(hoursOf(data.energy), before);
    data.close();
    writeFileSync(`${fileOf('energy')}.salvaging`, 'half of it');
    reopen();
    assert.deepEqual(hoursOf(data.energy), before);
    assert.deepEqual(
      readdirSync(path).filter((name) => name.includes('salvaging')),
      [],
    );
  });

  it('is told of where nothing is left of the file', () => {
    for (const name of ['queue', 'cache', 'energy'] as const) {
      data.close();
      truncateSync(fileOf(name), 0);
      reopen();
      assert.deepEqual(asideNames(), [name]);
    }
  });

  it('is found by a look at the whole after a cut, and at what is not as it was left', () => {
    data.cache.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
    const at = unreadPage();
    cutPower();
    overwrite('cache', at, PAGE);
    reopen();
    assert.deepEqual(asideNames(), ['cache']);
    const anew = unreadPage();
    data.close();
    overwrite('cache', anew, PAGE);
    reopen();
    assert.deepEqual(asideNames(), ['cache']);
  });

  it('is no reason to look through what was left in order', () => {
    const at = unreadPage();
    data.close();
    const { mtimeMs } = statSync(fileOf('cache'));
    overwrite('cache', at, PAGE);
    asOf('cache', mtimeMs);
    reopen();
    assert.deepEqual(asideNames(), []);
  });

  it('that turns out only while it is read is looked at by the next start', () => {
    data.close();
    const { mtimeMs } = statSync(fileOf('energy'));
    const looked = new DatabaseSync(fileOf('energy'));
    const root = looked
      .prepare("SELECT pageno, ncell FROM dbstat WHERE name = 'energy_hourly' AND path = '/'")
      .get();
    looked.close();
    overwrite('energy', (Number(root?.['pageno']) - 1) * PAGE, PAGE);
    asOf('energy', mtimeMs);
    reopen();
    assert.throws(() => hoursOf(data.energy), /malformed/);
    assert.equal(data.energy.file.isDamaged, true);
    data.close();
    reopen();
    assert.deepEqual(asideNames(), ['energy']);
    assert.equal(hoursOf(data.energy).size, HOURS * PLUGS - Number(root?.['ncell']));
  });

  it('begins a cache with ids no app knows, and has its old files swept in the first round', () => {
    data.close();
    overwrite('cache', 0, PAGE);
    reopen();
    const care = data.cache.prepare('SELECT ended_in_order FROM cache_care').get();
    assert.equal(care?.['ended_in_order'], 0);
    const ids = data.cache.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'file_ids'").get();
    assert.ok(Number(ids?.['seq']) >= 1_500_000_000);
  });
});
