import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { faultOfCopy } from '../../../nodes/lib/store/integrity.ts';
import { Store } from '../../../nodes/lib/store/store.ts';

const MIGRATIONS = [
  {
    version: 1,
    sql: `CREATE TABLE pairs (place INTEGER PRIMARY KEY, left INTEGER, filler TEXT);
      CREATE TABLE others (place INTEGER PRIMARY KEY, right INTEGER)`,
  },
];
const PAIRS = 3_000;

describe('A copy of a database in use', function () {
  this.timeout(30_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-copy-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  for (const isAlone of [true, false]) {
    it(`is of one moment, between two commits and whole${isAlone ? ', with one reader' : ''}`, async () => {
      const file = join(folder, 'live.db');
      const store = Store.open({
        file,
        name: 'live',
        synchronous: 'NORMAL',
        migrations: MIGRATIONS,
        isAlone,
      });
      const left = store.prepare('INSERT OR REPLACE INTO pairs VALUES (?, ?, ?)');
      const right = store.prepare('INSERT OR REPLACE INTO others VALUES (?, ?)');
      const filler = 'x'.repeat(2_000);
      const write = (turn: number): void => {
        store.transaction(() => {
          const place = turn % PAIRS;
          left.run(place, turn, filler);
          right.run(place, turn);
        });
      };
      let turn = 0;
      for (; turn < PAIRS; turn += 1) write(turn);
      const state = { isDone: false };
      const copied = store.file
        .copyTo(join(folder, 'copy.db'))
        .finally(() => (state.isDone = true));
      const before = turn;
      while (!state.isDone) {
        for (let each = 0; each < 20; each += 1) write((turn += 1));
        await new Promise((next) => setImmediate(next));
      }
      await copied;
      assert.ok(turn > before, 'nothing was written meanwhile');
      store.close();
      assert.equal(await faultOfCopy(join(folder, 'copy.db')), null);
      const copy = new DatabaseSync(join(folder, 'copy.db'), { readOnly: true });
      const torn = copy
        .prepare('SELECT count(*) AS n FROM pairs JOIN others USING (place) WHERE left <> right')
        .get();
      const newest = copy.prepare('SELECT max(left) AS newest FROM pairs').get();
      copy.close();
      assert.equal(torn?.['n'], 0);
      assert.ok(Number(newest?.['newest']) >= before - 1, 'a commit from before is missing');
    });
  }

  it('is refused where SQLite finds it unsound', async () => {
    const file = join(folder, 'live.db');
    const store = Store.open({ file, name: 'live', synchronous: 'NORMAL', migrations: MIGRATIONS });
    const insert = store.prepare('INSERT INTO pairs VALUES (?, ?, ?)');
    for (let place = 0; place < 200; place += 1) insert.run(place, place, 'y'.repeat(500));
    await store.file.copyTo(join(folder, 'copy.db'));
    store.close();
    assert.equal(await faultOfCopy(join(folder, 'copy.db')), null);
    const handle = openSync(join(folder, 'copy.db'), 'r+');
    writeSync(handle, Buffer.alloc(4_096, 7), 0, 4_096, 4_096 * 6);
    closeSync(handle);
    assert.match(String(await faultOfCopy(join(folder, 'copy.db'))), /page/i);
  });
});
