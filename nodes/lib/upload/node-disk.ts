import { createReadStream } from 'node:fs';
import { mkdir, open, opendir, rename, rm, stat, statfs, truncate } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type DiskFault, DiskRefusedError } from '../store/disk-fault.ts';
import type { Disk, SpoolHandle } from './disk.ts';

/** Read in pieces of this size, in bytes: fewer calls than Node's 64 KB at little memory. */
const READ_PIECE_BYTES = 256 * 1024;

/** Who is told what the disk refused, and knows whether it refuses. */
export interface DiskHealth {
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
      highWaterMark: READ_PIECE_BYTES,
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
