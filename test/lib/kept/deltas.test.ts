import assert from 'node:assert/strict';
import { Kept } from '../../../nodes/lib/kept/kept.ts';
import { BackgroundBudget } from '../../../nodes/lib/nas/background-budget.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('Deltas of desktops', () => {
  let clock: ManualClock;
  let kept: Kept;

  beforeEach(() => {
    clock = new ManualClock();
    const budget = new BackgroundBudget(clock, 30);
    const quiet = () => undefined;
    const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
    kept = new Kept({ clock, log, budget, idleMs: () => null });
  });

  const question = (token: string, path = 'a.txt'): Buffer =>
    Buffer.from(`{"change_token":"${token}","device_id":"d","file_list":[{"path":"${path}"}]}`);

  it('are asked for at once where the question is new, and in turn where it was answered before', async () => {
    const { deltas } = kept;
    const key = deltas.keyOf(4, question('t1'), 60);
    assert.equal(key, deltas.keyOf(4, question('t2'), 60));
    assert.notEqual(key, deltas.keyOf(5, question('t1'), 60));
    assert.notEqual(key, deltas.keyOf(4, question('t1', 'b.txt'), 60));
    assert.ok(kept.mayAskForDelta(key));
    assert.ok(deltas.keep(key, '{"to_download":[],"change_token":"x"}'));
    assert.ok(!deltas.keep(key, '{"to_download":[],"change_token":"y"}'));
    const turns = Array.from({ length: 4 }, () => kept.mayAskForDelta(key));
    assert.deepEqual(turns, [true, true, false, false]);
    await clock.advance(30_000);
    assert.deepEqual(await deltas.find(key), {
      text: '{"to_download":[],"change_token":"y"}',
      ageSeconds: 30,
    });
    assert.ok(deltas.keep(key, '{"to_download":["n"],"change_token":"z"}'));
    assert.ok(deltas.keep(key, null));
    assert.deepEqual(await deltas.find(key), { text: null, ageSeconds: 0 });
  });
});
