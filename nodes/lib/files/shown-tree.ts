import type { ChangedFolder, ChangedView, Origin } from './changed-view.ts';
import type { ListingRows } from './listing-rows.ts';
import { nameOf, parentOf } from './nas-path.ts';
import type { PendingUpload, PendingUploads } from './pending-uploads.ts';
import type { QueuedItems } from './queued-items.ts';
import type { StoredItem } from './stored-item.ts';

/** An entry of a place as its user sees it, below that place; `''` for the place itself. */
export interface ShownEntryBelow {
  readonly path: string;
  readonly isFolder: boolean;
  readonly sizeBytes: number;
  /** As the NAS writes it; null of what is only queued. */
  readonly modifiedAt: string | null;
  readonly checksum: string | null;
  /** The upload it is the newest version of, where it is queued. */
  readonly uploadId: string | null;
}

export type ShownBelow =
  | { readonly kind: 'tree'; readonly entries: readonly ShownEntryBelow[] }
  /** Nothing of that name is there for this user. */
  | { readonly kind: 'absent' }
  /** Never listed by this user, or not every folder below it was, or there is too much. */
  | { readonly kind: 'unlisted' };

export interface ShownTreesPorts {
  readonly rows: ListingRows;
  readonly changed: ChangedView;
  readonly queued: QueuedItems;
  readonly pending: PendingUploads;
}

/**
 * Places with all below them as one user sees them without asking the NAS: what they listed, with
 * their own queued changes and uploads. What somebody else delivered there since does not count: they
 * were not shown it.
 */
export class ShownTrees {
  readonly #ports: ShownTreesPorts;

  constructor(ports: ShownTreesPorts) {
    this.#ports = ports;
  }

  place(userId: number, path: string): 'file' | 'folder' | 'absent' | 'unknown' {
    const origin = this.#ports.changed.origin(userId, path);
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
    const entry = this.#entryOf(userId, '', this.#ports.changed.origin(userId, path));
    if (entry === 'unknown') return 'unlisted';
    if (entry !== 'absent') return entry;
    return this.#isOnTheWay(userId, path) ? folderEntry('') : 'absent';
  }

  /** @returns null where not all of it is known, or there is too much */
  #childrenOf(userId: number, folder: string, most: number): readonly ShownEntryBelow[] | null {
    const here = this.#ports.changed.folder(userId, folder);
    const children = new Map<string, ShownEntryBelow>();
    for (const name of this.#ports.queued.foldersIn(userId, folder).keys()) {
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

  /** What the NAS listed of a folder; nothing where only the queue shows it, null where nobody knows. */
  #listedOf(
    userId: number,
    folder: string,
    here: ChangedFolder | null,
  ): Iterable<StoredItem> | null {
    if (here !== null && here.base === null) return [];
    const listed = this.#listed(userId, here?.base ?? folder);
    return listed ?? (this.#isOnlyQueued(userId, folder) ? [] : null);
  }

  /** @returns false where something of it is not known */
  #addQueued(
    userId: number,
    folder: string,
    here: ChangedFolder | null,
    children: Map<string, ShownEntryBelow>,
  ): boolean {
    const uploads = here === null ? this.#ports.pending.inFolder(userId, folder) : [];
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

  /** What a user was shown of a path that the NAS has. */
  #itemAt(userId: number, path: string): StoredItem | 'absent' | 'unknown' {
    const { rows } = this.#ports;
    const folder = parentOf(path);
    const row = folder === null ? null : rows.find(userId, folder);
    if (row === null) return 'unknown';
    const item = rows.shows(row.id, path);
    return item === null || this.#isUnseen(row.id, item) ? 'absent' : item;
  }

  /** @returns null where this user never listed it */
  #listed(userId: number, folder: string): Iterable<StoredItem> | null {
    const { rows } = this.#ports;
    const row = rows.find(userId, folder);
    return row === null ? null : this.#seenOf(row.id);
  }

  *#seenOf(listingId: number): Iterable<StoredItem> {
    for (const item of this.#ports.rows.items(listingId)) {
      if (!this.#isUnseen(listingId, item)) yield item;
    }
  }

  #isUnseen(listingId: number, item: StoredItem): boolean {
    return !item.isDirectory && this.#ports.rows.isUnseen(listingId, item.path);
  }

  /** Whether uploads of this user are queued below a path. */
  #isOnTheWay(userId: number, path: string): boolean {
    const parent = parentOf(path);
    return parent !== null && this.#ports.queued.foldersIn(userId, parent).has(path);
  }

  /** A folder that the NAS is known not to have, and that uploads will make. */
  #isOnlyQueued(userId: number, folder: string): boolean {
    const origin = this.#ports.changed.below(userId, folder);
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
