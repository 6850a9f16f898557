import assert from 'node:assert/strict';
import { Grid } from '../../../nodes/lib/time/clock.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('A grid of points in time', () => {
  it('is due at once and then once for every interval', async () => {
    const clock = new ManualClock();
    const grid = new Grid(clock, 30);
    assert.deepEqual([grid.due(), grid.due()], [true, false]);
    await clock.advance(29_999);
    assert.equal(grid.due(), false);
    await clock.advance(1);
    assert.deepEqual([grid.due(), grid.due()], [true, false]);
  });

  it('is not shifted by a tick that comes late', async () => {
    const clock = new ManualClock();
    const grid = new Grid(clock, 30);
    grid.due();
    await clock.advance(44_000);
    assert.equal(grid.due(), true);
    await clock.advance(16_000);
    assert.equal(grid.due(), true);
  });

  it('makes one point of those that were missed', async () => {
    const clock = new ManualClock();
    const grid = new Grid(clock, 30);
    await clock.advance(300_000);
    assert.deepEqual([grid.due(), grid.due()], [true, false]);
  });

  it('does not care for steps of the wall clock', () => {
    const clock = new ManualClock();
    const grid = new Grid(clock, 30);
    grid.due();
    clock.stepWallTo(clock.nowMs() + 3_600_000);
    assert.equal(grid.due(), false);
  });
});
