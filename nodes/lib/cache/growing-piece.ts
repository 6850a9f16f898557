import { fdatasync } from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { BlobStore, TempFile } from './blob-store.ts';
import { writeSome } from './fill-io.ts';
import { readLater } from './open-blobs.ts';
import type { Reservation } from './room.ts';
import { Spans } from './spans.ts';

const sync = promisify(fdatasync);

const READ_BACK_BYTES = 256 * 1024;

/**
 * A piece on its way: a temporary file that fills from any place on. It stays open, and so
 * readable, until the last who uses it lets go, published or not.
 */
export class GrowingPiece {
  readonly number: number;
  readonly sizeBytes: number;
  readonly #blobs: BlobStore;
  readonly #temp: TempFile;
  readonly #room: Reservation;
  readonly #spans = new Spans();
  #users = 1;

  constructor(
    blobs: BlobStore,
    temp: TempFile,
    room: Reservation,
    number: number,
    sizeBytes: number,
  ) {
    this.#blobs = blobs;
    this.#temp = temp;
    this.#room = room;
    this.number = number;
    this.sizeBytes = sizeBytes;
  }

  get fd(): number {
    return this.#temp.fd;
  }

  /** Where it lies until it is published. */
  get path(): string {
    return this.#blobs.tempPath(this.#temp);
  }

  get isFull(): boolean {
    return this.#spans.endFrom(0) >= this.sizeBytes;
  }

  /** @param offset within the piece */
  async write(chunk: Buffer, offset: number): Promise<void> {
    let done = 0;
    while (done < chunk.length)
      done += await writeSome(this.fd, chunk.subarray(done), offset + done);
    this.#spans.add(offset, offset + chunk.length);
    this.#room.wroteBytes(this.#spans.totalBytes);
  }

  /** Puts a full piece on the disk for good. @returns its CRC-32, of what lies there */
  async seal(): Promise<number> {
    await sync(this.fd);
    const buffer = Buffer.allocUnsafe(READ_BACK_BYTES);
    let sum = 0;
    for (let at = 0; at < this.sizeBytes;) {
      const wanted = Math.min(buffer.length, this.sizeBytes - at);
      const count = await readLater(this.fd, buffer, wanted, at);
      if (count === 0) throw new Error('A piece just written is shorter than what was written.');
      sum = crc32(buffer.subarray(0, count), sum);
      at += count;
    }
    return sum;
  }

  /** It counts as a copy, or never will. */
  releaseRoom(): void {
    this.#room.release();
  }

  retain(): void {
    this.#users += 1;
  }

  /** After the last the file is closed, and deleted unless it was published. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#room.release();
    await this.#blobs.dropTemp(this.#temp);
  }
}
