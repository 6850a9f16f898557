import type { TrustedClock } from '../time/trusted-time.ts';
import type { CredentialCipher } from './credential-cipher.ts';
import type { CredentialKind, CredentialRow, CredentialRows } from './credential-rows.ts';

/** A use is written down at most this often: it costs a commit. */
const USE_EVERY_MS = 600_000;

/** What is to be kept, its secret in the clear. */
export interface NewCredential {
  readonly kind: CredentialKind;
  readonly username: string;
  readonly userId: number | null;
  readonly state: 'unchecked' | 'ok';
  readonly secret: string;
  readonly deviceId: string | null;
  readonly expiresAtMs: number | null;
}

/** Keeps secrets sealed and opens them for use; nothing else sees them in the clear. */
export class CredentialVault {
  readonly rows: CredentialRows;
  readonly #cipher: CredentialCipher;
  readonly #time: TrustedClock;
  readonly #newId: () => string;
  readonly #usedAtMs = new Map<string, number>();

  constructor(parts: {
    readonly rows: CredentialRows;
    readonly cipher: CredentialCipher;
    readonly time: TrustedClock;
    readonly newId: () => string;
  }) {
    this.rows = parts.rows;
    this.#cipher = parts.cipher;
    this.#time = parts.time;
    this.#newId = parts.newId;
  }

  /**
   * Finds out which secrets this SECRET_KEY does not open. One that opens again is to be checked.
   * @returns how many are unreadable
   */
  inspect(): number {
    let unreadable = 0;
    for (const row of this.rows.all()) {
      if (row.secret === null) continue;
      const opens = this.#cipher.open(row.id, row.secret) !== null;
      if (!opens) unreadable += 1;
      if (!opens && row.state !== 'unreadable') {
        this.rows.setState(row.id, 'unreadable', 'It was stored under another SECRET_KEY.');
      }
      if (opens && row.state === 'unreadable') {
        this.rows.setState(row.id, row.kind === 'device' ? 'ok' : 'unchecked', null);
      }
    }
    return unreadable;
  }

  keep(given: NewCredential): CredentialRow {
    const id = this.#newId();
    const row: CredentialRow = {
      ...given,
      id,
      secret: this.#cipher.seal(id, given.secret),
      lastUsedMs: null,
      detail: null,
      createdAtMs: this.#time.nowMs(),
    };
    this.rows.put(row);
    return row;
  }

  /** @returns null when there is no secret or it cannot be read */
  secretOf(row: CredentialRow): string | null {
    return row.secret === null ? null : this.#cipher.open(row.id, row.secret);
  }

  used(row: CredentialRow): void {
    const nowMs = this.#time.nowMs();
    if (Math.abs(nowMs - (this.#usedAtMs.get(row.id) ?? -Infinity)) < USE_EVERY_MS) return;
    this.#usedAtMs.set(row.id, nowMs);
    this.rows.used(row.id, nowMs);
  }
}
