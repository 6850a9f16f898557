import { daysBefore } from '../time/local-day.ts';
import { NO_COUNTS, type Counts } from './counts.ts';
import type { CountedDay } from './tally-rows.ts';

/** How full the cache is and what it did. Bytes and counts. */
export interface CacheStats extends Counts {
  readonly fileCount: number;
  readonly totalBytes: number;
  readonly maxBytes: number;
  readonly capacityBytes: number;
  readonly evictions: number;
}

/** `GET /api/cache/stats` (contract 3). MB and GB are powers of 1000, as CACHE_MAX_SIZE_GB is. */
export interface WireStats {
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
export interface WireDay {
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
export interface WireDays {
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
