import assert from 'node:assert/strict';
import { MissWakes } from '../../../nodes/lib/nas/wake.ts';

const MINUTE = 60_000;

/** What happened before, and at which minute. */
type History = (misses: MissWakes, at: (minutes: number) => void) => void;

const nothing: History = () => undefined;

function failedTimes(failures: number): History {
  return (misses) => {
    for (let turn = 0; turn < failures; turn += 1) misses.failed();
  };
}

function wokenAt(...minutes: number[]): History {
  return (misses, at) => {
    for (const minute of minutes) {
      at(minute);
      misses.began();
    }
  };
}

function seenAwakeAfter(history: History): History {
  return (misses, at) => {
    history(misses, at);
    misses.seenAwake();
  };
}

function decisionAfter(
  history: History,
  sinceGoodbyeMs: number | null,
  nowMinutes: number,
): ReturnType<MissWakes['decide']> {
  let nowMs = 0;
  const at = (minutes: number): void => {
    nowMs = minutes * MINUTE;
  };
  const misses = new MissWakes({ monotonicMs: () => nowMs });
  history(misses, at);
  at(nowMinutes);
  return misses.decide(sinceGoodbyeMs);
}

describe('The rules for wakes by misses', () => {
  const table: readonly [string, History, number | null, number, number][] = [
    ['nothing ever happened', nothing, null, 0, 0],
    ['a goodbye just came', nothing, 0, 0, 2],
    ['a goodbye came a minute ago', nothing, 1, 0, 1],
    ['a goodbye came two minutes ago', nothing, 2, 0, 0],
    ['one wake just failed', failedTimes(1), null, 0, 10],
    ['one wake failed ten minutes ago', failedTimes(1), null, 10, 0],
    ['two wakes failed', failedTimes(2), null, 0, 20],
    ['three wakes failed', failedTimes(3), null, 0, 40],
    ['four wakes failed', failedTimes(4), null, 0, 80],
    ['five wakes failed', failedTimes(5), null, 0, 120],
    ['fifty wakes failed', failedTimes(50), null, 0, 120],
    ['the NAS was seen awake since', seenAwakeAfter(failedTimes(5)), null, 0, 0],
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
        decisionAfter(history, sinceGoodbyeMs, nowMinutes),
        waitMinutes === 0
          ? { kind: 'allowed' }
          : { kind: 'held_back', retryAfterMs: waitMinutes * MINUTE },
      );
    });
  }

  it('forget wakes older than an hour', () => {
    const history = wokenAt(0, 30, 61, 62, 63, 64);
    assert.deepEqual(decisionAfter(history, null, 64), { kind: 'allowed' });
    assert.deepEqual(decisionAfter(wokenAt(0, 30, 61, 62, 63, 64, 65), null, 65), {
      kind: 'held_back',
      retryAfterMs: 25 * MINUTE,
    });
  });
});
