/** How full the cache is and what it did. Bytes and counts. */
export interface CacheStats {
  readonly fileCount: number;
  readonly totalBytes: number;
  readonly maxBytes: number;
  readonly capacityBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly hitBytes: number;
  readonly missBytes: number;
  readonly evictions: number;
  readonly nasWakesAvoided: number;
}

/** `GET /api/cache/stats` (contract 3). MB and GB are powers of 1000, as CACHE_MAX_SIZE_GB is. */
export interface WireStats {
  readonly total_files: number;
  readonly total_size_mb: number;
  readonly max_size_gb: number;
  readonly usage_percent: number;
  readonly dirty_files: number;
  readonly hit_rate_percent: number;
  readonly byte_hit_rate_percent: number;
  readonly evictions: number;
  readonly nas_wakes_avoided: number;
}

/** @param dirtyFiles uploads that wait in the queue */
export function wireStats(stats: CacheStats, dirtyFiles: number): WireStats {
  return {
    total_files: stats.fileCount,
    total_size_mb: rounded(stats.totalBytes / 1e6),
    max_size_gb: rounded(stats.maxBytes / 1e9),
    usage_percent: percent(stats.totalBytes, stats.capacityBytes),
    dirty_files: dirtyFiles,
    hit_rate_percent: percent(stats.hits, stats.hits + stats.misses),
    byte_hit_rate_percent: percent(stats.hitBytes, stats.hitBytes + stats.missBytes),
    evictions: stats.evictions,
    nas_wakes_avoided: stats.nasWakesAvoided,
  };
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : rounded((100 * part) / whole);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
