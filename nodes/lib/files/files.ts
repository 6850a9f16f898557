import { LruMap } from '../limits/limits.ts';
import { setImmediate } from 'node:timers/promises';
import type { Caller, User } from '../accounts/caller.ts';
import type { NasClient, NasFileItem } from '../nas/nas-client.ts';
import type { NasPresence } from '../nas/presence.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { type ChangedFolder, ChangedView, QueuedItems, ShownTrees } from './changed-view.ts';
import { type Access, type FolderView, FolderViews } from './folder-views.ts';
import { GrantRows, RefusalRows } from './grant-rows.ts';
import { type ItemCursor, ItemRows } from './item-rows.ts';
import { type ListingRow, ListingRows } from './listing-rows.ts';
import { pageOf, type PageQuery } from './listing-wire.ts';
import { type AskOptions, Listings, NasStorage } from './listings.ts';
import { type DownloadReference, Locator, parseDownloadReference } from './locator.ts';
import { isWithin, nameOf, parentOf, parseNasPath, SHARED_WITH_ME } from './nas-path.ts';
import {
  type Listing,
  type ListOutcome,
  type LocateOutcome,
  type QueuedItem,
  SyncFollowers,
} from './outcomes.ts';
import { type Change, type PendingUploads, placesOf } from './queued-change.ts';
import { ShareGrants, ShareProbe } from './share-grants.ts';
import { listedItem, type StoredItem } from './stored-item.ts';

export { type Change, movedPath, placesOf } from './queued-change.ts';
export type { FileVersion } from './stored-item.ts';
export { sameVersion } from './stored-item.ts';
export { type PageQuery, readCursor } from './listing-wire.ts';
export { listingHeaders, wireListing } from './listing-wire.ts';
export { belowBounds, isWithin, nameOf, type NasPath, parentOf, parseNasPath } from './nas-path.ts';
export type {
  Listing,
  ListOutcome,
  LocatedFile,
  LocateOutcome,
  NasFault,
  RelistOutcome,
} from './outcomes.ts';
export { readFaultOf } from './outcomes.ts';
export type { PendingUpload, PendingUploads, Span } from './queued-change.ts';
export { SHARED_WITH_ME } from './nas-path.ts';
export { pathNow, type QueuedChange } from './queued-change.ts';
export type { StoredItem } from './stored-item.ts';
export { versionOf } from './stored-item.ts';

interface FilesDeps {
  /** The cache database. */
  readonly store: Store;
  readonly nas: Pick<NasClient, 'list' | 'sharedWithMe' | 'download'>;
  readonly presence: Pick<NasPresence, 'state'>;
  readonly clock: Clock;
  /** The latest of wall clock, newest time stored and build date, epoch ms (contract 1, Time). */
  readonly trustedNowMs: () => number;
  /** The token to use with the NAS for a caller: their own, or one from their stored credential. */
  readonly tokenOf: (caller: Caller) => Promise<string | null>;
  /** Whether a credential is stored for them, even if it yields no token right now. */
  readonly holdsCredential: (caller: Caller) => boolean;
  /** The NAS answered 401 to this token: it has ended. */
  readonly tokenRefused: (token: string) => void;
  readonly pending: PendingUploads;
  /** Whether an entry of a path is cached: its readers do not wait for a slow NAS. */
  readonly isKept: (path: string) => boolean;
  /** Whether the disk refuses writes now; left out: it never does. */
  readonly diskRefuses?: () => boolean;
}

/** What a kept listing says of a path. `unknown`: its folder was never listed by that user. */
type ShownPath =
  | { readonly kind: 'item'; readonly item: StoredItem; readonly listedAtMs: number }
  /** Also `absent` for a file somebody else has delivered since: this user's listing is older. */
  | { readonly kind: 'absent' | 'unknown' }
  /** A folder that this user made and the NAS does not have yet. */
  | { readonly kind: 'made' };

/** Facts about a change that the files module cannot know. */
export interface AfterChange {
  /** Only the NAS can tell what is there now. */
  readonly unknown: readonly string[];
  /** Users whose share ended, or may have ended. */
  readonly holders: readonly number[];
}

const MOST_REFERENCES = 500;
const LONGEST_REMEMBERED = 1_000;

/** What a caller asks of a folder. */
interface ListOptions extends AskOptions {
  readonly page?: PageQuery | undefined;
  /** Another reading of the same path, which counts where such a folder exists. */
  readonly literalPath?: string | undefined;
}

/** Paths, who may see what, folders as each user was shown them, and stable ids. */
export class Files {
  /** Whether the disk behind the NAS is there. */
  readonly storage: NasStorage;
  /** What is below a place as its user sees it, without asking the NAS. */
  readonly trees: ShownTrees;
  /** Who may read and write what, by what is known without asking. */
  readonly grants: Pick<ShareGrants, 'mayRead' | 'mayWrite' | 'clockPutRight'>;
  /** Looks at files again while the NAS is awake. */
  readonly locator: Pick<Locator, 'relist'>;
  /** What a user's kept listings show, and whether the NAS can be asked for more. */
  readonly views: Pick<FolderViews, 'access' | 'itemOf'>;
  /** Programs that ask for the delta of their sync. */
  readonly followers: Pick<SyncFollowers, 'asked'>;
  readonly #references = new LruMap<string, DownloadReference>(MOST_REFERENCES);
  readonly #diskRefuses: () => boolean;
  readonly #items: ItemRows;
  readonly #rows: ListingRows;
  readonly #grants: ShareGrants;
  readonly #listings: Listings;
  readonly #views: FolderViews;
  readonly #probe: ShareProbe;
  readonly #locator: Locator;
  readonly #answers: ListingAnswers;
  readonly #pending: PendingUploads;
  readonly #followers: SyncFollowers;
  readonly #changed: ChangedView;

  constructor(deps: FilesDeps) {
    const { store, nas, clock, pending, tokenRefused, trustedNowMs } = deps;
    this.#pending = pending;
    this.followers = this.#followers = new SyncFollowers(clock);
    this.#diskRefuses = deps.diskRefuses ?? (() => false);
    this.#items = new ItemRows(store);
    this.#rows = new ListingRows(store, this.#items);
    const grantRows = new GrantRows(store);
    this.grants = this.#grants = new ShareGrants({
      rows: grantRows,
      nas,
      clock,
      trustedNowMs,
      tokenRefused,
    });
    const [rows, grants] = [this.#rows, this.#grants];
    const storage = new NasStorage({ rows, nas, clock, presence: deps.presence });
    this.storage = storage;
    const refusals = new RefusalRows(store);
    this.#listings = new Listings({ rows, refusals, grants, nas, storage, clock, tokenRefused });
    const listings = this.#listings;
    this.views = this.#views = new FolderViews({ ...deps, rows, refusals, listings, grants });
    this.#probe = new ShareProbe({ nas, clock, tokenRefused, grants });
    const [items, views, probe] = [this.#items, this.#views, this.#probe];
    const { isKept } = deps;
    this.#changed = new ChangedView(pending);
    const changed = this.#changed;
    const readable = { views, grants, isKept, storage };
    this.locator = this.#locator = new Locator({ ...readable, items, probe, pending, changed });
    const queued = new QueuedItems(pending, items, rows);
    this.trees = new ShownTrees({ rows, changed, queued, pending });
    this.#answers = new ListingAnswers({ rows, grants, queued });
  }

  /**
   * A folder as the caller may see it: the NAS's listing while it is awake, else the kept one.
   * @param pathText as the caller sent it, decoded
   */
  async list(caller: Caller, pathText: string, options: ListOptions = {}): Promise<ListOutcome> {
    const { literalPath } = options;
    if (literalPath !== undefined) {
      const literal = await this.#list(caller, literalPath, options, false);
      if (literal.isKnown) return literal.outcome;
    }
    return (await this.#list(caller, pathText, options, true)).outcome;
  }

  /**
   * `isKnown`: the folder exists as far as anybody told.
   * @param isLast whether the caller is shown this, known or not
   */
  async #list(
    caller: Caller,
    pathText: string,
    options: ListOptions,
    isLast: boolean,
  ): Promise<{ readonly outcome: ListOutcome; readonly isKnown: boolean }> {
    const parsed = parseNasPath(pathText);
    if (parsed.kind === 'bad_path') return { outcome: parsed, isKnown: false };
    const { path } = parsed;
    const access = await this.#views.access(caller);
    if (!(await this.#views.mayRead(caller.user, path, access))) {
      return { outcome: { kind: 'not_found' }, isKnown: false };
    }
    // All pages of one folder come from one answer; each on its own would cost the NAS the whole
    // folder.
    const asked = { ...this.#asFollower(caller, options), isNextPage: isNext(options.page) };
    const { view, changed } = await this.#viewed(caller.user, path, access, asked);
    const row = view.kind === 'view' ? view.row : null;
    const isConfirmed = row !== null || changed?.isMade === true;
    if (row !== null) this.#rows.entries.seen(row.id);
    const outcome = this.#answers.listed(caller.user, path, view, options.page, changed);
    if (outcome.kind !== 'listing') return { outcome, isKnown: isConfirmed };
    const { listing } = outcome;
    const isKnown = isConfirmed || listing.queued.length > 0;
    // In the same turn as the queue was read, so that nothing accepted meanwhile counts as shown.
    if (isKnown || isLast) this.#pending.shown(caller, path);
    return { outcome: this.#marked(outcome), isKnown };
  }

  /** A folder as its user sees it, which the NAS may have elsewhere, or not at all. */
  async #viewed(
    user: User,
    path: string,
    access: Access,
    options: AskOptions,
  ): Promise<{ readonly view: FolderView; readonly changed: ChangedFolder | null }> {
    const before = this.#changed.folder(user.id, path);
    const base = before === null ? path : before.base;
    if (before?.isMade === true) {
      return {
        changed: before,
        view: { kind: 'view', row: null, source: 'stored', ageSeconds: 0 },
      };
    }
    const isReadable = base === path || (base !== null && this.#grants.mayRead(user, base, null));
    if (base === null || !isReadable) return { changed: before, view: { kind: 'not_found' } };
    const view = await this.#views.view(user, base, access, options);
    // The NAS may have carried some of it out while it was asked.
    const after = this.#changed.folder(user.id, path);
    const isSame = (after === null ? path : after.base) === base;
    return isSame ? { view, changed: after } : await this.#viewed(user, path, access, options);
  }

  /** Marks a listing as not stored because the disk refuses. */
  #marked(outcome: Extract<ListOutcome, { kind: 'listing' }>): ListOutcome {
    const { listing } = outcome;
    const isPastCache = this.#diskRefuses() && listing.source === 'fresh';
    return isPastCache ? { ...outcome, listing: { ...listing, isPastCache } } : outcome;
  }

  /**
   * The file a download means, and its last known version.
   * @param raw the undecoded rest of `/api/files/download/<rest>`, or the raw value of `?path=`
   */
  locate(caller: Caller, raw: string, options: AskOptions = {}): Promise<LocateOutcome> {
    const reference = this.#reference(raw);
    if (reference.kind === 'bad_path') return Promise.resolve(reference);
    return this.#locator.locate(caller, reference.candidates, this.#asFollower(caller, options));
  }

  /** As {@link locate} for one exact path that is already parsed. */
  locatePath(caller: Caller, path: string, options: AskOptions = {}): Promise<LocateOutcome> {
    const asked = this.#asFollower(caller, options);
    return this.#locator.locate(caller, [{ kind: 'path', path }], asked);
  }

  /** Whether a caller's request follows automatically from a sync delta. */
  followsSync(caller: Caller): boolean {
    return this.#followers.sinceMs(caller) !== null;
  }

  #asFollower<O extends AskOptions>(caller: Caller, options: O): O {
    const newSinceMs = this.#followers.sinceMs(caller);
    return newSinceMs === null ? options : { ...options, newSinceMs, auto: true };
  }

  /** The NAS refused that caller the bytes of a file it had listed to them. */
  async refused(caller: Caller, token: string, path: string): Promise<void> {
    await this.#grants.refused(caller.user, token, path);
  }

  /**
   * What a user's kept listing of a folder says of one path in it, and when the NAS gave it; for a
   * path they moved, that of its place on the NAS.
   */
  entryShown(userId: number, shownPath: string): ShownPath {
    const origin = this.#changed.below(userId, shownPath);
    if (origin.kind === 'made') return { kind: 'made' };
    if (origin.kind === 'gone') return { kind: 'absent' };
    const { path } = origin;
    const folder = parentOf(path);
    const row = folder === null ? null : this.#rows.find(userId, folder);
    if (row === null) return { kind: 'unknown' };
    const item = this.#rows.entries.one(row.id, path);
    const isUnseen = item?.isDirectory === false && this.#rows.entries.isUnseen(row.id, path);
    return item === null || isUnseen
      ? { kind: 'absent' }
      : { kind: 'item', item, listedAtMs: row.listedAtMs };
  }

  /** The path of a file or folder that a caller names by the Pi's number or the NAS's. */
  pathOfId(user: User, id: number): string | null {
    const path = this.#locator.pathOfId(user, id);
    if (path === null) return null;
    return this.#grants.mayRead(user, path, this.#views.ownerOf(user, path)) ? path : null;
  }

  /** The queued upload that a user sees at a path, where they see one. */
  uploadShown(userId: number, path: string): string | null {
    const origin = this.#changed.origin(userId, path);
    return origin.kind === 'upload' ? origin.upload.uploadId : null;
  }

  /**
   * The entries of a folder as this user was last shown it, limited to what they may still read,
   * without asking the NAS; null when they never listed it.
   */
  shownIn(user: User, folder: string): Iterable<StoredItem> | null {
    const row = this.#rows.find(user.id, folder);
    return row === null ? null : this.#answers.readable(user, this.#rows.items(row.id));
  }

  /** The largest files below a folder, by what this user was last shown of it. */
  largest(user: User, folder: string, count: number): Promise<Largest | null> {
    const shownIn = (path: string): Iterable<StoredItem> | null => this.shownIn(user, path);
    // An app begins at its user's own folder, and may never have listed the top.
    const isTopUnknown = folder === '' && shownIn('') === null;
    return largestBelow(shownIn, isTopUnknown ? [user.username, 'Shared'] : [folder], count);
  }

  /**
   * The neighbours of a file as this user last saw its folder, the file included, in name order;
   * the first files of the folder when `path` is the folder itself.
   * @param limit how many on each side
   */
  shownBeside(user: User, folder: string, path: string, limit: number): StoredItem[] {
    const row = this.#rows.find(user.id, folder);
    if (row === null) return [];
    if (path === folder)
      return [...this.#answers.readable(user, this.#rows.firstFiles(row.id, limit))];
    const file = this.#rows.entries.one(row.id, path);
    if (file === null || file.isDirectory) return [];
    return [...this.#answers.readable(user, this.#rows.filesAround(row.id, file, limit))];
  }

  /** A queued file of this user reached the NAS; `item` is how the NAS shows it there. */
  delivered(userId: number, item: NasFileItem): void {
    this.#listings.delivered(userId, listedItem(item));
  }

  /** A delete, rename or move touched this path: nothing kept about it counts any more. */
  forget(path: string): void {
    this.#listings.forget(path);
    this.#probe.forget();
  }

  /** The NAS did this: listings, ids and shares are updated at once, for every user. */
  changed(change: Change, byUserId: number): AfterChange {
    this.#probe.forget();
    switch (change.kind) {
      case 'deleted':
        this.#listings.forget(change.path);
        return { unknown: [], holders: this.#grants.gone(change.path) };
      case 'moved':
        return this.#moved(change.from, change.to, byUserId);
      case 'made':
        this.#listings.folderMade(byUserId, change.path);
        return { unknown: [], holders: [] };
      case 'unknown': {
        const { path } = change;
        if (path === null) this.#listings.outdated('');
        else this.#listings.forget(path);
        return { unknown: path === null ? [] : [path], holders: [] };
      }
      case 'shares':
        this.#listings.outdated(SHARED_WITH_ME);
        return { unknown: [], holders: this.#grants.changed(change.path ?? '') };
    }
  }

  /** Whether the NAS did this is unknown and cannot be asked: what is kept of it counts no more. */
  doubted(change: Change): AfterChange {
    this.#probe.forget();
    if (change.kind === 'shares') return this.changed(change, 0);
    const places = placesOf(change);
    for (const place of places) this.#listings.doubted(place);
    return { unknown: [], holders: places.flatMap((place) => this.#grants.gone(place)) };
  }

  #moved(from: string, to: string, byUserId: number): AfterChange {
    if (from === to) return { unknown: [], holders: [] };
    // No folder can be moved into itself, nor onto one that it lies in.
    const isOdd = isWithin(to, from) || isWithin(from, to);
    if (isOdd) return this.doubted({ kind: 'moved', from, to });
    const isShown = this.#listings.moved(from, to, byUserId);
    const holders = [...this.#grants.gone(from), ...this.#grants.gone(to)];
    return { unknown: isShown ? [] : [to], holders };
  }

  /**
   * Asks the NAS what lies at a path now, as a user.
   * @returns null for nothing; `unknown` where the NAS does not tell
   */
  async lookAt(user: User, token: string, path: string): Promise<StoredItem | null | 'unknown'> {
    const folder = parentOf(path);
    if (folder === null) return 'unknown';
    const asked = await this.#listings.ask(user, token, folder, { force: true, auto: true });
    if (asked.kind !== 'listed') return 'unknown';
    return asked.row === null ? null : this.#rows.entries.one(asked.row.id, path);
  }

  /** Updates everybody's listing of the folder with what one user just learnt of a path. */
  seenAt(userId: number, path: string, item: StoredItem | null): void {
    if (item === null) this.#listings.forget(path);
    else this.#listings.delivered(userId, item);
  }

  /** Asks the NAS what is shared with a user, as their shares may have changed. */
  async lookAtShares(user: User, token: string): Promise<void> {
    await this.#grants.refresh(user, token, true);
  }

  /** Drops everything kept for one user. */
  dropUser(userId: number): void {
    this.#listings.dropUser(userId);
    this.#grants.dropUser(userId);
    this.#probe.forget();
  }

  /** An address never changes its meaning, and apps keep asking for the same ones. */
  #reference(raw: string): DownloadReference {
    const known = this.#references.get(raw);
    if (known !== undefined) return known;
    const reference = parseDownloadReference(raw);
    if (raw.length <= LONGEST_REMEMBERED) this.#references.set(raw, reference);
    return reference;
  }
}

/** Whether a page continues an earlier one. */
function isNext(page: PageQuery | undefined): boolean {
  return (page?.after ?? null) !== null;
}

interface ListingAnswersDeps {
  readonly rows: ListingRows;
  readonly grants: ShareGrants;
  readonly queued: QueuedItems;
}

/** What a caller sees of a folder: the NAS's items they may read, and their own queued ones. */
class ListingAnswers {
  readonly #deps: ListingAnswersDeps;

  constructor(deps: ListingAnswersDeps) {
    this.#deps = deps;
  }

  /**
   * @param page left out: all of it
   * @param changed what the user's queued changes make of it; null where they do not touch it
   */
  listed(
    user: User,
    path: string,
    view: FolderView,
    page?: PageQuery,
    changed: ChangedFolder | null = null,
  ): ListOutcome {
    const isFault = view.kind !== 'view' && view.kind !== 'unlisted' && view.kind !== 'not_found';
    if (isFault) return view;
    const queued = this.#deps.queued.in(user.id, path, rowOf(view), changed);
    switch (view.kind) {
      case 'view': {
        const { source, ageSeconds, row } = view;
        const about = { path, source, ageSeconds };
        if (page !== undefined) return this.#paged(user, row, about, queued, page, changed);
        const items = row === null ? [] : [...this.#shownItems(user, row, path, changed)];
        return { kind: 'listing', listing: { ...about, items, queued } };
      }
      case 'unlisted':
        return { kind: 'asleep' };
      case 'not_found':
        // A folder that only the caller's own queue will create exists for them already.
        if (queued.length === 0) return view;
        if (page !== undefined) {
          return this.#paged(user, null, { path, source: 'stored', ageSeconds: 0 }, queued, page);
        }
        return {
          kind: 'listing',
          listing: { path, items: [], queued, source: 'stored', ageSeconds: 0 },
        };
    }
  }

  #paged(
    user: User,
    row: ListingRow | null,
    about: Pick<Listing, 'path' | 'source' | 'ageSeconds'>,
    queued: readonly QueuedItem[],
    query: PageQuery,
    changed: ChangedFolder | null = null,
  ): ListOutcome {
    const after = (item: ItemCursor | null): Iterable<StoredItem> =>
      row === null
        ? []
        : this.#shownItems(user, row, about.path, changed, { after: item, batch: query.limit + 1 });
    const { end, ...found } = pageOf(query, after, queued);
    const hasAllChecksums = row?.hasAllChecksums ?? true;
    const page = { end, hasAllChecksums, isListed: row !== null };
    return { kind: 'listing', listing: { ...about, ...found, page } };
  }

  /** The part of the NAS's listing that its user sees there now, under their own paths. */
  *#shownItems(
    user: User,
    row: ListingRow,
    folder: string,
    changed: ChangedFolder | null,
    from: { readonly after: ItemCursor | null; readonly batch: number } | null = null,
  ): Generator<StoredItem> {
    const { rows, queued } = this.#deps;
    const base = changed?.base ?? folder;
    const after = from?.after ?? null;
    const cursor = after === null ? null : { ...after, path: moved(after.path, folder, base) };
    const items = this.readable(user, rows.items(row.id, cursor, from?.batch));
    for (const item of items) {
      if (changed?.names.has(item.name) === true) continue;
      yield base === folder ? item : queued.shownIn(folder, item);
    }
  }

  /** The part of a kept listing that its user may still read. */
  *readable(user: User, items: Iterable<StoredItem>): Generator<StoredItem> {
    for (const item of items) {
      if (this.#deps.grants.mayRead(user, item.path, item.ownerId)) yield item;
    }
  }
}

/** Rebases a path in one folder onto another. */
function moved(path: string, from: string, to: string): string {
  return from === to ? path : `${to}/${nameOf(path)}`;
}

/** What is known of the folder being looked at. */
function rowOf(view: FolderView): ListingRow | null {
  return view.kind === 'view' ? view.row : null;
}

/** The largest files below a folder, as far as it is known. */
interface Largest {
  /** The largest first. */
  readonly files: readonly StoredItem[];
  /** Folders that their user never listed through the Pi, so that nobody knows what is in them. */
  readonly unlistedFolders: number;
}

/** How many entries are processed before other work gets its turn. */
const BATCH = 500;

/**
 * @param shownIn the entries of a folder that its user may read; null where they never listed it
 * @param begin where to look, everything below too
 * @returns null where none of these was ever listed
 */
export async function largestBelow(
  shownIn: (folder: string) => Iterable<StoredItem> | null,
  begin: readonly string[],
  count: number,
): Promise<Largest | null> {
  const [folders, largest] = [new Set(begin), new Highest(count)];
  let [unlistedFolders, looked] = [0, 0];
  if (begin.every((folder) => shownIn(folder) === null)) return null;
  // A Set also iterates over what is added during the loop.
  for (const path of folders) {
    const items = shownIn(path);
    if (items === null) {
      unlistedFolders += 1;
      continue;
    }
    for (const item of items) {
      if (item.isDirectory) folders.add(item.path);
      else largest.offer(item);
      looked += 1;
      if (looked % BATCH === 0) await setImmediate();
    }
  }
  return { files: largest.files, unlistedFolders };
}

class Highest {
  readonly files: StoredItem[] = [];
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  offer(item: StoredItem): void {
    const at = this.files.findIndex(({ sizeBytes }) => sizeBytes < item.sizeBytes);
    if (at === -1) {
      if (this.files.length < this.#most) this.files.push(item);
      return;
    }
    this.files.splice(at, 0, item);
    this.files.length = Math.min(this.files.length, this.#most);
  }
}
