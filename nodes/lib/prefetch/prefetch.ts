import type { Caller, User } from '../accounts/caller.ts';
import {
  afterFetched,
  afterUsed,
  type Background,
  type FirstUse,
  LARGEST_PREFETCH_BYTES,
  neighboursToFetch,
  type Occasion,
} from '../cache/cache.ts';
import { type Files, parentOf, versionOf } from '../files/files.ts';
import { LruMap } from '../limits/limits.ts';
import type { CallerNeed } from '../nas/nas.ts';
import type { NasPresence } from '../nas/presence.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { DepthRows } from './depth-rows.ts';
import { BackgroundScheduler, FetchFor } from './background-scheduler.ts';
import { PinScheduler, PinKeeper, type PinOutcome } from './pin-scheduler.ts';

export type { PinOutcome } from './pin-scheduler.ts';

interface PrefetchDeps {
  /** The cache database. */
  readonly store: Store;
  readonly clock: Clock;
  readonly presence: Pick<NasPresence, 'state' | 'onChange'>;
  readonly need: Pick<CallerNeed, 'idleMs' | 'needed'>;
  readonly files: Pick<
    Files,
    'list' | 'locatePath' | 'shownIn' | 'shownBeside' | 'views' | 'grants'
  >;
  readonly background: Background;
  /** Memory is short on the Pi. */
  readonly isShortOfMemory: () => boolean;
  /** A user as last known; null when unknown or switched off. */
  readonly userOf: (userId: number) => User | null;
  /** A token of exactly that user that the NAS accepts now; null when there is none. */
  readonly tokenOf: (userId: number) => Promise<string | null>;
}

/** What a caller did with a file or folder, as far as it matters here. */
interface Doing {
  readonly caller: Caller;
  readonly path: string;
  /** The caller sent `X-Sync-Trigger: auto`: neither browsing nor a need of the NAS. */
  readonly auto: boolean;
  /** The Pi answered without asking the NAS. */
  readonly fromHere: boolean;
}

/**
 * What is fetched while the NAS is awake anyway: the neighbours of files being read, and pinned
 * folders. All of it yields to callers, begins within five minutes of the last need, ends when the
 * NAS goes, and uses the token of the user it is for (contract 6).
 */
export class Prefetch {
  /** Folders that somebody wants here in any case; a new one by {@link pin}. */
  readonly pins: Omit<PinScheduler, 'pin'>;
  readonly #deps: PrefetchDeps;
  readonly #scheduler: BackgroundScheduler;
  readonly #neighbours: NeighbourScheduler;
  readonly #pins: PinScheduler;
  readonly #hooks: PinKeeper;
  readonly #running = new Set<'neighbours' | 'pins'>();
  readonly #unsubscribe: (() => void)[] = [];

  constructor(deps: PrefetchDeps) {
    this.#deps = deps;
    const { clock, presence, need, files, background, userOf, tokenOf } = deps;
    // Background work takes no memory from callers either.
    const isServingCallers = (): boolean => background.isServingCallers || deps.isShortOfMemory();
    this.#scheduler = new BackgroundScheduler({ clock, presence, need, isServingCallers });
    const scheduler = this.#scheduler;
    const fetchFor = new FetchFor({ clock, scheduler, background, files, userOf, tokenOf });
    const depths = new DepthRows(deps.store);
    this.#neighbours = new NeighbourScheduler({ fetchFor, depths, background, files, userOf });
    const { pins } = background;
    this.#hooks = new PinKeeper({ pins, fetchFor, files, clock, userOf });
    this.pins = this.#pins = new PinScheduler({ pins, files, presence });
  }

  start(): void {
    const { presence, background } = this.#deps;
    this.#scheduler.start();
    this.#unsubscribe.push(
      presence.onChange(({ awake }) => {
        if (awake) this.#hooks.renew();
      }),
      background.counters.onFirstUse((use) => {
        this.#neighbours.used(use);
      }),
    );
  }

  /** Ends what runs. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#scheduler.stop();
  }

  /** The NAS just accepted a token of that user. */
  credentialArrived(userId: number): void {
    this.#hooks.credentialArrived(userId);
  }

  /** A caller was given a file. */
  read({ caller, path, auto, fromHere }: Doing): void {
    if (auto) return;
    if (this.#needed(fromHere)) this.#neighbours.read(caller.user.id, path);
  }

  /** A caller was shown a folder. */
  listed({ caller, path, auto, fromHere }: Doing): void {
    const { awake } = this.#deps.presence.state;
    if (awake) this.#hooks.shown(caller.user.id, path);
    if (auto) return;
    if (this.#needed(fromHere)) this.#neighbours.listed(caller.user.id, path);
  }

  /** Prefetches neighbours of files being read until none are left. */
  fetchNeighbours(): Promise<void> {
    return this.#run('neighbours', () => this.#neighbours.step());
  }

  /** Walks the pinned folders, and fetches what is missing of them. */
  async keepPins(): Promise<void> {
    this.#hooks.tidy();
    // Browsing users go first: they wait, a pin does not.
    await this.#run('pins', () => this.#hooks.step());
  }

  /** Files still to fetch: neighbours of files being read (users), and of pins. */
  get waiting(): { readonly users: number; readonly pinnedFiles: number } {
    const pinnedFiles = this.#deps.background.pins.files.pendingCount(null);
    return { users: this.#neighbours.count, pinnedFiles };
  }

  pin(caller: Caller, path: string, auto: boolean): Promise<PinOutcome> {
    if (!auto && this.#deps.presence.state.awake) this.#deps.need.needed();
    return this.#pins.pin(caller, path, auto);
  }

  /** @returns whether the NAS was there for it */
  #needed(fromHere: boolean): boolean {
    const { presence, need, background } = this.#deps;
    if (presence.state.awake) {
      need.needed();
      return true;
    }
    if (fromHere) background.counters.spared();
    return false;
  }

  async #run(what: 'neighbours' | 'pins', step: () => Promise<boolean>): Promise<void> {
    if (this.#running.has(what)) return;
    this.#running.add(what);
    try {
      while (this.#scheduler.isOpen && (await step()));
    } finally {
      this.#running.delete(what);
    }
  }
}

interface NeighbourSchedulerDeps {
  readonly fetchFor: FetchFor;
  readonly depths: DepthRows;
  readonly background: Pick<Background, 'has' | 'space'>;
  readonly files: Pick<Files, 'shownBeside'>;
  readonly userOf: (userId: number) => User | null;
}

/** What a user looks at, and the neighbours still to be fetched. */
interface Interest {
  readonly userId: number;
  readonly after: Occasion['after'];
  readonly folder: string;
  /** The file read, or the folder listed. */
  readonly path: string;
  readonly readBefore: string | null;
  plan: string[] | null;
}

/** More users at once than a household has. */
const MOST_USERS = 100;
/** The limit for a folder that was only listed; whoever reads on gets more. */
const LISTED_BURST_BYTES = 40_000_000;
/** One burst takes no more of the cache than this share. */
const SHARE_OF_CACHE = 0.25;

/** The folders people browse, and the neighbours to fetch. One interest per user: the latest. */
class NeighbourScheduler {
  readonly #deps: NeighbourSchedulerDeps;
  readonly #interests = new LruMap<number, Interest>(MOST_USERS);
  readonly #lastRead = new LruMap<number, string>(MOST_USERS);

  constructor(deps: NeighbourSchedulerDeps) {
    this.#deps = deps;
  }

  /** How many users have neighbours waiting to be fetched. */
  get count(): number {
    return this.#interests.size;
  }

  read(userId: number, path: string): void {
    const folder = parentOf(path);
    const before = this.#lastRead.get(userId) ?? null;
    // A video is read in a hundred ranges: that is one read.
    if (folder === null || before === path) return;
    const readBefore = before !== null && parentOf(before) === folder ? before : null;
    this.#lastRead.set(userId, path);
    this.#look({ userId, after: 'read', folder, path, readBefore, plan: null });
  }

  listed(userId: number, folder: string): void {
    const now = this.#interests.peek(userId);
    // Reading in a folder lists it too; the read tells more.
    if (now?.folder === folder) return;
    this.#look({ userId, after: 'listed', folder, path: folder, readBefore: null, plan: null });
  }

  /** A prefetched entry was read, so it was worth it. */
  used({ userId, after, round }: FirstUse): void {
    const { depths } = this.#deps;
    const key = { userId, after };
    depths.put(key, afterUsed(depths.of(key), round));
  }

  /** Fetches one file. @returns false when there is none to fetch now */
  async step(): Promise<boolean> {
    for (const interest of [...this.#interests].map(([, one]) => one).reverse()) {
      const path = this.#next(interest);
      if (path === null) this.#drop(interest);
      else return this.#fetch(interest, path);
    }
    return false;
  }

  async #fetch(interest: Interest, path: string): Promise<boolean> {
    const { depths, fetchFor } = this.#deps;
    const { userId, after } = interest;
    const { round } = depths.of(interest);
    const occasion = { userId, after, round };
    const fetched = await fetchFor.file(userId, path, occasion, LARGEST_PREFETCH_BYTES);
    if (fetched === 'fetched') depths.put(interest, afterFetched(depths.of(interest), 1));
    if (fetched === 'no_token') this.#drop(interest);
    return fetched !== 'closed';
  }

  #next(interest: Interest): string | null {
    interest.plan ??= this.#planOf(interest);
    return interest.plan.shift() ?? null;
  }

  #planOf({ userId, after, folder, path, readBefore }: Interest): string[] {
    const { files, background, depths, userOf } = this.#deps;
    const user = userOf(userId);
    if (user === null) return [];
    const depth = depths.of({ userId, after }).files;
    const beside = files.shownBeside(user, folder, path, 4 * depth + 16);
    const versions = new Map(beside.map((item) => [item.path, versionOf(item)]));
    const named = beside.map((item) => ({ key: item.path, sizeBytes: item.sizeBytes }));
    const most = Math.floor(background.space.limitBytes() * SHARE_OF_CACHE);
    const isListed = after === 'listed';
    return neighboursToFetch({
      files: isListed ? [{ key: path, sizeBytes: 0 }, ...named] : named,
      read: path,
      readBefore,
      isKept: (key) => background.has({ path: key, version: versions.get(key) ?? null }),
      depth,
      mostBytes: isListed ? Math.min(most, LISTED_BURST_BYTES) : most,
    }).map(({ key }) => key);
  }

  #look(interest: Interest): void {
    this.#interests.set(interest.userId, interest);
  }

  #drop(interest: Interest): void {
    const { userId } = interest;
    if (this.#interests.peek(userId) === interest) this.#interests.delete(userId);
  }
}
