import type { Caller, User } from '../accounts/caller.ts';
import type { NasPresence } from '../nas/presence.ts';
import type { Clock } from '../time/clock.ts';
import type { RefusalRows } from './grant-rows.ts';
import type { ListingRow, ListingRows } from './listing-rows.ts';
import type { Asked, AskOptions, Listings } from './listings.ts';
import { parentOf, SHARED_WITH_ME } from './nas-path.ts';
import type { NasFault } from './outcomes.ts';
import type { ShareGrants } from './share-grants.ts';
import type { StoredItem } from './stored-item.ts';

/** A folder as one caller may see it now. */
export type FolderView =
  | {
      readonly kind: 'view';
      /** Null for an empty folder that nothing confirms to exist. */
      readonly row: ListingRow | null;
      readonly source: 'fresh' | 'stored';
      readonly ageSeconds: number;
    }
  | { readonly kind: 'not_found' }
  /** Asleep and never listed by this user. */
  | { readonly kind: 'unlisted' }
  | NasFault;

/** How the NAS can be reached for a caller at this moment. */
export type Access =
  | { readonly kind: 'awake'; readonly token: string }
  | { readonly kind: 'asleep' }
  | { readonly kind: 'needs_nas_token' };

/** Whether to wait for the NAS as long as it takes; left out: yes. */
interface Patient {
  readonly patient?: boolean;
}

const TOO_LONG = Symbol('too long');
/** Failures that say nothing about a folder, so the kept listing will do. */
function isKeptFor({ kind }: Asked): boolean {
  return kind === 'nas_busy' || kind === 'storage_missing';
}

const CANNOT_ASK: Asked = { kind: 'cannot_ask' };

interface FolderViewsDeps {
  readonly rows: ListingRows;
  readonly listings: Listings;
  readonly grants: ShareGrants;
  readonly refusals: RefusalRows;
  readonly presence: Pick<NasPresence, 'state'>;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs' | 'after'>;
  /** The token to show the NAS for a caller: their own, or one from their stored credential. */
  readonly tokenOf: (caller: Caller) => Promise<string | null>;
  /** Whether a credential is stored for them, though it may give no token at this moment. */
  readonly holdsCredential: (caller: Caller) => boolean;
}

/** Permission first, then the NAS while it is awake, then what is kept. */
export class FolderViews {
  /** Timeout for calls that can fall back to the cache. */
  readonly patience: Patience;
  readonly #deps: FolderViewsDeps;

  constructor(deps: FolderViewsDeps) {
    this.#deps = deps;
    this.patience = new Patience(deps.clock);
  }

  /** @param deps.patient `false`: treat the NAS as asleep when it is slow to give a token */
  async access(caller: Caller, options: Patient = {}): Promise<Access> {
    if (!this.#deps.presence.state.awake) return { kind: 'asleep' };
    const asking = this.#deps.tokenOf(caller);
    const token = await (options.patient === false
      ? this.patience.for<string | null | symbol>(asking, TOO_LONG)
      : asking);
    if (typeof token === 'symbol') return { kind: 'asleep' };
    if (token !== null) return { kind: 'awake', token };
    // The NAS went away during the token request, or gives none now: not the caller's fault.
    const mayCome = !this.#deps.presence.state.awake || this.#deps.holdsCredential(caller);
    return mayCome ? { kind: 'asleep' } : { kind: 'needs_nas_token' };
  }

  /**
   * Whether the caller may see a path, by the rule and by the owner in their listing. Asks the NAS
   * for the caller's shares, never for the path: anything outside is refused unseen. A caller
   * admitted before does not wait for an answer that does not come.
   */
  async mayRead(user: User, path: string, access: Access): Promise<boolean> {
    if (access.kind === 'awake') {
      const { grants } = this.#deps;
      const asking = grants.refresh(user, access.token, path === SHARED_WITH_ME);
      const wasLetIn = grants.mayRead(user, path, this.ownerOf(user, path));
      await (wasLetIn ? this.patience.for(asking, undefined) : asking);
    }
    return this.#deps.grants.mayRead(user, path, this.ownerOf(user, path));
  }

  /**
   * The folder itself; the caller must have been admitted before.
   * @param deps.patient `false`: use what is kept when the NAS is slow to answer
   */
  async view(
    user: User,
    path: string,
    access: Access,
    options: AskOptions & Patient = {},
  ): Promise<FolderView> {
    if (access.kind === 'needs_nas_token') return access;
    if (access.kind === 'awake') {
      const asking = this.#deps.listings.ask(user, access.token, path, options);
      const asked = await (options.patient === false
        ? this.patience.for(asking, CANNOT_ASK)
        : asking);
      if (asked.kind === 'listed') {
        return { kind: 'view', row: asked.row, source: 'fresh', ageSeconds: 0 };
      }
      const kept = isKeptFor(asked) ? this.#stored(user, path) : null;
      if (kept !== null) return kept;
      if (asked.kind !== 'cannot_ask') return asked;
    }
    return this.#stored(user, path) ?? this.#neverListed(user, path);
  }

  /** Whether this user ever listed a folder. */
  isListed(user: User, folder: string): boolean {
    return this.#deps.rows.find(user.id, folder) !== null;
  }

  /** The owner of a path as this user's listing of its folder tells it. */
  ownerOf(user: User, path: string): string | null {
    return this.itemOf(user, path)?.ownerId ?? null;
  }

  /** The entry of a path in this user's kept listing of its folder. */
  itemOf(user: User, path: string): StoredItem | null {
    const parent = parentOf(path);
    if (parent === null) return null;
    return this.entryIn(user, parent, path);
  }

  /** The entry of a path in one of this user's kept listings. */
  entryIn(user: User, folder: string, path: string): StoredItem | null {
    const row = this.#deps.rows.find(user.id, folder);
    return row === null ? null : this.#deps.rows.entries.one(row.id, path);
  }

  #stored(user: User, path: string): FolderView | null {
    const row = this.#deps.rows.find(user.id, path);
    if (row === null) return null;
    const ageMs = this.#deps.clock.nowMs() - row.listedAtMs;
    const ageSeconds = Math.max(0, Math.floor(ageMs / 1000));
    return { kind: 'view', row, source: 'stored', ageSeconds };
  }

  /** The nearest kept folder above may rule the path out; else only the NAS knows. */
  #neverListed(user: User, path: string): FolderView {
    if (this.#deps.refusals.covers(user.id, path)) return { kind: 'not_found' };
    let below = path;
    while (!this.#deps.grants.sharesFolder(user, below)) {
      const parent = parentOf(below);
      if (parent === null) break;
      const row = this.#deps.rows.find(user.id, parent);
      if (row !== null) {
        const shown = this.#deps.rows.entries.one(row.id, below)?.isDirectory === true;
        return shown ? { kind: 'unlisted' } : { kind: 'not_found' };
      }
      below = parent;
    }
    return { kind: 'unlisted' };
  }
}

/** How long a reader of kept data waits for the NAS to confirm it, ms. A listing takes 5 to 50. */
const PATIENT_MS = 2_000;
/** After one reader waited in vain, the next ones wait no longer than this, ms, ... */
const WARNED_MS = 200;
/** ... for so long: about the time in which a connection without an answer is given up, ms. */
const WARNED_FOR_MS = 10_000;

/** Limits how long a question to the NAS delays a caller whom the kept listing could answer. */
class Patience {
  readonly #clock: Pick<Clock, 'after' | 'monotonicMs'>;
  #warnedUntilMs = -Infinity;

  constructor(clock: Pick<Clock, 'after' | 'monotonicMs'>) {
    this.#clock = clock;
  }

  /**
   * The answer, or `otherwise` when it takes too long; the question itself continues for the next
   * caller.
   * @throws what `answer` rejects with in time
   */
  async for<T>(answer: Promise<T>, otherwise: T): Promise<T> {
    const tooLong = Promise.withResolvers<T>();
    const isWarned = this.#clock.monotonicMs() < this.#warnedUntilMs;
    const stop = this.#clock.after(isWarned ? WARNED_MS : PATIENT_MS, () => {
      if (!isWarned) this.#warnedUntilMs = this.#clock.monotonicMs() + WARNED_FOR_MS;
      tooLong.resolve(otherwise);
    });
    return Promise.race([answer.finally(stop), tooLong.promise]);
  }
}
