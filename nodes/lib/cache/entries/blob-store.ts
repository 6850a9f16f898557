import { randomBytes } from 'node:crypto';
import { close, constants, mkdirSync, open, renameSync } from 'node:fs';
import { type FileHandle, mkdir, open as openHandle, readdir, rm, unlink } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../../time/clock.ts';
import { readExactly } from '../serve/byte-source.ts';
import { type OpenBlob, OpenBlobs, WarmReads } from './open-blobs.ts';

export type { OpenBlob } from './open-blobs.ts';

const openFile = promisify(open);
const closeFile = promisify(close);

/** A file still being downloaded. */
export interface TempFile {
  readonly name: string;
  readonly fd: number;
}

const BLOB_NAME = /^[0-9a-f]{32}$/;

/** A household's hot files, and a video's segments; Linux gives a process 1024 descriptors. */
const MOST_IDLE = 96;

/**
 * The bytes on disk: `blobs/<2 hex>/<32 hex>`, and `fills/` for partial files. Names are random, so
 * no client's name ever reaches the file system. Only `fills/` is scanned at start, which holds at
 * most what was running when the process died.
 */
export class BlobStore {
  /** Open files for current and next readers: deleting one of them frees no space yet. */
  readonly open: OpenBlobs;
  /** Small blobs that memory holds. */
  readonly small: SmallFiles;
  readonly #blobs: string;
  readonly #downloads: string;

  /**
   * @param folder the cache's own folder, on one file system
   * @param memoryBytes for small files that are read again
   */
  constructor(folder: string, clock: Pick<Clock, 'monotonicMs'>, memoryBytes: number) {
    this.#blobs = join(folder, 'blobs');
    this.#downloads = join(folder, 'fills');
    const monotonicMs = (): number => clock.monotonicMs();
    const warm = new WarmReads({ monotonicMs, availableBytes: freemem });
    this.open = new OpenBlobs(warm, MOST_IDLE);
    this.small = new SmallFiles(memoryBytes);
  }

  async start(): Promise<void> {
    await rm(this.#downloads, { recursive: true, force: true });
    await mkdir(this.#downloads, { recursive: true, mode: 0o700 });
    await mkdir(this.#blobs, { recursive: true, mode: 0o700 });
  }

  async createTemp(): Promise<TempFile> {
    const name = randomBytes(16).toString('hex');
    const fd = await openFile(join(this.#downloads, name), 'wx+', 0o600);
    return { name, fd };
  }

  /** Closes a filled or given-up file, and deletes it unless it was published. */
  async dropTemp(temp: TempFile): Promise<void> {
    await closeFile(temp.fd);
    await removeIfThere(join(this.#downloads, temp.name));
  }

  newName(): string {
    return randomBytes(16).toString('hex');
  }

  /** Where a temporary file lies, for {@link moveIn}. */
  tempPath(temp: TempFile): string {
    return join(this.#downloads, temp.name);
  }

  /** Makes a whole, synced file the blob of that name. One rename, in place at once or not. */
  moveIn(file: string, blob: string): void {
    const target = this.pathOf(blob);
    try {
      renameSync(file, target);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      mkdirSync(join(this.#blobs, blob.slice(0, 2)), { recursive: true, mode: 0o700 });
      renameSync(file, target);
    }
  }

  /**
   * Opens a blob and checks its size.
   * @returns null when it is not there, is no plain file, or has another size
   */
  async openBlob(blob: string, sizeBytes: number): Promise<OpenBlob | null> {
    const known = this.open.borrow(blob, sizeBytes);
    if (known !== null) return known;
    const fd = await this.#openPlain(this.pathOf(blob));
    return fd === null ? null : this.open.take(blob, fd, sizeBytes);
  }

  /**
   * All bytes of a small blob from disk, held in memory for the next reader.
   * @returns null as {@link openBlob}
   */
  async readSmall(blob: string, sizeBytes: number): Promise<Buffer | null> {
    const file = await this.openBlob(blob, sizeBytes);
    if (file === null) return null;
    try {
      const isHeld = this.small.takes(sizeBytes);
      // What stays must be of its own size, not a corner of Node's shared 8 KB.
      const into = isHeld ? Buffer.allocUnsafeSlow(sizeBytes) : Buffer.allocUnsafe(sizeBytes);
      const bytes = await readExactly(file.read, 0, into);
      if (bytes !== null && isHeld) this.small.put(blob, bytes);
      return bytes;
    } finally {
      await file.close();
    }
  }

  async remove(blob: string): Promise<void> {
    this.small.drop(blob);
    await this.open.forget(blob);
    await removeIfThere(this.pathOf(blob));
  }

  /** The names in one of the 256 folders; empty where it was never needed. @param folder 0 to 255 */
  async namesIn(folder: number): Promise<string[]> {
    try {
      const names = await readdir(join(this.#blobs, folder.toString(16).padStart(2, '0')));
      return names.filter((name) => BLOB_NAME.test(name));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async #openPlain(path: string): Promise<number | null> {
    try {
      // A link planted here must not lead out; a pipe must not block the open.
      return await openFile(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENXIO') return null;
      throw error;
    }
  }

  /** Where a blob lies, if it is there. */
  pathOf(blob: string): string {
    if (!BLOB_NAME.test(blob)) throw new Error('A blob in the table has an impossible name.');
    return join(this.#blobs, blob.slice(0, 2), blob);
  }
}

/** Opens a plain file of the Pi's own for reading; null when it is not there any more. */
export async function openIfThere(file: string): Promise<FileHandle | null> {
  try {
    return await openHandle(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** What a kept file costs besides its bytes: map entry, name, buffer object. */
const OVERHEAD_BYTES = 512;

/** Up to this size a file may be held in memory, and is read and written in one go. */
export const SMALL_FILE_BYTES = 64 * 1024;

/** What a Pi with 1 GB can spare for it. */
export const SMALL_FILES_BYTES = 16 * 1024 * 1024;

interface Held {
  readonly bytes: Buffer;
  wasUsed: boolean;
}

/**
 * Small files in memory, by blob name. A name is random, belongs to one version for ever, and is
 * only learnt from the entry's row after the permission check: so what was replaced, evicted or
 * dropped is never asked for again, and memory holds what was on disk. Eviction is second chance: a
 * hit sets a mark and moves nothing, so files read only once, as when a phone walks a folder, go
 * first.
 */
export class SmallFiles {
  readonly #mostBytes: number;
  readonly #held = new Map<string, Held>();
  #heldBytes = 0;

  /** @param mostBytes 0 holds nothing */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Whether a file of that size would be held. */
  takes(sizeBytes: number): boolean {
    return sizeBytes <= SMALL_FILE_BYTES && sizeBytes + OVERHEAD_BYTES <= this.#mostBytes;
  }

  get(blob: string): Buffer | null {
    const held = this.#held.get(blob);
    if (held === undefined) return null;
    held.wasUsed = true;
    return held.bytes;
  }

  /** @param bytes all of the file; never written to again */
  put(blob: string, bytes: Buffer): void {
    if (!this.takes(bytes.length)) return;
    this.drop(blob);
    const neededBytes = bytes.length + OVERHEAD_BYTES;
    while (this.#heldBytes + neededBytes > this.#mostBytes) this.#evictOne();
    this.#heldBytes += neededBytes;
    this.#held.set(blob, { bytes, wasUsed: false });
  }

  drop(blob: string): void {
    const held = this.#held.get(blob);
    if (held === undefined) return;
    this.#held.delete(blob);
    this.#heldBytes -= held.bytes.length + OVERHEAD_BYTES;
  }

  #evictOne(): void {
    for (const [blob, held] of this.#held) {
      if (!held.wasUsed) {
        this.drop(blob);
        return;
      }
      held.wasUsed = false;
      this.#held.delete(blob);
      this.#held.set(blob, held);
    }
  }
}
