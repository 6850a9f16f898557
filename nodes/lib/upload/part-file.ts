import { ContentHash } from './content-hash.ts';
import type { Disk, SpoolHandle } from './disk.ts';
import type { FileHashing } from './file-hashing.ts';
import { giveBack } from '../http/http.ts';
import { writeAll } from './write-all.ts';

/** What a piece costs in memory beside its bytes, about: a stranger may send a byte at a time. */
const PIECE_BYTES = 256;

/** A file that lies whole and synced in the incoming folder, under a name of ours. */
export interface StagedFile {
  readonly id: string;
  readonly partFile: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** What a file on its way to the disk asks of others. */
export interface PartFileParts {
  readonly disk: Disk;
  readonly hashing: FileHashing;
  /** Asked before each write. False ends the file: there is no room for it. */
  readonly takeRoom: (bytes: number) => Promise<boolean>;
  /** Some of what waited for the disk is written. */
  readonly onWritten: () => void;
}

/**
 * One file on its way from a socket to the disk. What comes while one write is under way is gathered
 * for the next, so that a fast sender costs few system calls. How much may be gathered is up to who
 * gives it: {@link heldBytes}.
 */
export class PartFile {
  readonly id: string;
  readonly #file: string;
  readonly #parts: PartFileParts;
  readonly #hash: ContentHash;
  #handle: SpoolHandle | null = null;
  #sizeBytes = 0;
  #pending: Uint8Array[] = [];
  #heldBytes = 0;
  #more: (() => void) | null = null;
  #state: 'open' | 'ended' | 'given up' = 'open';

  constructor(id: string, file: string, parts: PartFileParts) {
    this.id = id;
    this.#file = file;
    this.#parts = parts;
    this.#hash = new ContentHash(parts.hashing, file);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Memory held by what was given and is not written yet. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Takes the next bytes. They are this file's from now on: once written, they are gone. */
  push(bytes: Uint8Array): void {
    this.#hash.update(bytes);
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

  /** Lets {@link store} come to its end without a result. */
  giveUp(): void {
    this.#state = 'given up';
    this.#more?.();
  }

  /**
   * Writes what is pushed until the end, then makes it durable. A failed sync means the bytes are
   * lost: Linux drops the pages it could not write, and a second sync on the handle would lie.
   * @returns null when there is no room, or it was given up
   * @throws the disk's error
   */
  async store(): Promise<StagedFile | null> {
    const { disk, takeRoom, onWritten } = this.#parts;
    this.#handle = await disk.create(this.#file);
    let writtenBytes = 0;
    for (let batch = await this.#next(); batch.length > 0; batch = await this.#next()) {
      const bytes = this.#sizeBytes - writtenBytes;
      const held = this.#heldBytes;
      this.#pending = [];
      if (!(await takeRoom(bytes))) return null;
      await writeAll(this.#handle, batch);
      batch.forEach(giveBack);
      writtenBytes += bytes;
      await this.#hash.written(writtenBytes);
      this.#heldBytes -= held;
      onWritten();
    }
    return this.#isGivenUp() ? null : await this.#finish(this.#handle);
  }

  /**
   * Closes and deletes the file. Only once {@link store} has ended.
   * @throws the disk's error when it cannot be deleted; the next start will
   */
  async discard(): Promise<void> {
    this.#hash.drop();
    const handle = this.#handle;
    this.#handle = null;
    try {
      await handle?.close();
    } finally {
      await this.#parts.disk.remove(this.#file);
    }
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

  /** Nothing waits for the hash alone: it is made while the disk syncs. */
  async #finish(handle: SpoolHandle): Promise<StagedFile> {
    const [synced, hashed] = await Promise.allSettled([handle.sync(), this.#hash.digest()]);
    if (synced.status === 'rejected') throw synced.reason;
    if (hashed.status === 'rejected') throw hashed.reason;
    this.#handle = null;
    await handle.close();
    const { id, sizeBytes } = this;
    return { id, partFile: this.#file, sizeBytes, sha256: hashed.value };
  }
}
