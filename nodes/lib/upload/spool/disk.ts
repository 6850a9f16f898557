import { createReadStream } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  opendir,
  rename,
  rm,
  stat,
  statfs,
  truncate,
} from 'node:fs/promises';
import { Readable } from 'node:stream';
import { giveBack } from '../../http/http.ts';
import { type DiskFault, DiskRefusedError } from '../../store/store.ts';

/** A file being written. No call is repeated on it after one has failed. */
export interface SpoolHandle {
  /** @returns bytes written, which may be fewer than given */
  writev(buffers: readonly Uint8Array[]): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file system as this module needs it: small enough to inject any fault (goal R3). */
export interface Disk {
  /** Creates `file` with mode 0600; fails when it exists. */
  create(file: string): Promise<SpoolHandle>;
  /** Opens an existing file to continue after its first `sizeBytes`; the rest is cut off. */
  goOn(file: string, sizeBytes: number): Promise<SpoolHandle>;
  rename(from: string, to: string): Promise<void>;
  /** Creates a folder and its parents with mode 0700; an existing one is left as it is. */
  makeFolder(folder: string): Promise<void>;
  /** Makes the names in a folder durable. */
  syncFolder(folder: string): Promise<void>;
  /** Deletes; a file that is not there counts as deleted. */
  remove(file: string): Promise<void>;
  /** @returns bytes, or null where there is no such file */
  sizeOf(file: string): Promise<number | null>;
  /** Names of the files in a folder, without its sub-folders. */
  names(folder: string): AsyncIterable<string>;
  /** Bytes from `firstByte`, `lengthBytes` of them. */
  read(file: string, firstByte: number, lengthBytes: number): Readable;
  /** Bytes that an ordinary user may still write on the file system that holds `folder`. */
  freeBytes(folder: string): Promise<number>;
  /** Checks the disk now: a file missing on a disconnected disk is not lost. */
  isWell(): boolean;
}

/** What a failed disk operation means to a caller. */
type WriteFault = 'no_room' | 'disk_failing';

/**
 * Classifies an error of the disk. EFBIG counts as full: the file system hit its size limit.
 * @returns null for an error that no system call made
 */
export function diskFaultOf(error: unknown): WriteFault | null {
  if (error instanceof DiskRefusedError) return error.fault === 'full' ? 'no_room' : 'disk_failing';
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string')
    return null;
  if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes(error.code)) return 'no_room';
  if (error.code === 'ERR_SQLITE_ERROR') {
    // SQLITE_FULL is 13 (sqlite.org/rescode.html).
    return 'errcode' in error && error.errcode === 13 ? 'no_room' : 'disk_failing';
  }
  return 'syscall' in error ? 'disk_failing' : null;
}

/** Linux takes no more at a time (UIO_MAXIOV). */
const MOST_BUFFERS = 1_024;

/**
 * Writes all of it, however little the disk takes at a time.
 * @throws the disk's error
 */
export async function writeAll(handle: SpoolHandle, batch: readonly Uint8Array[]): Promise<void> {
  let left = batch.filter((bytes) => bytes.length > 0);
  while (left.length > 0) {
    const written = await handle.writev(left.slice(0, MOST_BUFFERS));
    left = without(left, written);
  }
}

function without(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (skip < buffer.length) rest.push(buffer.subarray(skip));
    skip = Math.max(0, skip - buffer.length);
  }
  return rest;
}

/** Rough memory overhead per chunk: a stranger may send a byte at a time. */
const PIECE_BYTES = 256;

/** What the writer needs from others. */
interface WriteHooks {
  /** Asked before each write. False ends the writing: there is no space. */
  readonly reserve: (bytes: number) => Promise<boolean>;
  /** That many bytes are written by now. The next write waits for it. */
  readonly written: (sizeBytes: number) => Promise<void>;
}

/**
 * A buffer between a producer and a file. Bytes that arrive during a write are gathered for the
 * next, so that a fast sender costs few system calls. The producer limits how much may be gathered:
 * {@link heldBytes}.
 */
export class GatheredWrites {
  #sizeBytes = 0;
  #pending: Uint8Array[] = [];
  #heldBytes = 0;
  #more: (() => void) | null = null;
  #state: 'open' | 'ended' | 'given up' = 'open';

  /** Everything pushed so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Memory held by bytes pushed and not written yet. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Takes ownership of the next bytes: their memory is freed once written. */
  push(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    this.#pending.push(bytes);
    this.#heldBytes += bytes.length + PIECE_BYTES;
    this.#more?.();
  }

  /** There are no more bytes. */
  end(): void {
    if (this.#state === 'open') this.#state = 'ended';
    this.#more?.();
  }

  /** Ends {@link writeTo} without further writes. */
  giveUp(): void {
    this.#state = 'given up';
    this.#more?.();
  }

  /**
   * Writes what is pushed until the end.
   * @returns whether all of it is written: false when there is no space, or it was given up
   * @throws the disk's error
   */
  async writeTo(handle: SpoolHandle, { reserve, written }: WriteHooks): Promise<boolean> {
    let writtenBytes = 0;
    for (let batch = await this.#next(); batch.length > 0; batch = await this.#next()) {
      const bytes = this.#sizeBytes - writtenBytes;
      const held = this.#heldBytes;
      this.#pending = [];
      if (!(await reserve(bytes))) return false;
      await writeAll(handle, batch);
      batch.forEach(giveBack);
      writtenBytes += bytes;
      this.#heldBytes -= held;
      await written(writtenBytes);
    }
    return !this.#isGivenUp();
  }

  /** The next bytes to write; none at the end. */
  async #next(): Promise<readonly Uint8Array[]> {
    while (this.#pending.length === 0 && this.#state === 'open') {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.#more = () => {
        resolve(undefined);
      };
      await promise;
      this.#more = null;
    }
    return this.#isGivenUp() ? [] : this.#pending;
  }

  #isGivenUp(): boolean {
    return this.#state === 'given up';
  }
}

/** Bytes per read: fewer calls than with Node's 64 KB, for little memory. */
const READ_CHUNK_BYTES = 256 * 1024;

/** Records what the disk refused, and knows whether it refuses. */
interface DiskHealth {
  readonly refuses: DiskFault | null;
  failed(error: unknown): boolean;
  look(): void;
}

const WELL: DiskHealth = { refuses: null, failed: () => false, look: () => undefined };

/** The machine's own file system. */
export class NodeDisk implements Disk {
  readonly #health: DiskHealth;

  constructor(health: DiskHealth = WELL) {
    this.#health = health;
  }

  async create(file: string): Promise<SpoolHandle> {
    return this.#spool(await this.#told(open(file, 'wx', 0o600)));
  }

  async goOn(file: string, sizeBytes: number): Promise<SpoolHandle> {
    await this.#told(truncate(file, sizeBytes));
    return this.#spool(await this.#told(open(file, 'a')));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#told(rename(from, to));
  }

  async makeFolder(folder: string): Promise<void> {
    await this.#told(mkdir(folder, { recursive: true, mode: 0o700 }));
  }

  async syncFolder(folder: string): Promise<void> {
    const handle = await open(folder, 'r');
    try {
      await this.#told(handle.sync());
    } finally {
      await handle.close();
    }
  }

  async remove(file: string): Promise<void> {
    await this.#told(rm(file, { force: true }));
  }

  async sizeOf(file: string): Promise<number | null> {
    try {
      const found = await stat(file);
      return found.isFile() ? found.size : null;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  async *names(folder: string): AsyncIterable<string> {
    for await (const entry of await opendir(folder)) {
      if (!entry.isDirectory()) yield entry.name;
    }
  }

  read(file: string, firstByte: number, lengthBytes: number): Readable {
    // An end before the start is an error to Node.
    if (lengthBytes === 0) return Readable.from([]);
    return createReadStream(file, {
      start: firstByte,
      end: firstByte + lengthBytes - 1,
      highWaterMark: READ_CHUNK_BYTES,
    });
  }

  async freeBytes(folder: string): Promise<number> {
    const { refuses } = this.#health;
    if (refuses === 'failing') throw new DiskRefusedError('queue', refuses);
    const found = await this.#told(statfs(folder));
    return found.bavail * found.bsize;
  }

  isWell(): boolean {
    this.#health.look();
    return this.#health.refuses === null;
  }

  #spool(handle: FileHandle): SpoolHandle {
    return new NodeSpoolHandle(handle, (work) => this.#told(work));
  }

  async #told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.#health.failed(error);
      throw error;
    }
  }
}

type Told = <T>(work: Promise<T>) => Promise<T>;

class NodeSpoolHandle implements SpoolHandle {
  readonly #handle: FileHandle;
  readonly #told: Told;

  constructor(handle: FileHandle, told: Told) {
    this.#handle = handle;
    this.#told = told;
  }

  async writev(buffers: readonly Uint8Array[]): Promise<number> {
    const { bytesWritten } = await this.#told(this.#handle.writev(buffers));
    return bytesWritten;
  }

  async sync(): Promise<void> {
    await this.#told(this.#handle.sync());
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
