import assert from 'node:assert/strict';
import { leaveIn, LruMap, RateLimiter, SlidingLog } from '../../../nodes/lib/limits/limits.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('A map that forgets', () => {
  it('forgets what was longest not touched, and says what that was', () => {
    const map = new LruMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    assert.equal(map.get('a'), 1);
    assert.deepEqual(map.set('c', 3), ['b', 2]);
    assert.deepEqual(
      [...map],
      [
        ['a', 1],
        ['c', 3],
      ],
    );
  });

  it('forgets nothing for a key it holds already', () => {
    const map = new LruMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    assert.equal(map.set('a', 3), undefined);
    assert.deepEqual([map.get('a'), map.get('b')], [3, 2]);
  });
});

describe('What happened within a minute', () => {
  it('counts what is still within it, and tells when the oldest leaves', async () => {
    const clock = new ManualClock();
    const log = new SlidingLog<string>(clock);
    assert.equal(log.oldestLeavesInMs, 60_000);
    log.add('one');
    await clock.advance(20_000);
    log.add('two', 2);
    assert.deepEqual(log.recent, ['one', 'two', 'two']);
    assert.equal(log.oldestLeavesInMs, 40_000);
    await clock.advance(40_000);
    assert.deepEqual(log.recent, ['two', 'two']);
  });

  it('waits until as many have left as are too many', async () => {
    const clock = new ManualClock();
    const log = new SlidingLog<null>(clock);
    for (let at = 0; at < 4; at += 1) {
      log.add(null);
      await clock.advance(10_000);
    }
    // The four were at 0, 10, 20 and 30 s; now it is 40 s.
    assert.equal(log.waitMs(5), 0);
    assert.equal(log.waitMs(4), 20_000);
    assert.equal(log.waitMs(4, 3), 40_000);
    assert.equal(log.waitMs(1, 9), 50_000);
  });

  it('moves an event to another log with its time', async () => {
    const clock = new ManualClock();
    const [open, kept] = [new SlidingLog<string>(clock), new SlidingLog<string>(clock)];
    open.add('phone');
    await clock.advance(30_000);
    kept.add('desk');
    open.withdraw('phone', kept);
    assert.deepEqual([open.recent, kept.recent], [[], ['phone', 'desk']]);
    assert.equal(kept.oldestLeavesInMs, 30_000);
  });
});

describe('A rate', () => {
  it('lets so many go in any minute, for each key by itself', async () => {
    const clock = new ManualClock();
    const rate = new RateLimiter(clock, { most: 2 });
    const tries = ['a', 'a', 'a', 'b'].map((key) => rate.take(key).kind);
    assert.deepEqual(tries, ['go', 'go', 'wait', 'go']);
    await clock.advance(59_001);
    assert.deepEqual(rate.take('a'), { kind: 'wait', retryAfterSeconds: 1 });
    await clock.advance(999);
    assert.equal(rate.take('a').kind, 'go');
  });

  it('does not count what it refused', async () => {
    const clock = new ManualClock();
    const rate = new RateLimiter(clock, { most: 1 });
    rate.take();
    await clock.advance(30_000);
    rate.take();
    await clock.advance(30_000);
    assert.equal(rate.take().kind, 'go');
  });

  it('forgets a key, or its newest alone', () => {
    const rate = new RateLimiter(new ManualClock(), { most: 2 });
    rate.add('a', 2);
    rate.withdraw('a');
    assert.equal(rate.waitMs('a'), 0);
    rate.add('a');
    assert.notEqual(rate.waitMs('a'), 0);
    rate.forget('a');
    assert.equal(rate.waitMs('a', 2), 0);
  });

  it('says whole seconds to whoever has to wait, and never none', () => {
    assert.deepEqual(leaveIn(0), { kind: 'go' });
    assert.deepEqual(leaveIn(1), { kind: 'wait', retryAfterSeconds: 1 });
    assert.deepEqual(leaveIn(1_001), { kind: 'wait', retryAfterSeconds: 2 });
  });
});
