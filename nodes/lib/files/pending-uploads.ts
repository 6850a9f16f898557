import type { Caller } from '../accounts/caller.ts';

/** A file a user handed to the Pi that the NAS does not have yet. */
export interface PendingUpload {
  readonly uploadId: string;
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
}

/** The queue as the files room sees it. Only ever asked for the caller's own uploads. */
export interface PendingUploads {
  /** The newest undelivered version of each file this user queued right in this folder. */
  inFolder(userId: number, folder: string): readonly PendingUpload[];
  /** Every folder with undelivered uploads of this user right in it, each once. */
  folders(userId: number): readonly PendingFolder[];
  /** The newest undelivered version this user queued for exactly this path. */
  find(userId: number, path: string): PendingUpload | null;
  /** A device of that caller is shown this folder now, with all of their uploads in it. */
  shown(caller: Caller, folder: string): void;
}
