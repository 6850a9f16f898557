import type { Caller } from '../accounts/caller.ts';
import type { QueuedChange } from './queued-change.ts';

/** A file a user handed to the Pi that the NAS does not have yet. */
export interface PendingUpload {
  readonly uploadId: string;
  /** In one order with the changes of the queue. */
  readonly seq: number;
  /** Where it will lie on the NAS, without a leading slash. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly acceptedAtMs: number;
  readonly sha256: string;
  readonly mimeType: string | null;
  /** Where its bytes lie on this machine. Never shown to anybody. */
  readonly file: string;
}

/** A folder that a user queued something right into. */
export interface PendingFolder {
  readonly path: string;
  /** When the newest of it was accepted. */
  readonly acceptedAtMs: number;
  /** Of the newest of it. */
  readonly seq: number;
}

/** A stretch of the queue's order: behind one number and before another. */
export interface Span {
  readonly after: number;
  readonly before: number;
}

/** The queue as the files room sees it. Only ever asked for the caller's own. */
export interface PendingUploads {
  /** The newest undelivered version of each file this user queued right in this folder. */
  inFolder(userId: number, folder: string, within?: Span): readonly PendingUpload[];
  /** Every folder with undelivered uploads of this user right in it, each once. */
  folders(userId: number): readonly PendingFolder[];
  /** The newest undelivered version this user queued for exactly this path. */
  find(userId: number, path: string, within?: Span): PendingUpload | null;
  /** What this user changed that the NAS did not carry out yet, in its order. */
  changes(userId: number): readonly QueuedChange[];
  /** A device of that caller is shown this folder now, with all of their uploads in it. */
  shown(caller: Caller, folder: string): void;
}
