import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { CredentialKind, CredentialRow, CredentialRows } from './credential-rows.ts';

/** A use is recorded at most this often, as it costs a commit. */
const USE_EVERY_MS = 600_000;

/** What is to be kept, with its secret in plain text. */
interface NewCredential {
  readonly kind: CredentialKind;
  readonly username: string;
  readonly userId: number | null;
  readonly state: 'unchecked' | 'ok';
  readonly secret: string;
  readonly deviceId: string | null;
  readonly expiresAtMs: number | null;
}

interface CredentialVaultDeps {
  readonly rows: CredentialRows;
  readonly cipher: CredentialCipher;
  readonly time: TrustedClock;
  readonly newId: () => string;
}

/** Keeps secrets sealed and opens them for use; nothing else sees them in the clear. */
export class CredentialVault {
  readonly rows: CredentialRows;
  readonly #cipher: CredentialCipher;
  readonly #time: TrustedClock;
  readonly #newId: () => string;
  readonly #usedAtMs = new Map<string, number>();

  constructor(deps: CredentialVaultDeps) {
    this.rows = deps.rows;
    this.#cipher = deps.cipher;
    this.#time = deps.time;
    this.#newId = deps.newId;
  }

  /**
   * Finds the secrets this SECRET_KEY does not open. One that opens again has to be checked.
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

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals the secrets that act for users: AES-256-GCM with a key derived from SECRET_KEY by HKDF (RFC
 * 5869), so that the tables alone reveal nothing. Each secret is bound to its row.
 */
export class CredentialCipher {
  readonly #key: Buffer;
  readonly #randomBytes: (size: number) => Buffer;

  /** @param secretKey SECRET_KEY */
  constructor(secretKey: string, randomBytes: (size: number) => Buffer) {
    const derived = hkdfSync('sha256', secretKey, 'balupi', 'stored credentials 1', KEY_BYTES);
    this.#key = Buffer.from(derived);
    this.#randomBytes = randomBytes;
  }

  /** @returns nonce, tag and text, in this order */
  seal(rowId: string, secret: string): Buffer {
    const nonce = this.#randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(rowId));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  /** @returns null when it was sealed with another key, for another row, or is damaged */
  open(rowId: string, sealed: Uint8Array): string | null {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
    const bytes = Buffer.from(sealed);
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(rowId));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    const text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
    try {
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    } catch (error) {
      // `final` throws for exactly one reason: the tag does not fit.
      if (error instanceof Error) return null;
      throw error;
    }
  }
}
