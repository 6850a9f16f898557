import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskRefusedError } from '../../../nodes/lib/store/database-file.ts';
import {
  CACHE_MIGRATIONS,
  DISTRUST_CACHE,
  DISTRUST_PEOPLE,
  QUEUE_MIGRATIONS,
  STRANGE_IDS,
} from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';

const NOTES = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT';
/** More than one page of a database, so that it cannot fit where no page may be added. */
const LONG = 'x'.repeat(40_000);

describe('A database whose disk takes nothing more', () => {
  let folder: string;
  let strict: Store;
  let forgiving: Store;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-refuses-'));
    strict = Store.open({
      file: join(folder, 'notes.db'),
      name: 'notes',
      synchronous: 'FULL',
      migrations: [{ version: 1, sql: NOTES }],
      isAlone: true,
    });
    forgiving = strict.forgiving();
    strict.prepare('INSERT INTO notes (text) VALUES (?)').run('before');
  });

  afterEach(() => {
    strict.close();
    rmSync(folder, { recursive: true });
  });

  /** Makes SQLite report SQLITE_FULL, as on a full disk. */
  const limitPages = (pages: number): void => {
    strict.prepare(`PRAGMA max_page_count = ${pages}`).get();
  };
  const texts = (store: Store): unknown[] =>
    store
      .prepare('SELECT text FROM notes ORDER BY id')
      .all()
      .map((row) => String(row['text']).slice(0, 10));

  it('refuses what is to be durable, and goes on in memory with the rest', () => {
    const insert = forgiving.prepare('INSERT INTO notes (text) VALUES (?)');
    const durable = strict.prepare('INSERT INTO notes (text) VALUES (?)');
    limitPages(2);
    insert.run(LONG);
    assert.equal(strict.file.fault, 'full');
    assert.deepEqual(texts(forgiving), ['before', 'xxxxxxxxxx']);
    assert.throws(
      () => durable.run('accepted'),
      (error) => error instanceof DiskRefusedError && error.fault === 'full',
    );
    assert.throws(() => strict.transaction(() => durable.run('accepted')), DiskRefusedError);
    forgiving.transaction(() => {
      insert.run('one');
      insert.run('two');
    });
    assert.throws(() =>
      forgiving.transaction(() => {
        insert.run('never');
        throw new Error('taken back');
      }),
    );
    assert.deepEqual(texts(strict), ['before', 'xxxxxxxxxx', 'one', 'two']);
  });

  it('leaves the file as it was as long as the disk does not take what is owed', () => {
    const insert = forgiving.prepare('INSERT INTO notes (text) VALUES (?)');
    limitPages(2);
    forgiving.transaction(() => insert.run(LONG));
    insert.run('later');
    assert.equal(strict.file.heal(), false);
    assert.equal(strict.file.fault, 'full');
    // As after a power cut: only what was in memory is lost.
    strict.close();
    strict = Store.open({
      file: join(folder, 'notes.db'),
      name: 'notes',
      synchronous: 'FULL',
      migrations: [{ version: 1, sql: NOTES }],
      isAlone: true,
    });
    assert.deepEqual(texts(strict), ['before']);
  });

  it('takes the next write itself where only one was refused', () => {
    const insert = strict.prepare('INSERT INTO notes (text) VALUES (?)');
    limitPages(2);
    assert.throws(() => insert.run(LONG), /full/);
    assert.equal(strict.file.fault, null);
    assert.equal(strict.file.failures, 1);
    assert.equal(strict.file.lastFault, 'full');
    insert.run('short');
    assert.deepEqual(texts(strict), ['before', 'short']);
  });

  it('knows which tables not to believe after a time without any of them', () => {
    const open = (name: string, migrations: typeof QUEUE_MIGRATIONS, sql: string): void => {
      const store = Store.open({ file: ':memory:', name, synchronous: 'NORMAL', migrations });
      for (const line of sql.split(';').filter((part) => part.trim() !== '')) {
        store.prepare(line).run();
      }
      store.close();
    };
    open('queue', QUEUE_MIGRATIONS, DISTRUST_PEOPLE);
    open('cache', CACHE_MIGRATIONS, DISTRUST_CACHE);
    open('cache', CACHE_MIGRATIONS, STRANGE_IDS);
  });
});
