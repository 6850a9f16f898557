import type { ItemRows } from './item-rows.ts';
import type { ListingRow, ListingRows } from './listing-rows.ts';
import type { QueuedItem } from './outcomes.ts';
import type { PendingUploads } from './pending-uploads.ts';

/** What a user's own queue brings into a folder: files, and the folders on the way to others. */
export class QueuedItems {
  readonly #pending: PendingUploads;
  readonly #items: ItemRows;
  readonly #rows: ListingRows;

  constructor(pending: PendingUploads, items: ItemRows, rows: ListingRows) {
    this.#pending = pending;
    this.#items = items;
    this.#rows = rows;
  }

  /** @param listing what is known of the folder itself */
  in(userId: number, folder: string, listing: ListingRow | null): QueuedItem[] {
    const queued = new Map<string, QueuedItem>();
    for (const upload of this.#pending.inFolder(userId, folder)) {
      const { path, acceptedAtMs } = upload;
      queued.set(path, { path, acceptedAtMs, upload, piId: this.#items.piIdOf(path) });
    }
    for (const [path, acceptedAtMs] of this.#foldersIn(userId, folder)) {
      const isShown = listing !== null && this.#rows.shows(listing.id, path) !== null;
      if (isShown || queued.has(path)) continue;
      queued.set(path, { path, acceptedAtMs, upload: null, piId: this.#items.piIdOf(path) });
    }
    return [...queued.values()];
  }

  /** By path, with the newest upload below each. The root is the NAS's to fill. */
  #foldersIn(userId: number, folder: string): ReadonlyMap<string, number> {
    const newest = new Map<string, number>();
    if (folder === '') return newest;
    for (const { path, acceptedAtMs } of this.#pending.folders(userId)) {
      if (!path.startsWith(`${folder}/`)) continue;
      const end = path.indexOf('/', folder.length + 1);
      const child = end < 0 ? path : path.slice(0, end);
      newest.set(child, Math.max(acceptedAtMs, newest.get(child) ?? 0));
    }
    return newest;
  }
}
