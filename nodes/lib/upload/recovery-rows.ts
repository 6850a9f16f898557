import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { toUploadRow, type UploadRow } from './upload-row.ts';
import { FOUND_WAITING, FREED } from './upload-states.ts';

/** `upload_queue` as far as it speaks of files on the disk and of processes that died. */
export class RecoveryRows {
  readonly #store: Store;
  readonly #withBytesAfter: StatementSync;
  readonly #markLost: StatementSync;
  readonly #lost: StatementSync;
  readonly #takeBack: StatementSync;
  readonly #countLost: StatementSync;
  readonly #releaseLeases: StatementSync;
  readonly #intentOf: StatementSync;
  readonly #bytesGone: StatementSync;
  readonly #isIntentNeeded: StatementSync;
  readonly #setIntent: StatementSync;
  readonly #withoutIntent: StatementSync;
  readonly #setDelivered: StatementSync;
  readonly #addConflict: StatementSync;
  readonly #countFound: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#withBytesAfter = store.prepare(
      'SELECT * FROM upload_queue WHERE has_bytes = 1 AND seq > ? ORDER BY seq LIMIT 500',
    );
    this.#markLost = store.prepare(`
      UPDATE upload_queue SET state = 'failed', lost = 1, has_bytes = 0, detail = ?,
        lease_owner = NULL, lease_until_tick_ms = NULL, next_attempt_ms = NULL WHERE id = ?`);
    this.#lost = store.prepare('SELECT * FROM upload_queue WHERE lost = 1 ORDER BY seq');
    this.#takeBack = store.prepare(`
      UPDATE upload_queue SET state = ?, detail = ?, found = 1, lost = 0, has_bytes = 1,
        intent_file = NULL, due_tick_ms = 0 WHERE id = ?`);
    this.#countLost = store.prepare('SELECT count(*) AS n FROM upload_queue WHERE lost = 1');
    this.#releaseLeases = store.prepare(`
      UPDATE upload_queue SET lease_owner = NULL, lease_until_tick_ms = NULL, ${FREED}`);
    this.#intentOf = store.prepare('SELECT intent_file FROM upload_queue WHERE id = ?');
    this.#bytesGone = store.prepare(`
      UPDATE upload_queue SET has_bytes = 0, intent_file = NULL WHERE id = ?`);
    this.#isIntentNeeded = store.prepare(`
      SELECT 1 FROM upload_queue WHERE intent_file = ? LIMIT 1`);
    this.#setIntent = store.prepare('UPDATE upload_queue SET intent_file = ? WHERE id = ?');
    this.#withoutIntent = store.prepare(`
      SELECT * FROM upload_queue WHERE has_bytes = 1 AND intent_file IS NULL
        AND state NOT IN ('synced', 'conflict') ORDER BY seq LIMIT 500`);
    this.#setDelivered = store.prepare(`
      UPDATE upload_queue SET state = iif(path = :path, 'synced', 'conflict'), found = 0,
        detail = NULL, delivered_path = :path, synced_at_ms = :at, next_attempt_ms = NULL
      WHERE id = :id`);
    this.#addConflict = store.prepare(`
      INSERT INTO conflicts
        (upload_id, user_id, path, conflict_path, size_bytes, sha256, found_at_ms)
      SELECT id, user_id, path, :path, size_bytes, sha256, :at FROM upload_queue
      WHERE id = :id AND path <> :path
        AND NOT EXISTS (SELECT 1 FROM conflicts WHERE upload_id = :id)`);
    this.#countFound = store.prepare(`
      SELECT (SELECT count(*) FROM upload_queue WHERE state IN ('found', '${FOUND_WAITING}'))
        + (SELECT count(*) FROM queued_changes WHERE state IN ('found', '${FOUND_WAITING}')) AS n`);
  }

  /** Up to 500 rows whose file should lie on the disk, oldest first. */
  withBytesAfter(seq: number): readonly UploadRow[] {
    return this.#withBytesAfter.all(seq).map(toUploadRow);
  }

  markLost(id: string, detail: string): void {
    this.#markLost.run(detail, id);
  }

  lost(): readonly UploadRow[] {
    return this.#lost.all().map(toUploadRow);
  }

  /** Its bytes are here again; its intent is written anew. */
  takeBack(id: string, state: string, detail: string | null): void {
    this.#takeBack.run(state, detail, id);
  }

  countLost(): number {
    return Number(this.#countLost.get()?.['n']);
  }

  /** A new process: what the last one was at is free again. */
  releaseLeases(): void {
    this.#releaseLeases.run();
  }

  /**
   * In one commit.
   * @returns files of intents that no row needs any more
   */
  bytesGone(ids: readonly string[]): readonly string[] {
    if (ids.length === 0) return [];
    return this.#store.transaction(() => {
      const files = new Set<string>();
      for (const id of ids) {
        const file = this.#intentOf.get(id)?.['intent_file'];
        if (typeof file === 'string') files.add(file);
        this.#bytesGone.run(id);
      }
      return [...files].filter((file) => this.#isIntentNeeded.get(file) === undefined);
    });
  }

  /** Up to 500 rows that an older BaluPi accepted without writing their intent. */
  withoutIntent(): readonly UploadRow[] {
    return this.#withoutIntent.all().map(toUploadRow);
  }

  setIntent(ids: readonly string[], file: string): void {
    this.#store.transaction(() => {
      for (const id of ids) this.#setIntent.run(file, id);
    });
  }

  /** Its end says so, though this row, of an older copy, did not know yet. */
  setDelivered({ id }: UploadRow, path: string, atMs: number): void {
    this.#store.transaction(() => {
      this.#setDelivered.run({ id, path, at: atMs });
      this.#addConflict.run({ id, path, at: atMs });
    });
  }

  /** Rebuilt uploads and changes that are not on the NAS yet. */
  countFound(): number {
    return Number(this.#countFound.get()?.['n']);
  }

  transaction<T>(work: () => T): T {
    return this.#store.transaction(work);
  }
}
