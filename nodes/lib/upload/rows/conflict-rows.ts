import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../store/store.ts';
import {
  FROZEN,
  IN_LINE,
  IS_FROZEN,
  textOf,
  UNDELIVERED,
  type UploadRow,
  type UploadRows,
} from './upload-rows.ts';

const RESOLUTIONS = ['renamed', 'local', 'remote'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

/** An upload delivered under a conflict name because its target had changed. */
export interface Conflict {
  readonly id: number;
  readonly uploadId: string;
  readonly userId: number;
  readonly path: string;
  /** Where the upload lies. */
  readonly conflictPath: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly foundAtMs: number;
  readonly resolution: Resolution | null;
  /** Where the other version is during the swap; null otherwise. */
  readonly swapPath: string | null;
}

/** More than anybody decides on; the newest come first. */
const LONGEST_LIST = 1_000;

/** `conflicts`, as people see and resolve them. */
export class ConflictRows {
  readonly #store: Store;
  readonly #uploads: UploadRows;
  readonly #drops: DropRows;
  readonly #open: StatementSync;
  readonly #byId: StatementSync;
  readonly #swap: StatementSync;
  readonly #resolve: StatementSync;
  readonly #inPlace: StatementSync;
  readonly #beside: StatementSync;
  readonly #pathBusy: StatementSync;

  constructor(store: Store, uploads: UploadRows, drops: DropRows) {
    this.#store = store;
    this.#uploads = uploads;
    this.#drops = drops;
    this.#open = store.prepare(`
      SELECT * FROM conflicts WHERE user_id = ? AND resolution IS NULL
      ORDER BY id DESC LIMIT ${LONGEST_LIST}`);
    this.#byId = store.prepare('SELECT * FROM conflicts WHERE id = ?');
    this.#swap = store.prepare('UPDATE conflicts SET swap_path = ? WHERE id = ?');
    this.#resolve = store.prepare(`
      UPDATE conflicts SET resolution = ?, resolved_at_ms = ?, swap_path = NULL WHERE id = ?`);
    this.#inPlace = store.prepare(
      `UPDATE upload_queue SET state = 'synced', delivered_path = path WHERE id = ?`,
    );
    this.#beside = store.prepare(
      `UPDATE upload_queue SET state = 'synced' WHERE id = ? AND state = 'conflict'`,
    );
    this.#pathBusy = store.prepare(`
      SELECT 1 FROM upload_queue WHERE (path IN (:a, :b) OR conflict_path IN (:a, :b))
        AND state IN ${UNDELIVERED} LIMIT 1`);
  }

  /** A user's open conflicts, newest first. */
  openOf(userId: number): readonly Conflict[] {
    return this.#open.all(userId).map(toConflict);
  }

  byId(id: number): Conflict | null {
    const raw = this.#byId.get(id);
    return raw === undefined ? null : toConflict(raw);
  }

  /** Whether an upload of anybody's is on its way to either place. */
  isBusy(conflict: Conflict): boolean {
    return this.#pathBusy.get({ a: conflict.path, b: conflict.conflictPath }) !== undefined;
  }

  setSwapPath(id: number, path: string | null): void {
    this.#swap.run(path, id);
  }

  /**
   * Closes a conflict. Its upload counts as delivered from now on, to its own path or the conflict
   * name; if it was taken off the NAS, its row is deleted.
   */
  resolve(conflict: Conflict, resolution: Resolution, nowMs: number): void {
    const { id, uploadId } = conflict;
    this.#store.transaction(() => {
      this.#resolve.run(resolution, nowMs, id);
      if (resolution === 'local') this.#inPlace.run(uploadId);
      if (resolution === 'renamed') this.#beside.run(uploadId);
      if (resolution === 'remote') this.#takeOut(uploadId);
    });
  }

  #takeOut(uploadId: string): void {
    const row = this.#uploads.byId(uploadId);
    if (row !== null) this.#drops.take(row);
  }
}

function toConflict(raw: Readonly<Record<string, unknown>>): Conflict {
  return {
    id: Number(raw['id']),
    uploadId: String(raw['upload_id']),
    userId: Number(raw['user_id']),
    path: String(raw['path']),
    conflictPath: String(raw['conflict_path']),
    sizeBytes: Number(raw['size_bytes']),
    sha256: String(raw['sha256']),
    foundAtMs: Number(raw['found_at_ms']),
    resolution: RESOLUTIONS.find((known) => known === raw['resolution']) ?? null,
    swapPath: textOf(raw['swap_path']),
  };
}

/** Contract 4: what was removed or not delivered stays on the Pi for 30 days. */
export const KEPT_MS = 30 * 86_400_000;

/** Bytes of a conflict copy that was taken off the NAS, or of an upload that was not delivered. */
interface Kept {
  readonly id: string;
  /** 0: of an upload that its user deleted before it was delivered. */
  readonly conflictId: number;
  readonly userId: number;
  /** Where they lay on the NAS. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly keptUntilMs: number;
}

/** `kept_bytes`. */
export class ConflictBackupRows {
  readonly #insert: StatementSync;
  readonly #has: StatementSync;
  readonly #ofConflict: StatementSync;
  readonly #over: StatementSync;
  readonly #shorten: StatementSync;
  readonly #delete: StatementSync;

  constructor(store: Store) {
    this.#insert = store.prepare(`
      INSERT INTO kept_bytes (id, conflict_id, user_id, path, size_bytes, sha256, kept_until_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?)`);
    this.#has = store.prepare('SELECT 1 FROM kept_bytes WHERE id = ?');
    this.#ofConflict = store.prepare(
      'SELECT sha256 FROM kept_bytes WHERE conflict_id = ? AND sha256 = ? AND size_bytes = ?',
    );
    this.#over = store.prepare('SELECT id FROM kept_bytes WHERE kept_until_ms <= ? LIMIT 100');
    this.#shorten = store.prepare(
      'UPDATE kept_bytes SET kept_until_ms = ? WHERE kept_until_ms > ?',
    );
    this.#delete = store.prepare('DELETE FROM kept_bytes WHERE id = ?');
  }

  insert(kept: Kept): void {
    const { id, conflictId, userId, path, sizeBytes, sha256, keptUntilMs } = kept;
    this.#insert.run(id, conflictId, userId, path, sizeBytes, sha256, keptUntilMs);
  }

  has(id: string): boolean {
    return this.#has.get(id) !== undefined;
  }

  /** Whether exactly that content of a conflict is kept already. */
  holds(conflictId: number, sha256: string, sizeBytes: number): boolean {
    return this.#ofConflict.get(conflictId, sha256, sizeBytes) !== undefined;
  }

  /** None is kept longer: such a row was written while the clock was ahead. */
  keepNoLonger(untilMs: number): void {
    this.#shorten.run(untilMs, untilMs);
  }

  /** Up to 100 ids that have expired. */
  over(nowMs: number): readonly string[] {
    return this.#over.all(nowMs).map((raw) => String(raw['id']));
  }

  delete(id: string): void {
    this.#delete.run(id);
  }
}

/** `upload_queue`, as far as rows are removed before they were delivered. */
export class DropRows {
  readonly #store: Store;
  readonly #freeze: StatementSync;
  readonly #thaw: StatementSync;
  readonly #inherit: StatementSync;
  readonly #delete: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#freeze = store.prepare(`
      UPDATE upload_queue SET ${FROZEN} WHERE id = ? AND state <> 'sending'`);
    this.#thaw = store.prepare(`
      UPDATE upload_queue SET state = ${IN_LINE}, detail = NULL, due_tick_ms = 0
      WHERE id = ? AND ${IS_FROZEN}`);
    this.#inherit = store.prepare(`
      UPDATE upload_queue SET base_source = ?, base_upload_id = ?, base_size_bytes = ?,
        base_modified_at = ?, base_checksum = ? WHERE base_upload_id = ?`);
    this.#delete = store.prepare(`DELETE FROM upload_queue WHERE id = ? AND state <> 'sending'`);
  }

  /**
   * Freezes a pending row, so that its end can be written before it is deleted.
   * @returns false while it is being sent
   */
  freeze(id: string): boolean {
    return this.#freeze.run(id).changes > 0;
  }

  /** Its end could not be written: it continues as before. */
  thaw(id: string): void {
    this.#thaw.run(id);
  }

  /** {@link take} in a transaction of its own. */
  drop(row: UploadRow): boolean {
    return this.#store.transaction(() => this.take(row));
  }

  /**
   * Removes a row. The next version inherits its base: its content where it was delivered, else its
   * own base. Inside the caller's transaction.
   * @returns false while it is being sent
   */
  take(row: UploadRow): boolean {
    if (this.#delete.run(row.id).changes === 0) return false;
    if (row.state === 'synced') {
      this.#inherit.run('own', null, row.sizeBytes, null, row.sha256, row.id);
      return true;
    }
    const { source, uploadId, sizeBytes, modifiedAt, checksum } = row.base;
    this.#inherit.run(source, uploadId, sizeBytes, modifiedAt, checksum, row.id);
    return true;
  }
}
