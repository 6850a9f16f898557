import assert from 'node:assert/strict';
import { wireDays } from '../../../nodes/lib/cache/cache.ts';
import { EntryRows } from '../../../nodes/lib/cache/entries/entry-rows.ts';
import { CacheCounters } from '../../../nodes/lib/cache/stats/stats.ts';
import type { Store } from '../../../nodes/lib/store/store.ts';
import { localDays } from '../../../nodes/lib/time/zoned-time.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { openStore } from '../files/files-bench.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

describe('Counting what the cache did', () => {
  let store: Store;
  let clock: ManualClock;
  let counters: CacheCounters;
  let isProved = true;

  function opened(): CacheCounters {
    const dayOf = localDays('Europe/Berlin');
    const isClockProved = (): boolean => isProved;
    return new CacheCounters({
      store,
      entryRows: new EntryRows(store),
      clock,
      dayOf,
      isClockProved,
    });
  }

  beforeEach(() => {
    store = openStore(':memory:');
    clock = new ManualClock(Date.parse('2026-02-22T12:00:00Z'));
    counters = opened();
  });

  afterEach(() => {
    store.close();
  });

  describe('of wakes avoided', () => {
    it('counts requests that one waking would have served as one', async () => {
      for (let minute = 0; minute < 40; minute += 10) {
        counters.spared();
        await clock.advance(10 * MINUTE_MS);
      }
      assert.equal(counters.totals().nasWakesAvoided, 1);
    });

    it('counts another after 15 minutes without any', async () => {
      counters.spared();
      await clock.advance(15 * MINUTE_MS - 1);
      counters.spared();
      await clock.advance(15 * MINUTE_MS);
      counters.spared();
      assert.equal(counters.totals().nasWakesAvoided, 2);
    });

    it('does not start over with a restart', async () => {
      counters.spared();
      counters.flush();
      await clock.advance(5 * MINUTE_MS);
      counters = opened();
      counters.spared();
      assert.equal(counters.totals().nasWakesAvoided, 1);
    });

    it('counts no read of an awake NAS', () => {
      counters.hit(1, 10, 0);
      assert.equal(counters.totals().nasWakesAvoided, 0);
    });
  });

  describe('by day', () => {
    it('forgets the oldest only while the time is proved', async () => {
      isProved = false;
      counters.miss(30);
      counters.flush();
      await clock.advance(401 * DAY_MS);
      counters.miss(30);
      counters.flush();
      const count = (): unknown =>
        store.prepare('SELECT count(*) AS n FROM cache_days').get()?.['n'];
      assert.equal(count(), 2);
      isProved = true;
      counters.miss(30);
      counters.flush();
      assert.equal(count(), 1);
    });

    it('begins a day at midnight of the time zone, and keeps days over a restart', async () => {
      counters.hit(1, 10, clock.nowMs());
      counters.miss(30);
      await clock.advance(11 * 60 * MINUTE_MS + 1); // 23:00 UTC is midnight in Berlin
      counters.hit(1, 5, 0);
      counters.prefetched(7);
      counters.flush();
      const { today, days } = opened().days(30);
      assert.equal(today, '2026-02-23');
      assert.deepEqual(
        days.map(({ day, hits, misses, hitBytes, missBytes, prefetchedBytes }) => [
          day,
          [hits, misses, hitBytes, missBytes, prefetchedBytes],
        ]),
        [
          ['2026-02-22', [1, 1, 10, 30, 0]],
          ['2026-02-23', [1, 0, 5, 0, 7]],
        ],
      );
    });

    it('shows every day asked for, oldest first, with its ratios', () => {
      counters.hit(1, 75, clock.nowMs());
      counters.miss(25);
      const { today, days } = counters.days(3);
      const wire = wireDays(days, today, 3);
      assert.deepEqual(
        wire.days.map(({ date, hits, byte_hit_rate_percent }) => [
          date,
          hits,
          byte_hit_rate_percent,
        ]),
        [
          ['2026-02-20', 0, null],
          ['2026-02-21', 0, null],
          ['2026-02-22', 1, 75],
        ],
      );
    });

    it('forgets days after 400', async () => {
      counters.miss(1);
      counters.flush();
      await clock.advance(399 * DAY_MS);
      counters.miss(1);
      counters.flush();
      assert.equal(counters.days(1000).days.length, 2);
      await clock.advance(DAY_MS);
      counters.miss(1);
      assert.equal(counters.days(1000).days.length, 2);
    });
  });
});
