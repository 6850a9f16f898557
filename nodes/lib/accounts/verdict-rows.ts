import { Remembered } from '../store/remembered.ts';
import type { Store } from '../store/store.ts';

type Statement = ReturnType<Store['prepare']>;

/** What the NAS said of one token. */
export interface VerdictRow {
  readonly userId: number;
  readonly kind: 'jwt' | 'api_key';
  /** Null for an API key, whose end only the NAS knows. */
  readonly expiresAtMs: number | null;
  /** The last time the NAS said it is good, epoch ms. */
  readonly confirmedAtMs: number;
  /** Once set it stays: the NAS refused the token, or its user signed out with it. */
  readonly endedAtMs: number | null;
  /** The device a refresh token of which it came with; null where it came from elsewhere. */
  readonly device: string | null;
}

/** More live tokens than a household ever has; the oldest go first. */
const MAX_ROWS = 5_000;
const MOST_REMEMBERED = 200;

const SIGN_OUT = `
  INSERT INTO token_verdicts
    (token_hash, user_id, kind, expires_at_ms, confirmed_at_ms, ended_at_ms, signed_out)
  VALUES (?1, ?2, 'jwt', ?3, ?4, ?4, 1)
  ON CONFLICT (token_hash) DO UPDATE SET ended_at_ms = ?4, signed_out = 1
  WHERE ended_at_ms IS NULL`;

const SIGN_OUT_DEVICE = `
  UPDATE token_verdicts SET ended_at_ms = ?, signed_out = 1
  WHERE user_id = ? AND device = ? AND kind = 'jwt' AND ended_at_ms IS NULL`;

/** All SQL of `token_verdicts`. */
export class VerdictRows {
  readonly #found: Remembered<string, VerdictRow | null>;
  readonly #find: Statement;
  readonly #confirm: Statement;
  readonly #end: Statement;
  readonly #signOut: Statement;
  readonly #signOutDevice: Statement;
  readonly #signInAgain: Statement;
  readonly #endOfUser: Statement;
  readonly #dropOfUser: Statement;
  readonly #prune: Statement;
  readonly #cap: Statement;

  constructor(store: Store) {
    this.#found = new Remembered(store, MOST_REMEMBERED);
    this.#find = store.prepare(`
      SELECT user_id, kind, expires_at_ms, confirmed_at_ms, ended_at_ms, device
      FROM token_verdicts WHERE token_hash = ?`);
    this.#confirm = store.prepare(`
      INSERT INTO token_verdicts
        (token_hash, user_id, kind, expires_at_ms, confirmed_at_ms, device)
      VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (token_hash) DO UPDATE SET
        user_id = excluded.user_id, confirmed_at_ms = excluded.confirmed_at_ms,
        device = coalesce(excluded.device, device)
      WHERE ended_at_ms IS NULL`);
    this.#end = store.prepare(
      'UPDATE token_verdicts SET ended_at_ms = ? WHERE token_hash = ? AND ended_at_ms IS NULL',
    );
    this.#signOut = store.prepare(SIGN_OUT);
    this.#signOutDevice = store.prepare(SIGN_OUT_DEVICE);
    this.#signInAgain = store.prepare(
      'DELETE FROM token_verdicts WHERE token_hash = ? AND signed_out = 1',
    );
    this.#endOfUser = store.prepare(
      'UPDATE token_verdicts SET ended_at_ms = ? WHERE user_id = ? AND ended_at_ms IS NULL',
    );
    this.#dropOfUser = store.prepare(
      'DELETE FROM token_verdicts WHERE user_id = ? AND ended_at_ms IS NULL',
    );
    this.#prune = store.prepare(`
      DELETE FROM token_verdicts
      WHERE (kind = 'jwt' AND expires_at_ms < ?) OR (kind = 'api_key' AND confirmed_at_ms < ?)`);
    this.#cap = store.prepare(`
      DELETE FROM token_verdicts WHERE token_hash IN (
        SELECT token_hash FROM token_verdicts
        ORDER BY confirmed_at_ms DESC LIMIT -1 OFFSET ${MAX_ROWS})`);
  }

  find(hash: Buffer): VerdictRow | null {
    return this.#found.get(hash.toString('latin1'), () => this.#read(hash));
  }

  #read(hash: Buffer): VerdictRow | null {
    const row = this.#find.get(hash);
    if (row === undefined) return null;
    const { expires_at_ms: expiresAtMs, ended_at_ms: endedAtMs, device } = row;
    return {
      userId: Number(row['user_id']),
      kind: row['kind'] === 'jwt' ? 'jwt' : 'api_key',
      expiresAtMs: typeof expiresAtMs === 'number' ? expiresAtMs : null,
      confirmedAtMs: Number(row['confirmed_at_ms']),
      endedAtMs: typeof endedAtMs === 'number' ? endedAtMs : null,
      device: typeof device === 'string' ? device : null,
    };
  }

  /** Does nothing to a verdict that has ended. */
  confirm(hash: Buffer, verdict: Omit<VerdictRow, 'endedAtMs'>): void {
    const { userId, kind, expiresAtMs, confirmedAtMs, device } = verdict;
    this.#confirm.run(hash, userId, kind, expiresAtMs, confirmedAtMs, device);
  }

  /** @returns whether there was a living verdict */
  end(hash: Buffer, atMs: number): boolean {
    return Number(this.#end.run(atMs, hash).changes) > 0;
  }

  /** Its user signed out with it: over, though the NAS goes on taking it until `expiresAtMs`. */
  signOut(hash: Buffer, userId: number, expiresAtMs: number, atMs: number): void {
    this.#signOut.run(hash, userId, expiresAtMs, atMs);
  }

  /** The same for the tokens that device had before. */
  signOutDevice(userId: number, device: string, atMs: number): void {
    this.#signOutDevice.run(atMs, userId, device);
  }

  /**
   * The NAS just gave it out to somebody who proved who they are. Two tokens of one user and one
   * second are the same text, so it may be one that was signed out with.
   */
  signInAgain(hash: Buffer): void {
    this.#signInAgain.run(hash);
  }

  endOfUser(userId: number, atMs: number): void {
    this.#endOfUser.run(atMs, userId);
  }

  /** Forgets the living ones; what the NAS refused stays refused. */
  dropOfUser(userId: number): void {
    this.#dropOfUser.run(userId);
  }

  /** Drops the oldest beyond what a household ever needs. */
  cap(): void {
    this.#cap.run();
  }

  /** Drops what can never open anything again. Both bounds in epoch ms. */
  prune(jwtsExpiredBeforeMs: number, keysConfirmedBeforeMs: number): void {
    this.#prune.run(jwtsExpiredBeforeMs, keysConfirmedBeforeMs);
  }
}
