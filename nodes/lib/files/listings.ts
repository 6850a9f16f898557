import type { User } from '../accounts/caller.ts';
import { failureOf } from '../nas/nas.ts';
import type { NasClient, NasFileItem, NasListing } from '../nas/nas-client.ts';
import type { NasPresence } from '../nas/presence.ts';
import type { Clock } from '../time/clock.ts';
import type { RefusalRows } from './grant-rows.ts';
import type { ListingRow, ListingRows } from './listing-rows.ts';
import { isWithin, nameOf, parentOf, SHARED_FOLDER, SHARED_WITH_ME } from './nas-path.ts';
import { type ReadFault, readFaultOf } from './outcomes.ts';
import { Recent, type ShareGrants } from './share-grants.ts';
import { listedItem, type ListedItem } from './stored-item.ts';

/** The NAS is asked for one user's view of one folder at most this often (contract 3). */
const ASK_EVERY_MS = 10_000;
/** How long one snapshot serves a paged reader. */
const READ_ON_MS = 10 * 60_000;
/** Folders with more entries than this cost the NAS more than one page is worth. */
const LARGE_FOLDER = 1_000;
const MOST_FOLDERS = 2_000;

/** The outcome of asking the NAS for a folder. */
export type Asked =
  /** `row` is null for an empty answer that no parent folder confirms, which is not stored. */
  | { readonly kind: 'listed'; readonly row: ListingRow | null }
  /** The NAS lists nothing at all any more; what is kept stays. */
  | { readonly kind: 'storage_missing' }
  | ReadFault;

export interface AskOptions {
  /** The caller wants the NAS to stay in its soft sleep. */
  readonly auto?: boolean;
  /** Asks now, whatever was asked before: the check after a fetch must not get an older answer. */
  readonly force?: boolean;
  /**
   * Listings newer than this are good enough, monotonic ms; a folder that its parent does not show
   * is not asked for.
   */
  readonly newSinceMs?: number | undefined;
  /** A page was shown before: its reader continues in that answer, for some minutes. */
  readonly isNextPage?: boolean;
}

const STORAGE_MISSING: Asked = { kind: 'storage_missing' };

/** A file that reached the NAS, and who sent it. */
interface Delivered {
  readonly senderId: number;
  readonly file: ListedItem;
}

/** A question in progress. */
interface Asking {
  readonly path: string;
  readonly files: Delivered[];
  /** Something in that folder was deleted or moved in the meantime. */
  isOutdated: boolean;
}

/** A folder that keeps changing while it is listed is shown as last known. */
const MOST_ROUNDS = 3;

interface ListingsDeps {
  readonly rows: ListingRows;
  readonly refusals: RefusalRows;
  readonly grants: ShareGrants;
  readonly nas: Pick<NasClient, 'list'>;
  readonly storage: NasStorage;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly tokenRefused: (token: string) => void;
}

/** Folders as the NAS lists them, per user: one question at a time, and not too often. */
export class Listings {
  readonly #deps: ListingsDeps;
  readonly #asked: Recent<'stored' | 'unconfirmed'>;
  readonly #running = new Map<string, Promise<Asked>>();
  readonly #next = new Map<string, Promise<Asked>>();
  /** Per running question, what changed since it was asked: its answer may not show it. */
  readonly #late = new Set<Asking>();
  #generation = 0;

  constructor(deps: ListingsDeps) {
    this.#deps = deps;
    this.#asked = new Recent(deps.clock, MOST_FOLDERS);
  }

  /** Asks the NAS, unless it was asked for this less than 10 s ago. */
  async ask(user: User, token: string, path: string, options: AskOptions = {}): Promise<Asked> {
    const key = keyOf(user.id, path);
    if (options.force === true) return this.#askAfterRunning(key, user, token, path, options);
    const row = this.#known(key, user, path, options);
    if (row !== undefined) return { kind: 'listed', row };
    if (await this.#isMissing(user, token, path, options)) {
      this.#asked.set(key, 'unconfirmed');
      return { kind: 'listed', row: null };
    }
    return this.#running.get(key) ?? this.#start(key, user, token, path, options);
  }

  /**
   * Whether the parent, listed recently enough, lacks a never-listed folder: a program looking for
   * dozens of missing files would ask for each of their folders.
   */
  async #isMissing(user: User, token: string, path: string, options: AskOptions): Promise<boolean> {
    const { rows, grants } = this.#deps;
    const parent = parentOf(path);
    if (options.newSinceMs === undefined || parent === null || parent === '') return false;
    if (rows.find(user.id, path) !== null || grants.sharesFolder(user, path)) return false;
    if (!grants.mayRead(user, parent, null)) return false;
    const above = await this.ask(user, token, parent, options);
    if (above.kind !== 'listed') return false;
    return above.row === null || rows.entries.one(above.row.id, path)?.isDirectory !== true;
  }

  /** Forgets a path after a delete, rename or move, for every user. */
  forget(path: string): void {
    this.#outdated(path);
    this.#deps.rows.forget(path);
    this.#deps.refusals.forget(path);
  }

  /**
   * A path lies elsewhere now, with all below it.
   * @returns whether it is shown at its new place wherever that folder is listed
   */
  moved(from: string, to: string, byUserId: number): boolean {
    this.#outdated(from);
    this.#outdated(to);
    this.#deps.refusals.forget(from);
    this.#deps.refusals.forget(to);
    return this.#deps.rows.moved(from, to, byUserId);
  }

  /** What is at a path may differ from every answer so far, so it is asked for again. */
  outdated(path: string): void {
    this.#outdated(path);
  }

  /** The content of a path is unknown: its folder is hidden until the NAS lists it again. */
  doubted(path: string): void {
    this.forget(path);
    this.#deps.rows.dropAll(parentOf(path) ?? '');
  }

  /** A folder was made there. Where the kept listing above did not show it, nothing is in it. */
  folderMade(userId: number, path: string): void {
    const { rows, clock } = this.#deps;
    const above = rows.find(userId, parentOf(path) ?? '');
    const isNew = above !== null && rows.entries.one(above.id, path) === null;
    const nowMs = clock.nowMs();
    const modifiedAtText = new Date(nowMs).toISOString();
    const about = { name: nameOf(path), path, modifiedAtText, modifiedAtMs: nowMs };
    this.#deps.refusals.forget(path);
    this.delivered(userId, folderItem(about, String(userId)));
    if (isNew && rows.find(userId, path) === null) rows.begin(userId, path, nowMs, []);
  }

  #outdated(path: string): void {
    this.#generation += 1;
    for (const asking of this.#late) asking.isOutdated ||= isAbout(asking.path, path);
    this.#asked.forget((key) => isAbout(folderIn(key), path));
  }

  /**
   * A file of this user reached the NAS: kept listings of its folder show it; if there are none,
   * the nearest listed parent shows the new folder on the way. A folder the parent's listing did
   * not show contains nothing else, and counts as listed with it. The root is the NAS's to fill.
   */
  delivered(senderId: number, file: ListedItem): void {
    const delivered = { senderId, file };
    for (const late of this.#late) late.files.push(delivered);
    // What was listed as empty is not any more, or exists by now.
    this.#asked.forget((key, kind) => kind === 'unconfirmed' && isWithin(file.path, folderIn(key)));
    for (const userId of this.#deps.rows.usersAbove(file.path)) this.#show(userId, delivered);
  }

  dropUser(userId: number): void {
    this.#generation += 1;
    this.#asked.forget((key) => key.startsWith(keyOf(userId, '')));
    this.#deps.rows.dropUser(userId);
    this.#deps.refusals.dropUser(userId);
  }

  /** What the NAS said recently; undefined where it has to be asked. */
  #known(
    key: string,
    user: User,
    path: string,
    { isNextPage, newSinceMs }: AskOptions,
  ): ListingRow | null | undefined {
    const nowMs = this.#deps.clock.monotonicMs();
    const holdsMs = Math.max(ASK_EVERY_MS, newSinceMs === undefined ? 0 : nowMs - newSinceMs + 1);
    const known = this.#asked.get(key, holdsMs);
    if (known === 'unconfirmed') return null;
    const row = this.#deps.rows.find(user.id, path);
    if (row === null) return undefined;
    const isReadOn = isNextPage === true && row.itemCount >= LARGE_FOLDER;
    const kept = isReadOn ? this.#asked.get(key, READ_ON_MS) : known;
    return kept === 'stored' ? row : undefined;
  }

  #show(userId: number, { senderId, file }: Delivered): void {
    const { rows } = this.#deps;
    const isOwn = userId === senderId;
    const made: ListedItem[] = [];
    // For everybody else the uploader counts as owner until the NAS tells: that shows it to fewer.
    let entry = isOwn ? file : { ...file, ownerId: file.ownerId ?? String(senderId) };
    for (let folder = parentOf(entry.path); folder !== null; folder = parentOf(entry.path)) {
      const row = rows.find(userId, folder);
      if (row === null) {
        made.push(entry);
        entry = folderAbove(folder, entry, isOwn ? null : entry.ownerId);
        continue;
      }
      if (entry.isDirectory && (folder === '' || isFolder(rows.entries.one(row.id, entry.path))))
        return;
      rows.add(row.id, entry, isOwn);
      for (const inside of made.reverse()) {
        rows.begin(userId, parentOf(inside.path) ?? '', row.listedAtMs, [inside], isOwn);
      }
      return;
    }
  }

  /** A question started after now, shared by everybody who needs one. */
  #askAfterRunning(
    key: string,
    user: User,
    token: string,
    path: string,
    options: AskOptions,
  ): Promise<Asked> {
    const running = this.#running.get(key);
    if (running === undefined) return this.#start(key, user, token, path, options);
    const waiting = this.#next.get(key);
    if (waiting !== undefined) return waiting;
    const after = running.then(() => {
      this.#next.delete(key);
      return this.#running.get(key) ?? this.#start(key, user, token, path, options);
    });
    this.#next.set(key, after);
    return after;
  }

  #start(
    key: string,
    user: User,
    token: string,
    path: string,
    options: AskOptions,
    confirmEmpty = true,
  ): Promise<Asked> {
    const asking = this.#askNas(user, token, path, options, confirmEmpty).finally(() => {
      this.#running.delete(key);
    });
    this.#running.set(key, asking);
    return asking;
  }

  async #askNas(
    user: User,
    token: string,
    path: string,
    options: AskOptions,
    confirmEmpty: boolean,
    round = 1,
  ): Promise<Asked> {
    const late: Asking = { path, files: [], isOutdated: false };
    this.#late.add(late);
    try {
      const asked = await this.#askAndStore(user, token, path, options, confirmEmpty);
      // At least part of the answer is outdated; the kept listing has the changes by now.
      if (late.isOutdated && asked.kind === 'listed' && round < MOST_ROUNDS) {
        return await this.#askNas(user, token, path, options, confirmEmpty, round + 1);
      }
      const inHere = late.files.filter(({ file }) => isWithin(file.path, path));
      if (inHere.length === 0 || asked.kind !== 'listed') return asked;
      const asking = keyOf(user.id, path);
      this.#asked.forget((key) => key === asking);
      // It was empty when the NAS was asked, whether it existed or not.
      if (asked.row === null) this.#deps.rows.begin(user.id, path, this.#deps.clock.nowMs(), []);
      for (const delivered of inHere) this.#show(user.id, delivered);
      return { kind: 'listed', row: this.#deps.rows.find(user.id, path) };
    } finally {
      this.#late.delete(late);
    }
  }

  async #askAndStore(
    user: User,
    token: string,
    path: string,
    options: AskOptions,
    confirmEmpty: boolean,
  ): Promise<Asked> {
    const { rows, nas, clock, storage } = this.#deps;
    if (storage.isMissing && !(await storage.stands(user, token))) return STORAGE_MISSING;
    const generation = this.#generation;
    const askedAtMs = clock.nowMs();
    const writer = rows.writer(user.id, path);
    const take = (items: readonly NasFileItem[]): Promise<void> =>
      writer.take(items.map(listedItem), askedAtMs);
    const answer = await nas.list(token, path, { auto: options.auto === true, each: take });
    if (answer.kind !== 'listing') return this.#notListed(answer, user, token, path);
    await take(answer.items);
    const key = keyOf(user.id, path);
    if (!(await this.#isBelievable(user, token, path, writer.count))) return STORAGE_MISSING;
    if (writer.count === 0) {
      const shown = confirmEmpty && (await this.#isShown(user, token, path, options));
      if (!shown) {
        rows.drop(user.id, path);
        this.#asked.set(key, 'unconfirmed');
        return { kind: 'listed', row: null };
      }
    }
    await writer.finish(clock.nowMs());
    this.#deps.refusals.clear(user.id, path);
    // A delete or rename meanwhile may have outdated this answer: the next call asks again.
    if (generation === this.#generation) this.#asked.set(key, 'stored');
    return { kind: 'listed', row: rows.find(user.id, path) };
  }

  /**
   * Whether a folder's missing entries are really gone: losing everything at once, or a top-level
   * folder, may just as well mean an unmounted NAS disk.
   */
  async #isBelievable(user: User, token: string, path: string, count: number): Promise<boolean> {
    const { rows, storage } = this.#deps;
    if (count > 0 && path !== '') {
      if (path !== SHARED_WITH_ME) storage.seen();
      return true;
    }
    const row = rows.find(user.id, path);
    const isLess = row !== null && count < rows.entries.count(row.id);
    return !isLess || path === SHARED_WITH_ME || (await storage.look(user, token));
  }

  /**
   * The NAS lists a folder that does not exist as empty (docs/NAS.md), so an empty one is believed
   * only where the folder above shows it.
   */
  async #isShown(user: User, token: string, path: string, options: AskOptions): Promise<boolean> {
    const parent = parentOf(path);
    if (parent === null || this.#deps.grants.sharesFolder(user, path)) return true;
    if (!this.#deps.grants.mayRead(user, parent, null)) return false;
    const key = keyOf(user.id, parent);
    const known = this.#asked.get(key, ASK_EVERY_MS);
    const running = this.#running.get(key);
    if (running !== undefined) await running;
    else if (known === undefined) await this.#start(key, user, token, parent, options, false);
    const row = this.#deps.rows.find(user.id, parent);
    return row !== null && this.#deps.rows.entries.one(row.id, path)?.isDirectory === true;
  }

  async #notListed(
    answer: Exclude<NasListing, { kind: 'listing' }>,
    user: User,
    token: string,
    path: string,
  ): Promise<Asked> {
    const failure = failureOf(answer);
    const fault = readFaultOf(failure);
    if (fault.kind === 'token_refused') this.#deps.tokenRefused(token);
    if (fault.kind !== 'not_found') return fault;
    if (path === '' || failure.kind === 'refused') {
      this.#deps.rows.drop(user.id, path);
    } else {
      this.#deps.refusals.add(user.id, path);
      await this.#deps.grants.refused(user, token, path);
    }
    return fault;
  }
}

function isFolder(item: ListedItem | null): boolean {
  return item?.isDirectory === true;
}

/** A folder of which only one thing is known: that a file is somewhere in it. */
function folderAbove(path: string, file: ListedItem, ownerId: string | null): ListedItem {
  const { modifiedAtText, modifiedAtMs } = file;
  return folderItem({ name: nameOf(path), path, modifiedAtText, modifiedAtMs }, ownerId);
}

function folderItem(
  about: Pick<ListedItem, 'name' | 'path' | 'modifiedAtText' | 'modifiedAtMs'>,
  ownerId: string | null,
): ListedItem {
  const unknown = { ownerName: null, mimeType: null, nasFileId: null, checksum: null };
  const rights = { canRead: null, canWrite: null, canDelete: null };
  return { ...about, isDirectory: true, sizeBytes: 0, ownerId, ...unknown, ...rights };
}

/** Whether what a folder lists may show of a path, or of something below it. */
function isAbout(folder: string, path: string): boolean {
  return isWithin(folder, path) || folder === parentOf(path) || folder === SHARED_WITH_ME;
}

function keyOf(userId: number, path: string): string {
  return `${userId}\0${path}`;
}

function folderIn(key: string): string {
  return key.slice(key.indexOf('\0') + 1);
}

/** How old an answer may be for callers who only check, ms. */
const LOOK_EVERY_MS = 10_000;
/**
 * One vanished entry is a last file deleted; two or more, with nothing left anywhere, is a disk.
 */
const FEWEST_LOST = 2;

interface NasStorageDeps {
  readonly rows: Pick<ListingRows, 'find' | 'items' | 'countKnown'>;
  readonly nas: Pick<NasClient, 'list'>;
  readonly presence: Pick<NasPresence, 'state'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/**
 * Whether the disk behind the NAS is there. An unmounted disk looks like an empty storage, in which
 * the NAS recreates a home as its user lists the root (docs/NAS.md); anything sent then lies hidden
 * under the disk once it is back. It counts as missing when no top-level folder the asking user may
 * see lists anything, although kept listings show two entries or more in and among them. So an
 * emptied home next to a non-empty Shared is believed, and so is a deleted last file. Anything
 * reappearing there ends it.
 */
export class NasStorage {
  readonly #deps: NasStorageDeps;
  #isMissing = false;
  #seen: { readonly tickMs: number; readonly wokeAtMs: number } | null = null;
  #looking: Promise<boolean> | null = null;

  constructor(deps: NasStorageDeps) {
    this.#deps = deps;
  }

  /** As last seen. */
  get isMissing(): boolean {
    return this.#isMissing;
  }

  /** The NAS listed something that lies on its disk. */
  seen(): void {
    this.#found(false);
  }

  /** Whether it was there within the last 10 s. A NAS that woke since may lack it. */
  async stands(user: User, token: string): Promise<boolean> {
    const { clock, presence } = this.#deps;
    const isFresh =
      this.#seen?.wokeAtMs === presence.state.sinceMs &&
      clock.monotonicMs() - this.#seen.tickMs < LOOK_EVERY_MS;
    return isFresh ? !this.#isMissing : await this.look(user, token);
  }

  /** Whether it is there now. If the NAS does not tell, the last answer counts. */
  async look(user: User, token: string): Promise<boolean> {
    this.#looking ??= this.#look(user, token).finally(() => {
      this.#looking = null;
    });
    return await this.#looking;
  }

  #found(isMissing: boolean): void {
    this.#isMissing = isMissing;
    const { clock, presence } = this.#deps;
    this.#seen = { tickMs: clock.monotonicMs(), wokeAtMs: presence.state.sinceMs };
  }

  async #look(user: User, token: string): Promise<boolean> {
    const lost = this.#known(user);
    const root = await this.#deps.nas.list(token, '');
    if (root.kind !== 'listing') return !this.#isMissing;
    const tops = root.items.filter(isTop).map(({ path }) => path);
    for (const top of tops) {
      const holds = await this.#holds(token, top);
      if (holds === null) return !this.#isMissing;
      if (holds) {
        this.#found(false);
        return true;
      }
    }
    let entries = 0;
    for (const [top, within] of lost) entries += within + (tops.includes(top) ? 0 : 1);
    this.#found(entries >= FEWEST_LOST);
    return !this.#isMissing;
  }

  /** The top-level folders that kept listings know, and how many entries they show in each. */
  #known(user: User): ReadonlyMap<string, number> {
    const { rows } = this.#deps;
    const tops = [SHARED_FOLDER, user.username].filter((top) => rows.countKnown(top, 1) > 0);
    const root = rows.find(user.id, '');
    if (root !== null) {
      for (const { path, isDirectory } of rows.items(root.id)) {
        if (isTop({ path, type: isDirectory ? 'directory' : 'file' })) tops.push(path);
      }
    }
    return new Map(tops.map((top) => [top, rows.countKnown(top, FEWEST_LOST)]));
  }

  /** Whether a folder lists anything, reading no further; null where the NAS does not tell. */
  async #holds(token: string, folder: string): Promise<boolean | null> {
    const enough = new AbortController();
    let holds = false;
    const answer = await this.#deps.nas.list(token, folder, {
      signal: enough.signal,
      each: (items) => {
        holds ||= items.length > 0;
        if (holds) enough.abort(new Error('The first entries tell.'));
      },
    });
    if (holds) return true;
    if (answer.kind === 'listing') return answer.items.length > 0;
    return failureOf(answer).kind === 'not_found' ? false : null;
  }
}

/** A folder on the disk: neither the virtual one of shares nor one of the NAS's own. */
function isTop({ path, type }: Pick<NasFileItem, 'path' | 'type'>): boolean {
  return type === 'directory' && path !== SHARED_WITH_ME && !/^\.|^lost\+found$/.test(path);
}
