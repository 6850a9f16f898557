import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import { App } from '../../../compose.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { readSettings } from '../../../settings.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('The statements of BaluPi', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-statements-'));

  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('fit their tables, each one, though they are prepared only when they are called', async () => {
    const prepare = mock.method(Store.prototype, 'prepare');
    const read = readSettings({
      BALUPI_DATA_DIR: join(folder, 'balupi'),
      BALUPI_NAS_URL: 'http://127.0.0.1:9',
      BALUPI_SECRET_KEY: 'a secret of thirty-two characters',
    });
    assert.ok(read.kind === 'settings');
    const app = new App({
      settings: read.settings,
      clock: new ManualClock(Date.parse('2026-07-01T12:00:00Z')),
      log: new KeptLog(),
      version: '0',
      buildDateMs: 0,
      trial: { isOn: false, isUndecided: false },
      host: {
        flows: () => ({ leftOut: [], missing: [], changedByBoth: [], isSafe: false }),
        isDiskSlow: () => false,
        palette: () => [],
      },
    });
    await app.start();
    const { calls } = prepare.mock;
    prepare.mock.restore();
    for (const { this: store, arguments: given } of calls) {
      const [sql] = given;
      assert.doesNotThrow(() => (store as Store).prepare(`EXPLAIN ${sql}`).all(), sql);
    }
    await app.stop();
    assert.ok(calls.length > 500, `only ${calls.length}`);
  });
});
