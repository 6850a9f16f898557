import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';

/** Contract 4: what was removed or not delivered stays on the Pi for 30 days. */
export const KEPT_MS = 30 * 86_400_000;

/** Bytes of a conflict copy that was taken off the NAS, or of an upload that was not delivered. */
export interface Kept {
  readonly id: string;
  /** 0: of an upload that its user deleted before it was delivered. */
  readonly conflictId: number;
  readonly userId: number;
  /** Where they lay on the NAS. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly keptUntilMs: number;
}

/** `kept_bytes`. */
export class KeptRows {
  readonly #insert: StatementSync;
  readonly #has: StatementSync;
  readonly #ofConflict: StatementSync;
  readonly #over: StatementSync;
  readonly #shorten: StatementSync;
  readonly #delete: StatementSync;

  constructor(store: Store) {
    this.#insert = store.prepare(`
      INSERT INTO kept_bytes (id, conflict_id, user_id, path, size_bytes, sha256, kept_until_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?)`);
    this.#has = store.prepare('SELECT 1 FROM kept_bytes WHERE id = ?');
    this.#ofConflict = store.prepare(
      'SELECT sha256 FROM kept_bytes WHERE conflict_id = ? AND sha256 = ? AND size_bytes = ?',
    );
    this.#over = store.prepare('SELECT id FROM kept_bytes WHERE kept_until_ms <= ? LIMIT 100');
    this.#shorten = store.prepare(
      'UPDATE kept_bytes SET kept_until_ms = ? WHERE kept_until_ms > ?',
    );
    this.#delete = store.prepare('DELETE FROM kept_bytes WHERE id = ?');
  }

  insert(kept: Kept): void {
    const { id, conflictId, userId, path, sizeBytes, sha256, keptUntilMs } = kept;
    this.#insert.run(id, conflictId, userId, path, sizeBytes, sha256, keptUntilMs);
  }

  has(id: string): boolean {
    return this.#has.get(id) !== undefined;
  }

  /** Whether that very content of a conflict is kept already. */
  holds(conflictId: number, sha256: string, sizeBytes: number): boolean {
    return this.#ofConflict.get(conflictId, sha256, sizeBytes) !== undefined;
  }

  /** None is kept for longer: what says so was written when the clock was ahead. */
  keepNoLonger(untilMs: number): void {
    this.#shorten.run(untilMs, untilMs);
  }

  /** Up to 100 ids whose time is over. */
  over(nowMs: number): readonly string[] {
    return this.#over.all(nowMs).map((raw) => String(raw['id']));
  }

  delete(id: string): void {
    this.#delete.run(id);
  }
}
