import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { toUploadRow, type NewUpload, type UploadRow } from './upload-row.ts';
import { FOUND_WAITING, REQUEUABLE, UNFINISHED } from './upload-states.ts';

/** Where a new row begins. */
export interface InsertedAs {
  readonly state: 'queued' | 'found' | typeof FOUND_WAITING | 'held';
  readonly found: boolean;
  readonly detail: string | null;
}

const QUEUED: InsertedAs = { state: 'queued', found: false, detail: null };

/** An earlier request that came with the same Idempotency-Key. */
export interface EarlierRequest {
  readonly bodyHash: string;
  /** As {@link UploadRows.insertRequest} was given it. */
  readonly filesJson: string;
}

/** `upload_queue` and `upload_requests`, as far as accepting needs them. */
export class UploadRows {
  readonly #store: Store;
  readonly #insert: StatementSync;
  readonly #byId: StatementSync;
  readonly #newestFor: StatementSync;
  readonly #lastSynced: StatementSync;
  readonly #requeue: StatementSync;
  readonly #request: StatementSync;
  readonly #insertRequest: StatementSync;
  readonly #forgetRequests: StatementSync;
  readonly #isIntentNeeded: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#insert = store.prepare(`
      INSERT INTO upload_queue (id, user_id, username, folder, filename, path, second_path,
        size_bytes, sha256, base_source, base_upload_id, base_size_bytes, base_modified_at,
        base_checksum, created_at_ms, owner_created_at, device, agent, sent_name, state, found,
        detail, intent_file)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#byId = store.prepare('SELECT * FROM upload_queue WHERE id = ?');
    this.#newestFor = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = ? AND path = ? AND second_path IS ? AND has_bytes = 1
        AND state IN ${UNFINISHED}
      ORDER BY seq DESC LIMIT 1`);
    this.#lastSynced = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = ? AND path = ? AND state = 'synced' 
        AND coalesce(delivered_path, path) = path ORDER BY seq DESC LIMIT 1`);
    this.#requeue = store.prepare(`
      UPDATE upload_queue SET state = 'queued', found = 0, detail = NULL, resends = 0, due_tick_ms = 0,
        needs_folder = 0, next_attempt_ms = NULL, lease_owner = NULL, lease_until_tick_ms = NULL
      WHERE id = ? AND has_bytes = 1 AND state IN ${REQUEUABLE}`);
    this.#request = store.prepare(
      'SELECT body_hash, files_json FROM upload_requests WHERE user_id = ? AND key = ?',
    );
    this.#insertRequest = store.prepare(`
      INSERT INTO upload_requests (user_id, key, body_hash, files_json, created_at_ms)
      VALUES (?, ?, ?, ?, ?)`);
    this.#isIntentNeeded = store.prepare(
      'SELECT 1 FROM upload_queue WHERE intent_file = ? LIMIT 1',
    );
    this.#forgetRequests = store.prepare('DELETE FROM upload_requests WHERE created_at_ms <= ?');
  }

  transaction<T>(work: () => T): T {
    return this.#store.transaction(work);
  }

  /**
   * What `work` would come to, with none of it kept: nothing else is written in between, so that a
   * transaction right after mostly comes to the same.
   */
  rehearse<T>(work: () => T): T {
    return this.#store.rehearse(work);
  }

  /** @param intentFile which file of intents tells of it too */
  insert(row: NewUpload, intentFile: string | null, as: InsertedAs = QUEUED): void {
    const { base } = row;
    this.#insert.run(
      row.id,
      row.userId,
      row.username,
      row.folder,
      row.filename,
      row.path,
      row.secondPath,
      row.sizeBytes,
      row.sha256,
      base.source,
      base.uploadId,
      base.sizeBytes,
      base.modifiedAt,
      base.checksum,
      row.createdAtMs,
      row.ownerCreatedAt,
      row.device,
      row.agent,
      row.sentName,
      as.state,
      as.found ? 1 : 0,
      as.detail,
      intentFile,
    );
  }

  byId(id: string): UploadRow | null {
    return this.#one(this.#byId.get(id));
  }

  /** The newest undelivered or failed row with its bytes for exactly this target. */
  newestFor(userId: number, path: string, secondPath: string | null): UploadRow | null {
    return this.#one(this.#newestFor.get(userId, path, secondPath));
  }

  lastSynced(userId: number, path: string): UploadRow | null {
    return this.#one(this.#lastSynced.get(userId, path));
  }

  /** @returns whether the row could be put back in the queue */
  requeue(id: string): boolean {
    return this.#requeue.run(id).changes === 1;
  }

  /** Whether a row is left that a file of intents tells of. */
  isIntentNeeded(file: string): boolean {
    return this.#isIntentNeeded.get(file) !== undefined;
  }

  request(userId: number, key: string): EarlierRequest | null {
    const raw = this.#request.get(userId, key);
    if (raw === undefined) return null;
    return { bodyHash: String(raw['body_hash']), filesJson: String(raw['files_json']) };
  }

  insertRequest(
    userId: number,
    key: string,
    bodyHash: string,
    filesJson: string,
    nowMs: number,
  ): void {
    this.#insertRequest.run(userId, key, bodyHash, filesJson, nowMs);
  }

  /** Forgets keys that came at or before that time. */
  forgetRequests(untilMs: number): void {
    this.#forgetRequests.run(untilMs);
  }

  #one(raw: ReturnType<StatementSync['get']>): UploadRow | null {
    return raw === undefined ? null : toUploadRow(raw);
  }
}
