import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';

const ALGORITHM = 'aes-128-ccm';
const TAG_BYTES = 16;
const SEQ_BYTES = 4;
const NONCE_BYTES = 12;

/**
 * Seals the requests of one TPAP session and opens their answers. Each request has a number of its
 * own, which goes into the nonce: none is ever used again, answered or not.
 */
export class SessionCipher {
  readonly #key: Buffer;
  readonly #base: Buffer;
  #seq: number;

  /** @param startSeq `start_seq`, the number of the first request, a signed 32-bit number */
  constructor(sharedKey: Buffer, startSeq: number) {
    this.#key = derived(sharedKey, 'key', 16);
    this.#base = derived(sharedKey, 'iv', NONCE_BYTES);
    this.#seq = startSeq;
  }

  seal(plain: string): { readonly seq: number; readonly body: Buffer } {
    const seq = this.#seq;
    this.#seq = (seq + 1) | 0;
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce(seq), {
      authTagLength: TAG_BYTES,
    });
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return { seq, body: Buffer.concat([seqBytes(seq), sealed, cipher.getAuthTag()]) };
  }

  /** The answer to the request of that number; null when the session did not seal it. */
  open(seq: number, body: Buffer): Buffer | null {
    if (body.length < SEQ_BYTES + TAG_BYTES || body.readInt32BE() !== seq) return null;
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#nonce(seq), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAuthTag(body.subarray(body.length - TAG_BYTES));
    const plain = decipher.update(body.subarray(SEQ_BYTES, body.length - TAG_BYTES));
    try {
      decipher.final();
    } catch (error) {
      // CCM has no other way to say that the tag is wrong.
      if (error instanceof Error) return null;
      throw error;
    }
    return plain;
  }

  #nonce(seq: number): Buffer {
    return Buffer.concat([this.#base.subarray(0, NONCE_BYTES - SEQ_BYTES), seqBytes(seq)]);
  }
}

function seqBytes(seq: number): Buffer {
  const bytes = Buffer.alloc(SEQ_BYTES);
  bytes.writeInt32BE(seq);
  return bytes;
}

function derived(sharedKey: Buffer, what: 'key' | 'iv', length: number): Buffer {
  const name = `aes128-${what}`;
  const [salt, info] = [`tp-kdf-salt-${name}`, `tp-kdf-info-${name}`];
  return Buffer.from(hkdfSync('sha256', sharedKey, salt, info, length));
}
