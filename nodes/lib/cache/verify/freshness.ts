import type { User } from '../../accounts/caller.ts';
import type { FileVersion, LocatedFile } from '../../files/files.ts';
import type { Clock } from '../../time/clock.ts';
import { type CacheEntry, type HeldVersion, holds } from '../entries/entry-rows.ts';
import type { SegmentedFile } from '../entries/segment-rows.ts';

/** What is kept of a path, in one or in segments. */
interface Kept extends HeldVersion {
  readonly path: string;
  readonly ownerId: string | null;
  readonly validatedAtMs: number;
}

export interface Freshness {
  readonly label: 'hit' | 'stale';
  /** When it was last confirmed by the NAS's listing, epoch ms. */
  readonly heldAtMs: number;
  /** Whole seconds since then. */
  readonly ageSeconds: number;
}

/** Decides whether a kept file may answer a request. */
export class FreshnessCheck {
  readonly #mayRead: (user: User, path: string, ownerId: string | null) => boolean;
  readonly #clock: Pick<Clock, 'nowMs'>;

  constructor(
    mayRead: (user: User, path: string, ownerId: string | null) => boolean,
    clock: Pick<Clock, 'nowMs'>,
  ) {
    this.#mayRead = mayRead;
    this.#clock = clock;
  }

  /** Null where it may not: outdated, or not to be shown to this user. */
  of(file: LocatedFile, kept: Kept): Freshness | null {
    const label = this.#labelOf(file, kept);
    if (label === null) return null;
    const nowMs = this.#clock.nowMs();
    const heldAtMs = Math.max(kept.validatedAtMs, shownAtMs(file, kept, nowMs));
    return { label, heldAtMs, ageSeconds: Math.max(0, Math.floor((nowMs - heldAtMs) / 1000)) };
  }

  #labelOf(file: LocatedFile, kept: Kept): Freshness['label'] | null {
    const { version } = file;
    // If the caller's listing named no owner, the one stored with the entry decides.
    if (version === null) {
      return this.#mayRead(file.user, kept.path, kept.ownerId) ? 'stale' : null;
    }
    const isSame = holds(kept, version);
    if (file.known === 'fresh') return isSame ? 'hit' : null;
    if (isSame) return 'stale';
    // The entry may have been confirmed for somebody else since this caller listed the folder.
    return kept.validatedAtMs >= (file.listedAtMs ?? 0) ? 'stale' : null;
  }
}

/**
 * When the NAS's listing showed this very version. Even a fresh listing is a few seconds old: the
 * NAS is asked at most every 10 s.
 */
function shownAtMs({ version, known, listedAtMs }: LocatedFile, kept: Kept, nowMs: number): number {
  if (version === null || !holds(kept, version)) return 0;
  return listedAtMs ?? (known === 'fresh' ? nowMs : 0);
}

interface Ticket {
  readonly file: LocatedFile;
  readonly label: 'hit' | 'stale';
  /** When it was last confirmed by the NAS's listing, epoch ms. */
  readonly heldAtMs: number;
  readonly ageSeconds: number;
}

/** A file kept whole. */
export interface WholeTicket extends Ticket {
  readonly entry: CacheEntry;
}

/** A file kept in segments; everything requested is here. */
export interface SegmentedTicket extends Ticket {
  readonly segmented: SegmentedFile;
}

/** A kept file as one caller may have it. */
export type EntryTicket = WholeTicket | SegmentedTicket;

export type Lookup =
  /** The NAS's listing from a moment ago shows exactly this version. */
  | { readonly kind: 'hit'; readonly ticket: EntryTicket }
  /** The NAS was not asked. */
  | { readonly kind: 'stale'; readonly ticket: EntryTicket }
  | { readonly kind: 'miss' };

export type ServeOutcome =
  | { readonly kind: 'answered'; readonly whole: boolean }
  /** The entry turned out missing or damaged and was dropped; nothing was written. */
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

/** A delivered upload whose bytes become a cache entry. */
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
