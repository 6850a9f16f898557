import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import type { UploadRow } from './upload-row.ts';
import { FROZEN, IN_LINE, IS_FROZEN } from './upload-states.ts';

/** `upload_queue` as far as rows are taken out of it before they were delivered. */
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
   * A row on its way stays where it is from now on, so that its end can be written down before it
   * goes.
   * @returns false while it is being sent
   */
  freeze(id: string): boolean {
    return this.#freeze.run(id).changes > 0;
  }

  /** Its end could not be written: it goes on as before. */
  thaw(id: string): void {
    this.#thaw.run(id);
  }

  /** {@link take} in a transaction of its own. */
  drop(row: UploadRow): boolean {
    return this.#store.transaction(() => this.take(row));
  }

  /**
   * Takes a row out. The version after it inherits what this one stood on: its content where it
   * was delivered, else its own base. Inside the caller's transaction.
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
