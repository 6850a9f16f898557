import type { Clock } from '../time/clock.ts';
import type { BlobStore } from './blob-store.ts';
import type { PieceShelf } from './piece-shelf.ts';
import type { Reservation } from './room.ts';

/** What the fill of a file held in pieces works with. */
export interface PiecedPorts {
  readonly blobs: BlobStore;
  readonly shelf: PieceShelf;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Holds room for one piece; null when there is none. */
  readonly reserve: (bytes: number) => Promise<Reservation | null>;
  /** A disk fault, for the log. */
  readonly storageFailed: (cause: unknown) => void;
}
