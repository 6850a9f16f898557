import type { Store } from '../../store/store.ts';
import type { Cancel, Clock } from '../../time/clock.ts';
import { type DayOf, daysBefore } from '../../time/zoned-time.ts';
import type { EntryRows } from '../entries/entry-rows.ts';
import { PrefetchRows, type FirstUse } from '../background/prefetch-rows.ts';
import {
  addCounts,
  type CountedDay,
  type Counts,
  NO_COUNTS,
  CacheCounterRows,
} from './stats-rows.ts';

const FLUSH_AFTER_MS = 1_000;
const FLUSH_AT_TOUCHES = 256;
/** How long a woken NAS stays up without another request; its own idle time (docs/NAS.md). */
const AWAKE_LENGTH_MS = 15 * 60_000;
const KEPT_DAYS = 400;

interface Touch {
  uses: number;
  atMs: number;
  validatedAtMs: number;
}

interface Deps {
  readonly store: Store;
  readonly entryRows: EntryRows;
  readonly clock: Clock;
  readonly dayOf: DayOf;
  /** Whether the time is proved twice, so that old days may be forgotten. */
  readonly isClockProved: () => boolean;
}

/**
 * Uses and counts, gathered in memory and written together: a commit per hit would cost more than
 * the hit and wear the card. A crash loses the last second of them, and no file.
 */
export class CacheCounters {
  readonly #store: Store;
  readonly #isClockProved: () => boolean;
  readonly #entryRows: EntryRows;
  readonly #rows: CacheCounterRows;
  readonly #ahead: PrefetchRows;
  readonly #clock: Clock;
  readonly #dayOf: DayOf;
  readonly #touches = new Map<number, Touch>();
  readonly #listeners = new Set<(use: FirstUse) => void>();
  #pending: Counts = NO_COUNTS;
  #neededAtMs: number | null = null;
  #timer: Cancel | null = null;

  constructor({ store, entryRows, clock, dayOf, isClockProved }: Deps) {
    this.#store = store;
    this.#isClockProved = isClockProved;
    this.#entryRows = entryRows;
    this.#rows = new CacheCounterRows(store);
    this.#ahead = new PrefetchRows(store);
    this.#clock = clock;
    this.#dayOf = dayOf;
  }

  /**
   * An entry was served.
   * @param heldAtMs when it was last compared with what the NAS tells, epoch ms
   */
  hit(entryId: number, bytes: number, heldAtMs: number): void {
    const touch = this.#touches.get(entryId) ?? { uses: 0, atMs: 0, validatedAtMs: 0 };
    touch.uses += 1;
    touch.atMs = this.#clock.nowMs();
    touch.validatedAtMs = Math.max(touch.validatedAtMs, heldAtMs);
    this.#touches.set(entryId, touch);
    this.#add({ hits: 1, hitBytes: bytes });
  }

  /** A file held in segments was served; its segments are counted where they are read. */
  answered(bytes: number): void {
    this.#add({ hits: 1, hitBytes: bytes });
  }

  /** The NAS had to give the bytes. */
  miss(bytes: number): void {
    this.#add({ misses: 1, missBytes: bytes });
  }

  /**
   * A request that needed the NAS was answered from here while it slept. Requests one wake would
   * have served count once: a woken NAS stays up for 15 minutes after the last, so only a later one
   * would have woken it again.
   */
  spared(): void {
    const nowMs = this.#clock.nowMs();
    const beforeMs = this.#neededAtMs ?? this.#rows.neededAtMs();
    const isAnother = Math.abs(nowMs - beforeMs) >= AWAKE_LENGTH_MS;
    this.#neededAtMs = nowMs;
    this.#add({ nasWakesAvoided: isAnother ? 1 : 0 });
  }

  /** An entry that nobody asked for yet was fetched. */
  prefetched(bytes: number): void {
    this.#add({ prefetchedFiles: 1, prefetchedBytes: bytes });
  }

  /** Calls back when a prefetched entry is first read. Returns how to unsubscribe. */
  onFirstUse(listener: (use: FirstUse) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  totals(): Counts & { readonly evictions: number } {
    this.flush();
    return this.#rows.read();
  }

  /** The last `count` calendar days up to today, oldest first; days without anything are left out. */
  days(count: number): { readonly today: string; readonly days: readonly CountedDay[] } {
    this.flush();
    const today = this.#dayOf(this.#clock.nowMs());
    return { today, days: this.#rows.days(daysBefore(today, count - 1), today) };
  }

  flush(): void {
    this.#timer?.();
    this.#timer = null;
    if (this.#touches.size === 0 && this.#pending === NO_COUNTS) return;
    const firstUses = this.#store.transaction(() => this.#write());
    this.#touches.clear();
    this.#pending = NO_COUNTS;
    for (const use of firstUses) for (const listener of this.#listeners) listener(use);
  }

  #write(): FirstUse[] {
    const firstUses: FirstUse[] = [];
    for (const [id, touch] of this.#touches) {
      const first = this.#ahead.use(id);
      if (first !== null) firstUses.push(first);
      this.#entryRows.touch(id, touch.uses, touch.atMs, touch.validatedAtMs);
    }
    const usedBytes = firstUses.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const counts = addCounts(this.#pending, { usedFiles: firstUses.length, usedBytes });
    const today = this.#dayOf(this.#clock.nowMs());
    this.#rows.add(today, counts);
    if (this.#isClockProved()) this.#rows.forgetBefore(daysBefore(today, KEPT_DAYS - 1));
    if (this.#neededAtMs !== null) this.#rows.keepNeededAt(this.#neededAtMs);
    return firstUses;
  }

  #add(change: Partial<Counts>): void {
    this.#pending = addCounts(this.#pending, change);
    if (this.#touches.size >= FLUSH_AT_TOUCHES) this.flush();
    else
      this.#timer ??= this.#clock.after(FLUSH_AFTER_MS, () => {
        this.#timer = null;
        this.flush();
      });
  }
}

/** How full the cache is and what it did. Bytes and counts. */
export interface CacheStats extends Counts {
  readonly fileCount: number;
  readonly totalBytes: number;
  readonly maxBytes: number;
  readonly capacityBytes: number;
  readonly evictions: number;
}

/** `GET /api/cache/stats` (contract 3). MB and GB are powers of 1000, as CACHE_MAX_SIZE_GB is. */
interface WireStats {
  readonly total_files: number;
  readonly total_size_mb: number;
  readonly max_size_gb: number;
  readonly usage_percent: number;
  readonly dirty_files: number;
  /** Of reads and of their bytes; null before the first. */
  readonly hit_rate_percent: number | null;
  readonly byte_hit_rate_percent: number | null;
  readonly evictions: number;
  readonly nas_wakes_avoided: number;
}

/** @param dirtyFiles uploads that wait in the queue */
export function wireStats(stats: CacheStats, dirtyFiles: number): WireStats {
  return {
    total_files: stats.fileCount,
    total_size_mb: rounded(stats.totalBytes / 1e6),
    max_size_gb: stats.maxBytes / 1e9,
    usage_percent: percent(stats.totalBytes, stats.capacityBytes),
    dirty_files: dirtyFiles,
    hit_rate_percent: share(stats.hits, stats.hits + stats.misses),
    byte_hit_rate_percent: share(stats.hitBytes, stats.hitBytes + stats.missBytes),
    evictions: stats.evictions,
    nas_wakes_avoided: stats.nasWakesAvoided,
  };
}

/** A day on the wire, without names: everybody's reads together. */
interface WireDay {
  readonly date: string;
  readonly hits: number;
  readonly misses: number;
  /** Null on a day without a read. */
  readonly hit_rate_percent: number | null;
  readonly hit_bytes: number;
  readonly miss_bytes: number;
  readonly byte_hit_rate_percent: number | null;
  readonly nas_wakes_avoided: number;
  readonly prefetched_files: number;
  readonly prefetched_bytes: number;
  readonly prefetched_used_files: number;
  readonly prefetched_used_bytes: number;
}

/** `GET /api/cache/days`. */
interface WireDays {
  readonly days: WireDay[];
}

/**
 * @param counted oldest first; days without a row are filled in with zeros
 * @param count how many days there are to be, `today` the last
 */
export function wireDays(counted: readonly CountedDay[], today: string, count: number): WireDays {
  const known = new Map(counted.map((day) => [day.day, day]));
  const dates = Array.from({ length: count }, (_, index) => daysBefore(today, count - 1 - index));
  return { days: dates.map((date) => wireDay(date, known.get(date) ?? NO_COUNTS)) };
}

function wireDay(date: string, counts: Counts): WireDay {
  const { hits, misses, hitBytes, missBytes } = counts;
  return {
    date,
    hits,
    misses,
    hit_rate_percent: share(hits, hits + misses),
    hit_bytes: hitBytes,
    miss_bytes: missBytes,
    byte_hit_rate_percent: share(hitBytes, hitBytes + missBytes),
    nas_wakes_avoided: counts.nasWakesAvoided,
    prefetched_files: counts.prefetchedFiles,
    prefetched_bytes: counts.prefetchedBytes,
    prefetched_used_files: counts.usedFiles,
    prefetched_used_bytes: counts.usedBytes,
  };
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : percent(part, whole);
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : rounded((100 * part) / whole);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
