import { close, fstatSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { Warmth, type ReadAt, type WarmReads } from './warm-reads.ts';

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
  /** Removed or outgrown: to be closed when its last reader is through. */
  isDoomed: boolean;
}

const CLOSED = Promise.resolve();

/**
 * Blobs that were read lately stay open, so that the next reader needs no trip to the file system
 * for `open`, `fstat` and `close`: they cost more than a small file itself. Bounded; what nobody
 * reads is closed the moment its file is removed, so that it frees its room at once.
 */
export class OpenBlobs {
  readonly #warm: WarmReads;
  readonly #mostIdle: number;
  /** The one used longest ago first. */
  readonly #entries = new Map<string, Entry>();
  /** Out of the map and still being read. */
  readonly #leaving = new Map<string, number>();

  /** @param mostIdle how many stay open that nobody reads */
  constructor(warm: WarmReads, mostIdle: number) {
    this.#warm = warm;
    this.#mostIdle = mostIdle;
  }

  /** Whether somebody reads it now. */
  isRead(blob: string): boolean {
    return (this.#entries.get(blob)?.lent ?? 0) > 0 || this.#leaving.has(blob);
  }

  /**
   * Lends a file that is open already; null where it is not, or is not what it was when opened.
   * Whether it is asked of the system costs no disk, as an open file's entry is in memory.
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

  /** The file is about to go, or went: nobody gets it any more, and it is closed once unread. */
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

  /** Closes all that nobody reads; what is read is closed after. */
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
