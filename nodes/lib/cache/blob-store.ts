import { randomBytes } from 'node:crypto';
import { close, constants, fstat, mkdirSync, open, renameSync } from 'node:fs';
import { mkdir, open as openHandle, rm, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const openFile = promisify(open);
const closeFile = promisify(close);
const statFile = promisify(fstat);

/** A kept file opened for reading. Its bytes stay readable though it be evicted meanwhile. */
export interface OpenBlob {
  readonly fd: number;
  close(): Promise<void>;
}

/** A file still being filled. */
export interface TempFile {
  readonly name: string;
  readonly fd: number;
}

const BLOB_NAME = /^[0-9a-f]{32}$/;

/**
 * The bytes on disk: `blobs/<2 hex>/<32 hex>`, and `fills/` for what is not whole yet. Names are
 * random, so no client's name ever reaches the file system. Only `fills/` is looked through at
 * start, where what lies there is at most what ran when the process died.
 */
export class BlobStore {
  readonly #blobs: string;
  readonly #fills: string;
  readonly #open = new Map<string, number>();

  /** @param folder the cache's own folder, on one file system */
  constructor(folder: string) {
    this.#blobs = join(folder, 'blobs');
    this.#fills = join(folder, 'fills');
  }

  async start(): Promise<void> {
    await rm(this.#fills, { recursive: true, force: true });
    await mkdir(this.#fills, { recursive: true, mode: 0o700 });
    await mkdir(this.#blobs, { recursive: true, mode: 0o700 });
  }

  async createTemp(): Promise<TempFile> {
    const name = randomBytes(16).toString('hex');
    const fd = await openFile(join(this.#fills, name), 'wx+', 0o600);
    return { name, fd };
  }

  /** Closes a filled or given-up file, and deletes it unless it was published. */
  async dropTemp(temp: TempFile): Promise<void> {
    await closeFile(temp.fd);
    await removeIfThere(join(this.#fills, temp.name));
  }

  newName(): string {
    return randomBytes(16).toString('hex');
  }

  /** Where a temporary file lies, for {@link moveIn}. */
  tempPath(temp: TempFile): string {
    return join(this.#fills, temp.name);
  }

  /** Makes a whole, synced file the blob of that name. One rename, in place at once or not. */
  moveIn(file: string, blob: string): void {
    const target = this.#pathOf(blob);
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
    const fd = await this.#openPlain(this.#pathOf(blob));
    if (fd === null) return null;
    const stat = await statFile(fd);
    if (!stat.isFile() || stat.size !== sizeBytes) {
      await closeFile(fd);
      return null;
    }
    this.#open.set(blob, (this.#open.get(blob) ?? 0) + 1);
    return {
      fd,
      close: async () => {
        const others = (this.#open.get(blob) ?? 1) - 1;
        if (others > 0) this.#open.set(blob, others);
        else this.#open.delete(blob);
        await closeFile(fd);
      },
    };
  }

  /** Whether somebody reads it now; deleting it would free no room yet. */
  isOpen(blob: string): boolean {
    return this.#open.has(blob);
  }

  async remove(blob: string): Promise<void> {
    await removeIfThere(this.#pathOf(blob));
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

  #pathOf(blob: string): string {
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
