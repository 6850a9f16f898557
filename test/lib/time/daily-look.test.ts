import assert from 'node:assert/strict';
import { DailyLook } from '../../../nodes/lib/upload/delivery/delivery.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const DAY_MS = 86_400_000;

describe('DailyLook', () => {
  it('tells the time once a day, from the second look on', async () => {
    const clock = new ManualClock();
    const look = new DailyLook(clock);
    assert.equal(look.due(), null);
    await clock.advance(DAY_MS - 1);
    assert.equal(look.due(), null);
    await clock.advance(1);
    assert.equal(look.due(), clock.nowMs());
    assert.equal(look.due(), null);
  });

  it('counts no more than what passed while it ran when the clock jumps ahead', async () => {
    const clock = new ManualClock();
    const look = new DailyLook(clock);
    look.due();
    const beganMs = clock.nowMs();
    await clock.advance(DAY_MS);
    clock.stepWallTo(clock.nowMs() + 400 * DAY_MS);
    assert.equal(look.due(), beganMs + DAY_MS);
  });

  it('follows a clock that is set back', async () => {
    const clock = new ManualClock();
    const look = new DailyLook(clock);
    look.due();
    await clock.advance(DAY_MS);
    clock.stepWallTo(clock.nowMs() - 10 * DAY_MS);
    assert.equal(look.due(), clock.nowMs());
  });
});
