import { createHash, type Hash } from 'node:crypto';

/**
 * The SHA-256 of a file whose bytes pass by in any order: what comes in order is hashed on the way,
 * so that only what came out of order has to be read again.
 */
export class WholeHash {
  readonly #hash: Hash = createHash('sha256');
  #next = 0;

  /** The first byte that is not in the hash yet. */
  get next(): number {
    return this.#next;
  }

  /** Bytes that pass by; taken when they are the next ones. */
  offer(position: number, chunk: Buffer): void {
    if (position > this.#next || position + chunk.length <= this.#next) return;
    this.#hash.update(chunk.subarray(this.#next - position));
    this.#next = position + chunk.length;
  }

  /** The hash of all that was taken so far. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}
