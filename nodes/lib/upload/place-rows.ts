import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { toUploadRow, type UploadRow } from './upload-row.ts';
import { UNDELIVERED } from './upload-states.ts';

/** More versions of one path on their way than anybody saves. */
const MOST_VERSIONS = 200;

/** `upload_queue` by places: which versions meet at one, and what its folder lets in. */
export class PlaceRows {
  readonly #branches: StatementSync;
  readonly #fileQueued: StatementSync;
  readonly #newestSeq: StatementSync;
  readonly #foldersNeeded: StatementSync;
  readonly #requeueInto: StatementSync;

  constructor(store: Store) {
    this.#branches = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = :user AND path = :path AND second_path IS :second
        AND (state IN ${UNDELIVERED} OR (state = 'conflict' AND id IN (
          SELECT upload_id FROM conflicts
          WHERE user_id = :user AND path = :path AND resolution IS NULL)))
      ORDER BY seq DESC LIMIT ${MOST_VERSIONS}`);
    this.#fileQueued = store.prepare(`
      SELECT 1 FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = ? AND path = ? AND second_path IS NULL AND state IN ${UNDELIVERED} LIMIT 1`);
    this.#newestSeq = store.prepare('SELECT max(seq) AS seq FROM upload_queue');
    this.#foldersNeeded = store.prepare(`
      SELECT DISTINCT folder FROM upload_queue INDEXED BY upload_queue_needing_folder
      WHERE user_id = ? AND needs_folder = 1`);
    this.#requeueInto = store.prepare(`
      UPDATE upload_queue SET state = 'queued', detail = NULL, due_tick_ms = 0, needs_folder = 0
      WHERE user_id = ? AND folder = ? AND needs_folder = 1 AND state = 'failed'
        AND has_bytes = 1`);
  }

  /**
   * The versions of exactly this target that are on their way, and those beside it that nobody
   * settled; newest first.
   */
  branchesOf(userId: number, path: string, secondPath: string | null): readonly UploadRow[] {
    return this.#branches.all({ user: userId, path, second: secondPath }).map(toUploadRow);
  }

  /** Whether a file of that user is on its way to that very place. */
  isFileQueued(userId: number, path: string): boolean {
    return this.#fileQueued.get(userId, path) !== undefined;
  }

  /** The newest of all rows; 0 where there is none. */
  newestSeq(): number {
    return Number(this.#newestSeq.get()?.['seq'] ?? 0);
  }

  /** Folders that refused uploads of that user, each once. */
  foldersNeeded(userId: number): readonly string[] {
    return this.#foldersNeeded.all(userId).map((raw) => String(raw['folder']));
  }

  /**
   * What a folder refused goes on its way again.
   * @returns whether there was anything
   */
  requeueInto(userId: number, folder: string): boolean {
    return this.#requeueInto.run(userId, folder).changes > 0;
  }
}
