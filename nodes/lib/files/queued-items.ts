import type { ChangedFolder, Origin } from './changed-view.ts';
import type { ItemRows } from './item-rows.ts';
import type { ListingRow, ListingRows } from './listing-rows.ts';
import { nameOf, parentOf } from './nas-path.ts';
import type { QueuedItem } from './outcomes.ts';
import type { PendingUploads } from './pending-uploads.ts';
import { pathNow } from './queued-change.ts';
import type { StoredItem } from './stored-item.ts';

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
      const isShown = listing !== null && this.#rows.shows(listing.id, listed) !== null;
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
        const item = row === null ? null : this.#rows.shows(row.id, origin.path);
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
