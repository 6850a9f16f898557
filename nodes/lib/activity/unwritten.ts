import type { ActivityRows } from './activity-rows.ts';
import type { Entry } from './entry.ts';

/** Entries that wait for the next commit, as each of their own would cost the card a sync. */
export class Unwritten {
  readonly #rows: ActivityRows;
  readonly #entries = new Set<Entry>();
  readonly #gone = new Set<number>();

  constructor(rows: ActivityRows) {
    this.#rows = rows;
  }

  get size(): number {
    return this.#entries.size + this.#gone.size;
  }

  /** A new one, or one that is not as it was written. */
  put(entry: Entry): void {
    this.#entries.add(entry);
  }

  /** It never happened. */
  remove(entry: Entry): void {
    this.#entries.delete(entry);
    if (entry.id !== null) this.#gone.add(entry.id);
  }

  /** Those of a user that nobody else may see. */
  removeWhere(isGone: (entry: Entry) => boolean): void {
    for (const entry of this.#entries) if (isGone(entry)) this.remove(entry);
  }

  /**
   * Writes all of it inside a transaction of the caller.
   * @returns to be called once that is through
   */
  write(): () => void {
    for (const id of this.#gone) this.#rows.drop(id);
    const given = new Map<Entry, number>();
    for (const entry of this.#entries) {
      if (entry.id === null) given.set(entry, this.#rows.add(entry));
      else this.#rows.change(entry);
    }
    return () => {
      for (const [entry, id] of given) entry.id = id;
      this.#entries.clear();
      this.#gone.clear();
    };
  }
}
