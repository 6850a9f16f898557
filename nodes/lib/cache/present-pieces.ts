import { sameVersion } from '../files/files.ts';
import { Arrivals } from './arrivals.ts';
import type { FillTarget } from './fill-ports.ts';
import { GrowingPieces } from './growing-pieces.ts';
import type { FillHead } from './origin.ts';
import type { OpenPiece } from './piece-reader.ts';
import type { PiecedPorts } from './pieced-ports.ts';
import { pieceAt, pieceEnd, pieceStart } from './pieces.ts';
import type { Span } from './spans.ts';

/** What of one version of a file lies on the disk: kept pieces, and those on their way. */
export class PresentPieces {
  readonly arrivals = new Arrivals();
  readonly growing: GrowingPieces;
  readonly #ports: PiecedPorts;
  readonly #target: FillTarget;
  readonly #sizeBytes: number;

  constructor(ports: PiecedPorts, target: FillTarget) {
    this.#ports = ports;
    this.#target = target;
    this.#sizeBytes = target.version.sizeBytes;
    this.growing = new GrowingPieces(ports, this.#sizeBytes);
  }

  get missingBytes(): number {
    return this.#sizeBytes - this.arrivals.present.totalBytes;
  }

  /**
   * Takes up what was kept before, by an earlier reader or before a restart.
   * @returns what the NAS said of that version; null where nothing is kept of it
   */
  takeUp(): FillHead | null {
    const { path, version } = this.#target;
    const file = this.#ports.shelf.find(path);
    if (file === null || !sameVersion(file.version, version)) return null;
    for (const number of this.#ports.shelf.numbers(file.id)) {
      this.arrivals.present.add(pieceStart(number), pieceEnd(number, this.#sizeBytes));
    }
    return { etag: file.version.etag, mimeType: file.mimeType };
  }

  /** Whether a stretch lies in pieces that are published already. */
  isKept(first: number, last: number): boolean {
    if (this.arrivals.present.endFrom(first) <= last) return false;
    for (let number = pieceAt(first); number <= pieceAt(last); number += 1) {
      if (this.growing.get(number) !== undefined) return false;
    }
    return true;
  }

  /** What is missing of one piece first. */
  gapIn(number: number): Span | null {
    const end = pieceEnd(number, this.#sizeBytes);
    return this.arrivals.present.firstGap(pieceStart(number), end);
  }

  /** What is missing of a piece that is begun. */
  gapInGrowing(): Span | null {
    for (const number of this.growing.numbers()) {
      const gap = this.gapIn(number);
      if (gap !== null) return gap;
    }
    return null;
  }

  /** What is missing of the file first. */
  firstGap(): Span | null {
    return this.arrivals.present.firstGap(0, this.#sizeBytes);
  }

  /** Opens a piece; null where it was evicted or spoiled since, and so is missing again. */
  async open(number: number): Promise<OpenPiece | null> {
    const [start, end] = [pieceStart(number), pieceEnd(number, this.#sizeBytes)];
    const growing = this.growing.get(number);
    if (growing !== undefined) {
      growing.retain();
      return { fd: growing.fd, start, end, id: null, close: () => growing.release() };
    }
    const { path, version } = this.#target;
    const kept = await this.#ports.shelf.open(path, version, number);
    if (kept === null) {
      if (this.growing.get(number) === undefined) this.arrivals.present.remove(start, end);
      return null;
    }
    const { piece, blob } = kept;
    const { fd, read } = blob;
    return { fd, read, start, end, id: piece.id, close: () => blob.close() };
  }

  /**
   * Writes what came, piece by piece.
   * @param written told after each part; says whether to go on
   * @returns false where there is no room for a piece
   */
  async take(
    position: number,
    chunk: Buffer,
    written: (at: number, part: Buffer, number: number) => boolean,
  ): Promise<boolean> {
    const end = position + chunk.length;
    let at = this.arrivals.present.endFrom(position);
    while (at < end) {
      const piece = await this.growing.make(pieceAt(at));
      if (piece === null) return false;
      const start = pieceStart(piece.number);
      const stop = Math.min(end, start + piece.sizeBytes);
      const part = chunk.subarray(at - position, stop - position);
      await piece.write(part, at - start);
      this.arrivals.arrived(at, stop);
      if (!written(at, part, piece.number)) return true;
      at = stop;
    }
    return true;
  }
}
