import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';

export type CredentialKind = 'api_key' | 'device';

/**
 * `unchecked`: the NAS was asleep and nobody knows yet whose key it is. `removed`: its user took the
 * Pi off their devices. `unreadable`: SECRET_KEY is another than the one it was sealed with.
 */
export const CREDENTIAL_STATES = [
  'unchecked',
  'ok',
  'revoked',
  'inactive',
  'removed',
  'unreadable',
] as const;
export type CredentialState = (typeof CREDENTIAL_STATES)[number];

export interface CredentialRow {
  readonly id: string;
  readonly kind: CredentialKind;
  readonly username: string;
  readonly userId: number | null;
  readonly state: CredentialState;
  readonly secret: Uint8Array | null;
  /** The NAS's id of the device the Pi registered itself as. */
  readonly deviceId: string | null;
  readonly expiresAtMs: number | null;
  readonly lastUsedMs: number | null;
  readonly detail: string | null;
  readonly createdAtMs: number;
}

/** `nas_credentials`: at most one API key and one device per user. */
export class CredentialRows {
  readonly #store: Store;
  readonly #onEnded: (userId: number) => void;
  readonly #owned: StatementSync;
  readonly #all: StatementSync;
  readonly #ofUser: StatementSync;
  readonly #named: StatementSync;
  readonly #put: StatementSync;
  readonly #state: StatementSync;
  readonly #owner: StatementSync;
  readonly #used: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteOf: StatementSync;

  /** @param onEnded told whose credential the NAS or its user ended */
  constructor(store: Store, onEnded: (userId: number) => void) {
    this.#store = store;
    this.#onEnded = onEnded;
    this.#owned = store.prepare('SELECT user_id FROM nas_credentials WHERE id = ?');
    this.#all = store.prepare('SELECT * FROM nas_credentials ORDER BY username, kind');
    this.#ofUser = store.prepare('SELECT * FROM nas_credentials WHERE user_id = ? AND kind = ?');
    this.#named = store.prepare('SELECT * FROM nas_credentials WHERE username = ? AND kind = ?');
    this.#put = store.prepare(`
      INSERT OR REPLACE INTO nas_credentials (id, kind, username, user_id, state, secret, device_id,
        expires_at_ms, last_used_ms, detail, created_at_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#state = store.prepare(`
      UPDATE nas_credentials SET state = :state, detail = :detail,
        secret = iif(:state IN ('revoked', 'removed'), NULL, secret) WHERE id = :id`);
    this.#owner = store.prepare(
      `UPDATE nas_credentials SET state = 'ok', detail = NULL, user_id = ? WHERE id = ?`,
    );
    this.#used = store.prepare('UPDATE nas_credentials SET last_used_ms = ? WHERE id = ?');
    this.#delete = store.prepare('DELETE FROM nas_credentials WHERE id = ?');
    this.#deleteOf = store.prepare('DELETE FROM nas_credentials WHERE user_id = ? AND kind = ?');
  }

  all(): readonly CredentialRow[] {
    return this.#all.all().map(toRow);
  }

  ofUser(userId: number, kind: CredentialKind): CredentialRow | null {
    return oneOf(this.#ofUser.get(userId, kind));
  }

  named(username: string, kind: CredentialKind): CredentialRow | null {
    return oneOf(this.#named.get(username, kind));
  }

  /** Stores it in place of that user's earlier one of its kind. */
  put(row: CredentialRow): void {
    this.#store.transaction(() => {
      // Under an older name of the same user too.
      this.#deleteOf.run(row.userId, row.kind);
      this.#put.run(
        row.id,
        row.kind,
        row.username,
        row.userId,
        row.state,
        row.secret,
        row.deviceId,
        row.expiresAtMs,
        row.lastUsedMs,
        row.detail,
        row.createdAtMs,
      );
    });
  }

  /** What was revoked or removed loses its secret, which is of no use any more. */
  setState(id: string, state: CredentialState, detail: string | null): void {
    this.#state.run({ id, state, detail });
    if (state !== 'revoked' && state !== 'removed' && state !== 'inactive') return;
    const userId = this.#owned.get(id)?.['user_id'];
    if (typeof userId === 'number') this.#onEnded(userId);
  }

  /** The NAS confirmed it, and told whose it is. */
  confirm(id: string, userId: number): void {
    this.#owner.run(userId, id);
  }

  used(id: string, atMs: number): void {
    this.#used.run(atMs, id);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }
}

function oneOf(raw: ReturnType<StatementSync['get']>): CredentialRow | null {
  return raw === undefined ? null : toRow(raw);
}

function toRow(raw: Readonly<Record<string, unknown>>): CredentialRow {
  const state = CREDENTIAL_STATES.find((known) => known === raw['state']);
  if (state === undefined) throw new Error('A stored credential has an unknown state.');
  return {
    id: String(raw['id']),
    kind: raw['kind'] === 'device' ? 'device' : 'api_key',
    username: String(raw['username']),
    userId: numberOrNull(raw['user_id']),
    state,
    secret: raw['secret'] instanceof Uint8Array ? raw['secret'] : null,
    deviceId: typeof raw['device_id'] === 'string' ? raw['device_id'] : null,
    expiresAtMs: numberOrNull(raw['expires_at_ms']),
    lastUsedMs: numberOrNull(raw['last_used_ms']),
    detail: typeof raw['detail'] === 'string' ? raw['detail'] : null,
    createdAtMs: Number(raw['created_at_ms']),
  };
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
