import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SideCopy, Store } from '../../../nodes/lib/store/store.ts';

describe('A copy of a database for a SQLite of others', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-side-copy-'));
  const source = join(folder, 'some.db');
  const store = Store.open({
    ...{ file: source, name: 'some', synchronous: 'FULL' },
    migrations: [{ version: 1, sql: 'CREATE TABLE t (a INTEGER)' }],
  });
  const copy = new SideCopy({ store, source, file: join(folder, 'copy.db') });
  const add = store.prepare('INSERT INTO t (a) VALUES (1)');

  after(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });

  function rows(): number {
    const database = new DatabaseSync(copy.file, { readOnly: true });
    const found = database.prepare('SELECT count(*) AS n FROM t').get();
    database.close();
    return Number(found?.['n']);
  }

  it('is there from the start on, and holds what was written until the last time', async () => {
    await copy.begin();
    add.run();
    await copy.begin();
    assert.equal(rows(), 0);
    await copy.refresh();
    assert.equal(rows(), 1);
  });

  it('is exchanged once where several ask, and not where nothing was written', async () => {
    assert.equal(await copy.refresh(), false);
    add.run();
    const reader = new DatabaseSync(copy.file, { readOnly: true });
    assert.deepEqual(await Promise.all([copy.refresh(), copy.refresh()]), [true, true]);
    assert.equal(reader.prepare('SELECT count(*) AS n FROM t').get()?.['n'], 1, 'an open one');
    reader.close();
    assert.equal(rows(), 2);
  });

  it('has no log, which would be that of the copy before', () => {
    const database = new DatabaseSync(copy.file, { readOnly: true });
    assert.equal(database.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'delete');
    database.close();
    assert.equal(existsSync(`${copy.file}-wal`), false);
  });
});
