import { LruMap } from '../limits/limits.ts';
import type { Caller, User } from '../accounts/caller.ts';
import type { NasFailure } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { ItemCursor } from './item-rows.ts';
import type { PendingUpload } from './queued-change.ts';
import type { FileVersion, StoredItem } from './stored-item.ts';

/** Why a question that needs the NAS failed. */
export type NasFault =
  /** The caller has a Pi token and no credential is kept for them: 401 `refresh_token_now`. */
  | { readonly kind: 'needs_nas_token' }
  /** The NAS answered 401 to the caller's token; accounts was told. */
  | { readonly kind: 'token_refused' }
  | { readonly kind: 'nas_busy' }
  | { readonly kind: 'nas_bad_answer' }
  /** The NAS's storage appears empty, and this was never kept here. */
  | { readonly kind: 'storage_missing' };

/** Why the NAS did not show a folder or a file. */
export type ReadFault =
  | { readonly kind: 'not_found' | 'token_refused' | 'nas_busy' | 'nas_bad_answer' }
  /** It tells nothing now, so what is kept still counts. */
  | { readonly kind: 'cannot_ask' };

/** 403 is how the NAS hides what a user may not see. */
const READ_FAULT: Readonly<Record<NasFailure['kind'], ReadFault['kind']>> = {
  unreachable: 'cannot_ask',
  bad_answer: 'nas_bad_answer',
  gateway: 'cannot_ask',
  unavailable: 'cannot_ask',
  throttled: 'nas_busy',
  failing: 'cannot_ask',
  full: 'cannot_ask',
  token_refused: 'token_refused',
  forbidden: 'not_found',
  not_found: 'not_found',
  bad_range: 'not_found',
  not_now: 'cannot_ask',
  refused: 'not_found',
};

export function readFaultOf(failure: NasFailure): ReadFault {
  return { kind: READ_FAULT[failure.kind] };
}

/** A folder for one caller. */
export interface Listing {
  readonly path: string;
  readonly items: readonly StoredItem[];
  /** What the caller's own uploads, not yet on the NAS, will bring into this folder. */
  readonly queued: readonly QueuedItem[];
  /** `stored`: the NAS was not asked; `ageSeconds` is how old its answer is. */
  readonly source: 'fresh' | 'stored';
  readonly ageSeconds: number;
  /** The disk takes nothing now, so this is kept in memory only. */
  readonly isPastCache?: boolean;
  /** Set where only a page was requested. */
  readonly page?: {
    readonly end: PageEnd | null;
    /** For the whole folder, so that either all pages show checksums or none. */
    readonly hasAllChecksums: boolean;
    /** False where only the caller's own queue shows the folder. */
    readonly isListed: boolean;
  };
}

export interface QueuedItem {
  readonly path: string;
  readonly piId: number;
  readonly acceptedAtMs: number;
  /** Null: a folder that the NAS is not known to have, or what {@link moved} says. */
  readonly upload: PendingUpload | null;
  /** What the NAS will move here, by its future path. */
  readonly moved?: StoredItem;
}

export type ListOutcome =
  | { readonly kind: 'listing'; readonly listing: Listing }
  | { readonly kind: 'bad_path'; readonly reason: string }
  | { readonly kind: 'not_found' }
  /** The NAS sleeps and this user never listed the folder. */
  | { readonly kind: 'asleep' }
  | NasFault;

/** A file a caller may read, as far as is known now. */
export interface LocatedFile {
  readonly user: User;
  /** Where the NAS has it. */
  readonly path: string;
  /** Where its user sees it, having moved it when the NAS has not yet; left out: at `path`. */
  readonly shownPath?: string;
  readonly name: string;
  /** The owner the caller's listing tells; null where it tells none. */
  readonly ownerId: string | null;
  readonly mimeType: string | null;
  /** Null where only the NAS could tell: asleep, and no listing of this caller shows a version. */
  readonly version: FileVersion | null;
  /**
   * `fresh`: the NAS said so just now. `stored`: the caller's kept listing shows it. `unlisted`: the
   * caller never listed its folder, so it may or may not exist.
   */
  readonly known: 'fresh' | 'stored' | 'unlisted';
  /** When the listing that shows it came, epoch ms; null where none does. */
  readonly listedAtMs: number | null;
}

export type LocateOutcome =
  | { readonly kind: 'located'; readonly file: LocatedFile }
  | { readonly kind: 'queued'; readonly upload: PendingUpload }
  | { readonly kind: 'bad_path'; readonly reason: string }
  | { readonly kind: 'not_found' }
  | NasFault;

/** Relocates a file right after its fetch. */
export type RelistOutcome =
  | { readonly kind: 'version'; readonly version: FileVersion }
  | { readonly kind: 'gone' }
  /** The NAS could not be asked. */
  | { readonly kind: 'unknown' };

/** A desktop asks for its delta every 30 s, and tries what that named for a minute more. */
const FOLLOWS_MS = 100_000;
const MOST_CALLERS = 200;

interface Follower {
  readonly askedAtMs: number;
  /** When a delta last told it something that the one before did not. */
  readonly newsAtMs: number;
}

/**
 * Programs that poll the delta of a sync. Their next requests follow automatically: nobody waits
 * for them, and listings since the last change are as new as the delta can tell.
 */
export class SyncFollowers {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #followers = new LruMap<string, Follower>(MOST_CALLERS);

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** @param isNews whether the answer told something new */
  asked(caller: Caller, isNews: boolean): void {
    const key = keyOf(caller);
    const nowMs = this.#clock.monotonicMs();
    const before = this.#followers.get(key);
    const newsAtMs = isNews || before === undefined ? nowMs : before.newsAtMs;
    this.#followers.set(key, { askedAtMs: nowMs, newsAtMs });
  }

  /** Since when the caller's delta told nothing new, monotonic ms; null for one who follows none. */
  sinceMs(caller: Caller): number | null {
    const found = this.#followers.get(keyOf(caller));
    if (found === undefined) return null;
    const isOver = this.#clock.monotonicMs() - found.askedAtMs >= FOLLOWS_MS;
    return isOver ? null : found.newsAtMs;
  }
}

/** Tracked by program, not by device: a person browsing on the same desktop is not polling. */
function keyOf({ user, agent, device }: Caller): string {
  return `${user.id} ${agent ?? device ?? ''}`;
}

/** Where a page ended: behind an item, or behind one of the queued uploads that come after them. */
export type PageEnd =
  | { readonly part: 'items'; readonly item: ItemCursor }
  | { readonly part: 'queued'; readonly path: string };
