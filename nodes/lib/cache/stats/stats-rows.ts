import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../store/store.ts';

/** Cache counters: requests and bytes by who answered, and the outcome of prefetching. */
export interface Counts {
  readonly hits: number;
  readonly misses: number;
  readonly hitBytes: number;
  readonly missBytes: number;
  /** Wakes avoided by answers from the cache. */
  readonly nasWakesAvoided: number;
  /** Entries fetched before anybody asked for them. Pinned folders are not among them. */
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
const COUNT_COLUMNS = {
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
function countValues(counts: Counts): number[] {
  return NAMES.map((name) => counts[name]);
}

/** @param row of a table with these columns; undefined counts as none */
function countsIn(row: Readonly<Record<string, unknown>> | undefined): Counts {
  const counts = { ...NO_COUNTS };
  for (const name of NAMES) counts[name] = Number(row?.[COUNT_COLUMNS[name]] ?? 0);
  return counts;
}

const COLUMNS = Object.values(COUNT_COLUMNS);
const SUMS = COLUMNS.map((column) => `${column} = ${column} + ?`).join(', ');
const ADDED = COLUMNS.map((column) => `${column} = ${column} + excluded.${column}`).join(', ');

/** A calendar day in TIMEZONE, `YYYY-MM-DD`, and what was counted on it. */
export interface CountedDay extends Counts {
  readonly day: string;
}

/** The counters of the table `cache_totals`, and the table `cache_days`. */
export class CacheCounterRows {
  readonly #add: StatementSync;
  readonly #addDay: StatementSync;
  readonly #read: StatementSync;
  readonly #days: StatementSync;
  readonly #prune: StatementSync;
  readonly #neededAt: StatementSync;

  constructor(store: Store) {
    this.#add = store.prepare(`UPDATE cache_totals SET ${SUMS}`);
    this.#addDay = store.prepare(
      `INSERT INTO cache_days (day, ${COLUMNS.join(', ')})
       VALUES (?, ${COLUMNS.map(() => '?').join(', ')})
       ON CONFLICT (day) DO UPDATE SET ${ADDED}`,
    );
    this.#read = store.prepare(
      `SELECT ${COLUMNS.join(', ')}, evictions, needed_at_ms FROM cache_totals`,
    );
    this.#days = store.prepare('SELECT * FROM cache_days WHERE day >= ? AND day <= ? ORDER BY day');
    this.#prune = store.prepare('DELETE FROM cache_days WHERE day < ?');
    this.#neededAt = store.prepare('UPDATE cache_totals SET needed_at_ms = ?');
  }

  add(day: string, counts: Counts): void {
    const values = countValues(counts);
    this.#add.run(...values);
    this.#addDay.run(day, ...values);
  }

  forgetBefore(oldestDay: string): void {
    this.#prune.run(oldestDay);
  }

  read(): Counts & { readonly evictions: number } {
    const row = this.#read.get();
    return { ...countsIn(row), evictions: Number(row?.['evictions']) };
  }

  /** When a wake of the NAS was last avoided, epoch ms; 0 for never. */
  neededAtMs(): number {
    return Number(this.#read.get()?.['needed_at_ms']);
  }

  keepNeededAt(atMs: number): void {
    this.#neededAt.run(atMs);
  }

  days(from: string, to: string): CountedDay[] {
    return this.#days.all(from, to).map((row) => ({ ...countsIn(row), day: String(row['day']) }));
  }
}
