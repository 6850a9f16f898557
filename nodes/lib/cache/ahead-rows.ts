import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';

/** A copy that was fetched ahead and is read for the first time. */
export interface FirstUse {
  readonly path: string;
  readonly sizeBytes: number;
}

/** The marks in `cached_files` of copies that nobody asked for yet. */
export class AheadRows {
  readonly #mark: StatementSync;
  readonly #use: StatementSync;

  constructor(store: Store) {
    // Half of what a first use is worth: of two alike the one somebody asked for stays. Worth
    // nothing at all would make each file fetched ahead the next one's victim.
    this.#mark = store.prepare(
      `UPDATE cached_files
       SET prefetched = 1, access_count = 0,
           priority = (priority + (SELECT inflation FROM cache_totals)) / 2
       WHERE path = ? AND prefetched = 0`,
    );
    this.#use = store.prepare(
      `UPDATE cached_files SET prefetched = 0 WHERE id = ? AND prefetched = 1
       RETURNING path, size_bytes`,
    );
  }

  /** A copy just published was fetched for nobody yet. */
  mark(path: string): void {
    this.#mark.run(path);
  }

  /** Takes the mark off a copy that is read; null where it had none. */
  use(copyId: number): FirstUse | null {
    const row = this.#use.get(copyId);
    if (row === undefined) return null;
    return { path: String(row['path']), sizeBytes: Number(row['size_bytes']) };
  }
}
