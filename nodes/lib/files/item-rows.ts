import type { SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { Remembered, type Store } from '../store/store.ts';
import { belowBounds } from './nas-path.ts';
import type { ListedItem, StoredItem } from './stored-item.ts';

/** Where a page ended; the next one begins after it. */
export interface ItemCursor {
  readonly isDirectory: boolean;
  readonly name: string;
  readonly path: string;
}

/** An entry, and the listing it stands in. */
export interface ShownItem {
  readonly listingId: number;
  /** Whether the user of that listing was shown it. */
  readonly isSeen: boolean;
  readonly item: StoredItem;
}

const MOST_REMEMBERED = 500;

const COLUMNS = `name, path, kind, pi_id, size_bytes, modified_at, modified_at_ms, owner_id,
  owner_name, mime_type, nas_file_id, checksum, can_read, can_write, can_delete`;

/** SQLite's own plan scans the whole folder for one name: 3 ms in one of 100,000. */
const BY_PATH = 'INDEXED BY file_metadata_by_path';

const IS_UNSEEN = `SELECT 1 FROM file_metadata_cache ${BY_PATH}
  WHERE path = ? AND listing_id = ? AND unseen = 1`;

const NEW_ID = 'INSERT INTO file_ids (path) VALUES (?) ON CONFLICT (path) DO NOTHING';
const ID_OF = 'SELECT id FROM file_ids WHERE path = ?';
const PATH_OF_PI_ID = 'SELECT path FROM file_ids WHERE id = ?';

const PATH_OF_NAS_ID = `SELECT item.path FROM file_metadata_cache AS item
  JOIN listings AS listing ON listing.id = item.listing_id
  WHERE item.nas_file_id = ? AND listing.user_id = ?
  ORDER BY listing.listed_at_ms DESC LIMIT 1`;

const PUT = `INSERT OR REPLACE INTO file_metadata_cache
    (listing_id, kind, name, path, pi_id, size_bytes, modified_at, modified_at_ms, owner_id,
     owner_name, mime_type, nas_file_id, checksum, can_read, can_write, can_delete, unseen)
  VALUES (?1, ?2, ?3, ?4, (SELECT id FROM file_ids WHERE path = ?4),
    ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)`;

const COUNT = 'SELECT count(*) AS count FROM file_metadata_cache WHERE listing_id = ?';

const SHOWING = `SELECT listing_id, unseen, ${COLUMNS}
  FROM file_metadata_cache ${BY_PATH} WHERE path = ?`;
const COUNT_BELOW = `SELECT count(*) AS count FROM (
  SELECT 1 FROM file_metadata_cache ${BY_PATH} WHERE path > ? AND path < ? LIMIT ?)`;
const MOVE_BELOW = `UPDATE file_metadata_cache SET path = :to || substr(path, length(:from) + 1)
  WHERE path > :low AND path < :high`;
const MOVE_IDS = `UPDATE file_ids SET path = :to || substr(path, length(:from) + 1)
  WHERE path = :from OR (path > :low AND path < :high)`;
const ANY_UNSEEN = 'SELECT 1 FROM file_metadata_cache WHERE listing_id = ? AND unseen = 1 LIMIT 1';
const SEEN = 'UPDATE file_metadata_cache SET unseen = 0 WHERE listing_id = ? AND unseen = 1';

/** The tables `file_metadata_cache` and `file_ids`. */
export class ItemRows {
  readonly #found: Remembered<string, StoredItem | null>;
  readonly #page: StatementSync;
  readonly #filesBefore: StatementSync;
  readonly #one: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #forget: StatementSync;
  readonly #showing: StatementSync;
  readonly #countBelow: StatementSync;
  readonly #moveBelow: StatementSync;
  readonly #dropIds: StatementSync;
  readonly #moveIds: StatementSync;
  readonly #newId: StatementSync;
  readonly #idOf: StatementSync;
  readonly #pathOfPiId: StatementSync;
  readonly #pathOfNasId: StatementSync;
  readonly #unseen: StatementSync;
  readonly #seen: StatementSync;
  readonly #hasUnseen: Remembered<number, boolean>;
  readonly #anyUnseen: StatementSync;
  readonly #count: StatementSync;
  readonly #countUnhashed: StatementSync;

  constructor(store: Store) {
    this.#found = new Remembered(store, MOST_REMEMBERED);
    // One row-value comparison seeks; the same spelt with OR scans (measured: 60 times slower).
    this.#page = store.prepare(
      `SELECT ${COLUMNS} FROM file_metadata_cache
       WHERE listing_id = ? AND (kind, name, path) > (?, ?, ?)
       ORDER BY kind, name, path LIMIT ?`,
    );
    this.#filesBefore = store.prepare(
      `SELECT ${COLUMNS} FROM file_metadata_cache
       WHERE listing_id = ? AND kind = 1 AND (name, path) < (?, ?)
       ORDER BY name DESC, path DESC LIMIT ?`,
    );
    this.#one = store.prepare(
      `SELECT ${COLUMNS} FROM file_metadata_cache ${BY_PATH}
       WHERE path = ? AND listing_id = ? LIMIT 1`,
    );
    this.#put = store.prepare(PUT);
    this.#remove = store.prepare(
      `DELETE FROM file_metadata_cache
       WHERE listing_id = ? AND kind = ? AND name = ? AND path = ?`,
    );
    this.#forget = store.prepare(
      'DELETE FROM file_metadata_cache WHERE path = ? OR (path > ? AND path < ?)',
    );
    this.#showing = store.prepare(SHOWING);
    this.#countBelow = store.prepare(COUNT_BELOW);
    this.#moveBelow = store.prepare(MOVE_BELOW);
    this.#dropIds = store.prepare('DELETE FROM file_ids WHERE path = ? OR (path > ? AND path < ?)');
    this.#moveIds = store.prepare(MOVE_IDS);
    this.#newId = store.prepare(NEW_ID);
    this.#idOf = store.prepare(ID_OF);
    this.#pathOfPiId = store.prepare(PATH_OF_PI_ID);
    this.#pathOfNasId = store.prepare(PATH_OF_NAS_ID);
    this.#count = store.prepare(COUNT);
    this.#countUnhashed = store.prepare(`${COUNT} AND kind = 1 AND checksum IS NULL`);
    this.#hasUnseen = new Remembered(store, MOST_REMEMBERED);
    this.#unseen = store.prepare(IS_UNSEEN);
    this.#anyUnseen = store.prepare(ANY_UNSEEN);
    this.#seen = store.prepare(SEEN);
  }

  /** The next `limit` items of a listing: folders first, then by name. */
  page(listingId: number, after: ItemCursor | null, limit: number): StoredItem[] {
    const kind = after === null ? -1 : kindOf(after);
    return this.#page.all(listingId, kind, after?.name ?? '', after?.path ?? '', limit).map(itemOf);
  }

  /** The `limit` files before one, nearest last, in name order. */
  filesBefore(
    listingId: number,
    of: Pick<ItemCursor, 'name' | 'path'>,
    limit: number,
  ): StoredItem[] {
    return this.#filesBefore.all(listingId, of.name, of.path, limit).map(itemOf).reverse();
  }

  one(listingId: number, path: string): StoredItem | null {
    return this.#found.get(`${listingId} ${path}`, () => this.read(listingId, path));
  }

  /** As {@link one}, for callers who ask for each path only once. */
  read(listingId: number, path: string): StoredItem | null {
    const row = this.#one.get(path, listingId);
    return row === undefined ? null : itemOf(row);
  }

  /** @param isSeen false: the Pi put it there, and its user does not know of it yet */
  put(listingId: number, item: ListedItem, isSeen = true): void {
    this.#newId.run(item.path);
    this.#put.run(
      listingId,
      kindOf(item),
      item.name,
      item.path,
      item.sizeBytes,
      item.modifiedAtText,
      item.modifiedAtMs,
      item.ownerId,
      item.ownerName,
      item.mimeType,
      item.nasFileId,
      item.checksum,
      flagIn(item.canRead),
      flagIn(item.canWrite),
      flagIn(item.canDelete),
      isSeen ? 0 : 1,
    );
  }

  /** How many entries a listing has. */
  count(listingId: number): number {
    return Number(this.#count.get(listingId)?.['count']);
  }

  /** For how many of its files the NAS told no checksum. */
  unhashed(listingId: number): number {
    return Number(this.#countUnhashed.get(listingId)?.['count']);
  }

  isUnseen(listingId: number, path: string): boolean {
    return this.#unseen.get(path, listingId) !== undefined;
  }

  /** Writes only where something changed. */
  seen(listingId: number): void {
    const isOwing = (): boolean => this.#anyUnseen.get(listingId) !== undefined;
    if (this.#hasUnseen.get(listingId, isOwing)) this.#seen.run(listingId);
  }

  remove(listingId: number, item: ListedItem): void {
    this.#remove.run(listingId, kindOf(item), item.name, item.path);
  }

  /** Takes a path and all below it out of every listing that shows it. */
  forget(path: string): void {
    const { low, high } = belowBounds(path);
    this.#forget.run(path, low, high);
  }

  /** Every listing's own entry of a path. */
  showing(path: string): readonly ShownItem[] {
    return this.#showing.all(path).map((row) => ({
      listingId: Number(row['listing_id']),
      isSeen: row['unseen'] === 0,
      item: itemOf(row),
    }));
  }

  /** How many entries of all listings lie below a path, counted up to `most`. */
  countBelow(path: string, most: number): number {
    const { low, high } = belowBounds(path);
    return Number(this.#countBelow.get(low, high, most)?.['count']);
  }

  /**
   * Moves everything below a path to another, in every listing. Nothing may be known below the
   * target.
   */
  moveBelow(from: string, to: string): void {
    this.#moveBelow.run({ from, to, ...belowBounds(from) });
  }

  /** The ids at and below a path move with it; those of the new path are never reused. */
  moveIds(from: string, to: string): void {
    const there = belowBounds(to);
    this.#dropIds.run(to, there.low, there.high);
    this.#moveIds.run({ from, to, ...belowBounds(from) });
  }

  pathOfPiId(id: number): string | null {
    return textIn(this.#pathOfPiId.get(id)?.['path']);
  }

  /** The Pi's id of a path that may be new, such as a queued upload's. */
  piIdOf(path: string): number {
    this.#newId.run(path);
    return Number(this.#idOf.get(path)?.['id']);
  }

  /** What this user was last shown under the NAS's own id, which is unstable (docs/NAS.md). */
  pathOfNasId(userId: number, nasFileId: number): string | null {
    return textIn(this.#pathOfNasId.get(nasFileId, userId)?.['path']);
  }
}

function kindOf(item: { readonly isDirectory: boolean }): 0 | 1 {
  return item.isDirectory ? 0 : 1;
}

function itemOf(row: Record<string, SQLOutputValue>): StoredItem {
  return {
    piId: Number(row['pi_id']),
    name: String(row['name']),
    path: String(row['path']),
    isDirectory: row['kind'] === 0,
    sizeBytes: Number(row['size_bytes']),
    modifiedAtText: String(row['modified_at']),
    modifiedAtMs: Number(row['modified_at_ms']),
    ownerId: textIn(row['owner_id']),
    ownerName: textIn(row['owner_name']),
    mimeType: textIn(row['mime_type']),
    nasFileId: typeof row['nas_file_id'] === 'number' ? row['nas_file_id'] : null,
    checksum: textIn(row['checksum']),
    canRead: flagOut(row['can_read']),
    canWrite: flagOut(row['can_write']),
    canDelete: flagOut(row['can_delete']),
  };
}

function textIn(value: SQLOutputValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function flagIn(value: boolean | null): SQLInputValue {
  return value === null ? null : Number(value);
}

function flagOut(value: SQLOutputValue | undefined): boolean | null {
  return typeof value === 'number' ? value === 1 : null;
}
