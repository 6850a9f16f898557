import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../store/store.ts';
import type { Reason } from '../reasons.ts';
import { meets } from './change-rows.ts';
import {
  CLAIMABLE,
  DELIVERED,
  FOUND,
  FREED,
  IN_LINE,
  type PutBackState,
  toUploadRow,
  UNDELIVERED,
  type UploadBase,
  type UploadRow,
} from './upload-rows.ts';

/** Anybody's change at, above or below an upload's target that was queued before it. */
const EARLIER_CHANGE = `
        SELECT 1 FROM queued_changes c INDEXED BY queued_changes_open
        WHERE c.seq < r.seq AND c.state IN ${UNDELIVERED} AND (
          ${meets('c.path', 'r.path')}
          OR (c.to_path IS NOT NULL AND ${meets('c.to_path', 'r.path')})
          OR (r.second_path IS NOT NULL AND (${meets('c.path', 'r.second_path')}
            OR (c.to_path IS NOT NULL AND ${meets('c.to_path', 'r.second_path')}))))`;

/**
 * Claims a user's oldest due row that no earlier upload of that user to the same path and no
 * earlier change blocks. An undecided row counts for both readings, so such rows never overtake or
 * overwrite each other. An expired lease of this process is free again.
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

/** The upload that an open conflict was about so far. */
const REPLACED = `
  UPDATE upload_queue SET state = 'synced' WHERE state = 'conflict' AND id <> ? AND id IN (
    SELECT upload_id FROM conflicts
    WHERE user_id = ? AND path = ? AND conflict_path = ? AND resolution IS NULL)`;

const UNLEASED = 'lease_owner = NULL, lease_until_tick_ms = NULL';
const SET_DELIVERED = `
  UPDATE upload_queue SET state = ?, detail = NULL, delivered_path = ?, synced_at_ms = ?,
    next_attempt_ms = NULL, ${UNLEASED} WHERE id = ?`;

/** `upload_queue` and `conflicts` as written by the delivery, their only writer. */
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
    this.#delivered = store.prepare(SET_DELIVERED);
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
   * @param after the user of the previous turn: everybody else comes first
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

  /** The users with rows to claim, in a circle that starts after one of them. */
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

  /** The NAS told which of the two readings is right. */
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
    state: PutBackState,
    detail: Reason | null,
    due: { readonly tickMs: number; readonly atMs: number } | null = null,
  ): void {
    this.#state.run(state, detail, Math.ceil(due?.tickMs ?? 0), due?.atMs ?? null, id);
  }

  /** It failed only because of its folder, and is tried again once that is its user's. */
  markNeedsFolder(id: string): void {
    this.#needsFolder.run(id);
  }

  delivered(id: string, state: 'synced' | 'conflict', path: string, nowMs: number): void {
    this.#delivered.run(state, path, nowMs, id);
  }

  /** The sent content did not arrive whole: what is there now may be overwritten. */
  mismatched(id: string, found: Pick<UploadBase, 'sizeBytes' | 'modifiedAt' | 'checksum'>): void {
    this.#mismatch.run(found.sizeBytes, found.modifiedAt, found.checksum, id);
  }

  /**
   * An open conflict about that copy now concerns its new version, and the previous version is
   * simply delivered; else it is a new one.
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

/** `upload_queue` as far as it concerns files on disk and dead processes. */
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
        AND state NOT IN ${DELIVERED} ORDER BY seq LIMIT 500`);
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
      SELECT (SELECT count(*) FROM upload_queue WHERE state IN ${FOUND})
        + (SELECT count(*) FROM queued_changes WHERE state IN ${FOUND}) AS n`);
  }

  /** Up to 500 rows whose file should lie on the disk, oldest first. */
  withBytesAfter(seq: number): readonly UploadRow[] {
    return this.#withBytesAfter.all(seq).map(toUploadRow);
  }

  markLost(id: string, detail: Reason): void {
    this.#markLost.run(detail, id);
  }

  lost(): readonly UploadRow[] {
    return this.#lost.all().map(toUploadRow);
  }

  /** Its bytes are back; its intent is rewritten. */
  takeBack(id: string, state: string, detail: string | null): void {
    this.#takeBack.run(state, detail, id);
  }

  countLost(): number {
    return Number(this.#countLost.get()?.['n']);
  }

  /** A new process starts: rows claimed by the last one are free again. */
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

  /** It has ended, but this row, from an older database, does not know yet. */
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

/** `upload_queue`: rows that wait for a user, for the NAS or for their time. */
export class WaitRows {
  readonly #waitForCredential: StatementSync;
  readonly #releaseUser: StatementSync;
  readonly #usersWaiting: StatementSync;
  readonly #releaseWaiting: StatementSync;
  readonly #nextDue: StatementSync;
  readonly #releaseExpired: StatementSync;

  constructor(store: Store) {
    this.#waitForCredential = store.prepare(`
      UPDATE upload_queue SET state = 'waiting_for_credential', detail = ?, next_attempt_ms = NULL,
        lease_owner = NULL, lease_until_tick_ms = NULL
      WHERE user_id = ? AND state IN ${CLAIMABLE}`);
    this.#releaseUser = store.prepare(`
      UPDATE upload_queue SET state = ${IN_LINE}, detail = NULL, due_tick_ms = 0
      WHERE user_id = ? AND state = 'waiting_for_credential'`);
    this.#usersWaiting = store.prepare(
      `SELECT DISTINCT user_id FROM upload_queue WHERE state = 'waiting_for_credential'`,
    );
    this.#releaseWaiting = store.prepare(
      `UPDATE upload_queue SET due_tick_ms = 0, next_attempt_ms = NULL
       WHERE state = 'waiting' AND due_tick_ms > 0`,
    );
    this.#nextDue = store.prepare(
      `SELECT min(due_tick_ms) AS due FROM upload_queue WHERE state IN ${CLAIMABLE}`,
    );
    this.#releaseExpired = store.prepare(`
      UPDATE upload_queue SET state = ${IN_LINE}, lease_owner = NULL, lease_until_tick_ms = NULL
      WHERE state = 'sending'`);
  }

  waitForCredential(userId: number, detail: Reason): void {
    this.#waitForCredential.run(detail, userId);
  }

  /** @returns whether any row was waiting for that user's credential */
  releaseUser(userId: number): boolean {
    return Number(this.#releaseUser.run(userId).changes) > 0;
  }

  usersWaitingForCredential(): readonly number[] {
    return this.#usersWaiting.all().map((raw) => Number(raw['user_id']));
  }

  /** The NAS is back, so no row has to wait any longer. */
  releaseWaiting(): void {
    this.#releaseWaiting.run();
  }

  /**
   * Between two runs nothing is being sent: a claimed row was left by a broken run, and the NAS is
   * asked what it has before anything is sent again.
   */
  releaseExpired(): void {
    this.#releaseExpired.run();
  }

  /** Monotonic ms at which the next row is due; null when none is on its way. */
  nextDueTickMs(): number | null {
    const due = this.#nextDue.get()?.['due'];
    return due === null || due === undefined ? null : Number(due);
  }
}

const DAY_MS = 86_400_000;
/** Contract 4: every attempt is listed for 90 days. */
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
            AND n.state NOT IN ${DELIVERED})
        ORDER BY q.synced_at_ms LIMIT ${MOST_PRUNED})`);
  }

  /** Of an upload or a queued change. */
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
