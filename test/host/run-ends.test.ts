import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunEnds } from '../../host/flow-state.ts';

const MINUTE_MS = 60_000;

describe('How runs ended', () => {
  let dataFolder: string;
  let atMs: number;
  let bootId: string;

  const run = (): RunEnds => new RunEnds({ dataFolder, bootId, uptimeMs: () => atMs });
  /** A run that starts now and is killed. @returns whether it started in safe mode */
  const killed = (): boolean => run().begin();

  beforeEach(() => {
    dataFolder = mkdtempSync(join(tmpdir(), 'balupi-runs-'));
    [atMs, bootId] = [MINUTE_MS, 'first'];
  });

  afterEach(() => {
    rmSync(dataFolder, { recursive: true });
  });

  it('three that were none within ten minutes leave the owner’s flows out', () => {
    for (let count = 0; count < 3; count += 1) {
      assert.equal(killed(), false);
      atMs += MINUTE_MS;
    }
    assert.equal(killed(), true);
    atMs += MINUTE_MS;
    assert.equal(killed(), true);
  });

  it('a stop is none', () => {
    for (let count = 0; count < 10; count += 1) {
      const one = run();
      assert.equal(one.begin(), false);
      one.end();
      atMs += 1_000;
    }
  });

  it('three within a longer time do not', () => {
    for (let count = 0; count < 10; count += 1) {
      assert.equal(killed(), false);
      atMs += 6 * MINUTE_MS;
    }
  });

  it('those before the machine was started again count no more', () => {
    for (let count = 0; count < 3; count += 1) killed();
    [atMs, bootId] = [1_000, 'second'];
    for (let count = 0; count < 3; count += 1) assert.equal(killed(), false);
    assert.equal(killed(), true);
  });

  it('mended flows begin with a clean record', () => {
    for (let count = 0; count < 3; count += 1) killed();
    const safe = run();
    assert.equal(safe.begin(), true);
    safe.forget();
    assert.equal(killed(), false);
  });

  it('a record that cannot be read is none', () => {
    for (const text of ['', '{', '[]', '{"bootId":1}', '{"bootId":"first","running":true}']) {
      writeFileSync(join(dataFolder, 'runs.json'), text);
      assert.equal(killed(), false);
    }
  });
});
