import type { FileVersion, LocatedFile } from '../files/files.ts';
import type { CachedCopy } from './cached-copy.ts';
import type { PiecedFile } from './pieced-file-rows.ts';

interface Ticket {
  readonly file: LocatedFile;
  readonly label: 'hit' | 'stale';
  /** When it was last held against what the NAS tells, epoch ms. */
  readonly heldAtMs: number;
  readonly ageSeconds: number;
}

/** A copy kept in one. */
export interface WholeTicket extends Ticket {
  readonly copy: CachedCopy;
}

/** A file kept in pieces, of which all that was asked for is here. */
export interface PiecedTicket extends Ticket {
  readonly pieced: PiecedFile;
}

/** A kept copy as one caller may have it. */
export type CopyTicket = WholeTicket | PiecedTicket;

export type Lookup =
  /** The NAS's listing of a moment ago shows this very version. */
  | { readonly kind: 'hit'; readonly ticket: CopyTicket }
  /** The NAS was not asked. */
  | { readonly kind: 'stale'; readonly ticket: CopyTicket }
  | { readonly kind: 'miss' };

export type ServeOutcome =
  | { readonly kind: 'answered'; readonly whole: boolean }
  /** The copy turned out missing or damaged and was dropped; nothing was written. */
  | { readonly kind: 'gone' };

/** A file of the upload queue, to be read by the user who queued it. */
export interface QueuedFile {
  readonly file: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly mimeType: string | null;
  readonly acceptedAtMs: number;
}

/** A delivered upload whose bytes become a copy. */
export interface DeliveredFile {
  readonly path: string;
  /** As the NAS listed it after the delivery. */
  readonly version: FileVersion;
  readonly sha256: string;
  readonly mimeType: string | null;
  readonly ownerId: string | null;
  /** Where it lies, on the same file system. Moved away when admitted, else left. */
  readonly file: string;
}
