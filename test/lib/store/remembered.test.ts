import assert from 'node:assert/strict';
import { Remembered, Store } from '../../../nodes/lib/store/store.ts';

describe('What a query answered is remembered', () => {
  let store: Store;
  let asked: number;
  let remembered: Remembered<string, string | null>;

  beforeEach(() => {
    const sql = 'CREATE TABLE words (name TEXT PRIMARY KEY, word TEXT NOT NULL) STRICT';
    store = Store.open({
      file: ':memory:',
      name: 'words',
      synchronous: 'NORMAL',
      migrations: [{ version: 1, sql }],
    });
    remembered = new Remembered(store, 3);
    asked = 0;
  });

  afterEach(() => {
    store.close();
  });

  const word = (name: string): string | null =>
    remembered.get(name, () => {
      asked += 1;
      const row = store.prepare('SELECT word FROM words WHERE name = ?').get(name);
      return row === undefined ? null : String(row['word']);
    });

  it('until anything is written, whatever it is', () => {
    assert.equal(word('a'), null);
    assert.equal(word('a'), null);
    assert.equal(asked, 1);
    const insert = store.prepare('INSERT INTO words VALUES (?, ?)');
    insert.run('a', 'first');
    assert.equal(word('a'), 'first');
    store.prepare('UPDATE words SET word = ? WHERE name = ? RETURNING word').get('second', 'a');
    assert.equal(word('a'), 'second');
    const gone = store.prepare('DELETE FROM words RETURNING name').all();
    assert.equal(gone.length, 1);
    assert.equal(word('a'), null);
    assert.equal(asked, 4);
    assert.equal(word('a'), null);
    assert.equal(asked, 4);
  });

  it('and forgotten with a transaction that came to nothing', () => {
    const insert = store.prepare('INSERT INTO words VALUES (?, ?)');
    assert.throws(() => {
      store.transaction(() => {
        insert.run('a', 'never');
        assert.equal(word('a'), 'never');
        throw new Error('The disk is full.');
      });
    }, /disk is full/);
    assert.equal(word('a'), null);
  });

  it('for a bounded number of questions', () => {
    for (const name of ['a', 'b', 'c', 'd']) word(name);
    assert.equal(asked, 4);
    word('d');
    assert.equal(asked, 4);
    word('a');
    assert.equal(asked, 5);
  });
});
