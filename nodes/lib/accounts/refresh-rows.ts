import type { Store } from '../store/store.ts';

type Statement = ReturnType<Store['prepare']>;

/** A refresh token the NAS issued or accepted through this Pi. */
export interface RefreshRow {
  readonly userId: number;
  /** As the token says; null when it does not. */
  readonly expiresAtMs: number | null;
  /** The device it was given to: the same for all that were exchanged for one another. */
  readonly device: string;
}

/** Whoever holds one user's refresh tokens. */
export interface TokenDevice {
  readonly userId: number;
  readonly device: string;
  /** When the NAS last gave or took one of them. */
  readonly acceptedAtMs: number;
  /** The latest end of them; null where one does not tell. */
  readonly expiresAtMs: number | null;
}

/** A user's devices, with room for those that were replaced. */
const MAX_PER_USER = 50;

/** More than a household ever ends in the time such a token lives. */
const MAX_ENDED = 10_000;

/** All SQL of `refresh_tokens` and of those a logout ended here, `ended_refresh_tokens`. */
export class RefreshRows {
  readonly #find: Statement;
  readonly #all: Statement;
  readonly #end: Statement;
  readonly #keep: Statement;
  readonly #cap: Statement;
  readonly #drop: Statement;
  readonly #dropOfUser: Statement;
  readonly #endOfUser: Statement;
  readonly #capEnded: Statement;
  readonly #isEnded: Statement;

  constructor(store: Store) {
    this.#find = store.prepare(
      'SELECT user_id, expires_at_ms, device FROM refresh_tokens WHERE token_hash = ?',
    );
    this.#all = store.prepare(`
      SELECT token_hash, user_id, expires_at_ms, device, accepted_at_ms FROM refresh_tokens
      WHERE ?1 IS NULL OR user_id = ?1 ORDER BY accepted_at_ms`);
    this.#end = store.prepare(`
      INSERT OR IGNORE INTO ended_refresh_tokens (token_hash, expires_at_ms, ended_at_ms)
      SELECT token_hash, expires_at_ms, ?2 FROM refresh_tokens WHERE token_hash = ?1`);
    this.#keep = store.prepare(`
      INSERT INTO refresh_tokens (token_hash, user_id, expires_at_ms, device, accepted_at_ms)
      VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (token_hash) DO UPDATE SET
        user_id = excluded.user_id, accepted_at_ms = excluded.accepted_at_ms`);
    this.#cap = store.prepare(`
      DELETE FROM refresh_tokens WHERE user_id = ?1 AND (expires_at_ms < ?2 OR token_hash IN (
        SELECT token_hash FROM refresh_tokens WHERE user_id = ?1
        ORDER BY accepted_at_ms DESC LIMIT -1 OFFSET ${MAX_PER_USER}))`);
    this.#drop = store.prepare('DELETE FROM refresh_tokens WHERE token_hash = ?');
    this.#dropOfUser = store.prepare('DELETE FROM refresh_tokens WHERE user_id = ?');
    this.#endOfUser = store.prepare(`
      INSERT OR IGNORE INTO ended_refresh_tokens (token_hash, expires_at_ms, ended_at_ms)
      SELECT token_hash, expires_at_ms, ? FROM refresh_tokens WHERE user_id = ?`);
    this.#capEnded = store.prepare(`
      DELETE FROM ended_refresh_tokens WHERE expires_at_ms < ? OR token_hash IN (
        SELECT token_hash FROM ended_refresh_tokens
        ORDER BY ended_at_ms DESC LIMIT -1 OFFSET ${MAX_ENDED})`);
    this.#isEnded = store.prepare('SELECT 1 FROM ended_refresh_tokens WHERE token_hash = ?');
  }

  find(hash: Uint8Array): RefreshRow | null {
    const row = this.#find.get(hash);
    if (row === undefined) return null;
    const { expires_at_ms: expiresAtMs, device } = row;
    return {
      userId: Number(row['user_id']),
      expiresAtMs: typeof expiresAtMs === 'number' ? expiresAtMs : null,
      device: typeof device === 'string' ? device : lineageFrom(hash),
    };
  }

  /** The device a refresh token belongs to; one not seen before begins a lineage of its own. */
  deviceOf(hash: Uint8Array): string {
    return this.find(hash)?.device ?? lineageFrom(hash);
  }

  /**
   * Keeps one, and drops that user's expired and surplus ones.
   * @param overBeforeMs what says that it ends earlier is expired
   */
  keep(hash: Buffer, row: RefreshRow, acceptedAtMs: number, overBeforeMs: number): void {
    this.#keep.run(hash, row.userId, row.expiresAtMs, row.device, acceptedAtMs);
    this.#cap.run(row.userId, overBeforeMs);
  }

  drop(hash: Buffer): void {
    this.#drop.run(hash);
  }

  dropOfUser(userId: number): void {
    this.#dropOfUser.run(userId);
  }

  /**
   * They are over for good, though the NAS may not know it yet.
   * @param overBeforeMs what says that it ends earlier needs not be remembered
   */
  endOfUser(userId: number, atMs: number, overBeforeMs: number): void {
    this.#endOfUser.run(atMs, userId);
    this.#dropOfUser.run(userId);
    this.#capEnded.run(overBeforeMs);
  }

  /** @param userId null for everybody's */
  devices(userId: number | null): readonly TokenDevice[] {
    const devices = new Map<string, TokenDevice>();
    for (const { userId: id, device, acceptedAtMs, expiresAtMs: endMs } of this.#rows(userId)) {
      const key = `${id} ${device}`;
      const before = devices.get(key)?.expiresAtMs ?? 0;
      const expiresAtMs = endMs === null ? null : Math.max(before, endMs);
      devices.set(key, { userId: id, device, acceptedAtMs, expiresAtMs });
    }
    return [...devices.values()];
  }

  /** What one device of a user holds is over for good. @returns the hashes of it */
  endOfDevice(userId: number, device: string, atMs: number): readonly Buffer[] {
    const rows = this.#rows(userId).filter((row) => row.device === device);
    for (const { hash } of rows) {
      this.#end.run(hash, atMs);
      this.#drop.run(hash);
    }
    return rows.map(({ hash }) => hash);
  }

  #rows(userId: number | null): readonly (TokenDevice & { readonly hash: Buffer })[] {
    return this.#all.all(userId).map((row) => {
      const hash = Buffer.from(row['token_hash'] as Uint8Array);
      const { device, expires_at_ms: expiresAtMs } = row;
      return {
        hash,
        userId: Number(row['user_id']),
        device: typeof device === 'string' ? device : lineageFrom(hash),
        acceptedAtMs: Number(row['accepted_at_ms']),
        expiresAtMs: typeof expiresAtMs === 'number' ? expiresAtMs : null,
      };
    });
  }

  isEnded(hash: Buffer): boolean {
    return this.#isEnded.get(hash) !== undefined;
  }
}

function lineageFrom(hash: Uint8Array): string {
  return `refresh:${Buffer.from(hash).toString('base64url')}`;
}
