import type { FileVersion } from '../files/files.ts';
import type { BlobStore } from './blob-store.ts';
import type { FillHead, OriginFault } from './origin.ts';
import type { Reservation } from './room.ts';

export type FillOpened =
  | { readonly kind: 'open'; readonly head: FillHead }
  /** The disk would not take it; the NAS may still be read past the cache. */
  | { readonly kind: 'no_storage' }
  | OriginFault;

/** A fetched, judged and synced file on its way into the cache. */
export interface FilledFile {
  readonly path: string;
  readonly version: FileVersion;
  readonly sha256: string;
  readonly mimeType: string | null;
  readonly ownerId: string | null;
  /** Where it lies now. */
  readonly file: string;
}

export interface FillPorts {
  readonly blobs: BlobStore;
  /** Holds room for the whole file; null when it cannot fit. */
  readonly reserve: (target: FillTarget) => Promise<Reservation | null>;
  /** Moves the file in and writes its row. */
  readonly publish: (file: FilledFile) => Promise<void>;
  /** A disk fault, for the log. */
  readonly storageFailed: (cause: unknown) => void;
}

export interface FillTarget {
  readonly path: string;
  /** Nobody asked for it: whoever fetches it has judged its worth. */
  readonly isAhead?: true;
  readonly version: FileVersion;
  readonly mimeType: string | null;
  readonly ownerId: string | null;
}
