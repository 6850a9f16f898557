import { createReadStream } from 'node:fs';
import { mkdir, open, opendir, rename, rm, stat, statfs, truncate } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Disk, SpoolHandle } from './disk.ts';

/** Read in pieces of this size, in bytes: fewer calls than Node's 64 KB at little memory. */
const READ_PIECE_BYTES = 256 * 1024;

/** The machine's own file system. */
export class NodeDisk implements Disk {
  async create(file: string): Promise<SpoolHandle> {
    return new NodeSpoolHandle(await open(file, 'wx', 0o600));
  }

  async goOn(file: string, sizeBytes: number): Promise<SpoolHandle> {
    await truncate(file, sizeBytes);
    return new NodeSpoolHandle(await open(file, 'a'));
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(from, to);
  }

  async makeFolder(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }

  async syncFolder(folder: string): Promise<void> {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async remove(file: string): Promise<void> {
    await rm(file, { force: true });
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
      highWaterMark: READ_PIECE_BYTES,
    });
  }

  async freeBytes(folder: string): Promise<number> {
    const found = await statfs(folder);
    return found.bavail * found.bsize;
  }
}

class NodeSpoolHandle implements SpoolHandle {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async writev(buffers: readonly Uint8Array[]): Promise<number> {
    const { bytesWritten } = await this.#handle.writev(buffers);
    return bytesWritten;
  }

  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
