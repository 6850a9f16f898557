import type { User } from '../accounts/caller.ts';
import type { ChangedFolder } from './changed-view.ts';
import type { FolderView } from './folder-views.ts';
import type { ItemCursor } from './item-rows.ts';
import { pageOf, type PageWish } from './listing-page.ts';
import type { ListingRow, ListingRows } from './listing-rows.ts';
import { nameOf } from './nas-path.ts';
import type { Listing, ListOutcome, QueuedItem } from './outcomes.ts';
import type { QueuedItems } from './queued-items.ts';
import type { ShareGrants } from './share-grants.ts';
import type { StoredItem } from './stored-item.ts';

export interface ListingAnswersPorts {
  readonly rows: ListingRows;
  readonly grants: ShareGrants;
  readonly queued: QueuedItems;
}

/** What a caller is told of a folder: the NAS's items they may read, and their own queued ones. */
export class ListingAnswers {
  readonly #ports: ListingAnswersPorts;

  constructor(ports: ListingAnswersPorts) {
    this.#ports = ports;
  }

  /**
   * @param page left out: all of it
   * @param changed what the user's queued changes make of it; null where they do not touch it
   */
  listed(
    user: User,
    path: string,
    view: FolderView,
    page?: PageWish,
    changed: ChangedFolder | null = null,
  ): ListOutcome {
    const isFault = view.kind !== 'view' && view.kind !== 'unlisted' && view.kind !== 'not_found';
    if (isFault) return view;
    const queued = this.#ports.queued.in(user.id, path, rowOf(view), changed);
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
        // A folder that only the caller's own queue will create is there for them already.
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
    wish: PageWish,
    changed: ChangedFolder | null = null,
  ): ListOutcome {
    const after = (item: ItemCursor | null): Iterable<StoredItem> =>
      row === null
        ? []
        : this.#shownItems(user, row, about.path, changed, { after: item, batch: wish.limit + 1 });
    const { end, ...found } = pageOf(wish, after, queued);
    const hasAllChecksums = row?.hasAllChecksums ?? true;
    const page = { end, hasAllChecksums, isListed: row !== null };
    return { kind: 'listing', listing: { ...about, ...found, page } };
  }

  /** What of the NAS's listing of a folder its user sees there now, under the path they see it at. */
  *#shownItems(
    user: User,
    row: ListingRow,
    folder: string,
    changed: ChangedFolder | null,
    from: { readonly after: ItemCursor | null; readonly batch: number } | null = null,
  ): Generator<StoredItem> {
    const { rows, queued } = this.#ports;
    const base = changed?.base ?? folder;
    const after = from?.after ?? null;
    const cursor = after === null ? null : { ...after, path: moved(after.path, folder, base) };
    const items = this.readable(user, rows.items(row.id, cursor, from?.batch));
    for (const item of items) {
      if (changed?.names.has(item.name) === true) continue;
      yield base === folder ? item : queued.shownIn(folder, item);
    }
  }

  /** What of a kept listing its user may still read. */
  *readable(user: User, items: Iterable<StoredItem>): Generator<StoredItem> {
    for (const item of items) {
      if (this.#ports.grants.mayRead(user, item.path, item.ownerId)) yield item;
    }
  }
}

/** A path right in one folder, as it is right in another. */
function moved(path: string, from: string, to: string): string {
  return from === to ? path : `${to}/${nameOf(path)}`;
}

/** What is known of the folder that is looked at. */
function rowOf(view: FolderView): ListingRow | null {
  return view.kind === 'view' ? view.row : null;
}
