import assert from 'node:assert/strict';
import { EntryRows } from '../../nodes/lib/cache/entries/entry-rows.ts';
import { SegmentRows } from '../../nodes/lib/cache/entries/segment-rows.ts';
import { CacheSpace } from '../../nodes/lib/cache/entries/space.ts';
import { PolicyRows } from '../../nodes/lib/cache/policy/policy-rows.ts';
import { CachePolicy } from '../../nodes/lib/cache/policy/policy.ts';
import { CacheCounters } from '../../nodes/lib/cache/stats/stats.ts';
import { CACHE_MIGRATIONS } from '../../nodes/lib/store/databases.ts';
import { Store } from '../../nodes/lib/store/store.ts';
import { localDays } from '../../nodes/lib/time/zoned-time.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { BaluPiPolicy } from './policies/balupi.ts';

const LIMIT = 500_000;
const PLENTY = 1e12;

/** The cache's own rows and space over a database in memory, with files that do not exist. */
class RealCache {
  readonly #store = Store.open({
    file: ':memory:',
    name: 'cache',
    synchronous: 'NORMAL',
    migrations: CACHE_MIGRATIONS,
  });
  readonly #entryRows = new EntryRows(this.#store);
  readonly #counters = new CacheCounters({
    store: this.#store,
    entryRows: this.#entryRows,
    clock: new ManualClock(),
    dayOf: localDays('UTC'),
    isClockProved: () => true,
  });
  readonly #policy = new CachePolicy({
    store: this.#store,
    limitBytes: () => LIMIT,
    beforeChange: () => {
      this.#counters.flush();
    },
  });
  readonly #space = new CacheSpace({
    entryRows: this.#entryRows,
    policy: this.#policy,
    segments: new SegmentRows(this.#store),
    flushUses: () => this.#counters.flush(),
    blobs: { open: { isRead: () => false }, remove: () => Promise.resolve() },
    disk: () => ({ totalBytes: PLENTY, freeBytes: PLENTY }),
    maxBytes: LIMIT,
    minFreeBytes: 0,
    threshold: 1,
    queuedBytes: () => 0,
  });
  #blob = 0;

  async use(key: number, sizeBytes: number): Promise<boolean> {
    const path = String(key);
    this.#policy.used(path, sizeBytes);
    const copy = this.#entryRows.find(path);
    if (copy !== null) {
      this.#counters.hit(copy.id, sizeBytes, 0);
      return true;
    }
    const reservation = await this.#space.reserve(sizeBytes, path);
    if (reservation === null || reservation.isPassing) return false;
    const at = { modifiedAtText: '', modifiedAtMs: 0, checksum: null, etag: null };
    const blob = String((this.#blob += 1));
    const about = { sha256: '', mimeType: null, ownerId: null, blob, validatedAtMs: 0 };
    this.#entryRows.replace({ path, version: { sizeBytes, ...at }, ...about }, 0);
    reservation.release();
    return false;
  }

  variant(): string {
    return new PolicyRows(this.#store).state().variant.name;
  }

  close(): void {
    this.#counters.flush();
    this.#store.close();
  }
}

describe("The bench's picture of our own policy", function () {
  // Six thousand uses of real rows each.
  this.timeout(60_000);

  for (const seed of [3, 17, 2_026]) {
    it(`decides as the cache itself does, use for use (seed ${seed})`, async () => {
      const real = new RealCache();
      const ours = new BaluPiPolicy(LIMIT);
      let state = seed;
      const random = (below: number): number => {
        state = (state * 48_271) % 2_147_483_647;
        return state % below;
      };
      // Few sizes, so that many have equal worth; one larger than the whole cache, one that would
      // flush most of it.
      const sizes = [500, 4_096, 20_000, 20_001, 90_000, 600_000, 300_000];
      const variants = new Set<string>();
      const keyAt = (at: number): number => {
        if (at % 2_000 < 700) return Math.min(random(200), random(200));
        if (at % 2_000 < 1_300) return 1_000 + (at % 150);
        return at + random(40) - (at % 7) * 3;
      };
      try {
        for (let at = 0; at < 6_000; at += 1) {
          const key = keyAt(at);
          const sizeBytes = sizes[key % sizes.length] ?? 0;
          const expected = await real.use(key, sizeBytes);
          assert.equal(ours.use({ key, sizeBytes }), expected, `use ${at}`);
          variants.add(real.variant());
        }
        assert.ok(variants.size > 1, 'the lead changes');
      } finally {
        real.close();
      }
    });
  }
});
