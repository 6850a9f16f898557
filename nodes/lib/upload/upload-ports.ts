import type { Caller, User } from '../accounts/caller.ts';
import type { NasFileItem, NasJson } from '../nas/nas-client.ts';

/** What a user's stored listings say of one path. */
export type ShownEntry =
  /** `isOwn`: the NAS names that user as its owner. */
  | { readonly kind: 'folder'; readonly isOwn?: boolean }
  | {
      readonly kind: 'file';
      readonly sizeBytes: number;
      /** As the NAS writes it. */
      readonly modifiedAt: string;
      readonly checksum: string | null;
      /** When the NAS gave that listing, epoch ms. */
      readonly listedAtMs: number;
    }
  /** The folder's listing is stored and has no such name. */
  | { readonly kind: 'absent' }
  /** No stored listing tells. */
  | { readonly kind: 'unknown' };

/** The stored listings of the files room, per user. */
export interface ShownListings {
  shows(userId: number, path: string): ShownEntry;
}

/** When the NAS says that a user was made; null where it never told. Ids come back, this does not. */
export type BornAt = (userId: number) => string | null;

/** An active user by name, as the NAS last told; null where there is none. */
export type UserNamed = (username: string) => User | null;

/** Whether a caller may put a file at a path; says nothing of whether anything is there. */
export type MayWrite = (caller: Caller, path: string) => boolean | Promise<boolean>;

/** Tokens to reach the NAS with as a user who is away (contract 2, Acting for a user later). */
export interface UploadCredentials {
  /** @returns a token of that very user, or null where there is none now */
  credentialFor(userId: number): Promise<string | null>;
  /** The NAS answered 401 to this token. */
  refused(userId: number, token: string): void | Promise<void>;
}

/** A delivered file whose bytes the Pi no longer needs for the queue. */
export interface DeliveredFile {
  readonly userId: number;
  /** Where it now lies on the NAS. */
  readonly path: string;
  /** Where its bytes lie on the Pi. The taker renames this file; if it is left, it is removed. */
  readonly file: string;
  readonly sha256: string;
  /** The NAS's own row of it, seen right after delivery. */
  readonly version: NasFileItem;
}

/** A place on the NAS that the Pi itself changed for a user. */
export interface TouchedPlace {
  readonly path: string;
  /** What lies there now; null: nothing; left out: nobody knows. */
  readonly item?: NasFileItem | null;
}

/** What a queued change did to the NAS. */
export type CarriedOut =
  | { readonly kind: 'deleted'; readonly path: string }
  | { readonly kind: 'moved'; readonly from: string; readonly to: string }
  | { readonly kind: 'made'; readonly path: string };

/** An entry of a folder as its user sees it: the NAS's, less what they changed since, and queued files. */
export interface ShownTreeEntry {
  /** Below the place that was asked for; `''` for that itself. */
  readonly path: string;
  readonly isFolder: boolean;
  readonly sizeBytes: number;
  /** As the NAS writes it; null of what is only queued. */
  readonly modifiedAt: string | null;
  readonly checksum: string | null;
  /** The upload it is the newest version of, where it is queued. */
  readonly uploadId: string | null;
}

export type ShownTree =
  | { readonly kind: 'tree'; readonly entries: readonly ShownTreeEntry[] }
  /** Nothing of that name is there for this user. */
  | { readonly kind: 'absent' }
  /** It was never listed by this user, or not every folder below it was, or there is too much. */
  | { readonly kind: 'unlisted' };

/** Places as a user sees them, their queued changes and uploads included. */
export interface ShownPlaces {
  /** @param most entries at most */
  treeShown(userId: number, path: string, most: number): ShownTree;
  placeShown(userId: number, path: string): 'file' | 'folder' | 'absent' | 'unknown';
  /** The undelivered upload that a user sees at a path, which may have been queued for another. */
  uploadShown(userId: number, path: string): string | null;
}

/** Takes over delivered bytes as a cache entry. May refuse by leaving the file where it is. */
export type KeepDelivered = (delivered: DeliveredFile) => void | Promise<void>;

/** Evicts kept copies so that about `bytes` more fit on the disk. Never touches queued bytes. */
export type MakeRoom = (bytes: number) => void | Promise<void>;

/**
 * Sends a whole file by multipart to its full path: the way left where neither address of the NAS
 * keeps a chunk session (contract 4, Delivery).
 */
export interface PlainUpload {
  send(token: string, path: string, file: string, sizeBytes: number): Promise<NasJson>;
}
