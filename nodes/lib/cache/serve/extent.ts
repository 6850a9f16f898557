import type { ServerResponse } from 'node:http';
import type { ByteRange } from '../../http/http.ts';
import { BLOCK_BYTES, type ReadAt, readLater } from '../entries/open-blobs.ts';

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
  /** How a file that is all there is read. Missing for one that still grows. */
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

/** Sends part of a file: one that is all there, or one that still grows. */
export async function sendExtent(
  writer: ResponseWriter,
  extent: Extent,
  range: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  writer.whenClosed(() => {
    extent.cancel();
  });
  if (extent.read === undefined) return sendGrowing(writer, extent, range, pool);
  return (await sendWhole(writer, extent.read, range, pool)) ? { kind: 'sent' } : CUT;
}

/**
 * With two buffers in turn: one is read into while the other is on its way (measured: seven times
 * the work per CPU second of a pipe for small files, half more for large).
 */
async function sendGrowing(
  writer: ResponseWriter,
  extent: Extent,
  range: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  const [front, back] = [pool.take(), pool.take()];
  let writing: Promise<boolean> = Promise.resolve(true);
  try {
    let position = range.first;
    for (let turn = 0; position <= range.last; turn += 1) {
      // A caller who left while a block was read has been reported already: nobody would end a wait.
      if (!writer.isOpen) return CUT;
      const upto = await extent.available(position);
      if (upto.kind === 'unstored') return (await writing) ? { ...upto, position } : CUT;
      if (upto.kind === 'cut' || !writer.isOpen) return CUT;
      const buffer = turn % 2 === 0 ? front : back;
      const wanted = Math.min(buffer.length, range.last + 1 - position, upto.bytes - position);
      const count = await readLater(extent.fd, buffer, wanted, position);
      // A file shorter than its row: what is missing must not look like the end.
      if (count === 0 || !(await writing)) return CUT;
      writing = writer.write(count === buffer.length ? buffer : buffer.subarray(0, count));
      position += count;
    }
    return (await writing) ? { kind: 'sent' } : CUT;
  } finally {
    await writing;
    pool.giveBack(front);
    pool.giveBack(back);
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
  writer: Pick<ResponseWriter, 'writeAll'>,
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
      writing = writer.writeAll(batch);
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
      const reading = this.#download(buffer);
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
  #download(buffer: Buffer): number | Promise<number> {
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

/** The caller's end of a transfer: written with back-pressure, ended whole or cut. */
export class ResponseWriter {
  readonly #response: ServerResponse;
  #isOpen = true;
  #onClose: () => void = () => undefined;
  #writing: ((isOpen: boolean) => void) | null = null;

  constructor(response: ServerResponse) {
    this.#response = response;
    this.#isOpen = !response.destroyed;
    response.once('close', () => {
      this.#isOpen = false;
      this.#settle(false);
      this.#onClose();
    });
    // A reset connection is told by 'close' as well.
    response.on('error', () => undefined);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whom to tell when the caller is gone. The last one set is told. */
  whenClosed(listener: () => void): void {
    this.#onClose = listener;
    if (!this.#isOpen) listener();
  }

  /**
   * Writes one segment.
   * @returns once `chunk` may be used again: whether the caller is still there
   */
  write(chunk: Buffer | string): Promise<boolean> {
    if (!this.#isOpen) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#writing = resolve;
    this.#response.write(chunk, (error) => {
      this.#settle(error === null || error === undefined);
    });
    return promise;
  }

  /** As {@link write} for several segments, which go out together. */
  writeAll(chunks: readonly Buffer[]): Promise<boolean> {
    const last = chunks.at(-1);
    if (!this.#isOpen || last === undefined) return Promise.resolve(this.#isOpen);
    // Node holds what is written in one turn back until its end, and sends it in one call.
    for (const chunk of chunks) if (chunk !== last) this.#response.write(chunk);
    return this.write(last);
  }

  #settle(isOpen: boolean): void {
    const resolve = this.#writing;
    this.#writing = null;
    resolve?.(isOpen);
  }
}

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
