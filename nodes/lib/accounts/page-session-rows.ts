import type { Store } from '../store/store.ts';

type Statement = ReturnType<Store['prepare']>;

/** One browser that signed in to the pages of the Pi. */
export interface PageSessionRow {
  readonly userId: number;
  readonly standing: number;
  readonly signedInAtMs: number;
  readonly endsAtMs: number;
}

/** A person's browsers, with room for those that were forgotten. */
const MAX_PER_USER = 20;

/** All SQL of `page_sessions`. */
export class PageSessionRows {
  readonly #find: Statement;
  readonly #all: Statement;
  readonly #add: Statement;
  readonly #cap: Statement;
  readonly #drop: Statement;

  constructor(store: Store) {
    this.#find = store.prepare(`
      SELECT user_id, standing, signed_in_at_ms, ends_at_ms
      FROM page_sessions WHERE cookie_hash = ?`);
    this.#all = store.prepare(`
      SELECT cookie_hash, user_id, standing, signed_in_at_ms, ends_at_ms
      FROM page_sessions WHERE ?1 IS NULL OR user_id = ?1`);
    this.#add = store.prepare(`
      INSERT INTO page_sessions (cookie_hash, user_id, standing, signed_in_at_ms, ends_at_ms)
      VALUES (?, ?, ?, ?, ?)`);
    this.#cap = store.prepare(`
      DELETE FROM page_sessions WHERE ends_at_ms <= ?2 OR cookie_hash IN (
        SELECT cookie_hash FROM page_sessions WHERE user_id = ?1
        ORDER BY signed_in_at_ms DESC LIMIT -1 OFFSET ${MAX_PER_USER})`);
    this.#drop = store.prepare('DELETE FROM page_sessions WHERE cookie_hash = ?');
  }

  find(hash: Buffer): PageSessionRow | null {
    const row = this.#find.get(hash);
    return row === undefined ? null : sessionIn(row);
  }

  /** @param userId null for everybody's */
  all(userId: number | null): readonly (PageSessionRow & { readonly hash: Buffer })[] {
    return this.#all
      .all(userId)
      .map((row) => ({ ...sessionIn(row), hash: Buffer.from(row['cookie_hash'] as Uint8Array) }));
  }

  /** Adds one, and drops those that ended before and that user's surplus ones. */
  add(hash: Buffer, row: PageSessionRow, overBeforeMs: number): void {
    const { userId, standing, signedInAtMs, endsAtMs } = row;
    this.#add.run(hash, userId, standing, signedInAtMs, endsAtMs);
    this.#cap.run(userId, overBeforeMs);
  }

  drop(hash: Buffer): void {
    this.#drop.run(hash);
  }
}

function sessionIn(row: Readonly<Record<string, unknown>>): PageSessionRow {
  return {
    userId: Number(row['user_id']),
    standing: Number(row['standing']),
    signedInAtMs: Number(row['signed_in_at_ms']),
    endsAtMs: Number(row['ends_at_ms']),
  };
}
