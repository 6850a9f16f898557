/**
 * Buffers used again and again, so that serving makes no garbage. Bounded: a stream that finds the
 * pool empty gets along with a small buffer of its own, because waiting for one would let a few
 * readers that stand still stop everyone.
 */
export class BufferPool {
  readonly #sizeBytes: number;
  readonly #most: number;
  readonly #smallBytes: number;
  readonly #free: Buffer[] = [];
  #made = 0;

  constructor(sizeBytes: number, most: number, smallBytes: number) {
    this.#sizeBytes = sizeBytes;
    this.#most = most;
    this.#smallBytes = smallBytes;
  }

  take(): Buffer {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made >= this.#most) return Buffer.allocUnsafeSlow(this.#smallBytes);
    this.#made += 1;
    return Buffer.allocUnsafeSlow(this.#sizeBytes);
  }

  /** One more for who has some; null where others may need it. */
  takeSpare(): Buffer | null {
    if (this.#free.length === 0 && this.#made >= this.#most / 2) return null;
    return this.take();
  }

  /** Only once nothing reads from or writes to it any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.length === this.#sizeBytes) this.#free.push(buffer);
  }
}

/** 256 KB measured best: 1 MB was slower and held 283 MB at 64 readers (docs/PERFORMANCE.md). */
const BUFFER_BYTES = 256 * 1024;
/** 32 MB in all: what a Pi with 1 GB can spare. */
const MOST_BUFFERS = 128;
const SMALL_BUFFER_BYTES = 32 * 1024;

/** The pool downloads are served from. */
export function servingPool(): BufferPool {
  return new BufferPool(BUFFER_BYTES, MOST_BUFFERS, SMALL_BUFFER_BYTES);
}
