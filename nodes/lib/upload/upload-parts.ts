import type { Log } from '../log/log.ts';
import type { NasApi, NasClient } from '../nas/nas-client.ts';
import type { NasPresence } from '../nas/presence-port.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { Random } from './backoff.ts';
import type { Disk } from './disk.ts';
import type { FileHashing } from './file-hashing.ts';
import type { FlushWakeParts } from './flush-wake.ts';
import type { RandomBytes } from './upload-id.ts';
import type {
  BornAt,
  CarriedOut,
  KeepDelivered,
  MakeRoom,
  MayWrite,
  PlainUpload,
  ShownListings,
  ShownPlaces,
  UploadCredentials,
  TouchedPlace,
  UserNamed,
} from './upload-ports.ts';

export interface UploadParts {
  /** The queue database, opened with synchronous=FULL. */
  readonly store: Store;
  /** The queue's own folder inside the data folder, on the disk the bytes stay on. */
  readonly folder: string;
  readonly disk: Disk;
  readonly hashing: FileHashing;
  readonly nas: NasClient;
  readonly api: Pick<NasApi, 'call'>;
  readonly presence: NasPresence;
  /** Whether the disk behind the NAS is there, seen as that user: a mount point takes files too. */
  readonly storageStands: (userId: number, token: string) => Promise<boolean>;
  readonly credentials: UploadCredentials;
  readonly listings: ShownListings;
  readonly shownPlaces: ShownPlaces;
  readonly bornAt: BornAt;
  readonly userNamed: UserNamed;
  readonly mayWrite: MayWrite;
  readonly makeRoom: MakeRoom;
  /** Kept copies that {@link makeRoom} may evict. */
  readonly evictableBytes: () => number;
  /** Ids of the users whom the NAS let in since then. */
  readonly signedInSince: (sinceMs: number) => readonly number[];
  readonly keep: KeepDelivered;
  /** Files of a user's pins not yet kept; of everybody's for null. */
  readonly pendingDownloads: (userId: number | null) => number;
  /** For a NAS neither of whose addresses keeps a chunk session; null without that way. */
  readonly fallback: PlainUpload | null;
  /** Files of the NAS changed at these paths through this room. */
  readonly touched: (userId: number, places: readonly TouchedPlace[]) => void | Promise<void>;
  /**
   * A queued change was carried out: everybody's listings, copies and queued rows up to `mark`, a
   * number of the queue's order, follow it. May be told twice.
   */
  readonly changed: (
    change: CarriedOut,
    by: { readonly userId: number; readonly mark: number },
  ) => Promise<void>;
  /** CHANGES_ASLEEP. */
  readonly takesChanges: boolean;
  /** FLUSH_WAKE, and what it takes to follow it. */
  readonly flushWake: Pick<FlushWakeParts, 'rule' | 'wake' | 'sinceGoodbyeMs' | 'isClockTrusted'>;
  /** False while a version is on trial after an update; always true when left out. */
  readonly mayDeliver?: () => boolean;
  readonly clock: Clock;
  /** Both proofs of the time stand, so that what is old may be deleted for its age. */
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
