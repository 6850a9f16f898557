import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals the secrets that act for users: AES-256-GCM, the key derived from SECRET_KEY by HKDF
 * (RFC 5869), so that the tables alone tell nothing. Each secret is bound to its row.
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
