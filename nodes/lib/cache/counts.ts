/** What the cache did: requests and bytes, by who answered, and what fetching ahead came to. */
export interface Counts {
  readonly hits: number;
  readonly misses: number;
  readonly hitBytes: number;
  readonly missBytes: number;
  /** Times the NAS would have been woken for what was answered from here. */
  readonly nasWakesAvoided: number;
  /** Copies fetched before anybody asked for them. Pinned folders are not among them. */
  readonly prefetchedFiles: number;
  readonly prefetchedBytes: number;
  /** Those of them that somebody read later. */
  readonly usedFiles: number;
  readonly usedBytes: number;
}

export const NO_COUNTS: Counts = {
  hits: 0,
  misses: 0,
  hitBytes: 0,
  missBytes: 0,
  nasWakesAvoided: 0,
  prefetchedFiles: 0,
  prefetchedBytes: 0,
  usedFiles: 0,
  usedBytes: 0,
};

/** The columns that hold {@link Counts}, the same in `cache_totals` and `cache_days`. */
export const COUNT_COLUMNS = {
  hits: 'hits',
  misses: 'misses',
  hitBytes: 'hit_bytes',
  missBytes: 'miss_bytes',
  nasWakesAvoided: 'nas_wakes_avoided',
  prefetchedFiles: 'prefetched_files',
  prefetchedBytes: 'prefetched_bytes',
  usedFiles: 'used_files',
  usedBytes: 'used_bytes',
} as const satisfies Record<keyof Counts, string>;

const NAMES = Object.keys(COUNT_COLUMNS) as (keyof Counts)[];

export function addCounts(a: Counts, b: Partial<Counts>): Counts {
  const sum = { ...a };
  for (const name of NAMES) sum[name] += b[name] ?? 0;
  return sum;
}

/** The values in the order of {@link COUNT_COLUMNS}. */
export function countValues(counts: Counts): number[] {
  return NAMES.map((name) => counts[name]);
}

/** @param row of a table with these columns; undefined counts as none */
export function countsIn(row: Readonly<Record<string, unknown>> | undefined): Counts {
  const counts = { ...NO_COUNTS };
  for (const name of NAMES) counts[name] = Number(row?.[COUNT_COLUMNS[name]] ?? 0);
  return counts;
}
