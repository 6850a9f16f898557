import { createCipheriv, createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';
import type { PlugCredentials } from '../plug.ts';

/** Bytes of the signature before each ciphertext (SHA-256). */
const SIGNATURE_BYTES = 32;
const BLOCK_BYTES = 16;

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** sha256(sha1(user) + sha1(password)): what both sides prove to know (KLAP v2). */
export function klapAuthHash(credentials: PlugCredentials): Buffer {
  const user = createHash('sha1').update(credentials.username, 'utf8').digest();
  const password = createHash('sha1').update(credentials.password, 'utf8').digest();
  return sha256(user, password);
}

/** The plug's proof, in its answer to handshake 1. It comes before ours. */
export function isPlugProof(proof: Uint8Array, seeds: KlapSeeds): boolean {
  const wanted = sha256(seeds.local, seeds.remote, seeds.authHash);
  return proof.length === wanted.length && timingSafeEqual(proof, wanted);
}

/** Our proof, the body of handshake 2. */
export function ownProof(seeds: KlapSeeds): Buffer {
  return sha256(seeds.remote, seeds.local, seeds.authHash);
}

/** The 16 random bytes of either side, and the account's hash. */
export interface KlapSeeds {
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  readonly authHash: Uint8Array;
}

/** The encryption of one KLAP session: AES-128-CBC under a running number, signed both ways. */
export class KlapCipher {
  readonly #key: Buffer;
  readonly #ivStart: Buffer;
  readonly #signatureKey: Buffer;
  #seq: number;

  /** @param firstSeq where the running number starts; default: what the seeds give */
  constructor(seeds: KlapSeeds, firstSeq?: number) {
    const derive = (label: string): Buffer =>
      sha256(Buffer.from(label), seeds.local, seeds.remote, seeds.authHash);
    const iv = derive('iv');
    this.#key = derive('lsk').subarray(0, BLOCK_BYTES);
    this.#ivStart = iv.subarray(0, 12);
    this.#seq = firstSeq ?? iv.readInt32BE(28);
    this.#signatureKey = derive('ldk').subarray(0, 28);
  }

  /** The next request: its running number and body. */
  seal(plain: string): { readonly seq: number; readonly body: Buffer } {
    // The plug counts in a signed 32-bit integer, which wraps from 2^31-1 to -2^31.
    this.#seq = (this.#seq + 1) | 0;
    const cipher = createCipheriv('aes-128-cbc', this.#key, this.#iv(this.#seq));
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return { seq: this.#seq, body: Buffer.concat([this.#sign(this.#seq, sealed), sealed]) };
  }

  /** The text of the answer to request `seq`; null when it is not signed by this session. */
  open(seq: number, body: Buffer): Buffer | null {
    const sealed = body.subarray(SIGNATURE_BYTES);
    if (sealed.length === 0 || sealed.length % BLOCK_BYTES !== 0) return null;
    if (!timingSafeEqual(body.subarray(0, SIGNATURE_BYTES), this.#sign(seq, sealed))) return null;
    const decipher = createDecipheriv('aes-128-cbc', this.#key, this.#iv(seq));
    decipher.setAutoPadding(false);
    return stripPadding(Buffer.concat([decipher.update(sealed), decipher.final()]));
  }

  #iv(seq: number): Buffer {
    return Buffer.concat([this.#ivStart, int32(seq)]);
  }

  #sign(seq: number, sealed: Uint8Array): Buffer {
    return sha256(this.#signatureKey, int32(seq), sealed);
  }
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/**
 * Takes PKCS#7 padding off; null when it is none. By hand, because Node throws on bad padding and
 * a plug's nonsense is a value here.
 */
export function stripPadding(padded: Buffer): Buffer | null {
  const count = padded.at(-1) ?? 0;
  if (count < 1 || count > BLOCK_BYTES || count > padded.length) return null;
  if (padded.subarray(-count).some((byte) => byte !== count)) return null;
  return padded.subarray(0, padded.length - count);
}
