import type { Caller, User } from '../accounts/caller.ts';
import type { Pin, PinRow, Pins } from '../cache/cache.ts';
import {
  type Files,
  type NasFault,
  parentOf,
  parseNasPath,
  SHARED_WITH_ME,
  type StoredItem,
} from '../files/files.ts';
import type { NasPresence } from '../nas/presence.ts';
import type { Clock } from '../time/clock.ts';
import type { FetchFor } from './background-scheduler.ts';

/** A folder is listed so that the listing is stored; its items are read from there. */
const SHORTEST = { limit: 1, after: null };

interface PinSchedulerDeps {
  readonly pins: Pins;
  readonly files: Pick<Files, 'list' | 'shownIn' | 'views' | 'grants'>;
  readonly presence: Pick<NasPresence, 'state'>;
}

export type PinOutcome =
  | { readonly kind: 'pinned'; readonly pin: Pin }
  | { readonly kind: 'bad_path'; readonly reason: string }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'not_a_folder' }
  | { readonly kind: 'too_large'; readonly shareBytes: number; readonly wantedBytes: number }
  | NasFault;

/** A user's pins as that user may see them. */
export interface PinList {
  readonly pins: readonly Pin[];
  /** How much all of this user's pins may hold. */
  readonly shareBytes: number;
  /** How much of it they want. */
  readonly wantedBytes: number;
}

/**
 * Folders to look into while the pinning user waits; the rest is walked later. It takes less than a
 * second and tells most folders' size.
 */
const FOLDERS_AT_ONCE = 32;

/** Pins, as their users set, view and remove them. */
export class PinScheduler {
  readonly #deps: PinSchedulerDeps;

  constructor(deps: PinSchedulerDeps) {
    this.#deps = deps;
  }

  /**
   * Pins a folder of the caller's. While the NAS sleeps it is accepted with what is known of it,
   * and walked when the NAS is awake again.
   * @param auto pinning must not keep the NAS from its soft sleep
   */
  async pin(caller: Caller, pathText: string, auto: boolean): Promise<PinOutcome> {
    const parsed = parseNasPath(pathText);
    if (parsed.kind === 'bad_path') return parsed;
    const { path } = parsed;
    if (path === '' || path === SHARED_WITH_ME) return { kind: 'not_a_folder' };
    const fault = await this.#faultOf(caller, path, auto);
    if (fault !== null) return fault;
    const { pins } = this.#deps;
    const { id: userId } = caller.user;
    const isNew = !pins.isPinned(userId, path);
    pins.put(userId, path);
    const isWhole = await this.#lookThrough(caller, path, auto);
    const shareBytes = pins.shareBytes(userId);
    const wantedBytes = this.#bytesWith(caller.user, path, isWhole);
    if (isNew && wantedBytes > shareBytes) {
      pins.drop(userId, path);
      return { kind: 'too_large', shareBytes, wantedBytes };
    }
    pins.shareAll();
    const pin = pins.find(userId, path);
    return pin === null ? { kind: 'not_found' } : { kind: 'pinned', pin };
  }

  /** @returns `not_found` where the caller had not pinned it */
  unpin(caller: Caller, pathText: string): 'unpinned' | 'not_found' {
    const parsed = parseNasPath(pathText);
    const isPath = parsed.kind === 'path';
    return isPath && this.#deps.pins.drop(caller.user.id, parsed.path) ? 'unpinned' : 'not_found';
  }

  list(caller: Caller): PinList {
    const { pins } = this.#deps;
    const { user } = caller;
    return {
      pins: pins.ofUser(user.id).map((pin) => this.#seen(user, pin)),
      shareBytes: pins.shareBytes(user.id),
      wantedBytes: pins.files.wantedBytes(user.id),
    };
  }

  /** Why a path cannot be pinned; null where it can. */
  async #faultOf(caller: Caller, path: string, auto: boolean): Promise<PinOutcome | null> {
    const { files, presence } = this.#deps;
    const { user } = caller;
    const parent = parentOf(path);
    // The parent folder tells a file from a folder, and how large a folder is.
    if (presence.state.awake && parent !== null)
      await files.list(caller, parent, { auto, page: SHORTEST });
    const shown = files.views.itemOf(user, path);
    const isShown = shown !== null && files.grants.mayRead(user, path, shown.ownerId);
    if (isShown && !shown.isDirectory) return { kind: 'not_a_folder' };
    const listed = await files.list(caller, path, { auto, page: SHORTEST });
    if (listed.kind === 'asleep') return null;
    if (listed.kind !== 'listing') return listed;
    const { source, queued } = listed.listing;
    // An unconfirmed empty answer is how the NAS lists what does not exist.
    const isThere = source === 'stored' || queued.length > 0 || files.shownIn(user, path) !== null;
    return isThere ? null : { kind: 'not_found' };
  }

  /** @returns whether all of the folder is known now */
  async #lookThrough(caller: Caller, path: string, auto: boolean): Promise<boolean> {
    const { pins, files, presence } = this.#deps;
    const pin = { userId: caller.user.id, path };
    const kept = lookAtKept(files, caller.user);
    const look = presence.state.awake
      ? (folder: string): Promise<Look> => this.#look(caller, folder, auto)
      : kept;
    const walked = await walkPin(pin, { pins, look, mostFolders: FOLDERS_AT_ONCE });
    const isWhole = walked === 'whole' || walked === 'cut_short';
    if (isWhole && presence.state.awake) pins.checked(pin, walked);
    return isWhole;
  }

  async #look(caller: Caller, folder: string, auto: boolean): Promise<Look> {
    const { files } = this.#deps;
    const listed = await files.list(caller, folder, { auto, page: SHORTEST });
    if (listed.kind === 'not_found') return { kind: 'missing' };
    if (listed.kind !== 'listing' || listed.listing.source !== 'fresh') return { kind: 'unknown' };
    return { kind: 'items', items: files.shownIn(caller.user, folder) ?? [] };
  }

  /** What the user's pins would hold with this one, as far as that can be told. */
  #bytesWith(user: User, path: string, isWhole: boolean): number {
    const { pins, files } = this.#deps;
    const known = pins.files.bytes(user.id);
    if (isWhole) return known;
    // The NAS reports a folder's size with everything below it (docs/NAS.md).
    const told = files.views.itemOf(user, path)?.sizeBytes ?? 0;
    const seen = pins.find(user.id, path)?.sizeBytes ?? 0;
    return known + Math.max(0, told - seen);
  }

  /** A folder its user may no longer read shows only that. */
  #seen(user: User, pin: Pin): Pin {
    const { files } = this.#deps;
    const owner = files.views.itemOf(user, pin.path)?.ownerId ?? null;
    if (files.grants.mayRead(user, pin.path, owner)) return pin;
    return { ...pin, ...NOTHING, state: 'no_access' };
  }
}

const NOTHING = {
  files: 0,
  sizeBytes: 0,
  keptFiles: 0,
  keptBytes: 0,
  pendingFiles: 0,
  pendingBytes: 0,
  leftOutFiles: 0,
};

interface PinKeeperDeps {
  readonly pins: Pins;
  readonly fetchFor: FetchFor;
  readonly files: Pick<Files, 'shownIn' | 'grants' | 'views'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly userOf: (userId: number) => User | null;
}

/** How long until a pinned folder is walked again, while the NAS is up. */
const WALK_EVERY_MS = 2 * 60_000;
const PAGE = 20;
const MOST_TOUCHED = 500;

interface Cursor {
  readonly modifiedAtMs: number;
  readonly path: string;
}

/** Keeps pinned folders fresh: walks them, then fetches what is wanted and missing. */
export class PinKeeper {
  readonly #deps: PinKeeperDeps;
  readonly #walkedAtMs = new Map<string, number>();
  readonly #brokenOff = new Set<string>();
  readonly #touched = new Map<string, { readonly userId: number; readonly folder: string }>();
  /** How far each user's waiting files were tried since their pins were last walked. */
  readonly #tried = new Map<number, Cursor>();
  #lastServed = 0;

  constructor(deps: PinKeeperDeps) {
    this.#deps = deps;
  }

  /** The NAS is awake again, so everything is to be checked again. */
  renew(): void {
    this.#walkedAtMs.clear();
    this.#brokenOff.clear();
    this.#tried.clear();
  }

  /** A user can be acted for again, which pending work may have waited for. */
  credentialArrived(userId: number): void {
    for (const pin of this.#deps.pins.rows.all()) {
      const key = keyOf(pin);
      if (pin.userId === userId && this.#brokenOff.has(key)) this.#walkedAtMs.delete(key);
    }
  }

  /** A user was shown a folder just now: what it holds is known without asking. */
  shown(userId: number, folder: string): void {
    if (this.#touched.size < MOST_TOUCHED) {
      this.#touched.set(`${userId}\0${folder}`, { userId, folder });
    }
  }

  /**
   * What needs no NAS: folders just shown, and pins their user may no longer read, whose entries
   * then lose their protection.
   */
  tidy(): void {
    const { pins } = this.#deps;
    for (const pin of pins.rows.all()) {
      if (this.#mayRead(pin) || pin.state === 'no_access') continue;
      pins.forget(pin.userId, pin.path);
      pins.checked(pin, 'no_access');
      pins.shareAll();
    }
    for (const { userId, folder } of this.#touched.values()) this.#learnShown(userId, folder);
    this.#touched.clear();
  }

  /** One look or one file. @returns false when there is nothing to do now */
  async step(): Promise<boolean> {
    this.tidy();
    const pin = this.#due();
    if (pin !== null) return this.#walk(pin);
    return this.#fetchNext();
  }

  #learnShown(userId: number, folder: string): void {
    const { pins, files, userOf } = this.#deps;
    const user = userOf(userId);
    const items = user === null ? null : files.shownIn(user, folder);
    if (items === null || !pins.covers(userId, folder)) return;
    learn(pins, userId, folder, items);
    pins.share(userId);
    this.#tried.delete(userId);
  }

  #mayRead({ userId, path }: PinRow): boolean {
    const { files, userOf } = this.#deps;
    const user = userOf(userId);
    if (user === null) return false;
    return files.grants.mayRead(user, path, files.views.itemOf(user, path)?.ownerId ?? null);
  }

  #due(): PinRow | null {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const pin of this.#deps.pins.rows.all()) {
      const walkedAtMs = this.#walkedAtMs.get(keyOf(pin));
      const isDue = walkedAtMs === undefined || nowMs - walkedAtMs >= WALK_EVERY_MS;
      if (isDue) return pin;
    }
    return null;
  }

  async #walk(pin: PinRow): Promise<boolean> {
    const { pins, clock } = this.#deps;
    // Answers from before a sleep do not hold after it.
    const force = !this.#walkedAtMs.has(keyOf(pin));
    const look = (folder: string): Promise<Look> => this.#look(pin.userId, folder, force);
    const walked = await walkPin(pin, { pins, look, mostFolders: MOST_FOLDERS });
    // Also where it broke off: one user without a token must not hold up the others.
    this.#walkedAtMs.set(keyOf(pin), clock.monotonicMs());
    if (walked === 'unpinned') return true;
    if (walked === 'broken_off') this.#brokenOff.add(keyOf(pin));
    else {
      this.#brokenOff.delete(keyOf(pin));
      pins.checked(pin, walked === 'missing' && !this.#mayRead(pin) ? 'no_access' : walked);
    }
    pins.share(pin.userId);
    this.#tried.delete(pin.userId);
    return true;
  }

  async #look(userId: number, folder: string, force: boolean): Promise<Look> {
    const { fetchFor, files, userOf } = this.#deps;
    const listed = await fetchFor.list(userId, folder, force);
    if (listed === null) return { kind: 'unknown' };
    if (listed.kind === 'not_found') return { kind: 'missing' };
    if (listed.kind !== 'listing' || listed.listing.source !== 'fresh') return { kind: 'unknown' };
    // An unconfirmed empty answer is how the NAS lists what does not exist.
    const user = userOf(userId);
    const items = user === null ? null : files.shownIn(user, folder);
    return items === null ? { kind: 'missing' } : { kind: 'items', items };
  }

  /** The next waiting file, users in turn. */
  async #fetchNext(): Promise<boolean> {
    const users = [...new Set(this.#deps.pins.rows.all().map(({ userId }) => userId))];
    const later = users.filter((userId) => userId > this.#lastServed);
    const inTurn = [...later, ...users.filter((userId) => userId <= this.#lastServed)];
    for (const userId of inTurn) {
      const [file] = this.#deps.pins.files.pendingPage(
        userId,
        this.#tried.get(userId) ?? null,
        PAGE,
      );
      if (file === undefined) continue;
      this.#lastServed = userId;
      const fetched = await this.#deps.fetchFor.file(userId, file.path, null, Infinity);
      if (fetched === 'closed') return false;
      // Once each until the next walk: an unavailable file must not be tried for ever.
      const isStuck = fetched === 'no_token';
      this.#tried.set(userId, isStuck ? { modifiedAtMs: -1, path: '' } : file);
      return true;
    }
    return false;
  }
}

function keyOf({ userId, path }: PinRow): string {
  return `${userId}\0${path}`;
}

/** How deep below a pinned folder its files are followed. */
const DEEPEST_LEVELS = 16;
/** How many folders of one pin are looked into. */
const MOST_FOLDERS = 2_000;

/** The outcome of a look into one folder. */
type Look =
  | { readonly kind: 'items'; readonly items: Iterable<StoredItem> }
  | { readonly kind: 'missing' }
  /** It cannot be told now; the walk ends where it is. */
  | { readonly kind: 'unknown' };

/** `whole`: every folder was looked into. `broken_off`: to be continued later. */
type Walked = 'whole' | 'cut_short' | 'missing' | 'broken_off' | 'unpinned';

interface PinWalkDeps {
  readonly pins: Pins;
  /** Looks into a folder as the user of the pin sees it. */
  readonly look: (folder: string) => Promise<Look> | Look;
  /** How many folders at most. */
  readonly mostFolders: number;
}

interface Step {
  readonly folder: string;
  readonly level: number;
}

/** Walks a pinned folder and everything below it, and records which files are there. */
async function walkPin(
  pin: { readonly userId: number; readonly path: string },
  deps: PinWalkDeps,
): Promise<Walked> {
  return new Walk(pin, deps).run();
}

class Walk {
  readonly #pin: { readonly userId: number; readonly path: string };
  readonly #deps: PinWalkDeps;
  readonly #walked = new Set<string>();
  readonly #ahead: Step[];
  #isWhole = true;

  constructor(pin: { readonly userId: number; readonly path: string }, deps: PinWalkDeps) {
    this.#pin = pin;
    this.#deps = deps;
    this.#ahead = [{ folder: pin.path, level: 0 }];
  }

  async run(): Promise<Walked> {
    const { mostFolders } = this.#deps;
    for (let step = this.#ahead.shift(); step !== undefined; step = this.#ahead.shift()) {
      if (this.#walked.size >= mostFolders) {
        return mostFolders < MOST_FOLDERS ? 'broken_off' : 'cut_short';
      }
      const ended = await this.#take(step);
      if (ended !== null) return ended;
    }
    if (!this.#isWhole) return 'cut_short';
    this.#forgetVanished();
    return 'whole';
  }

  /** @returns how the walk ended, null where it goes on */
  async #take(step: Step): Promise<Walked | null> {
    const { pins, look } = this.#deps;
    const { userId, path } = this.#pin;
    const seen = await look(step.folder);
    if (!pins.isPinned(userId, path)) return 'unpinned';
    if (seen.kind === 'unknown') return 'broken_off';
    this.#walked.add(step.folder);
    if (seen.kind === 'items') {
      this.#goOn(step, learn(pins, userId, step.folder, seen.items));
      return null;
    }
    pins.forget(userId, step.folder);
    return step.folder === path ? 'missing' : null;
  }

  #goOn({ level }: Step, { folders, isFollowed }: ReturnType<typeof learn>): void {
    const isDeepest = level >= DEEPEST_LEVELS;
    if (!isFollowed || (isDeepest && folders.length > 0)) this.#isWhole = false;
    if (!isDeepest) this.#ahead.push(...folders.map((folder) => ({ folder, level: level + 1 })));
  }

  #forgetVanished(): void {
    const { pins } = this.#deps;
    for (const folder of pins.foldersOf(this.#pin)) {
      if (!this.#walked.has(folder)) pins.files.dropFolder(this.#pin.userId, folder);
    }
  }
}

/** Records the files of a folder. */
function learn(
  pins: Pins,
  userId: number,
  folder: string,
  items: Iterable<StoredItem>,
): { readonly folders: string[]; readonly isFollowed: boolean } {
  const folders: string[] = [];
  const files: StoredItem[] = [];
  for (const item of items) {
    if (item.isDirectory) folders.push(item.path);
    else files.push(item);
  }
  return { folders, isFollowed: pins.learn(userId, folder, files) };
}

/** Looks at what the user was last shown, without asking the NAS. */
function lookAtKept(files: Pick<Files, 'shownIn'>, user: User): (folder: string) => Look {
  return (folder) => {
    const items = files.shownIn(user, folder);
    return items === null ? { kind: 'unknown' } : { kind: 'items', items };
  };
}
