import { type Disk, GatheredWrites, type SpoolHandle } from './disk.ts';
import { ContentHash, type FileHashing } from './hashing.ts';

/** A file that lies whole and synced in the incoming folder, under a name of ours. */
export interface StagedFile {
  readonly id: string;
  readonly partFile: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** What a file on its way to the disk needs from others. */
export interface PartFileDeps {
  readonly disk: Disk;
  readonly hashing: FileHashing;
  /** Asked before each write. False ends the file: there is no space for it. */
  readonly reserve: (bytes: number) => Promise<boolean>;
  /** Some of what waited for the disk is written. */
  readonly onWritten: () => void;
}

/** One file on its way from a socket to the disk, hashed as it goes. */
export class PartFile extends GatheredWrites {
  readonly id: string;
  readonly #file: string;
  readonly #deps: PartFileDeps;
  readonly #hash: ContentHash;
  #handle: SpoolHandle | null = null;

  constructor(id: string, file: string, deps: PartFileDeps) {
    super();
    this.id = id;
    this.#file = file;
    this.#deps = deps;
    this.#hash = new ContentHash(deps.hashing, file);
  }

  override push(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    super.push(bytes);
  }

  /**
   * Writes what is pushed until the end, then makes it durable. A failed sync means the bytes are
   * lost: Linux drops the pages it could not write, and a second sync on the handle would lie.
   * @returns null when there is no space, or it was given up
   * @throws the disk's error
   */
  async store(): Promise<StagedFile | null> {
    const { disk, reserve, onWritten } = this.#deps;
    this.#handle = await disk.create(this.#file);
    const whole = await this.writeTo(this.#handle, {
      reserve,
      written: async (sizeBytes) => {
        onWritten();
        await this.#hash.written(sizeBytes);
      },
    });
    return whole ? await this.#finish(this.#handle) : null;
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
      await this.#deps.disk.remove(this.#file);
    }
  }

  /** The hash costs no extra time: it is computed while the disk syncs. */
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
