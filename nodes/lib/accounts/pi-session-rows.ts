import type { Store } from '../store/store.ts';
import type { Caller } from './caller.ts';

type Statement = ReturnType<Store['prepare']>;

/** One Pi token given out. */
export interface PiSessionRow {
  readonly jti: string;
  /** SHA-256 of the very token: any other spelling of it opens nothing. */
  readonly tokenHash: Uint8Array;
  readonly userId: number;
  readonly scope: Caller['scope'];
  /** SHA-256 of the refresh token it was given for; null for a password. */
  readonly refreshHash: Uint8Array | null;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** All SQL of `pi_sessions`. */
export class PiSessionRows {
  readonly #find: Statement;
  readonly #add: Statement;
  readonly #prune: Statement;
  readonly #dropOfUser: Statement;
  readonly #dropOfRefresh: Statement;

  constructor(store: Store) {
    this.#find = store.prepare(`
      SELECT jti, token_hash, user_id, scope, refresh_hash, issued_at_ms, expires_at_ms
      FROM pi_sessions WHERE jti = ?`);
    this.#add = store.prepare(`
      INSERT INTO pi_sessions
        (jti, token_hash, user_id, scope, refresh_hash, issued_at_ms, expires_at_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?)`);
    this.#prune = store.prepare('DELETE FROM pi_sessions WHERE expires_at_ms <= ?');
    this.#dropOfUser = store.prepare('DELETE FROM pi_sessions WHERE user_id = ?');
    this.#dropOfRefresh = store.prepare('DELETE FROM pi_sessions WHERE refresh_hash = ?');
  }

  find(jti: string): PiSessionRow | null {
    const row = this.#find.get(jti);
    const tokenHash = row?.['token_hash'];
    const refreshHash = row?.['refresh_hash'];
    if (row === undefined || !(tokenHash instanceof Uint8Array)) return null;
    return {
      jti,
      tokenHash,
      userId: Number(row['user_id']),
      scope: row['scope'] === 'all' ? 'all' : 'wake',
      refreshHash: refreshHash instanceof Uint8Array ? refreshHash : null,
      issuedAtMs: Number(row['issued_at_ms']),
      expiresAtMs: Number(row['expires_at_ms']),
    };
  }

  /** Adds one, and drops those that ended before. */
  add(row: PiSessionRow, overBeforeMs: number): void {
    this.#prune.run(overBeforeMs);
    this.#add.run(
      row.jti,
      row.tokenHash,
      row.userId,
      row.scope,
      row.refreshHash,
      row.issuedAtMs,
      row.expiresAtMs,
    );
  }

  dropOfUser(userId: number): void {
    this.#dropOfUser.run(userId);
  }

  dropOfRefresh(refreshHash: Uint8Array): void {
    this.#dropOfRefresh.run(refreshHash);
  }
}
