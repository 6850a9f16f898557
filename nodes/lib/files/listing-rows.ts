import { createHash } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import { Remembered } from '../store/remembered.ts';
import type { Store } from '../store/store.ts';
import type { ItemCursor, ItemRows } from './item-rows.ts';
import { belowBounds, parentOf } from './nas-path.ts';
import type { ListedItem, StoredItem } from './stored-item.ts';

/** A folder one user listed. */
export interface ListingRow {
  readonly id: number;
  readonly listedAtMs: number;
  readonly itemCount: number;
  /** Whether the NAS told a checksum of every file in it. */
  readonly hasAllChecksums: boolean;
}

const PAGE_ITEMS = 500;
const MOST_REMEMBERED = 500;
/** Never matches, so that the next answer is compared item by item. */
const NO_DIGEST = '';

/** The table `listings`, and its items through {@link ItemRows}. */
export class ListingRows {
  readonly #store: Store;
  readonly #items: ItemRows;
  readonly #found: Remembered<string, ListingRow | null>;
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #seenAgain: StatementSync;
  readonly #change: StatementSync;
  readonly #grow: StatementSync;
  readonly #drop: StatementSync;
  readonly #dropBelow: StatementSync;
  readonly #spoil: StatementSync;
  readonly #dropUser: StatementSync;
  readonly #unlisted: StatementSync;
  readonly #usersAbove: StatementSync;

  constructor(store: Store, items: ItemRows) {
    this.#store = store;
    this.#items = items;
    this.#found = new Remembered(store, MOST_REMEMBERED);
    this.#find = store.prepare(
      `SELECT id, listed_at_ms, item_count, unhashed_count, digest FROM listings WHERE user_id = ? AND path = ?`,
    );
    this.#insert = store.prepare(
      `INSERT INTO listings (user_id, path, listed_at_ms, item_count, digest)
       VALUES (?, ?, ?, 0, '')`,
    );
    this.#seenAgain = store.prepare('UPDATE listings SET listed_at_ms = ? WHERE id = ?');
    this.#change = store.prepare(
      `UPDATE listings SET listed_at_ms = ?, item_count = ?, unhashed_count = ?, digest = ?
       WHERE id = ?`,
    );
    this.#grow = store.prepare(
      `UPDATE listings SET item_count = item_count + ?, unhashed_count = unhashed_count + ?,
         digest = ? WHERE id = ?`,
    );
    this.#drop = store.prepare('DELETE FROM listings WHERE user_id = ? AND path = ?');
    this.#dropBelow = store.prepare(
      'DELETE FROM listings WHERE path = ? OR (path > ? AND path < ?)',
    );
    this.#spoil = store.prepare('UPDATE listings SET digest = ? WHERE path = ?');
    this.#dropUser = store.prepare('DELETE FROM listings WHERE user_id = ?');
    this.#unlisted = store.prepare(
      `SELECT 1 FROM listings AS listing
       JOIN file_metadata_cache AS item ON item.listing_id = listing.id AND item.kind = 0
       LEFT JOIN listings AS own ON own.user_id = listing.user_id AND own.path = item.path
       WHERE listing.user_id = ? AND own.id IS NULL LIMIT 1`,
    );
    this.#usersAbove = store.prepare(
      `SELECT DISTINCT user_id FROM listings WHERE path IN (SELECT value FROM json_each(?))`,
    );
  }

  find(userId: number, path: string): ListingRow | null {
    return this.#found.get(`${userId} ${path}`, () => this.#read(userId, path));
  }

  #read(userId: number, path: string): ListingRow | null {
    const row = this.#find.get(userId, path);
    if (row === undefined) return null;
    return {
      id: Number(row['id']),
      listedAtMs: Number(row['listed_at_ms']),
      itemCount: Number(row['item_count']),
      hasAllChecksums: row['unhashed_count'] === 0,
    };
  }

  /** The entry of a path in a listing, if it has one. */
  shows(listingId: number, path: string): StoredItem | null {
    return this.#items.one(listingId, path);
  }

  /** Up to `limit` files on each side of one, and itself, in name order. */
  filesAround(listingId: number, file: StoredItem, limit: number): StoredItem[] {
    const before = this.#items.filesBefore(listingId, file, limit);
    return [...before, file, ...this.#items.page(listingId, file, limit)];
  }

  /** The first `limit` files of a listing in name order. */
  firstFiles(listingId: number, limit: number): StoredItem[] {
    return this.#items.page(listingId, { isDirectory: false, name: '', path: '' }, limit);
  }

  /** The items of a listing behind `from`, read `batch` at a time. */
  *items(
    listingId: number,
    from: ItemCursor | null = null,
    batch = PAGE_ITEMS,
  ): Generator<StoredItem> {
    let after = from;
    for (;;) {
      const page: StoredItem[] = this.#items.page(listingId, after, batch);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < batch) return;
      after = last;
    }
  }

  /**
   * Stores what the NAS listed, in one transaction. An answer like the last one costs one row, and
   * a changed one the rows that differ: an SD card wears by what is written.
   */
  store(userId: number, path: string, items: readonly ListedItem[], listedAtMs: number): void {
    const digest = digestOf(items);
    this.#store.transaction(() => {
      const known = this.#find.get(userId, path);
      if (known !== undefined && known['digest'] === digest) {
        this.#seenAgain.run(listedAtMs, Number(known['id']));
        return;
      }
      const id =
        known === undefined
          ? Number(this.#insert.run(userId, path, listedAtMs).lastInsertRowid)
          : Number(known['id']);
      this.#apply(id, items);
      this.#change.run(listedAtMs, items.length, unhashedIn(items), digest, id);
    });
  }

  /** Every user with a kept listing of a folder above a path, the root apart. */
  usersAbove(path: string): readonly number[] {
    const folders: string[] = [];
    for (let at = parentOf(path); at !== null && at !== ''; at = parentOf(at)) folders.push(at);
    return this.#usersAbove.all(JSON.stringify(folders)).map((row) => Number(row['user_id']));
  }

  /** A folder that this user was never given by the NAS, with all there is in it. */
  begin(
    userId: number,
    path: string,
    listedAtMs: number,
    items: readonly ListedItem[],
    isSeen = true,
  ): void {
    this.#store.transaction(() => {
      const id = Number(this.#insert.run(userId, path, listedAtMs).lastInsertRowid);
      for (const item of items) this.#items.put(id, item, isSeen);
      this.#change.run(listedAtMs, items.length, unhashedIn(items), NO_DIGEST, id);
    });
  }

  /**
   * One entry more, or one in another version, known before the NAS lists the folder again. What is
   * not told of it stays as it was listed; so does the time the NAS gave the listing.
   * @param isSeen false: its user knows nothing of it yet
   */
  add(listingId: number, item: ListedItem, isSeen: boolean): void {
    this.#store.transaction(() => {
      const before = this.shows(listingId, item.path);
      if (before !== null) this.#items.remove(listingId, before);
      this.#items.put(listingId, before === null ? item : newerOf(before, item), isSeen);
      const unhashed = unhashedIn([item]) - unhashedIn(before === null ? [] : [before]);
      this.#grow.run(before === null ? 1 : 0, unhashed, NO_DIGEST, listingId);
    });
  }

  /** Whether its user knows nothing yet of an entry that the Pi itself put into a listing. */
  isUnseen(listingId: number, path: string): boolean {
    return this.#items.isUnseen(listingId, path);
  }

  /** The user of a listing is given all of it now. */
  seen(listingId: number): void {
    this.#items.seen(listingId);
  }

  drop(userId: number, path: string): void {
    this.#drop.run(userId, path);
  }

  dropUser(userId: number): void {
    this.#dropUser.run(userId);
  }

  /** Forgets a path for every user: its listings, those below it, and its entry in its folder. */
  forget(path: string, parent: string | null): void {
    const { low, high } = belowBounds(path);
    this.#store.transaction(() => {
      this.#dropBelow.run(path, low, high);
      this.#items.forget(path);
      if (parent !== null) this.#spoil.run(NO_DIGEST, parent);
    });
  }

  /** Whether some folder this user was shown was never listed by them. */
  hasUnlistedFolder(userId: number): boolean {
    return this.#unlisted.get(userId) !== undefined;
  }

  #apply(listingId: number, items: readonly ListedItem[]): void {
    const gone = new Map<string, StoredItem>();
    for (const item of this.items(listingId)) gone.set(keyOf(item), item);
    const changed = items.filter((item) => {
      const key = keyOf(item);
      const before = gone.get(key);
      gone.delete(key);
      return before === undefined || textOf(before) !== textOf(item);
    });
    // First out, then in: a name that changed only its case has one key in the index.
    for (const item of gone.values()) this.#items.remove(listingId, item);
    for (const item of changed) this.#items.put(listingId, item);
  }
}

function unhashedIn(items: readonly ListedItem[]): number {
  return items.filter((item) => !item.isDirectory && item.checksum === null).length;
}

/** A new version is told without what the NAS keeps when a file is written over. */
function newerOf(before: StoredItem, item: ListedItem): ListedItem {
  if (before.isDirectory !== item.isDirectory) return item;
  return {
    ...item,
    ownerId: item.ownerId ?? before.ownerId,
    ownerName: item.ownerName ?? before.ownerName,
    mimeType: item.mimeType ?? before.mimeType,
    nasFileId: item.nasFileId ?? before.nasFileId,
    canRead: item.canRead ?? before.canRead,
    canWrite: item.canWrite ?? before.canWrite,
    canDelete: item.canDelete ?? before.canDelete,
  };
}

function keyOf(item: ListedItem): string {
  return `${item.isDirectory ? 0 : 1}\0${item.name}\0${item.path}`;
}

function textOf(item: ListedItem): string {
  return JSON.stringify([
    item.name,
    item.path,
    item.isDirectory,
    item.sizeBytes,
    item.modifiedAtText,
    item.ownerId,
    item.ownerName,
    item.mimeType,
    item.nasFileId,
    item.checksum,
    item.canRead,
    item.canWrite,
    item.canDelete,
  ]);
}

function digestOf(items: readonly ListedItem[]): string {
  const hash = createHash('sha1');
  for (const item of items) hash.update(textOf(item));
  return hash.digest('base64');
}
