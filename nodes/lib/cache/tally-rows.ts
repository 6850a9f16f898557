import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { COUNT_COLUMNS, type Counts, countsIn, countValues } from './counts.ts';

const COLUMNS = Object.values(COUNT_COLUMNS);
const SUMS = COLUMNS.map((column) => `${column} = ${column} + ?`).join(', ');
const ADDED = COLUMNS.map((column) => `${column} = ${column} + excluded.${column}`).join(', ');

/** A calendar day in TIMEZONE, `YYYY-MM-DD`, and what was counted on it. */
export interface CountedDay extends Counts {
  readonly day: string;
}

/** The counters of the table `cache_totals`, and the table `cache_days`. */
export class TallyRows {
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

  /** When a sleeping NAS was last spared a request, epoch ms; 0 for never. */
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
