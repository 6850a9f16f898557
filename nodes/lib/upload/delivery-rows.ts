import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { meets } from './change-delivery-rows.ts';
import { toUploadRow, type UploadBase, type UploadRow } from './upload-row.ts';
import { CLAIMABLE, FOUND_WAITING, IN_LINE, UNDELIVERED } from './upload-states.ts';

/** A change of anybody at, above or below where an upload goes, that was wanted before it came. */
const EARLIER_CHANGE = `
        SELECT 1 FROM queued_changes c INDEXED BY queued_changes_open
        WHERE c.seq < r.seq AND c.state IN ${UNDELIVERED} AND (
          ${meets('c.path', 'r.path')}
          OR (c.to_path IS NOT NULL AND ${meets('c.to_path', 'r.path')})
          OR (r.second_path IS NOT NULL AND (${meets('c.path', 'r.second_path')}
            OR (c.to_path IS NOT NULL AND ${meets('c.to_path', 'r.second_path')}))))`;

/**
 * Claims a user's oldest row that is due and that no earlier upload of that user to the same place
 * and no earlier change stands before. An undecided row counts for both its readings, so such rows never overtake or
 * overwrite each other. A lease of this process that ran out is free again.
 */
const claimWhere = (more: string): string => `
  UPDATE upload_queue SET state = 'sending', attempts = attempts + 1, next_attempt_ms = NULL,
    lease_owner = :owner, lease_until_tick_ms = :leaseUntil
  WHERE seq = (
    SELECT r.seq FROM upload_queue r INDEXED BY upload_queue_claimable
    WHERE r.user_id = :user AND r.state IN ${CLAIMABLE} ${more}
      AND ((r.state <> 'sending' AND r.due_tick_ms <= :now)
        OR (r.state = 'sending' AND coalesce(r.lease_until_tick_ms, 0) <= :now))
      AND NOT EXISTS (
        SELECT 1 FROM upload_queue e INDEXED BY upload_queue_by_path
        WHERE e.user_id = r.user_id AND e.path = r.path AND e.seq < r.seq
          AND e.state IN ${UNDELIVERED})
      AND NOT EXISTS (
        SELECT 1 FROM upload_queue e INDEXED BY upload_queue_by_second_path
        WHERE e.user_id = r.user_id AND e.second_path IS NOT NULL AND e.seq < r.seq
          AND e.second_path IN (r.path, r.second_path)
          AND e.state IN ${UNDELIVERED})
      AND (r.second_path IS NULL OR NOT EXISTS (
        SELECT 1 FROM upload_queue e INDEXED BY upload_queue_by_path
        WHERE e.user_id = r.user_id AND e.path = r.second_path AND e.seq < r.seq
          AND e.state IN ${UNDELIVERED}))
      AND NOT EXISTS (${EARLIER_CHANGE})
    ORDER BY r.seq LIMIT 1)
  RETURNING *`;

/** Rows that may travel with the one claimed before them. */
const ALONGSIDE = `AND r.seq > :after AND r.folder = :folder
      AND r.size_bytes <= :most AND r.second_path IS NULL AND r.conflict_path IS NULL
      AND r.resends = 0 AND r.found = 0`;

/** The upload an open conflict was about until now. */
const REPLACED = `
  UPDATE upload_queue SET state = 'synced' WHERE state = 'conflict' AND id <> ? AND id IN (
    SELECT upload_id FROM conflicts
    WHERE user_id = ? AND path = ? AND conflict_path = ? AND resolution IS NULL)`;

const UNLEASED = 'lease_owner = NULL, lease_until_tick_ms = NULL';
const DELIVERED = `
  UPDATE upload_queue SET state = ?, detail = NULL, delivered_path = ?, synced_at_ms = ?,
    next_attempt_ms = NULL, ${UNLEASED} WHERE id = ?`;

/** `upload_queue` and `conflicts` as the delivery writes them. Its one writer is the delivery. */
export class DeliveryRows {
  readonly #store: Store;
  readonly #nextUser: StatementSync;
  readonly #claim: StatementSync;
  readonly #claimAlongside: StatementSync;
  readonly #renew: StatementSync;
  readonly #decide: StatementSync;
  readonly #conflictPath: StatementSync;
  readonly #pathTaken: StatementSync;
  readonly #state: StatementSync;
  readonly #delivered: StatementSync;
  readonly #mismatch: StatementSync;
  readonly #insertConflict: StatementSync;
  readonly #carryConflict: StatementSync;
  readonly #replaced: StatementSync;
  readonly #sharedAsFolder: StatementSync;
  readonly #needsFolder: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#nextUser = store.prepare(`
      SELECT min(user_id) AS user_id FROM upload_queue INDEXED BY upload_queue_claimable
      WHERE user_id > ? AND state IN ${CLAIMABLE}`);
    this.#claim = store.prepare(claimWhere(''));
    this.#claimAlongside = store.prepare(claimWhere(ALONGSIDE));
    this.#renew = store.prepare(
      `UPDATE upload_queue SET lease_until_tick_ms = ? WHERE id = ? AND state = 'sending'`,
    );
    this.#decide = store.prepare(
      `UPDATE upload_queue SET path = ?, folder = ?, filename = ?, second_path = NULL WHERE id = ?`,
    );
    this.#conflictPath = store.prepare('UPDATE upload_queue SET conflict_path = ? WHERE id = ?');
    this.#pathTaken = store.prepare(`
      SELECT 1 FROM upload_queue WHERE id <> :id AND (path = :path OR conflict_path = :path)
        AND state IN ${UNDELIVERED} LIMIT 1`);
    this.#state = store.prepare(`
      UPDATE upload_queue SET state = iif(?1 = 'queued', ${IN_LINE}, ?1), detail = ?2,
        due_tick_ms = ?3, next_attempt_ms = ?4, ${UNLEASED}
      WHERE id = ?5 AND state <> 'held'`);
    this.#delivered = store.prepare(DELIVERED);
    this.#mismatch = store.prepare(`
      UPDATE upload_queue SET resends = resends + 1, base_source = 'own', base_upload_id = NULL,
        base_size_bytes = ?, base_modified_at = ?, base_checksum = ? WHERE id = ?`);
    this.#insertConflict = store.prepare(`
      INSERT INTO conflicts (upload_id, user_id, path, conflict_path, size_bytes, sha256,
        found_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)`);
    this.#carryConflict = store.prepare(`
      UPDATE conflicts SET upload_id = ?, size_bytes = ?, sha256 = ?, found_at_ms = ?
      WHERE user_id = ? AND path = ? AND conflict_path = ? AND resolution IS NULL`);
    this.#replaced = store.prepare(REPLACED);
    this.#needsFolder = store.prepare('UPDATE upload_queue SET needs_folder = 1 WHERE id = ?');
    this.#sharedAsFolder = store.prepare(`
      SELECT 1 FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = :user AND path = :path AND second_path IS NOT :second
        AND state IN ${UNDELIVERED}
      GROUP BY path HAVING count(*) = count(second_path)`);
  }

  transaction<T>(work: () => T): T {
    return this.#store.transaction(work);
  }

  /**
   * @param after the user who had the turn before: everybody else comes first
   * @returns the row as claimed, or null when none is due
   */
  claim(
    after: number,
    owner: string,
    nowTickMs: number,
    leaseUntilTickMs: number,
  ): UploadRow | null {
    for (const user of this.#usersAfter(after)) {
      const raw = this.#claim.get({
        owner,
        leaseUntil: Math.ceil(leaseUntilTickMs),
        now: Math.floor(nowTickMs),
        user,
      });
      if (raw !== undefined) return toUploadRow(raw);
    }
    return null;
  }

  /** Who has rows that may be claimed, in a circle that begins behind one of them. */
  #usersAfter(after: number): readonly number[] {
    const users: number[] = [];
    for (let at = -1; ;) {
      const next = this.#nextUser.get(at)?.['user_id'];
      if (next === null || next === undefined) break;
      at = Number(next);
      users.push(at);
    }
    return [...users.filter((id) => id > after), ...users.filter((id) => id <= after)];
  }

  /** Claims up to `most.count` small rows of the same user and folder, in one commit. */
  claimAlongside(
    first: UploadRow,
    owner: string,
    nowTickMs: number,
    leaseUntilTickMs: number,
    most: { readonly count: number; readonly fileBytes: number; readonly bytes: number },
  ): readonly UploadRow[] {
    return this.#store.transaction(() => {
      const claimed: UploadRow[] = [];
      let left = most.bytes;
      let after = first.seq;
      while (claimed.length < most.count && left > 0) {
        const raw = this.#claimAlongside.get({
          owner,
          leaseUntil: Math.ceil(leaseUntilTickMs),
          now: Math.floor(nowTickMs),
          after,
          user: first.userId,
          folder: first.folder,
          most: Math.min(left, most.fileBytes),
        });
        if (raw === undefined) break;
        const row = toUploadRow(raw);
        claimed.push(row);
        after = row.seq;
        left -= row.sizeBytes;
      }
      return claimed;
    });
  }

  renewLease(id: string, leaseUntilTickMs: number): void {
    this.#renew.run(Math.ceil(leaseUntilTickMs), id);
  }

  /** The NAS told which of two readings holds. */
  decide(id: string, path: string, folder: string, filename: string): void {
    this.#decide.run(path, folder, filename, id);
  }

  /**
   * Whether others were sent to the same place under names of their own, and none as that very
   * file.
   */
  isSharedAsFolder({ userId, path, secondPath }: UploadRow): boolean {
    const shared = this.#sharedAsFolder.get({ user: userId, path, second: secondPath });
    return shared !== undefined;
  }

  setConflictPath(id: string, path: string): void {
    this.#conflictPath.run(path, id);
  }

  /** Whether another upload, of anybody, is on its way to this path. */
  isPathTaken(id: string, path: string): boolean {
    return this.#pathTaken.get({ id, path }) !== undefined;
  }

  /** Back to `queued` or `waiting`, or on to `failed`; the lease ends. */
  settle(
    id: string,
    state: 'queued' | 'waiting' | 'failed' | typeof FOUND_WAITING,
    detail: string | null,
    due: { readonly tickMs: number; readonly atMs: number } | null = null,
  ): void {
    this.#state.run(state, detail, Math.ceil(due?.tickMs ?? 0), due?.atMs ?? null, id);
  }

  /** It failed for its folder alone, and is tried again once that is its user's. */
  markNeedsFolder(id: string): void {
    this.#needsFolder.run(id);
  }

  delivered(id: string, state: 'synced' | 'conflict', path: string, nowMs: number): void {
    this.#delivered.run(state, path, nowMs, id);
  }

  /** What was sent did not arrive whole: what lies there now may be written over. */
  mismatched(id: string, found: Pick<UploadBase, 'sizeBytes' | 'modifiedAt' | 'checksum'>): void {
    this.#mismatch.run(found.sizeBytes, found.modifiedAt, found.checksum, id);
  }

  /**
   * An open conflict about that copy is about its new version from now on, and the version before it
   * is simply delivered; else it is a new one.
   */
  addConflict(row: UploadRow, conflictPath: string, nowMs: number): void {
    const { id, userId, path, sizeBytes, sha256 } = row;
    const place = [userId, path, conflictPath] as const;
    this.#replaced.run(id, ...place);
    const carried = this.#carryConflict.run(id, sizeBytes, sha256, nowMs, ...place);
    if (carried.changes > 0) return;
    this.#insertConflict.run(
      row.id,
      row.userId,
      row.path,
      conflictPath,
      row.sizeBytes,
      row.sha256,
      nowMs,
    );
  }
}
