import type { WakeCause } from '../nas/nas.ts';
import type { UploadNews } from '../upload/upload.ts';

/** Everything the log tells of. */
export const ENTRY_KINDS = [
  'nas_awake',
  'nas_asleep',
  'wake_failed',
  'upload_delivered',
  'upload_failed',
  'conflict',
  'plug_lost',
  'sign_in',
  'device_paired',
] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** Of these everybody may know that they happened, and whoever caused them that it was them. */
export const SHARED_KINDS: readonly EntryKind[] = ['nas_awake', 'wake_failed'];

/** Who woke the NAS. `elsewhere`: itself, or somebody past the Pi. Null: the Pi was not there. */
export type EntryCause = 'user' | 'flow' | 'read' | 'queue' | 'door' | 'elsewhere' | null;

/** What there is to tell of an entry, as far as its kind has it. */
export interface Facts {
  readonly cause?: EntryCause;
  /** The NAS's own word for how it went to sleep, or `unreachable`. */
  readonly sleepState?: string | null;
  /** What the NAS's plug measured meanwhile. */
  readonly energyMwh?: number | null;
  readonly costUc?: number | null;
  /** Of one file its path; of several the folder they lie in. */
  readonly path?: string | null;
  readonly conflictPath?: string | null;
  /** `upload`, or the change that was wanted. */
  readonly what?: UploadNews['what'] | null;
  readonly files?: number | null;
  readonly sizeBytes?: number | null;
  readonly detail?: string | null;
  /** Of a plug. */
  readonly deviceId?: string | null;
  /** Of a plug or of a device that was paired. */
  readonly deviceName?: string | null;
  /** Where somebody signed in from. */
  readonly address?: string | null;
}

/** One line of the log. What lasts has an end once it is over. */
export interface Entry {
  /** Null until it is written. */
  id: number | null;
  readonly kind: EntryKind;
  /** Epoch ms of the trusted time. */
  readonly atMs: number;
  endedAtMs: number | null;
  /** Whose it is, or who caused it; null for the house's. */
  userId: number | null;
  username: string | null;
  facts: Facts;
}

/** @returns one that lasts, or is over as it happens: its kind tells */
export function entryOf(
  kind: EntryKind,
  atMs: number,
  facts: Facts,
  by: WakeCause['by'] = null,
): Entry {
  const whose = { userId: by?.id ?? null, username: by?.username ?? null };
  return { id: null, kind, atMs, endedAtMs: null, ...whose, facts };
}
