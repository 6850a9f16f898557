import { GrowingPiece } from './growing-piece.ts';
import type { PiecedPorts } from './pieced-ports.ts';
import { pieceSize } from './pieces.ts';

/** The pieces of one file that are on their way: made when their first byte comes. */
export class GrowingPieces {
  readonly #ports: PiecedPorts;
  readonly #sizeBytes: number;
  readonly #pieces = new Map<number, GrowingPiece>();
  readonly #making = new Map<number, Promise<GrowingPiece | null>>();

  /** @param sizeBytes of the whole file */
  constructor(ports: PiecedPorts, sizeBytes: number) {
    this.#ports = ports;
    this.#sizeBytes = sizeBytes;
  }

  get(number: number): GrowingPiece | undefined {
    return this.#pieces.get(number);
  }

  numbers(): Iterable<number> {
    return this.#pieces.keys();
  }

  /** The piece to write to; null when there is no room for it. */
  make(number: number): Promise<GrowingPiece | null> {
    const known = this.#making.get(number);
    if (known !== undefined) return known;
    const making = this.#make(number);
    this.#making.set(number, making);
    return making;
  }

  /** A piece is published or given up. */
  async letGo(number: number): Promise<void> {
    const piece = this.#pieces.get(number);
    this.#pieces.delete(number);
    this.#making.delete(number);
    try {
      await piece?.release();
    } catch (error) {
      this.#ports.storageFailed(error);
    }
  }

  async letAllGo(): Promise<void> {
    for (const number of [...this.#pieces.keys()]) await this.letGo(number);
  }

  async #make(number: number): Promise<GrowingPiece | null> {
    const sizeBytes = pieceSize(number, this.#sizeBytes);
    const room = await this.#ports.reserve(sizeBytes);
    if (room === null) return null;
    try {
      const temp = await this.#ports.blobs.createTemp();
      const piece = new GrowingPiece(this.#ports.blobs, temp, room, number, sizeBytes);
      this.#pieces.set(number, piece);
      return piece;
    } catch (error) {
      room.release();
      throw error;
    }
  }
}
