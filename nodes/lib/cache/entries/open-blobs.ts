import { close, fstatSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';

const closeFile = promisify(close);

/** A kept file opened for reading. Its bytes stay readable though it be evicted meanwhile. */
export interface OpenBlob {
  readonly fd: number;
  readonly read: ReadAt;
  close(): Promise<void>;
}

interface Entry {
  readonly fd: number;
  readonly warmth: Warmth;
  lent: number;
  /** Removed or replaced: closed when its last reader is done. */
  isDoomed: boolean;
}

const CLOSED = Promise.resolve();

/**
 * Recently read blobs stay open, so that the next reader needs no `open`, `fstat` and `close`,
 * which cost more than a small file itself. Bounded; a file nobody reads is closed the moment it is
 * removed, so that its space is freed at once.
 */
export class OpenBlobs {
  readonly #warm: WarmReads;
  readonly #mostIdle: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  /** Removed from the map but still being read. */
  readonly #leaving = new Map<string, number>();

  /** @param mostIdle how many stay open that nobody reads */
  constructor(warm: WarmReads, mostIdle: number) {
    this.#warm = warm;
    this.#mostIdle = mostIdle;
  }

  /** Whether somebody is reading it. */
  isRead(blob: string): boolean {
    return (this.#entries.get(blob)?.lent ?? 0) > 0 || this.#leaving.has(blob);
  }

  /**
   * Lends an open file; null where it is not open, or not what it was when opened. Checking costs
   * no disk access, as an open file's inode is in memory.
   */
  borrow(blob: string, sizeBytes: number): OpenBlob | null {
    const entry = this.#entries.get(blob);
    if (entry === undefined) return null;
    if (!isWhole(entry.fd, sizeBytes)) {
      void this.forget(blob);
      return null;
    }
    return this.#lend(blob, entry);
  }

  /** Takes over a file just opened, and lends it; null when it is not what it should be. */
  async take(blob: string, fd: number, sizeBytes: number): Promise<OpenBlob | null> {
    const known = this.borrow(blob, sizeBytes);
    if (known !== null) {
      await closeFile(fd);
      return known;
    }
    if (!isWhole(fd, sizeBytes)) {
      await closeFile(fd);
      return null;
    }
    const warmth = new Warmth(this.#warm, sizeBytes);
    const entry: Entry = { fd, warmth, lent: 0, isDoomed: false };
    this.#entries.set(blob, entry);
    return this.#lend(blob, entry);
  }

  /** The file is removed: it gets no new readers, and is closed once nobody reads it. */
  async forget(blob: string): Promise<void> {
    const entry = this.#entries.get(blob);
    if (entry === undefined) return;
    this.#entries.delete(blob);
    if (entry.lent === 0) {
      await closeFile(entry.fd);
      return;
    }
    entry.isDoomed = true;
    this.#leaving.set(blob, (this.#leaving.get(blob) ?? 0) + 1);
  }

  /** Closes everything nobody reads, and the rest when its readers are done. */
  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((blob) => this.forget(blob)));
  }

  #lend(blob: string, entry: Entry): OpenBlob {
    entry.lent += 1;
    this.#entries.delete(blob);
    this.#entries.set(blob, entry);
    let isLent = true;
    return {
      fd: entry.fd,
      read: this.#reader(entry),
      close: () => {
        if (!isLent) return CLOSED;
        isLent = false;
        return this.#giveBack(blob, entry);
      },
    };
  }

  #giveBack(blob: string, entry: Entry): Promise<void> {
    entry.lent -= 1;
    if (entry.lent > 0) return CLOSED;
    if (!entry.isDoomed) return this.#closeIdlest();
    const others = (this.#leaving.get(blob) ?? 1) - 1;
    if (others > 0) this.#leaving.set(blob, others);
    else this.#leaving.delete(blob);
    return closeFile(entry.fd);
  }

  #closeIdlest(): Promise<void> {
    if (this.#entries.size <= this.#mostIdle) return CLOSED;
    for (const [blob, entry] of this.#entries) {
      if (entry.lent > 0) continue;
      this.#entries.delete(blob);
      return closeFile(entry.fd);
    }
    return CLOSED;
  }

  #reader({ fd, warmth }: Entry): ReadAt {
    const warm = this.#warm;
    return (into, length, position) => {
      if (warmth.covers(position, length)) {
        const count = warm.timed(() => readSync(fd, into, 0, length, position));
        if (!warm.isPaused) warmth.note(position, count);
        return count;
      }
      return readLater(fd, into, length, position).then((count) => {
        warm.flowed(count);
        warmth.note(position, count);
        return count;
      });
    };
  }
}

/** Reads by way of the thread pool. */
export function readLater(
  fd: number,
  into: Buffer,
  length: number,
  position: number,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  read(fd, into, 0, length, position, (error, count) => {
    if (error === null) resolve(count);
    else reject(error);
  });
  return promise;
}

function isWhole(fd: number, sizeBytes: number): boolean {
  const stat = fstatSync(fd);
  return stat.isFile() && stat.size === sizeBytes && stat.nlink > 0;
}

/** Reads into `into` from `position` on; a number where the bytes were in memory already. */
export type ReadAt = (into: Buffer, length: number, position: number) => number | Promise<number>;

interface WarmDeps {
  readonly monotonicMs: () => number;
  /** Memory the system could give out, the page cache included, in bytes. */
  readonly availableBytes: () => number;
}

/** As long as a serving buffer, so that a full buffer marks a full block. */
export const BLOCK_BYTES = 256 * 1024;

/** The share of free memory in which recently read blocks are trusted to remain. */
const TRUSTED_SHARE = 1 / 4;
const MOST_TRUSTED_BYTES = 256 * 1024 * 1024;
const MEASURED_FOR_MS = 1_000;
/**
 * A block from memory takes 0.06 ms here and about ten times that on a Pi; from its SD card it
 * takes 13 ms at least. In between, the guess was wrong.
 */
const SLOW_MS = 8;
/** So a wrong guess delays the event loop by one block per this interval at most. */
const PAUSE_MS = 5_000;

/**
 * Guesses which blocks are in the page cache: reading those synchronously costs half of a trip
 * through the thread pool, while a wrong guess would block everybody for an SD card. A block counts
 * as warm when, since its last read, less came from disk than the system can surely keep. Each
 * synchronous read is timed; a slow one ends all trust for a while.
 */
export class WarmReads {
  readonly #deps: WarmDeps;
  /** Bytes read through the thread pool so far, which serve as the clock of the stamps. */
  #flowBytes = 0;
  #trustedBytes = 0;
  #measuredAtMs = -Infinity;
  #pausedUntilMs = -Infinity;
  /** Stamps from before a slow read no longer count. */
  #voidBelowBytes = 0;

  constructor(deps: WarmDeps) {
    this.#deps = deps;
  }

  /** Whether anything at all may be read synchronously now. */
  get isPaused(): boolean {
    return this.#deps.monotonicMs() < this.#pausedUntilMs;
  }

  /** The stamp of something read at this moment. */
  stamp(): number {
    return this.#flowBytes;
  }

  /** @param bytes that came through the thread pool */
  flowed(bytes: number): void {
    this.#flowBytes += bytes;
  }

  isTrusted(stamp: number): boolean {
    if (stamp < this.#voidBelowBytes) return false;
    return this.#flowBytes - stamp < this.#budgetBytes();
  }

  /** Runs a synchronous read, and times it. */
  timed(read: () => number): number {
    const beganMs = this.#deps.monotonicMs();
    const count = read();
    const nowMs = this.#deps.monotonicMs();
    if (nowMs - beganMs >= SLOW_MS) {
      this.#pausedUntilMs = nowMs + PAUSE_MS;
      this.#flowBytes += 1;
      this.#voidBelowBytes = this.#flowBytes;
    }
    return count;
  }

  #budgetBytes(): number {
    const nowMs = this.#deps.monotonicMs();
    if (nowMs - this.#measuredAtMs >= MEASURED_FOR_MS) {
      this.#measuredAtMs = nowMs;
      const share = this.#deps.availableBytes() * TRUSTED_SHARE;
      this.#trustedBytes = Math.min(MOST_TRUSTED_BYTES, share);
    }
    return this.#trustedBytes;
  }
}

/** When each 256 KB block of one open file was last read. */
class Warmth {
  readonly #reads: WarmReads;
  readonly #sizeBytes: number;
  readonly #stamps: Float64Array;

  constructor(reads: WarmReads, sizeBytes: number) {
    this.#reads = reads;
    this.#sizeBytes = sizeBytes;
    this.#stamps = new Float64Array(Math.ceil(sizeBytes / BLOCK_BYTES)).fill(-1);
  }

  /** Whether the whole stretch is surely in memory. */
  covers(position: number, length: number): boolean {
    if (this.#reads.isPaused) return false;
    const last = Math.floor((position + length - 1) / BLOCK_BYTES);
    for (let block = Math.floor(position / BLOCK_BYTES); block <= last; block += 1) {
      const stamp = this.#stamps[block] ?? -1;
      if (stamp < 0 || !this.#reads.isTrusted(stamp)) return false;
    }
    return true;
  }

  /** The stretch was just read. Only blocks it covers entirely count. */
  note(position: number, length: number): void {
    const end = position + length;
    const stamp = this.#reads.stamp();
    for (let block = Math.ceil(position / BLOCK_BYTES); ; block += 1) {
      const blockEnd = Math.min((block + 1) * BLOCK_BYTES, this.#sizeBytes);
      if (blockEnd > end || block >= this.#stamps.length) return;
      this.#stamps[block] = stamp;
    }
  }
}
