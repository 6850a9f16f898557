import assert from 'node:assert/strict';
import { LocalTime } from '../../../nodes/lib/energy/local-time.ts';
import { isPlugClockRight, withHonestCounters } from '../../../nodes/lib/energy/plug-clock.ts';
import type { Reading } from '../../../nodes/lib/energy/sample.ts';

const BERLIN = new LocalTime('Europe/Berlin');
const NOW_S = Date.parse('2026-07-01T10:00:00Z') / 1_000;

const READING: Reading = {
  deviceNumber: 1,
  monotonicMs: 0,
  powerMw: 1_000,
  voltageMv: null,
  currentMa: null,
  todayWh: 5,
  monthWh: 50,
  relay: 'on',
};

describe("A plug's own clock", () => {
  it('is right when it shows the local time of the household', () => {
    assert.equal(isPlugClockRight('2026-07-01 12:00:03', NOW_S, BERLIN), true);
  });

  it('is right up to ten minutes off, and wrong beyond', () => {
    assert.equal(isPlugClockRight('2026-07-01 12:09:59', NOW_S, BERLIN), true);
    assert.equal(isPlugClockRight('2026-07-01 12:10:01', NOW_S, BERLIN), false);
  });

  it('is wrong in the year 2000, in another zone, and when it makes no sense', () => {
    for (const text of ['2000-01-01 00:10:00', '2026-07-01 10:00:00', 'noon', '']) {
      assert.equal(isPlugClockRight(text, NOW_S, BERLIN), false, text);
    }
  });

  it('decides whether the counters of a reading count', () => {
    const wrong = withHonestCounters(
      { ...READING, plugLocalTime: '2000-01-01 00:00:00' },
      NOW_S,
      BERLIN,
    );
    assert.deepEqual([wrong.todayWh, wrong.monthWh, wrong.powerMw], [null, null, 1_000]);
    const right = withHonestCounters(
      { ...READING, plugLocalTime: '2026-07-01 12:00:00' },
      NOW_S,
      BERLIN,
    );
    assert.deepEqual([right.todayWh, right.monthWh], [5, 50]);
  });

  it('is not asked where a plug tells no time', () => {
    assert.equal(withHonestCounters(READING, NOW_S, BERLIN), READING);
  });
});
