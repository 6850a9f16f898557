import type { Caller, User } from '../accounts/caller.ts';
import type { Log } from '../log/log.ts';
import type { NasApi, NasClient, NasFileItem, NasJson } from '../nas/nas-client.ts';
import type { NasPresence } from '../nas/presence.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { Random } from './delivery/backoff.ts';
import type { FlushWakeDeps } from './delivery/flush-wake.ts';
import type { ChangeKind } from './rows/change-rows.ts';
import type { Disk } from './spool/disk.ts';
import type { FileHashing } from './spool/hashing.ts';

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

/** The stored listings of the files module, per user. */
export interface ShownListings {
  shows(userId: number, path: string): ShownEntry;
}

/**
 * When the NAS says that a user was created; null where it never told. Ids are reused, this is not.
 */
export type BornAt = (userId: number) => string | null;

/** An active user by name, as the NAS last told; null where there is none. */
export type UserNamed = (username: string) => User | null;

/** Whether a caller may put a file at a path; it does not tell whether anything is there. */
export type MayWrite = (caller: Caller, path: string) => boolean | Promise<boolean>;

/** Tokens to reach the NAS with as a user who is away (contract 2, Acting for a user later). */
export interface UploadCredentials {
  /** @returns a token of exactly that user, or null where there is none now */
  credentialFor(userId: number): Promise<string | null>;
  /** The NAS answered 401 to this token. */
  refused(userId: number, token: string): void | Promise<void>;
}

/** A delivered file whose bytes the Pi no longer needs for the queue. */
export interface DeliveredFile {
  readonly userId: number;
  /** Where it now lies on the NAS. */
  readonly path: string;
  /**
   * Where its bytes are on the Pi. The cache renames this file if it takes it; otherwise it is
   * removed.
   */
  readonly file: string;
  readonly sha256: string;
  /** The NAS's own row of it, seen right after delivery. */
  readonly version: NasFileItem;
}

/** A place on the NAS that the Pi itself changed for a user. */
export interface TouchedPlace {
  readonly path: string;
  /** What is there now; null: nothing; undefined: unknown. */
  readonly item?: NasFileItem | null;
}

/** What a queued change did to the NAS. */
export type CarriedOut =
  | { readonly kind: 'deleted'; readonly path: string }
  | { readonly kind: 'moved'; readonly from: string; readonly to: string }
  | { readonly kind: 'made'; readonly path: string };

/** An entry of a folder as its user sees it: the NAS's, less what they changed since, and queued files. */
export interface ShownTreeEntry {
  /** Relative to the place that was asked for; `''` for that itself. */
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
  /** There is nothing of that name for this user. */
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

/** Evicts entries so that about `bytes` more fit on the disk. Never touches queued bytes. */
export type EvictFor = (bytes: number) => void | Promise<void>;

/**
 * Sends a whole file by multipart to its full path: the way left where neither address of the NAS
 * keeps a chunk session (contract 4, Delivery).
 */
export interface PlainUpload {
  send(token: string, path: string, file: string, sizeBytes: number): Promise<NasJson>;
}

export interface UploadDeps {
  /** The queue database, opened with synchronous=FULL. */
  readonly store: Store;
  /** The queue's own folder inside the data folder, on the disk the bytes stay on. */
  readonly folder: string;
  readonly disk: Disk;
  readonly hashing: FileHashing;
  readonly nas: NasClient;
  readonly api: Pick<NasApi, 'call'>;
  readonly presence: NasPresence;
  /**
   * Whether the disk behind the NAS is mounted, as seen by that user: an empty mount point takes
   * files too.
   */
  readonly storageStands: (userId: number, token: string) => Promise<boolean>;
  readonly credentials: UploadCredentials;
  readonly listings: ShownListings;
  readonly shownPlaces: ShownPlaces;
  readonly bornAt: BornAt;
  readonly userNamed: UserNamed;
  readonly mayWrite: MayWrite;
  readonly evictFor: EvictFor;
  /** Kept copies that {@link evictFor} may evict. */
  readonly evictableBytes: () => number;
  /** Ids of the users whom the NAS has confirmed since then. */
  readonly signedInSince: (sinceMs: number) => readonly number[];
  readonly keep: KeepDelivered;
  /** Files of a user's pins not yet kept; of everybody's for null. */
  readonly pendingDownloads: (userId: number | null) => number;
  /** For a NAS neither of whose addresses keeps a chunk session; null without that way. */
  readonly fallback: PlainUpload | null;
  /** Files of the NAS changed at these paths through this module. */
  readonly touched: (userId: number, places: readonly TouchedPlace[]) => void | Promise<void>;
  /**
   * A queued change was carried out: everybody's listings, entries and queued rows up to `mark`, a
   * number of the queue's order, follow it. May be called twice.
   */
  readonly changed: (
    change: CarriedOut,
    by: { readonly userId: number; readonly mark: number },
  ) => Promise<void>;
  /** CHANGES_ASLEEP. */
  readonly takesChanges: boolean;
  /** FLUSH_WAKE, and what is needed to follow it. */
  readonly flushWake: Pick<FlushWakeDeps, 'rule' | 'wake' | 'sinceGoodbyeMs' | 'isClockTrusted'>;
  /** False while an update is on trial; true when left out. */
  readonly mayDeliver?: () => boolean;
  readonly clock: Clock;
  /** Whether the time is proved twice, so that old data may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly log: Log;
  readonly random: Random;
  readonly randomBytes: RandomBytes;
  /** UPLOAD_MAX_FILE_GB in bytes. */
  readonly maxFileBytes: number;
  /** CACHE_MIN_FREE_GB in bytes. */
  readonly minFreeBytes: number;
  /** IANA name. */
  readonly timezone: string;
}

/** Crockford's base 32: no I, L, O or U to misread. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_LETTERS = 10;
const RANDOM_LETTERS = 16;

/** @returns `size` random bytes */
export type RandomBytes = (size: number) => Uint8Array;

/**
 * An id in the form of a ULID (github.com/ulid/spec): 48 bits of time, 80 random ones, sortable by
 * age. Safe as a file name.
 * @param nowMs epoch ms; a clock before 1970 counts as 1970
 */
export function uploadId(nowMs: number, randomBytes: RandomBytes): string {
  let time = '';
  let rest = Math.max(0, Math.floor(nowMs));
  for (let place = 0; place < TIME_LETTERS; place += 1) {
    time = `${LETTERS[rest % 32] ?? ''}${time}`;
    rest = Math.floor(rest / 32);
  }
  let random = '';
  for (const byte of randomBytes(RANDOM_LETTERS)) random += LETTERS[byte % 32] ?? '';
  return time + random;
}

/** When an id was made, epoch ms. */
export function timeOfId(id: string): number {
  let time = 0;
  for (const letter of id.slice(0, TIME_LETTERS)) time = time * 32 + LETTERS.indexOf(letter);
  return time;
}

/** Whether a text has the form of an upload id. */
export function isUploadId(text: string): boolean {
  return /^[0-9A-HJKMNP-TV-Z]{26}$/.test(text);
}

/** An event of an upload or a change. Visible to its user and admins only. */
export interface UploadNews {
  readonly kind:
    | 'upload_accepted'
    | 'upload_delivered'
    | 'upload_waits'
    | 'upload_failed'
    | 'conflict';
  readonly userId: number;
  readonly username: string;
  /** The upload's or the change's id. */
  readonly id: string;
  /** What was asked for. */
  readonly what: 'upload' | ChangeKind;
  /** Where it was to go; where it lies now, once it was delivered. */
  readonly path: string;
  /** For an upload's conflict: the path of its copy, under a conflict name. */
  readonly conflictPath: string | null;
  /** Null for a change. */
  readonly sizeBytes: number | null;
  /** Why it waits, failed or differs, in an English sentence. */
  readonly detail: string | null;
}

/** An upload, whatever its state. */
interface AnyUpload {
  readonly id: string;
  readonly userId: number;
  readonly username: string;
  readonly path: string;
  readonly sizeBytes: number;
}

export function newsOfUpload(
  kind: UploadNews['kind'],
  { id, userId, username, path, sizeBytes }: AnyUpload,
  more: Partial<Pick<UploadNews, 'path' | 'conflictPath' | 'detail'>> = {},
): UploadNews {
  const upload = { id, userId, username, path, sizeBytes };
  return { kind, what: 'upload', ...upload, conflictPath: null, detail: null, ...more };
}

export function newsOfChange(
  kind: 'upload_failed' | 'conflict',
  change: Omit<AnyUpload, 'sizeBytes'> & { readonly kind: ChangeKind },
  detail: string,
): UploadNews {
  const { id, userId, username, path } = change;
  const of = { id, userId, username, path, what: change.kind };
  return { kind, ...of, conflictPath: null, sizeBytes: null, detail };
}
