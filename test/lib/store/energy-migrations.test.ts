import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BucketRows } from '../../../nodes/lib/energy/bucket-rows.ts';
import type { Bucket } from '../../../nodes/lib/energy/buckets.ts';
import { PriceRows } from '../../../nodes/lib/energy/price-rows.ts';
import { ENERGY_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { type DeviceRow, TapoRows } from '../../../nodes/lib/tapo/tapo-rows.ts';

const ROW: Omit<DeviceRow, 'deviceNumber'> = {
  ...{ id: 'new', name: 'New', isNamed: true, role: 'generic', ip: '127.0.0.1', port: 80 },
  ...{ deviceId: null, discoveryId: null, mac: null, model: '', firmware: '' },
  ...{ protocol: 'tpap', oldProtocolMac: null, state: 'ok', lastSeenMs: null, createdMs: 1 },
};

describe('The plugs of an older BaluPi', () => {
  for (const kept of [1, 0]) {
    it(`are kept, ${kept} of them, and a number that was given is not given again`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'balupi-migration-'));
      const file = join(folder, 'energy.db');
      const opened = (migrations: typeof ENERGY_MIGRATIONS): Store =>
        Store.open({ file, name: 'energy', synchronous: 'NORMAL', migrations });
      const old = opened(ENERGY_MIGRATIONS.slice(0, 1));
      for (const id of ['one', 'two', 'three']) {
        old
          .prepare(
            `INSERT INTO tapo_devices (id, name, is_named, role, ip_address, port, mac_address,
               model, firmware, protocol, state, created_at)
             VALUES (?, ?, 1, ?, '127.0.0.1', 80, ?, 'P110', '1.0.7', 'aes', 'ok', 5)`,
          )
          .run(id, id, id === 'one' ? 'nas' : 'generic', id);
      }
      old.prepare('DELETE FROM tapo_devices WHERE device_number > ?').run(kept);
      old.close();
      const store = opened(ENERGY_MIGRATIONS);
      const rows = new TapoRows(store);
      const names = rows
        .all()
        .map(({ id, protocol, role, mac, oldProtocolMac }) => [
          ...[id, protocol, role, mac],
          oldProtocolMac,
        ]);
      assert.deepEqual(names, [['one', 'aes', 'nas', 'one', null]].slice(0, kept));
      assert.equal(rows.insert(ROW).deviceNumber, 4);
      rows.insert({ ...ROW, id: 'nas', role: 'nas' });
      assert.equal(rows.all().filter(({ role }) => role === 'nas').length, 1);
      store.close();
      rmSync(folder, { recursive: true });
    });
  }
});

describe('The prices of an older BaluPi', () => {
  it('keep id, hours and what they cost, and an id that was given is not given again', () => {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-migration-'));
    const file = join(folder, 'energy.db');
    const opened = (migrations: typeof ENERGY_MIGRATIONS): Store =>
      Store.open({ file, name: 'energy', synchronous: 'NORMAL', migrations });
    const old = opened(ENERGY_MIGRATIONS.slice(0, 3));
    const insert = old.prepare(`INSERT INTO energy_price_config (name, price_uc_per_kwh, weekdays,
      from_hour, to_hour, is_active, created_at_s) VALUES (?, 28000000, '6,7', ?, ?, 1, 5)`);
    insert.run('Night', 22, 6);
    insert.run('Always', null, null);
    insert.run('Gone', null, null);
    old.prepare("DELETE FROM energy_price_config WHERE name = 'Gone'").run();
    old.close();
    const store = opened(ENERGY_MIGRATIONS);
    const rows = new PriceRows(store);
    const [night, always] = rows.all();
    assert.ok(night !== undefined);
    assert.partialDeepStrictEqual(night, {
      ...{ id: 1, name: 'Night', priceUcPerKwh: 28_000_000, weekdays: [6, 7], isActive: true },
      ...{ fromMinute: 1_320, toMinute: 360, vatPercent: null, baseFeeUc: null, slots: 0 },
    });
    assert.deepEqual([always?.fromMinute, always?.toMinute], [null, null]);
    assert.equal(rows.insert(night, 6), 4);
    store.close();
    rmSync(folder, { recursive: true });
  });
});

describe('The five-minute values of an older BaluPi', () => {
  it('lie in the order of time afterwards, each with its plug', () => {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-migration-'));
    const file = join(folder, 'energy.db');
    const opened = (migrations: typeof ENERGY_MIGRATIONS): Store =>
      Store.open({ file, name: 'energy', synchronous: 'NORMAL', migrations });
    const old = opened(ENERGY_MIGRATIONS.slice(0, 7));
    const insert = old.prepare(
      'INSERT INTO energy_five_minutes VALUES (?, ?, ?, 300, 60, 50, 70, 1)',
    );
    for (const plug of [2, 1, 0]) for (const startS of [600, 300]) insert.run(plug, startS, plug);
    old.close();
    const store = opened(ENERGY_MIGRATIONS);
    const rows = new BucketRows(store);
    for (const plug of [0, 1, 2]) {
      const bucket = { energyMwh: plug, coveredS: 300, avgMw: 60, minMw: 50, maxMw: 70 };
      const marked = { ...bucket, isEstimated: true };
      const both = [300, 600].map((startS) => ({ startS, ...marked }));
      assert.deepEqual(rows.fine(plug, 0, 900), both);
      assert.deepEqual(rows.fineOfAll(0, 900).get(plug), both);
    }
    rows.putFine(1, { ...rows.fine(1, 300, 301)[0], startS: 300, feedInMwh: 7 } as Bucket);
    assert.equal(rows.fine(1, 0, 900)[0]?.feedInMwh, 7);
    assert.equal(rows.oldestFineS(), 300);
    store.close();
    rmSync(folder, { recursive: true });
  });
});
