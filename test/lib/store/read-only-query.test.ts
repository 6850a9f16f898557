import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { askReadOnly, type Question } from '../../../nodes/lib/store/read-only-query.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const ENDLESS = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)';

describe('A question that only reads', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'balupi-sql-'));
  const file = join(folder, 'some.db');
  const clock = new ManualClock();
  const open = new AbortController();

  before(() => {
    const database = new DatabaseSync(file);
    database.exec(`PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER, b TEXT);
      INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')`);
    database.close();
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  const ask = (sql: string, more: Partial<Question> = {}, signal = open.signal) =>
    askReadOnly(clock, { file, sql, params: {}, mostRows: 10, withinMs: 5_000, ...more }, signal);

  it('gets its rows, with values that are no part of its text', async () => {
    assert.deepEqual(await ask('SELECT a, b FROM t WHERE a > $a', { params: { $a: 1 } }), {
      kind: 'rows',
      rows: [
        { a: 2, b: 'two' },
        { a: 3, b: 'three' },
      ],
      isCut: false,
    });
  });

  it('gets no more rows than it may, and hears that there were more', async () => {
    const outcome = await ask('SELECT a FROM t', { mostRows: 2 });
    assert.deepEqual(outcome, { kind: 'rows', rows: [{ a: 1 }, { a: 2 }], isCut: true });
    const all = await ask('SELECT a FROM t', { mostRows: 3 });
    assert.equal(all.kind === 'rows' && all.isCut, false);
  });

  it('changes nothing, in this database or another', async () => {
    for (const sql of [
      'DELETE FROM t',
      'PRAGMA user_version = 7',
      `ATTACH '${join(folder, 'other.db')}' AS o`,
    ]) {
      await ask(sql);
    }
    const written = await ask("INSERT INTO t VALUES (4, 'four')");
    assert.equal(written.kind, 'refused');
    const left = await ask('SELECT count(*) AS n FROM t');
    assert.deepEqual(left.kind === 'rows' && left.rows, [{ n: 3 }]);
  });

  it('is told in SQLite’s words what is wrong with it', async () => {
    const outcome = await ask('SELECT absent FROM t');
    assert.match(outcome.kind === 'refused' ? outcome.reason : '', /no such column: absent/);
    assert.equal((await ask('SELECT 1', { file: join(folder, 'none.db') })).kind, 'refused');
  });

  it('is given up when it takes too long, and with the node that asked', async () => {
    const late = ask(`${ENDLESS} SELECT max(i) FROM n`);
    await clock.advance(5_000);
    assert.deepEqual(await late, { kind: 'too_long' });
    const gone = new AbortController();
    const asking = ask(`${ENDLESS} SELECT max(i) FROM n`, {}, gone.signal);
    gone.abort();
    assert.deepEqual(await asking, { kind: 'too_long' });
    assert.equal(clock.pending, 0, 'no timer is left behind');
  });

  it('does not take the memory of everybody else', async () => {
    const outcome = await ask(`${ENDLESS} SELECT i, 'x' || hex(zeroblob(20000)) AS x FROM n`, {
      mostRows: 100_000,
    });
    assert.deepEqual(outcome, { kind: 'too_large' });
  });
});
