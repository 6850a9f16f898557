import type { Arrival } from './arrivals.ts';
import type { Origin } from './origin.ts';
import type { ReadAt } from './warm-reads.ts';

/** One who reads a part of a file, from where they are to where they want to go. */
export interface PieceReader {
  readonly origin: Origin;
  position: number;
  last: number;
  /** Who asks for a part is likely a player, which wants head and tail before all else. */
  readonly isPartial: boolean;
}

/** A piece, or what there is of it, opened for one reader. */
export interface OpenPiece {
  readonly fd: number;
  /** How a piece that is kept is read, which may be from memory on the spot. */
  readonly read?: ReadAt;
  /** Where the piece begins in the file. */
  readonly start: number;
  /** The position after its last byte. */
  readonly end: number;
  /** Its row, once it is kept. */
  readonly id: number | null;
  close(): Promise<void>;
}

export type NotOpened = Exclude<Arrival, 'there'>;
