import { createHash } from 'node:crypto';
import type { Disk, SpoolHandle } from './disk.ts';

/** Bytes that may wait for the disk before the sender is held back. */
const PENDING_LIMIT_BYTES = 1024 * 1024;

/** A file that lies whole and synced in the incoming folder, under a name of ours. */
export interface StagedFile {
  readonly id: string;
  readonly partFile: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

/**
 * One file on its way from a socket to the disk. Hashes and counts as it goes; while one write is
 * under way what comes meanwhile is gathered for the next, so that a fast sender costs few system
 * calls and never more than about 1 MB of memory.
 */
export class PartFile {
  readonly id: string;
  readonly #file: string;
  readonly #disk: Disk;
  readonly #handle: SpoolHandle;
  readonly #hash = createHash('sha256');
  #sizeBytes = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | null = null;
  #fault: { readonly error: unknown } | null = null;
  #closed = false;

  private constructor(id: string, file: string, disk: Disk, handle: SpoolHandle) {
    this.id = id;
    this.#file = file;
    this.#disk = disk;
    this.#handle = handle;
  }

  /** @throws what the disk says */
  static async create(disk: Disk, id: string, file: string): Promise<PartFile> {
    return new PartFile(id, file, disk, await disk.create(file));
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Takes the next bytes. Wait for it before giving more.
   * @throws the disk's error, of this or an earlier write
   */
  async append(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.length;
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    this.#writing ??= this.#drain();
    if (this.#pendingBytes >= PENDING_LIMIT_BYTES) await this.#writing;
    if (this.#fault !== null) throw this.#fault.error;
  }

  /**
   * Writes what is left and makes the bytes durable. A failed sync means the bytes are lost: Linux
   * drops the pages it could not write, and a second sync on the handle would lie.
   * @throws the disk's error
   */
  async finish(): Promise<StagedFile> {
    await this.#writing;
    if (this.#fault !== null) throw this.#fault.error;
    await this.#handle.sync();
    this.#closed = true;
    await this.#handle.close();
    return {
      id: this.id,
      partFile: this.#file,
      sizeBytes: this.#sizeBytes,
      sha256: this.#hash.digest('hex'),
    };
  }

  /**
   * Gives up: closes and deletes the file.
   * @throws the disk's error when it cannot be deleted; the next start will
   */
  async discard(): Promise<void> {
    this.#pending = [];
    await this.#writing;
    try {
      if (!this.#closed) {
        this.#closed = true;
        await this.#handle.close();
      }
    } finally {
      await this.#disk.remove(this.#file);
    }
  }

  /** Never rejects: an error is kept for the next call. */
  async #drain(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        const batch = this.#pending;
        this.#pending = [];
        this.#pendingBytes = 0;
        await this.#writeAll(batch);
      }
    } catch (error) {
      this.#fault = { error };
      this.#pending = [];
    }
    this.#writing = null;
  }

  async #writeAll(batch: readonly Uint8Array[]): Promise<void> {
    let left = batch.filter((buffer) => buffer.length > 0);
    while (left.length > 0) {
      let written = await this.#handle.writev(left);
      const rest: Uint8Array[] = [];
      for (const buffer of left) {
        if (written >= buffer.length) {
          written -= buffer.length;
        } else {
          rest.push(buffer.subarray(written));
          written = 0;
        }
      }
      left = rest;
    }
  }
}
