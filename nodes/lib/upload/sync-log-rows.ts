import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import type { UploadRow } from './upload-row.ts';

const DAY_MS = 86_400_000;
/** Contract 4: every attempt is told for 90 days. */
const KEPT_DAYS = 90;
/** One slice. */
const MOST_PRUNED = 1_000;

/** `sync_log`: every attempt to deliver, and how it ended. Also ends what is long done. */
export class SyncLogRows {
  readonly #insert: StatementSync;
  readonly #prune: StatementSync;
  readonly #pruneDone: StatementSync;

  constructor(store: Store) {
    this.#insert = store.prepare(`
      INSERT INTO sync_log (upload_id, user_id, attempt, at_ms, outcome, detail)
      VALUES (?, ?, ?, ?, ?, ?)`);
    this.#prune = store.prepare(`
      DELETE FROM sync_log WHERE id IN (
        SELECT id FROM sync_log WHERE at_ms < ? ORDER BY at_ms LIMIT ${MOST_PRUNED})`);
    this.#pruneDone = store.prepare(`
      DELETE FROM upload_queue WHERE seq IN (
        SELECT q.seq FROM upload_queue q INDEXED BY upload_queue_by_synced
        WHERE q.synced_at_ms < ? AND q.state = 'synced' AND q.has_bytes = 0
          AND NOT EXISTS (SELECT 1 FROM upload_queue n WHERE n.base_upload_id = q.id
            AND n.state NOT IN ('synced', 'conflict'))
        ORDER BY q.synced_at_ms LIMIT ${MOST_PRUNED})`);
  }

  /** Of an upload, or of a queued change. */
  add(
    row: Pick<UploadRow, 'id' | 'userId' | 'attempts'>,
    outcome: string,
    detail: string | null,
    nowMs: number,
  ): void {
    this.#insert.run(row.id, row.userId, row.attempts, nowMs, outcome, detail);
  }

  /**
   * Forgets a slice of the attempts and delivered rows that are older than 90 days.
   * @returns whether there may be more
   */
  prune(nowMs: number): boolean {
    const attempts = this.#prune.run(nowMs - KEPT_DAYS * DAY_MS).changes;
    const rows = this.#pruneDone.run(nowMs - KEPT_DAYS * DAY_MS).changes;
    return Number(attempts) === MOST_PRUNED || Number(rows) === MOST_PRUNED;
  }
}
