import {
  constants,
  createCipheriv,
  createDecipheriv,
  generateKeyPair,
  privateDecrypt,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import { stripPadding } from '../klap/klap-cipher.ts';

/** The strength these old firmwares work with; the key lives for one handshake only. */
const RSA_BITS = 1_024;
const KEY_BYTES = 16;
const BLOCK_BYTES = 16;

const makeKeyPair = promisify(generateKeyPair);

/** A key pair for one handshake, made off the main thread. */
export async function makeHandshakeKey(): Promise<{
  readonly publicPem: string;
  readonly privateKey: KeyObject;
}> {
  const { publicKey, privateKey } = await makeKeyPair('rsa', { modulusLength: RSA_BITS });
  return { publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), privateKey };
}

/** The encryption of one legacy session: AES-128-CBC with one key and one IV, no signature. */
export class AesCipher {
  readonly #key: Buffer;
  readonly #iv: Buffer;

  private constructor(secret: Buffer) {
    this.#key = secret.subarray(0, KEY_BYTES);
    this.#iv = secret.subarray(KEY_BYTES);
  }

  /**
   * The cipher from `result.key` of the handshake: base64 of the RSA-encrypted key and IV. Null
   * when it does not decrypt to 32 bytes.
   */
  static fromHandshake(sealedKey: string, privateKey: KeyObject): AesCipher | null {
    const sealed = Buffer.from(sealedKey.slice(0, 1_024), 'base64');
    if (sealed.length !== RSA_BITS / 8) return null;
    const secret = stripPkcs1(rawDecrypt(sealed, privateKey));
    return secret?.length === KEY_BYTES + BLOCK_BYTES ? new AesCipher(secret) : null;
  }

  /** Base64 of the encrypted text. */
  seal(plain: string): string {
    const cipher = createCipheriv('aes-128-cbc', this.#key, this.#iv);
    return Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]).toString('base64');
  }

  /** The text in base64 `sealed`; null when it is not this session's. */
  open(sealed: unknown): Buffer | null {
    if (typeof sealed !== 'string') return null;
    const bytes = Buffer.from(sealed, 'base64');
    if (bytes.length === 0 || bytes.length % BLOCK_BYTES !== 0) return null;
    const decipher = createDecipheriv('aes-128-cbc', this.#key, this.#iv);
    decipher.setAutoPadding(false);
    return stripPadding(Buffer.concat([decipher.update(bytes), decipher.final()]));
  }
}

/** Zeros when the number is too big for the key, so that it fails like any other nonsense. */
function rawDecrypt(sealed: Buffer, key: KeyObject): Buffer {
  try {
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, sealed);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return Buffer.alloc(sealed.length);
    throw error;
  }
}

/**
 * Takes PKCS#1 v1.5 encryption padding off (RFC 8017, 7.2.2): 0, 2, at least 8 bytes other than 0,
 * then 0. Node refuses to do it (CVE-2023-46809: its timing could tell an attacker about the
 * padding); here the key is used for one message and then forgotten, so there is nothing to tell.
 */
function stripPkcs1(padded: Buffer): Buffer | null {
  const end = padded.indexOf(0, 2);
  if (padded[0] !== 0 || padded[1] !== 2 || end < 10) return null;
  return padded.subarray(end + 1);
}
