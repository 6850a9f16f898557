import type { StatementSync } from 'node:sqlite';
import { belowBounds } from '../files/files.ts';
import type { Store } from '../store/store.ts';
import { toUploadRow, type UploadRow } from './upload-row.ts';
import { UNFINISHED } from './upload-states.ts';

/** Rows that are taken at once: each needs an intent of its own. */
const AT_ONCE = 500;

const WITHIN = (column: string): string =>
  `(${column} = :from OR (${column} > :low AND ${column} < :high))`;
const MOVED = (column: string): string => `:to || substr(${column}, length(:from) + 1)`;

/** `upload_queue`, `conflicts` and `resumable_uploads` by places of the NAS that changed. */
export class ChangedRows {
  readonly #store: Store;
  readonly #within: StatementSync;
  readonly #ofUser: StatementSync;
  readonly #place: StatementSync;
  readonly #moves: readonly StatementSync[];
  readonly #others: readonly StatementSync[];
  readonly #settled: StatementSync;
  readonly #closed: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#within = store.prepare(`
      SELECT * FROM upload_queue WHERE seq > :after AND seq <= :mark AND ${WITHIN('path')}
        AND (state IN ${UNFINISHED} OR state = 'held') ORDER BY seq LIMIT ${AT_ONCE}`);
    this.#ofUser = store.prepare(`
      SELECT * FROM upload_queue WHERE user_id = :user AND seq > :after AND seq <= :mark
        AND ${WITHIN('path')} AND state IN ${UNFINISHED} ORDER BY seq LIMIT ${AT_ONCE}`);
    this.#place = store.prepare(`
      UPDATE upload_queue SET path = ?, second_path = ?, folder = ?, filename = ?, intent_file = ?
      WHERE id = ?`);
    this.#moves = [
      `UPDATE upload_queue SET conflict_path = ${MOVED('conflict_path')}
       WHERE seq <= :mark AND conflict_path IS NOT NULL AND ${WITHIN('conflict_path')}
         AND (state IN ${UNFINISHED} OR state = 'conflict')`,
      `UPDATE upload_queue SET delivered_path = ${MOVED('delivered_path')}
       WHERE seq <= :mark AND state = 'conflict' AND ${WITHIN('delivered_path')}`,
      `UPDATE upload_queue SET path = ${MOVED('path')}, folder = ${MOVED('folder')}
       WHERE seq <= :mark AND state = 'conflict' AND ${WITHIN('folder')}`,
    ].map((sql) => store.prepare(sql));
    this.#others = [
      `UPDATE conflicts SET path = ${MOVED('path')}
       WHERE resolution IS NULL AND ${WITHIN('path')}`,
      `UPDATE conflicts SET conflict_path = ${MOVED('conflict_path')}
       WHERE resolution IS NULL AND ${WITHIN('conflict_path')}`,
      `UPDATE conflicts SET swap_path = ${MOVED('swap_path')}
       WHERE resolution IS NULL AND ${WITHIN('swap_path')}`,
      `UPDATE resumable_uploads SET folder = ${MOVED('folder')}
       WHERE ${WITHIN('folder')}`,
    ].map((sql) => store.prepare(sql));
    this.#settled = store.prepare(`
      UPDATE upload_queue SET state = 'synced' WHERE state = 'conflict' AND id IN (
        SELECT upload_id FROM conflicts WHERE resolution IS NULL AND ${WITHIN('conflict_path')})`);
    this.#closed = store.prepare(`
      UPDATE conflicts SET resolution = 'renamed', resolved_at_ms = :at, swap_path = NULL
      WHERE resolution IS NULL AND ${WITHIN('conflict_path')}`);
  }

  /** Up to 500 rows of anybody at or below a path that are not on the NAS, oldest first. */
  within(from: string, after: number, mark: number): readonly UploadRow[] {
    return this.#within.all({ from, after, mark, ...belowBounds(from) }).map(toUploadRow);
  }

  /** As {@link within}, of one user. */
  ofUser(userId: number, from: string, after: number, mark: number): readonly UploadRow[] {
    const bounds = { from, after, mark, ...belowBounds(from) };
    return this.#ofUser.all({ user: userId, ...bounds }).map(toUploadRow);
  }

  /**
   * These rows lie elsewhere from now on, as their new intents tell.
   * @param intentFile null for rows that have none
   */
  place(rows: readonly UploadRow[], intentFile: string | null): void {
    this.#store.transaction(() => {
      for (const { id, path, secondPath, folder, filename } of rows) {
        this.#place.run(path, secondPath, folder, filename, intentFile, id);
      }
    });
  }

  /** What else of the queue speaks of places at or below a path: conflicts, unfinished uploads. */
  moved(from: string, to: string, mark: number): void {
    const places = { from, to, ...belowBounds(from) };
    this.#store.transaction(() => {
      for (const move of this.#moves) move.run({ ...places, mark });
      for (const move of this.#others) move.run(places);
    });
  }

  /** Conflict copies at or below a path are gone from the NAS: there is nothing left to settle. */
  gone(from: string, nowMs: number): void {
    this.#store.transaction(() => {
      this.#settled.run({ from, ...belowBounds(from) });
      this.#closed.run({ from, at: nowMs, ...belowBounds(from) });
    });
  }
}
