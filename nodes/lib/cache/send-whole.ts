import type { ByteRange } from '../http/http.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Outlet } from './outlet.ts';
import { BLOCK_BYTES, type ReadAt } from './warm-reads.ts';

/**
 * So many buffers go out in one system call where they were filled on the spot: a megabyte in four
 * calls cost half as much again (measured). It is also what may be read before others get their
 * turn, about 4 ms of a Pi.
 */
const MOST_AT_ONCE = 4;

/**
 * Sends part of a file that is all there. What is in memory goes out a megabyte at a time; what has
 * to come from the disk is read into one buffer while the other is on its way.
 * @returns false where the caller is gone, or the file is shorter than it should be
 */
export async function sendWhole(
  outlet: Pick<Outlet, 'writeAll'>,
  read: ReadAt,
  range: ByteRange,
  pool: BufferPool,
): Promise<boolean> {
  const sending = new Sending(read, range, pool);
  let writing: Promise<boolean> = Promise.resolve(true);
  try {
    while (!sending.isDone) {
      if (!sending.overlaps && !(await writing)) return false;
      const batch = await sending.next();
      // A file shorter than its row: what is missing must not look like the end.
      if (batch === null || !(await writing)) return false;
      writing = outlet.writeAll(batch);
      if (!sending.overlaps && !sending.isDone) await nextTurn();
    }
    return await writing;
  } finally {
    await writing;
    sending.giveBack();
  }
}

/** Reads a file batch by batch into buffers of the pool. */
class Sending {
  readonly #read: ReadAt;
  readonly #pool: BufferPool;
  readonly #end: number;
  readonly #buffers: Buffer[];
  #position: number;
  #slot = 0;
  #overlaps = false;

  constructor(read: ReadAt, range: ByteRange, pool: BufferPool) {
    this.#read = read;
    this.#pool = pool;
    this.#position = range.first;
    this.#end = range.last + 1;
    this.#buffers = [pool.take(), pool.take()];
  }

  get isDone(): boolean {
    return this.#position >= this.#end;
  }

  /** The last batch came from the disk: the next one may be read while it is on its way. */
  get overlaps(): boolean {
    return this.#overlaps;
  }

  /** @returns what to write next; null where the file ends too early */
  async next(): Promise<Buffer[] | null> {
    const wasOverlapping = this.#overlaps;
    this.#slot = wasOverlapping ? 1 - this.#slot : 0;
    this.#overlaps = false;
    const batch: Buffer[] = [];
    for (let slot = this.#slot; ; slot += 1) {
      const buffer = this.#bufferAt(slot);
      if (buffer === null) return batch;
      const reading = this.#fill(buffer);
      const isFromDisk = typeof reading !== 'number';
      const count = isFromDisk ? await reading : reading;
      if (count === 0) return null;
      batch.push(count === buffer.length ? buffer : buffer.subarray(0, count));
      this.#position += count;
      // Only the first of a batch leaves the other buffer free for what is read meanwhile.
      this.#overlaps = isFromDisk && batch.length === 1;
      if (isFromDisk || wasOverlapping || this.isDone) return batch;
    }
  }

  giveBack(): void {
    for (const buffer of this.#buffers) this.#pool.giveBack(buffer);
  }

  #bufferAt(slot: number): Buffer | null {
    if (slot >= MOST_AT_ONCE) return null;
    const known = this.#buffers[slot];
    if (known !== undefined) return known;
    const more = this.#pool.takeSpare();
    if (more !== null) this.#buffers.push(more);
    return more;
  }

  /** Up to the next block, as what is known to be in memory is known by blocks. */
  #fill(buffer: Buffer): number | Promise<number> {
    const toBlock = BLOCK_BYTES - (this.#position % BLOCK_BYTES);
    const length = Math.min(buffer.length, toBlock, this.#end - this.#position);
    return this.#read(buffer, length, this.#position);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
