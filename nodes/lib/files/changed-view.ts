import type { ItemRows } from './item-rows.ts';
import type { ListingRow, ListingRows } from './listing-rows.ts';
import { isWithin, nameOf, parentOf } from './nas-path.ts';
import type { QueuedItem } from './outcomes.ts';
import {
  pathBefore,
  pathNow,
  type PendingUpload,
  type PendingUploads,
  type QueuedChange,
  type Span,
} from './queued-change.ts';
import type { StoredItem } from './stored-item.ts';

/** Where something that a user sees comes from. */
type Origin =
  /** The NAS has it at `path`, as far as anybody knows. `acceptedAtMs`: when its user moved it. */
  | { readonly kind: 'nas'; readonly path: string; readonly acceptedAtMs?: number }
  | { readonly kind: 'upload'; readonly upload: PendingUpload }
  /** A folder they made, containing only what they put there since. */
  | { readonly kind: 'made'; readonly acceptedAtMs: number }
  /** The user deleted or moved it. */
  | { readonly kind: 'gone' };

/** What a user's queued changes make of one folder. */
export interface ChangedFolder {
  /** Where the NAS has it; null where it comes from the queue alone, or is gone. */
  readonly base: string | null;
  /** They made it. */
  readonly isMade: boolean;
  /** Origins of what the NAS does not list in it; everything else is as listed. */
  readonly names: ReadonlyMap<string, Origin>;
}

type Event = { readonly seq: number } & (
  | { readonly kind: 'change'; readonly index: number }
  | { readonly kind: 'upload'; readonly upload: PendingUpload }
);

const GONE = { kind: 'gone' } as const;
const EVER = Number.MAX_SAFE_INTEGER;

/**
 * The NAS as one user has changed it: their pending deletes, renames, moves and new folders,
 * applied to its listings. Nothing of this is stored; a path is followed back through the changes,
 * newest first, to its origin. Uploads count if they were queued between the same changes.
 */
export class ChangedView {
  readonly #pending: PendingUploads;

  constructor(pending: PendingUploads) {
    this.#pending = pending;
  }

  origin(userId: number, path: string): Origin {
    const changes = this.#pending.changes(userId);
    return this.#originAfter(userId, changes, path, changes.length);
  }

  /** As {@link origin}, of what the NAS or a new folder has there, whatever is queued for it. */
  below(userId: number, path: string): Exclude<Origin, { readonly kind: 'upload' }> {
    let at = path;
    for (const change of [...this.#pending.changes(userId)].reverse()) {
      const before = pathBefore(change, at);
      if (before.kind !== 'path') return endOf(before.kind, change);
      at = before.path;
    }
    return { kind: 'nas', path: at };
  }

  /** Where this user sees what the NAS has at a path; null where they removed it. */
  shownAt(userId: number, nasPath: string): string | null {
    return pathNow(this.#pending.changes(userId), nasPath, -1);
  }

  /** @returns null where it is as the NAS lists it, with the user's uploads in it */
  folder(userId: number, folder: string): ChangedFolder | null {
    const changes = this.#pending.changes(userId);
    const isTouched = changes.some(({ path, toPath }) =>
      [path, toPath].some((place) => place !== null && concerns(place, folder)),
    );
    if (!isTouched) return null;
    const { paths, from, end } = pathsOf(changes, folder);
    const names = new Map<string, Origin>();
    for (const event of this.#eventsIn(userId, changes, paths, from)) {
      if (event.kind === 'upload') {
        names.set(nameOf(event.upload.path), { kind: 'upload', upload: event.upload });
      } else this.#apply(userId, changes, event.index, paths, names);
    }
    return { base: end === null ? (paths[0] ?? folder) : null, isMade: end === 'made', names };
  }

  /** From the folder's first state on: what was added and what was removed. */
  #eventsIn(
    userId: number,
    changes: readonly QueuedChange[],
    paths: readonly string[],
    from: number,
  ): readonly Event[] {
    const events: Event[] = changes
      .map((change, index): Event => ({ kind: 'change', seq: change.seq, index }))
      .slice(from);
    for (let first = from; first < paths.length;) {
      let next = first + 1;
      while (next < paths.length && paths[next] === paths[first]) next += 1;
      const within = spanOf(changes, first, next - 1);
      for (const upload of this.#pending.inFolder(userId, paths[first] ?? '', within)) {
        events.push({ kind: 'upload', seq: upload.seq, upload });
      }
      first = next;
    }
    return events.sort((a, b) => a.seq - b.seq);
  }

  /** @param paths the folder's path after each number of changes */
  #apply(
    userId: number,
    changes: readonly QueuedChange[],
    index: number,
    paths: readonly string[],
    names: Map<string, Origin>,
  ): void {
    const change = changes[index];
    if (change === undefined) return;
    const { kind, path, toPath, acceptedAtMs } = change;
    const [before, after] = [paths[index], paths[index + 1]];
    if (kind === 'mkdir') {
      if (parentOf(path) === after) names.set(nameOf(path), { kind: 'made', acceptedAtMs });
      return;
    }
    if (parentOf(path) === before) names.set(nameOf(path), GONE);
    if (toPath !== null && parentOf(toPath) === after) {
      const origin = this.#originAfter(userId, changes, path, index);
      names.set(nameOf(toPath), origin.kind === 'nas' ? { ...origin, acceptedAtMs } : origin);
    }
  }

  /** Where a path came from before these changes. */
  #originAfter(
    userId: number,
    changes: readonly QueuedChange[],
    path: string,
    count: number,
  ): Origin {
    let [at, last] = [path, count];
    for (let index = count - 1; index >= 0; index -= 1) {
      const change = changes[index];
      if (change === undefined) break;
      const before = pathBefore(change, at);
      if (before.kind === 'path' && before.path === at) continue;
      const upload = this.#pending.find(userId, at, spanOf(changes, index + 1, last));
      if (upload !== null) return { kind: 'upload', upload };
      if (before.kind !== 'path') return endOf(before.kind, change);
      [at, last] = [before.path, index];
    }
    const upload = this.#pending.find(userId, at, spanOf(changes, 0, last));
    return upload === null ? { kind: 'nas', path: at } : { kind: 'upload', upload };
  }
}

/** Whether a change affects a folder's contents or location. */
function concerns(place: string, folder: string): boolean {
  return parentOf(place) === folder || isWithin(folder, place);
}

/**
 * Where a folder was after each number of changes, from its beginning on.
 * @returns `end`: how it began; null where the NAS has it
 */
function pathsOf(
  changes: readonly QueuedChange[],
  folder: string,
): {
  readonly paths: readonly string[];
  readonly from: number;
  readonly end: 'made' | 'gone' | null;
} {
  const paths: string[] = [];
  let at = folder;
  for (let count = changes.length; ; count -= 1) {
    paths[count] = at;
    const change = changes[count - 1];
    if (change === undefined) return { paths, from: 0, end: null };
    const before = pathBefore(change, at);
    if (before.kind !== 'path') return { paths, from: count, end: before.kind };
    at = before.path;
  }
}

function endOf(
  kind: 'made' | 'gone',
  { acceptedAtMs }: QueuedChange,
): Extract<Origin, { readonly kind: 'made' | 'gone' }> {
  return kind === 'made' ? { kind, acceptedAtMs } : { kind };
}

/** The uploads that came between two of the changes. */
function spanOf(changes: readonly QueuedChange[], first: number, last: number): Span {
  return { after: changes[first - 1]?.seq ?? -1, before: changes[last]?.seq ?? EVER };
}

/**
 * What a user's own queue brings into a folder: files, the folders on the way to others, and what
 * they moved or made there.
 */
export class QueuedItems {
  readonly #pending: PendingUploads;
  readonly #items: ItemRows;
  readonly #rows: ListingRows;

  constructor(pending: PendingUploads, items: ItemRows, rows: ListingRows) {
    this.#pending = pending;
    this.#items = items;
    this.#rows = rows;
  }

  /**
   * @param listing what is known of the folder itself
   * @param changed what this user's changes make of it; null where they do not touch it
   */
  in(
    userId: number,
    folder: string,
    listing: ListingRow | null,
    changed: ChangedFolder | null = null,
  ): QueuedItem[] {
    const queued = new Map<string, QueuedItem>();
    for (const item of this.#broughtInto(userId, folder, changed)) queued.set(item.path, item);
    for (const [path, acceptedAtMs] of this.foldersIn(userId, folder)) {
      const listed = `${changed?.base ?? folder}/${nameOf(path)}`;
      const isShown = listing !== null && this.#rows.entries.one(listing.id, listed) !== null;
      const isGone = changed?.names.get(nameOf(path))?.kind === 'gone';
      if ((isShown && !isGone) || queued.has(path)) continue;
      queued.set(path, { path, acceptedAtMs, upload: null, piId: this.#items.piIdOf(path) });
    }
    return [...queued.values()];
  }

  *#broughtInto(
    userId: number,
    folder: string,
    changed: ChangedFolder | null,
  ): Iterable<QueuedItem> {
    if (changed === null) {
      for (const upload of this.#pending.inFolder(userId, folder)) {
        const { path, acceptedAtMs } = upload;
        yield { path, acceptedAtMs, upload, piId: this.#items.piIdOf(path) };
      }
      return;
    }
    for (const [name, origin] of changed.names) {
      const item = this.#itemOf(userId, folder === '' ? name : `${folder}/${name}`, origin);
      if (item !== null) yield item;
    }
  }

  /** @returns null for what is gone, or was never listed */
  #itemOf(userId: number, path: string, origin: Origin): QueuedItem | null {
    const piId = this.#items.piIdOf(path);
    switch (origin.kind) {
      case 'gone':
        return null;
      case 'upload':
        return { path, piId, upload: origin.upload, acceptedAtMs: origin.upload.acceptedAtMs };
      case 'made':
        return { path, piId, upload: null, acceptedAtMs: origin.acceptedAtMs };
      case 'nas': {
        const row = this.#rows.find(userId, parentOf(origin.path) ?? '');
        const item = row === null ? null : this.#rows.entries.one(row.id, origin.path);
        if (item === null) return null;
        const moved = { ...item, path, piId, name: nameOf(path), nasPath: origin.path };
        return { path, piId, upload: null, acceptedAtMs: origin.acceptedAtMs ?? 0, moved };
      }
    }
  }

  /** An entry of a folder that its user moved, in its new place. */
  shownIn(folder: string, item: StoredItem): StoredItem {
    const path = folder === '' ? item.name : `${folder}/${item.name}`;
    return { ...item, path, piId: this.#items.piIdOf(path), nasPath: item.path };
  }

  /** By path, with the newest upload below each. The root is the NAS's to fill. */
  foldersIn(userId: number, folder: string): ReadonlyMap<string, number> {
    const newest = new Map<string, number>();
    if (folder === '') return newest;
    const changes = this.#pending.changes(userId);
    for (const { path: queuedFor, acceptedAtMs, seq } of this.#pending.folders(userId)) {
      const path = pathNow(changes, queuedFor, seq);
      if (path?.startsWith(`${folder}/`) !== true) continue;
      const end = path.indexOf('/', folder.length + 1);
      const child = end < 0 ? path : path.slice(0, end);
      newest.set(child, Math.max(acceptedAtMs, newest.get(child) ?? 0));
    }
    return newest;
  }
}

/** An entry of a place as its user sees it, below that place; `''` for the place itself. */
interface ShownEntryBelow {
  readonly path: string;
  readonly isFolder: boolean;
  readonly sizeBytes: number;
  /** As the NAS writes it; null for what is only queued. */
  readonly modifiedAt: string | null;
  readonly checksum: string | null;
  /** The upload it is the newest version of, where it is queued. */
  readonly uploadId: string | null;
}

export type ShownBelow =
  | { readonly kind: 'tree'; readonly entries: readonly ShownEntryBelow[] }
  /** There is nothing of that name for this user. */
  | { readonly kind: 'absent' }
  /** Never listed by this user, or not every folder below it was, or there is too much. */
  | { readonly kind: 'unlisted' };

interface ShownTreesDeps {
  readonly rows: ListingRows;
  readonly changed: ChangedView;
  readonly queued: QueuedItems;
  readonly pending: PendingUploads;
}

/**
 * Places and everything below them as one user sees them without asking the NAS: what they listed,
 * plus their own queued changes and uploads. What others have delivered there since does not count:
 * this user has not seen it.
 */
export class ShownTrees {
  readonly #deps: ShownTreesDeps;

  constructor(deps: ShownTreesDeps) {
    this.#deps = deps;
  }

  place(userId: number, path: string): 'file' | 'folder' | 'absent' | 'unknown' {
    const origin = this.#deps.changed.origin(userId, path);
    if (origin.kind === 'upload') return 'file';
    if (origin.kind === 'made' || this.#isOnTheWay(userId, path)) return 'folder';
    if (origin.kind === 'gone') return 'absent';
    const item = this.#itemAt(userId, origin.path);
    if (item === 'absent' || item === 'unknown') return item;
    return item.isDirectory ? 'folder' : 'file';
  }

  /** @param most entries at most */
  tree(userId: number, path: string, most: number): ShownBelow {
    const root = this.#rootOf(userId, path);
    if (typeof root === 'string') return { kind: root };
    const entries = [root];
    for (const { path: inside, isFolder } of entries) {
      if (!isFolder) continue;
      const folder = inside === '' ? path : `${path}/${inside}`;
      const children = this.#childrenOf(userId, folder, most - entries.length);
      if (children === null) return { kind: 'unlisted' };
      for (const child of children) {
        const at = inside === '' ? child.path : `${inside}/${child.path}`;
        entries.push({ ...child, path: at });
      }
    }
    return { kind: 'tree', entries };
  }

  #rootOf(userId: number, path: string): ShownEntryBelow | 'absent' | 'unlisted' {
    const entry = this.#entryOf(userId, '', this.#deps.changed.origin(userId, path));
    if (entry === 'unknown') return 'unlisted';
    if (entry !== 'absent') return entry;
    return this.#isOnTheWay(userId, path) ? folderEntry('') : 'absent';
  }

  /** @returns null where not all of it is known, or there is too much */
  #childrenOf(userId: number, folder: string, most: number): readonly ShownEntryBelow[] | null {
    const here = this.#deps.changed.folder(userId, folder);
    const children = new Map<string, ShownEntryBelow>();
    for (const name of this.#deps.queued.foldersIn(userId, folder).keys()) {
      children.set(nameOf(name), folderEntry(nameOf(name)));
    }
    const listed = this.#listedOf(userId, folder, here);
    if (listed === null) return null;
    for (const item of listed) {
      if (children.size > most) return null;
      if (here?.names.has(item.name) !== true)
        children.set(item.name, listedEntry(item.name, item));
    }
    const isKnown = this.#addQueued(userId, folder, here, children);
    return !isKnown || children.size > most ? null : [...children.values()];
  }

  /**
   * What the NAS listed of a folder; empty where only the queue shows it, null where nobody knows.
   */
  #listedOf(
    userId: number,
    folder: string,
    here: ChangedFolder | null,
  ): Iterable<StoredItem> | null {
    if (here !== null && here.base === null) return [];
    const listed = this.#listed(userId, here?.base ?? folder);
    return listed ?? (this.#isOnlyQueued(userId, folder) ? [] : null);
  }

  /** @returns false where some of it is not known */
  #addQueued(
    userId: number,
    folder: string,
    here: ChangedFolder | null,
    children: Map<string, ShownEntryBelow>,
  ): boolean {
    const uploads = here === null ? this.#deps.pending.inFolder(userId, folder) : [];
    for (const upload of uploads) {
      const name = nameOf(upload.path);
      children.set(name, queuedEntry(name, upload));
    }
    for (const [name, origin] of here?.names ?? []) {
      const entry = this.#entryOf(userId, name, origin);
      if (entry === 'unknown') return false;
      if (entry !== 'absent') children.set(name, entry);
    }
    return true;
  }

  #entryOf(userId: number, path: string, origin: Origin): ShownEntryBelow | 'absent' | 'unknown' {
    switch (origin.kind) {
      case 'upload':
        return queuedEntry(path, origin.upload);
      case 'made':
        return folderEntry(path);
      case 'gone':
        return 'absent';
      case 'nas': {
        const item = this.#itemAt(userId, origin.path);
        return typeof item === 'string' ? item : listedEntry(path, item);
      }
    }
  }

  /** What a user was shown of a path on the NAS. */
  #itemAt(userId: number, path: string): StoredItem | 'absent' | 'unknown' {
    const { rows } = this.#deps;
    const folder = parentOf(path);
    const row = folder === null ? null : rows.find(userId, folder);
    if (row === null) return 'unknown';
    const item = rows.entries.one(row.id, path);
    return item === null || this.#isUnseen(row.id, item) ? 'absent' : item;
  }

  /** @returns null where this user never listed it */
  #listed(userId: number, folder: string): Iterable<StoredItem> | null {
    const { rows } = this.#deps;
    const row = rows.find(userId, folder);
    return row === null ? null : this.#seenOf(row.id);
  }

  *#seenOf(listingId: number): Iterable<StoredItem> {
    for (const item of this.#deps.rows.items(listingId)) {
      if (!this.#isUnseen(listingId, item)) yield item;
    }
  }

  #isUnseen(listingId: number, item: StoredItem): boolean {
    return !item.isDirectory && this.#deps.rows.entries.isUnseen(listingId, item.path);
  }

  /** Whether uploads of this user are queued below a path. */
  #isOnTheWay(userId: number, path: string): boolean {
    const parent = parentOf(path);
    return parent !== null && this.#deps.queued.foldersIn(userId, parent).has(path);
  }

  /** A folder that the NAS is known not to have, and that uploads will make. */
  #isOnlyQueued(userId: number, folder: string): boolean {
    const origin = this.#deps.changed.below(userId, folder);
    const isAbsent = origin.kind === 'nas' && this.#itemAt(userId, origin.path) === 'absent';
    return (isAbsent || origin.kind === 'gone') && this.#isOnTheWay(userId, folder);
  }
}

function folderEntry(path: string): ShownEntryBelow {
  return { path, isFolder: true, sizeBytes: 0, modifiedAt: null, checksum: null, uploadId: null };
}

function listedEntry(path: string, item: StoredItem): ShownEntryBelow {
  if (item.isDirectory) return folderEntry(path);
  const { sizeBytes, modifiedAtText: modifiedAt, checksum } = item;
  return { path, isFolder: false, sizeBytes, modifiedAt, checksum, uploadId: null };
}

function queuedEntry(path: string, upload: PendingUpload): ShownEntryBelow {
  const { sizeBytes, sha256: checksum, uploadId } = upload;
  return { path, isFolder: false, sizeBytes, modifiedAt: null, checksum, uploadId };
}
