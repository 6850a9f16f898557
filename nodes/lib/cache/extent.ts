import type { ByteRange } from '../http/http.ts';
import type { BufferPool } from './buffer-pool.ts';
import { readLater } from './open-blobs.ts';
import type { Outlet } from './outlet.ts';
import { BLOCK_BYTES, type ReadAt } from './warm-reads.ts';

/** How far a file may be read now. */
export type Availability =
  | { readonly kind: 'upto'; readonly bytes: number }
  /** The bytes will never be whole: whoever reads must be cut off. */
  | { readonly kind: 'cut' }
  /** The disk took no more of it; the rest has to come from the NAS. */
  | { readonly kind: 'unstored' };

/** A file that is there, or is becoming there. */
export interface Extent {
  readonly fd: number;
  /** How a file that does not grow is read, where there is a quicker way. */
  readonly read?: ReadAt;
  /** Answers once more than `position` bytes may be read, or never will. */
  available(position: number): Availability | Promise<Availability>;
  /** Wakes a call of `available` that waits: its reader is gone. */
  cancel(): void;
}

export type SendOutcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'cut' }
  /** The caller has everything below `position`. */
  | { readonly kind: 'unstored'; readonly position: number };

const CUT: SendOutcome = { kind: 'cut' };

/** So much may be read on the spot before others get their turn: about 4 ms of a Pi. */
const TURN_BYTES = 1024 * 1024;

/**
 * Sends part of a file with two buffers in turn: one is read into while the other is on its way
 * (measured: seven times the work per CPU second of a pipe for small files, half more for large).
 */
export async function sendExtent(
  outlet: Outlet,
  extent: Extent,
  range: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  outlet.whenClosed(() => {
    extent.cancel();
  });
  const [front, back] = [pool.take(), pool.take()];
  const reader = new TurnReader(extent);
  let writing: Promise<boolean> = Promise.resolve(true);
  try {
    let position = range.first;
    for (let turn = 0; position <= range.last; turn += 1) {
      const upto = await extent.available(position);
      if (upto.kind === 'unstored') return (await writing) ? { ...upto, position } : CUT;
      if (upto.kind === 'cut' || !outlet.isOpen) return CUT;
      const buffer = turn % 2 === 0 ? front : back;
      const count = await reader.read(buffer, position, Math.min(range.last + 1, upto.bytes));
      // A file shorter than its row: what is missing must not look like the end.
      if (count === 0 || !(await writing)) return CUT;
      writing = outlet.write(count === buffer.length ? buffer : buffer.subarray(0, count));
      position += count;
    }
    return (await writing) ? { kind: 'sent' } : CUT;
  } finally {
    await writing;
    pool.giveBack(front);
    pool.giveBack(back);
  }
}

/** Reads stretch by stretch, and lets others have their turn where nothing had to be waited for. */
class TurnReader {
  readonly #extent: Extent;
  #onTheSpotBytes = 0;

  constructor(extent: Extent) {
    this.#extent = extent;
  }

  /** @param end position after the last byte wanted */
  async read(into: Buffer, position: number, end: number): Promise<number> {
    const { fd, read } = this.#extent;
    const length = Math.min(into.length, end - position);
    if (read === undefined) return readLater(fd, into, length, position);
    if (this.#onTheSpotBytes >= TURN_BYTES) await this.#nextTurn();
    // Up to the next block, as what is known to be in memory is known by blocks.
    const count = read(into, Math.min(length, BLOCK_BYTES - (position % BLOCK_BYTES)), position);
    if (typeof count !== 'number') return count;
    this.#onTheSpotBytes += count;
    return count;
  }

  #nextTurn(): Promise<void> {
    this.#onTheSpotBytes = 0;
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Fills a buffer from `first` on; null where the file has less. */
export async function readExactly(
  read: ReadAt,
  first: number,
  buffer: Buffer,
): Promise<Buffer | null> {
  let done = 0;
  while (done < buffer.length) {
    const into = done === 0 ? buffer : buffer.subarray(done);
    const reading = read(into, into.length, first + done);
    const count = typeof reading === 'number' ? reading : await reading;
    if (count === 0) return null;
    done += count;
  }
  return buffer;
}
