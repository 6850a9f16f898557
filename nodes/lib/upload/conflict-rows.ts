import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import type { DropRows } from './drop-rows.ts';
import { textOf } from './upload-row.ts';
import type { UploadRows } from './upload-rows.ts';
import { UNDELIVERED } from './upload-states.ts';

export const RESOLUTIONS = ['renamed', 'local', 'remote'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

/** An upload that went beside its target because that had changed. */
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
  /** Where the other version lies while the two change places; null when they do not. */
  readonly swapPath: string | null;
}

/** More than anybody decides on; the newest come first. */
const LONGEST_LIST = 1_000;

/** `conflicts`, as people see and settle them. */
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
   * Closes a conflict. Its upload is delivered from now on, to its own place or beside it; where it
   * was taken off the NAS, its row goes.
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
