import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ManualClock } from '../fakes/manual-clock.ts';
import { stages } from './stage.ts';

describe('The node balupi-sql', () => {
  const open = stages();
  const folder = mkdtempSync(join(tmpdir(), 'balupi-sql-node-'));
  const file = join(folder, 'some.db');
  const copied: string[] = [];
  const energyCopy = {
    ...{ source: file, file: join(folder, 'copy.db') },
    refresh: () => Promise.resolve(copied.push('copied') > 0),
  };
  const services = { clock: new ManualClock(), energyCopy };
  const node = { type: 'balupi-sql', op: 'ask', services };

  before(() => {
    const database = new DatabaseSync(file);
    database.exec('CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2), (3)');
    database.close();
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('answers with rows, and says where there were more than it may give', async () => {
    const sql = 'SELECT a FROM t WHERE a >= $least';
    const stage = await open({ ...node, more: { file, sql, rows: '1' } });
    await stage.send({ params: { $least: 2 }, kept: 'yes' });
    assert.partialDeepStrictEqual(stage.out[0]?.[0], {
      ...{ payload: [{ a: 2 }], truncated: true, kept: 'yes' },
    });
  });

  it('asks the energy database itself, by no name and by that of its copy', async () => {
    const sql = 'SELECT max(a) AS most FROM t';
    for (const named of ['', energyCopy.file]) {
      const stage = await open({ ...node, more: { file: named, sql } });
      await stage.send();
      assert.partialDeepStrictEqual(stage.out[0]?.[0], { payload: [{ most: 3 }] });
    }
  });

  it('lets a message on as it came once the copy is up to date', async () => {
    const stage = await open({ ...node, op: 'copy' });
    await stage.send({ params: { $days: 30 }, payload: 'kept' });
    assert.partialDeepStrictEqual(stage.out[0]?.[0], { params: { $days: 30 }, payload: 'kept' });
    assert.deepEqual(copied, ['copied']);
  });

  it('has a Catch node told what was wrong', async () => {
    const stage = await open({ ...node, more: { file, sql: 'DELETE FROM t' } });
    await stage.send();
    assert.equal(stage.caught[0]?.['code'], 'sql');
    assert.match(stage.caught[0]?.error.message ?? '', /readonly/);
  });
});
