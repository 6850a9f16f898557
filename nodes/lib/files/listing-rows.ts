import type { StatementSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { Remembered, type Store } from '../store/store.ts';
import type { ItemCursor, ItemRows, ShownItem } from './item-rows.ts';
import { belowBounds, nameOf, parentOf } from './nas-path.ts';
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
/** Rows that are looked at or written in one go: about 5 ms, a few times that on a Pi. */
const BATCH_ITEMS = 125;
/** Entries of a renamed folder to move in one go; a larger one is listed by the NAS again. */
const MOST_FOLLOWING = 5_000;

const MOVE_BELOW = `UPDATE listings SET path = :to || substr(path, length(:from) + 1)
  WHERE path = :from OR (path > :low AND path < :high)`;

/** The table `listings`, and its items through {@link ItemRows}. */
export class ListingRows {
  readonly #store: Store;
  readonly entries: Pick<ItemRows, 'count' | 'isUnseen' | 'one' | 'seen'>;
  readonly #items: ItemRows;
  readonly #found: Remembered<string, ListingRow | null>;
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #isThere: StatementSync;
  readonly #change: StatementSync;
  readonly #grow: StatementSync;
  readonly #drop: StatementSync;
  readonly #dropBelow: StatementSync;
  readonly #dropAll: StatementSync;
  readonly #moveBelow: StatementSync;
  readonly #hooks: StatementSync;
  readonly #isListed: StatementSync;
  readonly #dropUser: StatementSync;
  readonly #usersAbove: StatementSync;
  readonly #known: KnownEntries;

  constructor(store: Store, items: ItemRows) {
    [this.#store, this.#items] = [store, items];
    this.entries = items;
    this.#found = new Remembered(store, MOST_REMEMBERED);
    this.#find = store.prepare(
      `SELECT id, listed_at_ms, item_count, unhashed_count FROM listings
       WHERE user_id = ? AND path = ? AND is_whole = 1`,
    );
    this.#insert = store.prepare(
      `INSERT INTO listings (user_id, path, listed_at_ms, item_count, digest, is_whole)
       VALUES (?, ?, ?, 0, '', 0)
       ON CONFLICT (user_id, path) DO UPDATE SET path = excluded.path RETURNING id`,
    );
    this.#isThere = store.prepare(
      'SELECT 1 FROM listings WHERE id = ? AND user_id = ? AND path = ?',
    );
    this.#change = store.prepare(
      `UPDATE listings SET listed_at_ms = ?, item_count = ?, unhashed_count = ?, is_whole = 1
       WHERE id = ?`,
    );
    this.#grow = store.prepare(
      `UPDATE listings SET item_count = item_count + ?, unhashed_count = unhashed_count + ?
       WHERE id = ?`,
    );
    this.#drop = store.prepare('DELETE FROM listings WHERE user_id = ? AND path = ?');
    this.#dropBelow = store.prepare(
      'DELETE FROM listings WHERE path = ? OR (path > ? AND path < ?)',
    );
    this.#dropAll = store.prepare('DELETE FROM listings WHERE path = ?');
    this.#moveBelow = store.prepare(MOVE_BELOW);
    this.#isListed = store.prepare('SELECT 1 FROM listings WHERE path = ? LIMIT 1');
    this.#hooks = store.prepare('SELECT id, user_id FROM listings WHERE path = ? AND is_whole = 1');
    this.#dropUser = store.prepare('DELETE FROM listings WHERE user_id = ?');
    this.#usersAbove = store.prepare(
      `SELECT DISTINCT user_id FROM listings WHERE path IN (SELECT value FROM json_each(?))`,
    );
    this.#known = knownEntries(store);
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

  /** Up to `limit` files on each side of one, and that one, in name order. */
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

  /** Writes an answer of the NAS as it arrives. One at a time per user and folder. */
  writer(userId: number, path: string): ListingWriter {
    const [items, store] = [this.#items, this.#store];
    return new ListingWriter({
      items,
      transaction: (work) => {
        store.transaction(work);
      },
      begin: (listedAtMs) => Number(this.#insert.get(userId, path, listedAtMs)?.['id']),
      isThere: (id) => this.#isThere.get(id, userId, path) !== undefined,
      finish: (id, listedAtMs, counts) => {
        this.#change.run(listedAtMs, counts.items, counts.unhashed, id);
      },
    });
  }

  /** Every user with a kept listing of a folder above a path, the root apart. */
  usersAbove(path: string): readonly number[] {
    const folders: string[] = [];
    for (let at = parentOf(path); at !== null && at !== ''; at = parentOf(at)) folders.push(at);
    return this.#usersAbove.all(JSON.stringify(folders)).map((row) => Number(row['user_id']));
  }

  /**
   * How many entries a folder is known to have by anybody's kept listing or, without one, by the
   * listings of its subfolders; counted up to `most`.
   */
  countKnown(folder: string, most: number): number {
    return this.#known(folder, most);
  }

  /** A folder that the NAS never listed for this user, with everything in it. */
  begin(
    userId: number,
    path: string,
    listedAtMs: number,
    items: readonly ListedItem[],
    isSeen = true,
  ): void {
    this.#store.transaction(() => {
      // An answer that broke off may have left rows behind.
      this.#drop.run(userId, path);
      const id = Number(this.#insert.get(userId, path, listedAtMs)?.['id']);
      for (const item of items) this.#items.put(id, item, isSeen);
      this.#change.run(listedAtMs, items.length, unhashedIn(items), id);
    });
  }

  /**
   * Adds or updates one entry before the NAS lists the folder again. Unknown fields stay as listed,
   * and so does the listing's time.
   * @param isSeen false: its user knows nothing of it yet
   */
  add(listingId: number, item: ListedItem, isSeen: boolean): void {
    this.#store.transaction(() => {
      this.#put(listingId, item, isSeen);
    });
  }

  #put(listingId: number, item: ListedItem, isSeen: boolean): void {
    const before = this.#items.read(listingId, item.path);
    if (before !== null) this.#items.remove(listingId, before);
    this.#items.put(listingId, before === null ? item : newerOf(before, item), isSeen);
    const unhashed = unhashedIn([item]) - unhashedIn(before === null ? [] : [before]);
    this.#grow.run(before === null ? 1 : 0, unhashed, listingId);
  }

  drop(userId: number, path: string): void {
    this.#drop.run(userId, path);
  }

  dropUser(userId: number): void {
    this.#dropUser.run(userId);
  }

  /** Forgets a path for every user: its listings, those below it, and its entry in its folder. */
  forget(path: string): void {
    this.#store.transaction(() => {
      this.#forget(path);
    });
  }

  /** Every user's listing of exactly this folder. */
  dropAll(path: string): void {
    this.#dropAll.run(path);
  }

  /**
   * A path moves, for every user: its entry, the listings of it and below, and their ids. What was
   * at the new place is forgotten. Users with a listing of the new folder see it there.
   * @param byUserId who moved it, and so knows of it
   * @returns whether any listing showed it, so that it is shown at its new place
   */
  moved(from: string, to: string, byUserId: number): boolean {
    const below = this.#items.countBelow(from, MOST_FOLLOWING + 1);
    const isLarge = below > MOST_FOLLOWING;
    const isUnknown = below === 0 && this.#items.showing(from).length === 0;
    // It was told before, or nobody here ever knew of it: what is listed at its new place stays.
    if (isUnknown && this.#isListed.get(from) === undefined) return false;
    return this.#store.transaction(() => {
      this.#forget(to);
      const shown = this.#takeOut(from);
      if (isLarge) this.#forget(from);
      else {
        this.#items.moveBelow(from, to);
        this.#moveBelow.run({ from, to, ...belowBounds(from) });
      }
      this.#items.moveIds(from, to);
      return this.#showMoved(shown, to, byUserId);
    });
  }

  #showMoved(shown: readonly ShownItem[], to: string, byUserId: number): boolean {
    // One user's permissions do not apply to others; "Shared with me" has names of its own.
    const known = shown.find(({ item }) => item.name === nameOf(item.path));
    if (known === undefined) return false;
    const rights = { canRead: null, canWrite: null, canDelete: null };
    const moved = { ...known.item, ...rights, path: to, name: nameOf(to) };
    for (const row of this.#hooks.all(parentOf(to) ?? '')) {
      this.#put(Number(row['id']), moved, Number(row['user_id']) === byUserId);
    }
    return true;
  }

  #forget(path: string): void {
    const { low, high } = belowBounds(path);
    this.#takeOut(path);
    this.#dropBelow.run(path, low, high);
    this.#items.forget(path);
  }

  /** Takes the entry of a path out of every listing that shows it. @returns what they showed */
  #takeOut(path: string): readonly ShownItem[] {
    const shown = this.#items.showing(path);
    for (const { listingId, item } of shown) {
      this.#items.remove(listingId, item);
      this.#grow.run(-1, -unhashedIn([item]), listingId);
    }
    return shown;
  }
}

type KnownEntries = (folder: string, most: number) => number;

function knownEntries(store: Store): KnownEntries {
  const isListed = store.prepare('SELECT 1 FROM listings WHERE path = ? AND is_whole = 1');
  const count = store.prepare(
    `SELECT count(*) AS count FROM (
       SELECT DISTINCT item.path FROM listings AS listing
       JOIN file_metadata_cache AS item ON item.listing_id = listing.id
       WHERE listing.path >= ? AND listing.path < ? AND listing.is_whole = 1 LIMIT ?)`,
  );
  return (folder, most) => {
    const { low, high } = belowBounds(folder);
    const [from, to] =
      isListed.get(folder) === undefined ? [low, high] : [folder, `${folder}\u0001`];
    return Number(count.get(from, to, most)?.['count']);
  };
}

interface WriterDeps {
  readonly items: ItemRows;
  readonly transaction: (work: () => void) => void;
  /** The id of the listing, created where needed: it shows nothing before it is complete. */
  readonly begin: (listedAtMs: number) => number;
  readonly isThere: (id: number) => boolean;
  readonly finish: (
    id: number,
    listedAtMs: number,
    counts: { readonly items: number; readonly unhashed: number },
  ) => void;
}

/**
 * Writes a listing to the tables a few rows at a time, so that nobody waits for a folder of a
 * hundred thousand files. Only changed rows are written, to spare the SD card. Missing entries are
 * removed last; until then a previously complete listing shows old and new rows side by side, and
 * an incomplete one nothing. An interrupted answer removes nothing.
 */
export class ListingWriter {
  readonly #deps: WriterDeps;
  readonly #paths = new Set<string>();
  #id: number | null = null;
  #before = 0;
  #known = 0;
  #unhashed = 0;
  #isGone = false;

  constructor(deps: WriterDeps) {
    this.#deps = deps;
  }

  /** How many items came. */
  get count(): number {
    return this.#paths.size;
  }

  /** Writes what has arrived, yielding after each batch but the last. */
  async take(items: readonly ListedItem[], listedAtMs: number): Promise<void> {
    for (let from = 0; from < items.length; from += BATCH_ITEMS) {
      if (from > 0) await setImmediate();
      const batch = items.slice(from, from + BATCH_ITEMS);
      this.#deps.transaction(() => {
        this.#write(batch, listedAtMs);
      });
    }
  }

  /**
   * Everything arrived: entries not among it are removed, and the listing counts.
   * @returns false where it was forgotten meanwhile
   */
  async finish(listedAtMs: number): Promise<boolean> {
    const { transaction, items, finish } = this.#deps;
    if (this.#id === null) {
      transaction(() => {
        this.#begin(listedAtMs);
      });
    }
    if (this.#before > this.#known) await this.#removeRest();
    const id = this.#id;
    if (id === null || this.#isGone || !this.#deps.isThere(id)) return false;
    transaction(() => {
      // What was delivered meanwhile is in the table but not in the answer.
      const count = items.count(id);
      const unhashed = count === this.count ? this.#unhashed : items.unhashed(id);
      finish(id, listedAtMs, { items: count, unhashed });
    });
    return true;
  }

  #begin(listedAtMs: number): number {
    const id = this.#deps.begin(listedAtMs);
    this.#id = id;
    this.#before = this.#deps.items.count(id);
    return id;
  }

  #write(batch: readonly ListedItem[], listedAtMs: number): void {
    const id = this.#id ?? this.#begin(listedAtMs);
    // A rename or a user's end may have taken it away between two batches.
    this.#isGone ||= !this.#deps.isThere(id);
    if (this.#isGone) return;
    for (const item of batch) {
      if (this.#paths.has(item.path)) continue;
      this.#paths.add(item.path);
      this.#unhashed += unhashedIn([item]);
      this.#writeOne(id, item);
    }
  }

  #writeOne(id: number, item: ListedItem): void {
    const { items } = this.#deps;
    const before = this.#before === 0 ? null : items.read(id, item.path);
    if (before !== null) {
      this.#known += 1;
      if (isSame(before, item)) return;
      // First out, then in: another name or kind has a key of its own in the index.
      items.remove(id, before);
    }
    items.put(id, item);
  }

  async #removeRest(): Promise<void> {
    const { items, transaction } = this.#deps;
    const id = this.#id;
    let after: ItemCursor | null = null;
    while (id !== null) {
      const page: StoredItem[] = items.page(id, after, BATCH_ITEMS);
      const gone = page.filter(({ path }) => !this.#paths.has(path));
      if (gone.length > 0) {
        transaction(() => {
          for (const item of gone) items.remove(id, item);
        });
      }
      if (page.length < BATCH_ITEMS) return;
      after = page.at(-1) ?? null;
      await setImmediate();
    }
  }
}

/** Whether the NAS tells the same of an entry as before. */
function isSame(before: StoredItem, item: ListedItem): boolean {
  const keys = Object.keys(item) as (keyof ListedItem)[];
  return keys.every((key) => before[key] === item[key]);
}

function unhashedIn(items: readonly ListedItem[]): number {
  return items.filter((item) => !item.isDirectory && item.checksum === null).length;
}

/** A new version drops the fields the NAS only keeps until a file is overwritten. */
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
