import assert from 'node:assert/strict';
import {
  afterFailedWake,
  afterMissWake,
  afterSeenAwake,
  decideMissWake,
  type MissWakeHistory,
  NO_MISS_WAKES,
} from '../../../nodes/lib/nas/wake.ts';

const MINUTE = 60_000;

function failedTimes(failures: number): MissWakeHistory {
  let history = NO_MISS_WAKES;
  for (let turn = 0; turn < failures; turn += 1) history = afterFailedWake(history, 0);
  return history;
}

function wokenAt(...minutes: number[]): MissWakeHistory {
  return minutes.reduce((history, at) => afterMissWake(history, at * MINUTE), NO_MISS_WAKES);
}

describe('The rules for wakes by misses', () => {
  const table: readonly [string, MissWakeHistory, number | null, number, number][] = [
    ['nothing ever happened', NO_MISS_WAKES, null, 0, 0],
    ['a goodbye just came', NO_MISS_WAKES, 0, 0, 2],
    ['a goodbye came a minute ago', NO_MISS_WAKES, 1, 0, 1],
    ['a goodbye came two minutes ago', NO_MISS_WAKES, 2, 0, 0],
    ['one wake just failed', failedTimes(1), null, 0, 10],
    ['one wake failed ten minutes ago', failedTimes(1), null, 10, 0],
    ['two wakes failed', failedTimes(2), null, 0, 20],
    ['three wakes failed', failedTimes(3), null, 0, 40],
    ['four wakes failed', failedTimes(4), null, 0, 80],
    ['five wakes failed', failedTimes(5), null, 0, 120],
    ['fifty wakes failed', failedTimes(50), null, 0, 120],
    ['the NAS was seen awake since', afterSeenAwake(failedTimes(5)), null, 0, 0],
    ['five wakes happened this hour', wokenAt(0, 1, 2, 3, 4), null, 5, 0],
    ['six wakes happened this hour', wokenAt(0, 1, 2, 3, 4, 5), null, 5, 55],
    ['the first of six is an hour old', wokenAt(0, 1, 2, 3, 4, 5), null, 60, 0],
    ['the second of seven is 59 minutes old', wokenAt(0, 1, 2, 3, 4, 5, 60), null, 60, 1],
    ['several rules hold it back: the longest counts', failedTimes(2), 0, 5, 15],
  ];
  for (const [when, history, goodbyeMinutes, nowMinutes, waitMinutes] of table) {
    it(`${waitMinutes === 0 ? 'allow' : `hold back for ${waitMinutes} min`} when ${when}`, () => {
      const sinceGoodbyeMs = goodbyeMinutes === null ? null : goodbyeMinutes * MINUTE;
      assert.deepEqual(
        decideMissWake(history, sinceGoodbyeMs, nowMinutes * MINUTE),
        waitMinutes === 0
          ? { kind: 'allowed' }
          : { kind: 'held_back', retryAfterMs: waitMinutes * MINUTE },
      );
    });
  }

  it('forget wakes older than an hour', () => {
    const history = afterMissWake(wokenAt(0, 30), 61 * MINUTE);
    assert.deepEqual(history.wokenAtMs, [30 * MINUTE, 61 * MINUTE]);
  });
});
