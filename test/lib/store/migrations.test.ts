import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  CACHE_MIGRATIONS,
  checkSchemas,
  ENERGY_MIGRATIONS,
  QUEUE_MIGRATIONS,
} from '../../../nodes/lib/store/databases.ts';
import { salvage } from '../../../nodes/lib/store/salvage.ts';
import { type Migration, Store } from '../../../nodes/lib/store/store.ts';

const FIRST: Migration = {
  version: 4,
  sql: `CREATE TABLE plugs (id INTEGER PRIMARY KEY AUTOINCREMENT, from_hour INTEGER NOT NULL) STRICT;
    CREATE TABLE hours (start_s INTEGER PRIMARY KEY, why TEXT NOT NULL) STRICT`,
};
/** As a later version may need it: a column in other units, and one added. */
const LATER: Migration = {
  version: 5,
  sql: `ALTER TABLE plugs ADD COLUMN name TEXT NOT NULL DEFAULT '-';
    ALTER TABLE plugs RENAME COLUMN from_hour TO from_minute;
    UPDATE plugs SET from_minute = from_minute * 60`,
};

describe('A step of a schema', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-migration-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const options = (migrations: readonly Migration[], name = 'energy') =>
    ({ file: join(folder, `${name}.db`), name, synchronous: 'NORMAL', migrations }) as const;

  function written(): void {
    const old = Store.open(options([FIRST]));
    old.exec("INSERT INTO plugs VALUES (7, 22); INSERT INTO hours VALUES (3600, 'x')");
    old.close();
  }

  function plugs(store: Store): unknown[] {
    const rows = store.prepare('SELECT * FROM plugs').all();
    return rows.map((row) => ({ ...row }));
  }

  it('is taken by what an older version wrote, once', () => {
    written();
    for (const start of ['first', 'second']) {
      const store = Store.open(options([FIRST, LATER]));
      assert.deepEqual(plugs(store), [{ id: 7, from_minute: 1_320, name: '-' }], start);
      store.close();
    }
  });

  it('that fails leaves the database as it was', () => {
    written();
    const broken = { version: 5, sql: 'DELETE FROM plugs; INSERT INTO nowhere VALUES (1)' };
    assert.throws(() => Store.open(options([FIRST, broken])), /nowhere/);
    const store = Store.open(options([FIRST]));
    assert.deepEqual(plugs(store), [{ id: 7, from_hour: 22 }]);
    store.close();
  });

  it('comes after what is salvaged, whose rows have the shapes of their time', () => {
    written();
    salvage(options([FIRST, LATER]), []).moveIn();
    const store = Store.open(options([FIRST, LATER]));
    assert.deepEqual(plugs(store), [{ id: 7, from_minute: 1_320, name: '-' }]);
    store.close();
  });

  it('is not guessed: versions this BaluPi does not know are refused, and stay as they are', () => {
    for (const [name, steps] of Object.entries({
      queue: QUEUE_MIGRATIONS,
      cache: CACHE_MIGRATIONS,
      energy: ENERGY_MIGRATIONS,
    })) {
      const known = options(steps, name);
      Store.open(known).close();
      for (const [version, words] of [
        [Number(steps[0]?.version) - 1, /before the first release/],
        [Number(steps.at(-1)?.version) + 1, /Start the newer BaluPi/],
      ] as const) {
        const file = new DatabaseSync(known.file);
        file.exec(`PRAGMA user_version = ${version}; PRAGMA wal_checkpoint(TRUNCATE)`);
        const read = () => file.prepare('PRAGMA user_version').get()?.['user_version'];
        assert.throws(() => Store.open(known), { name: 'SchemaVersionError', message: words });
        assert.throws(() => {
          checkSchemas(folder);
        }, words);
        assert.equal(read(), version);
        file.exec(`PRAGMA user_version = ${steps.at(-1)?.version}`);
        file.close();
      }
      checkSchemas(folder);
    }
  });
});
