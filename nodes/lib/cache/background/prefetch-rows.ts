import { defineWorth } from '../policy/policy-rows.ts';
import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Store } from '../../store/store.ts';

/** Why an entry was fetched that nobody asked for yet, and in which round of that. */
export interface Occasion {
  readonly userId: number;
  /** Its user read a neighbouring file, or listed its folder. */
  readonly after: 'read' | 'listed';
  readonly round: number;
}

/** A prefetched entry read for the first time. */
export interface FirstUse extends Occasion {
  readonly path: string;
  readonly sizeBytes: number;
}

/** The table `prefetched_copies`, and the marks of its rows in `cached_files`. */
export class PrefetchRows {
  readonly #mark: StatementSync;
  readonly #note: StatementSync;
  readonly #use: StatementSync;
  readonly #noted: StatementSync;

  constructor(store: Store) {
    defineWorth(store);
    // Above the next victim where the floor lags.
    this.#mark = store.prepare(
      `UPDATE cached_files
       SET prefetched = 1, access_count = 0, uses = max(0, uses - 1),
           priority = unread_worth(max(now.inflation, coalesce(now.lowest, 0)),
                                   now.use_exponent, uses, weight)
       FROM (SELECT inflation, use_exponent,
                    (SELECT priority FROM cached_files WHERE ages < 1 AND pinned = 0 AND path <> ?1
                     ORDER BY priority, id LIMIT 1) AS lowest
             FROM cache_totals) AS now
       WHERE path = ?1 AND prefetched = 0 RETURNING id`,
    );
    this.#note = store.prepare(
      `INSERT OR REPLACE INTO prefetched_copies (copy_id, user_id, occasion, round)
       VALUES (?, ?, ?, ?)`,
    );
    this.#use = store.prepare(
      `UPDATE cached_files SET prefetched = 0 WHERE id = ? AND prefetched = 1
       RETURNING path, size_bytes`,
    );
    this.#noted = store.prepare(
      'DELETE FROM prefetched_copies WHERE copy_id = ? RETURNING user_id, occasion, round',
    );
  }

  /** A newly published entry was prefetched. */
  mark(path: string, occasion: Occasion): void {
    const row = this.#mark.get(path);
    if (row === undefined) return;
    this.#note.run(Number(row['id']), occasion.userId, occasion.after, occasion.round);
  }

  /** Takes the mark off an entry that is read; null where it had none. */
  use(entryId: number): FirstUse | null {
    const row = this.#use.get(entryId);
    if (row === undefined) return null;
    const noted: Record<string, SQLOutputValue> = this.#noted.get(entryId) ?? {};
    return {
      path: String(row['path']),
      sizeBytes: Number(row['size_bytes']),
      userId: Number(noted['user_id'] ?? 0),
      after: noted['occasion'] === 'listed' ? 'listed' : 'read',
      round: Number(noted['round'] ?? 0),
    };
  }
}
