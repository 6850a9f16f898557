import type { ServerResponse } from 'node:http';
import type { ByteRange } from '../../http/http.ts';
import { BLOCK_BYTES, type ReadAt, readLater } from '../entries/open-blobs.ts';

/** How far a file may be read now. */
export type Availability =
  | { readonly kind: 'upto'; readonly bytes: number }
  /** The bytes will never be complete: the reader must be cut off. */
  | { readonly kind: 'cut' }
  /** The disk took no more; the rest has to come from the NAS. */
  | { readonly kind: 'unstored' };

/** A file that is complete or still being written. */
export interface ByteSource {
  readonly fd: number;
  /** How a complete file is read. Missing for a partial one. */
  readonly read?: ReadAt;
  /** Resolves once more than `position` bytes may be read, or never will be. */
  available(position: number): Availability | Promise<Availability>;
  /** Cancels a pending `available`: its reader is gone. */
  cancel(): void;
}

export type SendOutcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'cut' }
  /** The caller has everything below `position`. */
  | { readonly kind: 'unstored'; readonly position: number };

const CUT: SendOutcome = { kind: 'cut' };

/** Sends part of a file, complete or partial. */
export async function sendSource(
  writer: ResponseWriter,
  source: ByteSource,
  range: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  writer.whenClosed(() => {
    source.cancel();
  });
  if (source.read === undefined) return sendPartial(writer, source, range, pool);
  return (await sendWhole(writer, source.read, range, pool)) ? { kind: 'sent' } : CUT;
}

/**
 * Alternates two buffers: one is filled while the other is being sent (measured: seven times the
 * work per CPU second of a pipe for small files, half more for large).
 */
async function sendPartial(
  writer: ResponseWriter,
  source: ByteSource,
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
      const upto = await source.available(position);
      if (upto.kind === 'unstored') return (await writing) ? { ...upto, position } : CUT;
      if (upto.kind === 'cut' || !writer.isOpen) return CUT;
      const buffer = turn % 2 === 0 ? front : back;
      const wanted = Math.min(buffer.length, range.last + 1 - position, upto.bytes - position);
      const count = await readLater(source.fd, buffer, wanted, position);
      // A file shorter than its row: missing bytes must not look like the end.
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
 * The buffers sent per system call when filled synchronously: a megabyte in four calls cost half as
 * much again (measured). Also the limit before others get their turn, about 4 ms on a Pi.
 */
const MOST_AT_ONCE = 4;

/**
 * Sends part of a complete file. Bytes in memory go out a megabyte at a time; bytes from disk are
 * read into one buffer while the other is being sent.
 * @returns false where the caller is gone, or the file is too short
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
      // A file shorter than its row: missing bytes must not look like the end.
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

  /** The last batch came from disk: the next one may be read while it is being sent. */
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
      // Only the first of a batch leaves the other buffer free for the next read.
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

  /** Up to the next block, as the page-cache guess works by blocks. */
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

  /** Called when the caller is gone. Only the last one set is called. */
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

  /** As {@link write} for several chunks, which go out together. */
  writeAll(chunks: readonly Buffer[]): Promise<boolean> {
    const last = chunks.at(-1);
    if (!this.#isOpen || last === undefined) return Promise.resolve(this.#isOpen);
    // Node buffers what is written in one turn until its end, and sends it in one call.
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
 * Reused buffers, so that serving makes no garbage. Bounded: a stream that finds the pool empty
 * uses a small buffer of its own, because waiting for one would let a few stalled readers stop
 * everyone.
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

  /** One more buffer for a stream that has some; null where others may need it. */
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
