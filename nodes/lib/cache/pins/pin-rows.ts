import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { belowBounds } from '../../files/files.ts';
import type { Store } from '../../store/store.ts';

/**
 * How a pinned folder was last found. `unchecked`: not looked at since it was pinned; `whole`: all
 * of it is known; `cut_short`: it is deeper or holds more than is followed; `missing`: the NAS does
 * not have it; `no_access`: its user may not read it any more.
 */
export type PinState = 'unchecked' | 'whole' | 'cut_short' | 'missing' | 'no_access';

export interface PinRow {
  readonly userId: number;
  readonly path: string;
  readonly state: PinState;
  readonly createdAtMs: number;
  readonly checkedAtMs: number | null;
}

/** The table `cache_pins`. */
export class PinRows {
  readonly #all: StatementSync;
  readonly #ofUser: StatementSync;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #drop: StatementSync;
  readonly #checked: StatementSync;
  readonly #users: StatementSync;
  readonly #below: StatementSync;
  readonly #move: StatementSync;
  readonly #dropBelow: StatementSync;

  constructor(store: Store) {
    this.#all = store.prepare('SELECT * FROM cache_pins ORDER BY user_id, path');
    this.#ofUser = store.prepare('SELECT * FROM cache_pins WHERE user_id = ? ORDER BY path');
    this.#find = store.prepare('SELECT * FROM cache_pins WHERE user_id = ? AND path = ?');
    this.#put = store.prepare(
      `INSERT INTO cache_pins (user_id, path, state, created_at_ms) VALUES (?, ?, 'unchecked', ?)
       ON CONFLICT (user_id, path) DO NOTHING`,
    );
    this.#drop = store.prepare('DELETE FROM cache_pins WHERE user_id = ? AND path = ?');
    this.#checked = store.prepare(
      'UPDATE cache_pins SET state = ?, checked_at_ms = ? WHERE user_id = ? AND path = ?',
    );
    this.#below = store.prepare(
      'SELECT * FROM cache_pins WHERE path = ? OR (path > ? AND path < ?) ORDER BY user_id, path',
    );
    this.#move = store.prepare(
      `UPDATE OR IGNORE cache_pins SET path = :to || substr(path, length(:from) + 1)
       WHERE path = :from OR (path > :low AND path < :high)`,
    );
    this.#dropBelow = store.prepare(
      'DELETE FROM cache_pins WHERE path = ? OR (path > ? AND path < ?)',
    );
    this.#users = store.prepare(
      `SELECT DISTINCT user_id FROM cache_pins WHERE state <> 'no_access' ORDER BY user_id`,
    );
  }

  all(): PinRow[] {
    return this.#all.all().map(pinOf);
  }

  ofUser(userId: number): PinRow[] {
    return this.#ofUser.all(userId).map(pinOf);
  }

  find(userId: number, path: string): PinRow | null {
    const row = this.#find.get(userId, path);
    return row === undefined ? null : pinOf(row);
  }

  /** Users who pin anything they may read. */
  users(): number[] {
    return this.#users.all().map((row) => Number(row['user_id']));
  }

  put(userId: number, path: string, nowMs: number): void {
    this.#put.run(userId, path, nowMs);
  }

  /** @returns whether there was one */
  drop(userId: number, path: string): boolean {
    return this.#drop.run(userId, path).changes > 0;
  }

  /** Everybody's at or below a path. */
  below(path: string): PinRow[] {
    const { low, high } = belowBounds(path);
    return this.#below.all(path, low, high).map(pinOf);
  }

  /** Moves everybody's pins at or below a path; a user who pins the target too keeps one. */
  move(from: string, to: string): void {
    const { low, high } = belowBounds(from);
    this.#move.run({ from, to, low, high });
    this.#dropBelow.run(from, low, high);
  }

  checked(pin: Pick<PinRow, 'userId' | 'path'>, state: PinState, atMs: number): void {
    this.#checked.run(state, atMs, pin.userId, pin.path);
  }
}

function pinOf(row: Record<string, SQLOutputValue>): PinRow {
  return {
    userId: Number(row['user_id']),
    path: String(row['path']),
    state: row['state'] as PinState,
    createdAtMs: Number(row['created_at_ms']),
    checkedAtMs: row['checked_at_ms'] === null ? null : Number(row['checked_at_ms']),
  };
}

/** A file below a pinned folder, as its user was last shown it. */
export interface PinnedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedAtText: string;
  readonly modifiedAtMs: number;
}

/** Files and bytes below a pin, and how far they are here. */
export interface PinCounts {
  readonly files: number;
  readonly sizeBytes: number;
  readonly keptFiles: number;
  readonly keptBytes: number;
  readonly pendingFiles: number;
  readonly pendingBytes: number;
  /** Over the user's share: not fetched, and no better protected than other entries. */
  readonly leftOutFiles: number;
}

/** A pinned file of a user, and whether it lies right where a change was. */
interface PinnedPlace extends PinnedFile {
  readonly userId: number;
  readonly folder: string;
}

/** Where a page of a user's pinned files ended, newest first. */
export type TimeCursor = Pick<PinnedFile, 'modifiedAtMs' | 'path'>;

export interface SharedFile extends PinnedFile {
  readonly folder: string;
  readonly wanted: boolean;
}

/** The most files of one user that are followed: a row each, and a household's photos fit. */
export const MOST_PINNED_FILES = 50_000;

const FILE = 'folder, path, size_bytes, modified_at, modified_at_ms, wanted, kept';
const AT_OR_BELOW = '(folder = ?1 OR (folder > ?2 AND folder < ?3))';
const BELOW = 'user_id = ?1 AND (folder = ?2 OR (folder > ?3 AND folder < ?4))';

/** The table `pinned_files`. Triggers keep its `kept` and the entries' `pinned` true. */
export class PinnedFileRows {
  readonly #store: Store;
  readonly #sql: ReturnType<typeof statements>;

  constructor(store: Store) {
    this.#store = store;
    this.#sql = statements(store);
  }

  /**
   * Notes what a folder holds now, in one transaction. What did not change costs no write.
   * @param files right in the folder
   */
  setFolder(userId: number, folder: string, files: readonly PinnedFile[]): void {
    const gone = new Map(this.inFolder(userId, folder).map((file) => [file.path, file]));
    this.#store.transaction(() => {
      for (const file of files) {
        const before = gone.get(file.path);
        gone.delete(file.path);
        const { path, sizeBytes, modifiedAtText, modifiedAtMs } = file;
        const isSame = before?.sizeBytes === sizeBytes && before.modifiedAtText === modifiedAtText;
        if (isSame) continue;
        this.#sql.put.run(userId, folder, path, sizeBytes, modifiedAtText, modifiedAtMs);
      }
      for (const path of gone.keys()) this.#sql.drop.run(userId, folder, path);
    });
  }

  inFolder(userId: number, folder: string): SharedFile[] {
    return this.#sql.inFolder.all(userId, folder).map(fileOf);
  }

  /** The folders below a pin that hold files, the pin itself included. */
  folders(userId: number, pin: string): string[] {
    return this.#sql.folders.all(userId, ...bounds(pin)).map((row) => String(row['folder']));
  }

  /** Forgets one folder's files, and with `deep` those below it. */
  dropFolder(userId: number, folder: string, deep = false): void {
    if (deep) this.#sql.dropBelow.run(userId, ...bounds(folder));
    else this.#sql.dropFolder.run(userId, folder);
  }

  /** Every user's row of exactly this file, which is gone. */
  takeOut(path: string): PinnedPlace[] {
    return this.#sql.takeOut.all(path).map((row) => ({
      ...fileOf(row),
      userId: Number(row['user_id']),
    }));
  }

  /** Notes one file more of a folder. */
  put(userId: number, folder: string, file: PinnedFile): void {
    const { path, sizeBytes, modifiedAtText, modifiedAtMs } = file;
    this.#sql.put.run(userId, folder, path, sizeBytes, modifiedAtText, modifiedAtMs);
  }

  /** Everybody's files in a folder and below it. @returns whose they were, each once */
  dropAll(folder: string): number[] {
    const rows = this.#sql.dropAll.all(...bounds(folder));
    return [...new Set(rows.map((row) => Number(row['user_id'])))];
  }

  /** Everybody's files in and below a folder now lie in another, of which nothing is known. */
  move(from: string, to: string): void {
    this.#sql.move.run({ from, to, ...belowBounds(from) });
  }

  /** The folders at and below one that hold anybody's files. */
  places(folder: string): { readonly userId: number; readonly folder: string }[] {
    return this.#sql.places
      .all(...bounds(folder))
      .map((row) => ({ userId: Number(row['user_id']), folder: String(row['folder']) }));
  }

  counts(userId: number, pin: string): PinCounts {
    return countsOf(this.#sql.counts.get(userId, ...bounds(pin)));
  }

  /** How many of a user's files there are, all pins together. */
  count(userId: number): number {
    return Number(this.#sql.count.get(userId)?.['count']);
  }

  /** Files of one user, or of all, that are wanted and not kept. Costs what waits. */
  pendingCount(userId: number | null): number {
    const row = userId === null ? this.#sql.pendingOfAll.get() : this.#sql.pending.get(userId);
    return Number(row?.['count']);
  }

  /** The newest files that wait to be fetched, after a cursor. */
  pendingPage(userId: number, after: TimeCursor | null, limit: number): SharedFile[] {
    const { modifiedAtMs, path } = after ?? { modifiedAtMs: Number.MAX_SAFE_INTEGER, path: '' };
    return this.#sql.pendingPage.all(userId, modifiedAtMs, path, limit).map(fileOf);
  }

  /** A user's files, newest first, after a cursor. */
  page(userId: number, after: TimeCursor | null, limit: number): SharedFile[] {
    const { modifiedAtMs, path } = after ?? { modifiedAtMs: Number.MAX_SAFE_INTEGER, path: '' };
    return this.#sql.page.all(userId, modifiedAtMs, path, limit).map(fileOf);
  }

  want(userId: number, files: readonly Pick<SharedFile, 'folder' | 'path'>[], on: boolean): void {
    if (files.length === 0) return;
    this.#store.transaction(() => {
      for (const { folder, path } of files) {
        this.#sql.want.run(Number(on), userId, folder, path);
      }
    });
  }

  /** Bytes of a user's files, all pins together. */
  bytes(userId: number): number {
    return Number(this.#sql.bytes.get(userId)?.['bytes'] ?? 0);
  }

  /** Bytes of the files that are wanted. */
  wantedBytes(userId: number): number {
    return Number(this.#sql.wantedBytes.get(userId)?.['bytes'] ?? 0);
  }
}

function statements(store: Store) {
  const sql = (text: string): StatementSync => store.prepare(text);
  return { ...writing(sql), ...counting(sql), ...paging(sql) };
}

function writing(sql: (text: string) => StatementSync) {
  return {
    put: sql(
      `INSERT INTO pinned_files
         (user_id, folder, path, size_bytes, modified_at, modified_at_ms)
       VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (user_id, folder, path) DO UPDATE SET size_bytes = excluded.size_bytes,
         modified_at = excluded.modified_at, modified_at_ms = excluded.modified_at_ms`,
    ),
    drop: sql('DELETE FROM pinned_files WHERE user_id = ? AND folder = ? AND path = ?'),
    dropFolder: sql('DELETE FROM pinned_files WHERE user_id = ? AND folder = ?'),
    dropBelow: sql(`DELETE FROM pinned_files WHERE ${BELOW}`),
    takeOut: sql(`DELETE FROM pinned_files WHERE path = ? RETURNING user_id, ${FILE}`),
    dropAll: sql(`DELETE FROM pinned_files WHERE ${AT_OR_BELOW} RETURNING user_id`),
    move: sql(
      `UPDATE pinned_files SET folder = :to || substr(folder, length(:from) + 1),
         path = :to || substr(path, length(:from) + 1)
       WHERE folder = :from OR (folder > :low AND folder < :high)`,
    ),
    want: sql(
      `UPDATE pinned_files SET wanted = ?1
       WHERE user_id = ?2 AND folder = ?3 AND path = ?4 AND wanted <> ?1`,
    ),
  };
}

function counting(sql: (text: string) => StatementSync) {
  return {
    counts: sql(
      `SELECT count(*) AS files, total(size_bytes) AS bytes,
         total(kept) AS kept, total(kept * size_bytes) AS kept_bytes,
         total(wanted AND NOT kept) AS pending,
         total((wanted AND NOT kept) * size_bytes) AS pending_bytes,
         total(NOT wanted) AS left_out
       FROM pinned_files WHERE ${BELOW}`,
    ),
    count: sql('SELECT count(*) AS count FROM pinned_files WHERE user_id = ?'),
    pending: sql(
      `SELECT count(*) AS count FROM pinned_files
       WHERE user_id = ? AND wanted = 1 AND kept = 0`,
    ),
    pendingOfAll: sql('SELECT count(*) AS count FROM pinned_files WHERE wanted = 1 AND kept = 0'),
    bytes: sql('SELECT total(size_bytes) AS bytes FROM pinned_files WHERE user_id = ?'),
    wantedBytes: sql(
      'SELECT total(size_bytes) AS bytes FROM pinned_files WHERE user_id = ? AND wanted = 1',
    ),
  };
}

function paging(sql: (text: string) => StatementSync) {
  return {
    places: sql(`SELECT DISTINCT user_id, folder FROM pinned_files WHERE ${AT_OR_BELOW}`),
    inFolder: sql(`SELECT ${FILE} FROM pinned_files WHERE user_id = ? AND folder = ?`),
    folders: sql(`SELECT DISTINCT folder FROM pinned_files WHERE ${BELOW}`),
    pendingPage: sql(
      `SELECT ${FILE} FROM pinned_files
       WHERE user_id = ? AND wanted = 1 AND kept = 0 AND (modified_at_ms, path) < (?, ?)
       ORDER BY modified_at_ms DESC, path DESC LIMIT ?`,
    ),
    page: sql(
      `SELECT ${FILE} FROM pinned_files
       WHERE user_id = ? AND (modified_at_ms, path) < (?, ?)
       ORDER BY modified_at_ms DESC, path DESC LIMIT ?`,
    ),
  };
}

function bounds(folder: string): [string, string, string] {
  const { low, high } = belowBounds(folder);
  return [folder, low, high];
}

function fileOf(row: Record<string, SQLOutputValue>): SharedFile {
  const path = String(row['path']);
  return {
    path,
    folder: String(row['folder']),
    sizeBytes: Number(row['size_bytes']),
    modifiedAtText: String(row['modified_at']),
    modifiedAtMs: Number(row['modified_at_ms']),
    wanted: row['wanted'] === 1,
  };
}

function countsOf(row: Record<string, SQLOutputValue> | undefined): PinCounts {
  const number = (name: string): number => Number(row?.[name] ?? 0);
  return {
    files: number('files'),
    sizeBytes: number('bytes'),
    keptFiles: number('kept'),
    keptBytes: number('kept_bytes'),
    pendingFiles: number('pending'),
    pendingBytes: number('pending_bytes'),
    leftOutFiles: number('left_out'),
  };
}

/** Entries below one folder of the root: somebody's home, or Shared. */
export interface Held {
  readonly files: number;
  readonly bytes: number;
}

/** An entry that was fetched before anybody asked, and that nobody has read yet. */
export interface UnreadEntry {
  readonly path: string;
  readonly sizeBytes: number;
  readonly ownerId: string | null;
  readonly fetchedAtMs: number;
}

/** Rows summed at a time: a few milliseconds on a Pi. */
const SLICE = 2_000;

const TOP = "iif(instr(path, '/') = 0, '', substr(path, 1, instr(path, '/') - 1))";

/** Cache contents by owner: `cached_files`, `pieced_files`, `prefetched_copies`. */
export class HeldRows {
  readonly #slices: readonly StatementSync[];
  readonly #ends: readonly StatementSync[];
  readonly #unread: StatementSync;
  readonly #unreadSum: StatementSync;

  constructor(store: Store) {
    const tables = [
      ['cached_files', 'size_bytes'],
      ['pieced_files', 'held_bytes'],
    ] as const;
    this.#slices = tables.map(([table, bytes]) =>
      store.prepare(`
        SELECT ${TOP} AS top, count(*) AS files, sum(${bytes}) AS bytes FROM (
          SELECT path, ${bytes} FROM ${table} WHERE id > ? ORDER BY id LIMIT ${SLICE})
        GROUP BY top`),
    );
    this.#ends = tables.map(([table]) =>
      store.prepare(`SELECT id FROM ${table} WHERE id > ? ORDER BY id LIMIT 1 OFFSET ${SLICE - 1}`),
    );
    const unread = `FROM prefetched_copies AS ahead JOIN cached_files AS copy ON copy.id = copy_id
      WHERE (:user IS NULL OR user_id = :user)`;
    this.#unread = store.prepare(`
      SELECT path, size_bytes, owner_id, created_at_ms ${unread} ORDER BY copy_id DESC LIMIT :limit`);
    this.#unreadSum = store.prepare(
      `SELECT count(*) AS files, coalesce(sum(size_bytes), 0) AS bytes ${unread}`,
    );
  }

  /** By the first folder of their paths, in slices, as there may be very many. */
  *byTop(): Generator<ReadonlyMap<string, Held>> {
    for (const [table, slice] of this.#slices.entries()) {
      for (let afterId: number | null = 0; afterId !== null;) {
        const rows = slice.all(afterId);
        yield new Map(
          rows.map((row) => [
            String(row['top']),
            { files: Number(row['files']), bytes: Number(row['bytes']) },
          ]),
        );
        const end: unknown = this.#ends[table]?.get(afterId)?.['id'];
        afterId = typeof end === 'number' ? end : null;
      }
    }
  }

  /** The newest first. @param userId null for everybody's */
  unread(userId: number | null, limit: number): UnreadEntry[] {
    return this.#unread.all({ user: userId, limit }).map((row) => ({
      path: String(row['path']),
      sizeBytes: Number(row['size_bytes']),
      ownerId: typeof row['owner_id'] === 'string' ? row['owner_id'] : null,
      fetchedAtMs: Number(row['created_at_ms']),
    }));
  }

  unreadSum(userId: number | null): Held {
    const row = this.#unreadSum.get({ user: userId });
    return { files: Number(row?.['files']), bytes: Number(row?.['bytes']) };
  }
}
