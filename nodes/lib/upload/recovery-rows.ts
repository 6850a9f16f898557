import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { toUploadRow, type UploadRow } from './upload-row.ts';
import { IN_LINE, UNFINISHED } from './upload-states.ts';

/** `upload_queue` as far as it speaks of files on the disk and of processes that died. */
export class RecoveryRows {
  readonly #store: Store;
  readonly #withBytesAfter: StatementSync;
  readonly #markLost: StatementSync;
  readonly #countLost: StatementSync;
  readonly #releaseLeases: StatementSync;
  readonly #bytesGone: StatementSync;
  readonly #holdUploads: StatementSync;
  readonly #handOff: readonly StatementSync[];
  readonly #forgetRequests: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#withBytesAfter = store.prepare(
      'SELECT * FROM upload_queue WHERE has_bytes = 1 AND seq > ? ORDER BY seq LIMIT 500',
    );
    this.#markLost = store.prepare(`
      UPDATE upload_queue SET state = 'failed', lost = 1, has_bytes = 0, detail = ?,
        lease_owner = NULL, lease_until_tick_ms = NULL, next_attempt_ms = NULL WHERE id = ?`);
    this.#countLost = store.prepare('SELECT count(*) AS n FROM upload_queue WHERE lost = 1');
    this.#releaseLeases = store.prepare(`
      UPDATE upload_queue SET due_tick_ms = 0, next_attempt_ms = NULL, lease_owner = NULL,
        lease_until_tick_ms = NULL, state = iif(state = 'sending', ${IN_LINE}, state)
      WHERE state IN ('sending', 'waiting')`);
    this.#bytesGone = store.prepare('UPDATE upload_queue SET has_bytes = 0 WHERE id = ?');
    this.#holdUploads = store.prepare(`
      UPDATE upload_queue SET state = 'held', detail = 'Its user ' || username || ' is gone.',
        next_attempt_ms = NULL, lease_owner = NULL, lease_until_tick_ms = NULL
      WHERE user_id = ? AND state IN ${UNFINISHED}`);
    this.#handOff = ['upload_queue', 'conflicts', 'kept_bytes', 'resumable_uploads'].map((table) =>
      store.prepare(`UPDATE ${table} SET user_id = -user_id WHERE user_id = ?`),
    );
    this.#forgetRequests = store.prepare('DELETE FROM upload_requests WHERE user_id = ?');
  }

  /** Up to 500 rows whose file should lie on the disk, oldest first. */
  withBytesAfter(seq: number): readonly UploadRow[] {
    return this.#withBytesAfter.all(seq).map(toUploadRow);
  }

  markLost(id: string, detail: string): void {
    this.#markLost.run(detail, id);
  }

  countLost(): number {
    return Number(this.#countLost.get()?.['n']);
  }

  /** What a process that died had claimed is free again, and every wait begins anew. */
  releaseLeases(): void {
    this.#releaseLeases.run();
  }

  /** In one commit. */
  bytesGone(ids: readonly string[]): void {
    if (ids.length === 0) return;
    this.#store.transaction(() => {
      for (const id of ids) this.#bytesGone.run(id);
    });
  }

  /**
   * Takes all of a person who is gone out of the way of who has their id now: no id of the NAS is
   * below 0.
   * @returns how many uploads are held
   */
  hold(userId: number): number {
    return this.#store.transaction(() => {
      const held = this.#holdUploads.run(userId).changes;
      for (const handOff of this.#handOff) handOff.run(userId);
      this.#forgetRequests.run(userId);
      return Number(held);
    });
  }
}
