import { belowBounds } from '../files/files.ts';
import { prepareAll } from '../store/prepared.ts';
import { Remembered } from '../store/remembered.ts';
import type { Store } from '../store/store.ts';
import {
  seenOf,
  seenText,
  toChangeRow,
  type ChangeRow,
  type NewChange,
  type SeenEntry,
} from './change-row.ts';
import { numberOf, textOf } from './upload-row.ts';
import type { InsertedAs } from './upload-rows.ts';
import {
  FOUND_WAITING,
  FROZEN,
  IN_LINE,
  IS_FROZEN,
  PENDING,
  REQUEUABLE,
  UNDELIVERED,
  UNFINISHED,
  type UploadState,
} from './upload-states.ts';

/** More than anybody reads; the newest come first. */
const LONGEST_LIST = 1_000;
const MOST_REMEMBERED = 500;

const QUEUED: InsertedAs = { state: 'queued', found: false, detail: null };

/** All but what was seen, which may be megabytes. */
export const CHANGE_COLUMNS = `seq, id, user_id, username, kind, path, to_path, is_folder,
  size_bytes, checksum, state, found, attempts, next_attempt_ms, detail, created_at_ms,
  conflict_at_ms, intent_file`;

const INSERT = `
  INSERT INTO queued_changes (seq, id, user_id, username, owner_created_at, kind, path, to_path,
    is_folder, size_bytes, checksum, seen_json, state, found, detail, created_at_ms, intent_file)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** One sequence for uploads and changes tells which of them came first. */
const NEXT_SEQ = `
  SELECT 1 + max(
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'upload_queue'), 0),
    coalesce((SELECT max(seq) FROM queued_changes), 0)) AS seq`;
const FORGET_SEQ = `DELETE FROM sqlite_sequence WHERE name = 'upload_queue'`;
const SET_SEQ = `INSERT INTO sqlite_sequence (name, seq) VALUES ('upload_queue', ?)`;

/** How a user's changes stand; everybody's where `user` is null. */
const COUNTS = `
  SELECT
    (SELECT count(*) FROM queued_changes WHERE state = 'sending'
      AND (:user IS NULL OR user_id = :user)) AS sending,
    (SELECT count(*) FROM queued_changes WHERE state IN ${PENDING}
      AND (:user IS NULL OR user_id = :user)) AS pending,
    (SELECT count(*) FROM queued_changes WHERE state = '${FOUND_WAITING}'
      AND (:user IS NULL OR user_id = :user)) AS owners,
    (SELECT count(*) FROM queued_changes WHERE state = 'failed'
      AND (:user IS NULL OR user_id = :user)) AS failed,
    (SELECT count(*) FROM queued_changes WHERE state = 'conflict'
      AND (:user IS NULL OR user_id = :user)) AS conflicts,
    (SELECT min(created_at_ms) FROM queued_changes WHERE state IN ${PENDING}
      AND (:user IS NULL OR user_id = :user)) AS oldest,
    (SELECT max(done_at_ms) FROM queued_changes WHERE done_at_ms IS NOT NULL
      AND (:user IS NULL OR user_id = :user)) AS last`;

export interface ChangeCounts {
  readonly sending: number;
  /** What is to be carried out, whoever must do something for it first. */
  readonly pending: number;
  /** Of these, what was found again and goes only when its owner says so. */
  readonly waitingForOwner: number;
  /** What needs somebody: retry or drop. */
  readonly failed: number;
  readonly conflicts: number;
  readonly oldestPendingMs: number | null;
  readonly lastDoneMs: number | null;
}

const SQL = {
  insert: INSERT,
  nextSeq: NEXT_SEQ,
  forgetSeq: FORGET_SEQ,
  setSeq: SET_SEQ,
  byId: `SELECT ${CHANGE_COLUMNS} FROM queued_changes WHERE id = ?`,
  bySeq: `SELECT ${CHANGE_COLUMNS} FROM queued_changes WHERE seq = ?`,
  seen: 'SELECT seen_json FROM queued_changes WHERE id = ?',
  ofUser: `
      SELECT ${CHANGE_COLUMNS} FROM queued_changes INDEXED BY queued_changes_by_user
      WHERE user_id = ? AND state IN ${UNDELIVERED} ORDER BY seq`,
  list: `
      SELECT ${CHANGE_COLUMNS} FROM queued_changes WHERE user_id = ?
      ORDER BY seq DESC LIMIT ${LONGEST_LIST}`,
  listState: `
      SELECT ${CHANGE_COLUMNS} FROM queued_changes INDEXED BY queued_changes_by_user
      WHERE user_id = ? AND state IN (?, ?) ORDER BY seq DESC LIMIT ${LONGEST_LIST}`,
  held: `
      SELECT ${CHANGE_COLUMNS} FROM queued_changes WHERE state = 'held'
      ORDER BY seq DESC LIMIT ${LONGEST_LIST}`,
  counts: COUNTS,
  waiting: `
      SELECT DISTINCT username FROM queued_changes WHERE state = 'waiting_for_credential'
        AND (:user IS NULL OR user_id = :user)`,
  freeze: `
      UPDATE queued_changes SET ${FROZEN} WHERE id = ? AND state <> 'sending'`,
  thaw: `
      UPDATE queued_changes SET state = ${IN_LINE}, detail = NULL, due_tick_ms = 0
      WHERE id = ? AND ${IS_FROZEN}`,
  delete: `DELETE FROM queued_changes WHERE id = ? AND state <> 'sending'`,
  requeue: `
      UPDATE queued_changes SET state = 'queued', found = 0, detail = NULL, due_tick_ms = 0,
        next_attempt_ms = NULL
      WHERE id = ? AND state IN ${REQUEUABLE}`,
  rebase: `
      UPDATE queued_changes SET state = 'queued', found = 0, detail = NULL, due_tick_ms = 0,
        seen_json = coalesce(found_json, seen_json), found_json = NULL, conflict_at_ms = NULL
      WHERE id = ? AND state = 'conflict'`,
  hold: `
      UPDATE queued_changes SET user_id = -user_id, intent_file = NULL,
        detail = iif(state IN ${UNFINISHED}, 'Its user ' || username || ' is gone.', detail),
        state = iif(state IN ${UNFINISHED} OR state = 'conflict', 'held', state)
      WHERE user_id = ?`,
  holdOthers: `
      UPDATE queued_changes SET state = 'held', detail = 'Its user ' || username || ' is gone.',
        user_id = -user_id, intent_file = NULL
      WHERE user_id = ? AND owner_created_at <> ? AND found = 1 AND state <> 'sending'
        AND state IN ${UNFINISHED}`,
  newestSeq: 'SELECT max(seq) AS seq FROM queued_changes',
  within: `
      SELECT ${CHANGE_COLUMNS} FROM queued_changes
      WHERE seq <= :mark AND (state IN ${UNFINISHED} OR state IN ('conflict', 'held'))
        AND (path = :from OR (path > :low AND path < :high)
          OR to_path = :from OR (to_path > :low AND to_path < :high)) ORDER BY seq`,
  owner: 'SELECT owner_created_at FROM queued_changes WHERE id = ?',
  place: 'UPDATE queued_changes SET path = ?, to_path = ?, intent_file = ? WHERE id = ?',
  isIntentNeeded: 'SELECT 1 FROM queued_changes WHERE intent_file = ? LIMIT 1',
  unfinished: `
      SELECT ${CHANGE_COLUMNS} FROM queued_changes
      WHERE state IN ${UNFINISHED} OR state IN ('conflict', 'held') ORDER BY seq`,
} as const;

/** `queued_changes`, as it is filled and as people see and settle it. */
export class ChangeRows {
  readonly #store: Store;
  readonly #open: Remembered<number, readonly ChangeRow[]>;

  readonly #sql: ReturnType<typeof prepareAll<typeof SQL>>;

  constructor(store: Store) {
    this.#store = store;
    this.#open = new Remembered(store, MOST_REMEMBERED);
    this.#sql = prepareAll(store, SQL);
  }

  transaction<T>(work: () => T): T {
    return this.#store.transaction(work);
  }

  /** Behind everything that is queued now, uploads and changes. Inside a transaction. */
  insert(change: NewChange, intentFile: string, as: InsertedAs = QUEUED): void {
    const seq = Number(this.#sql.nextSeq.get()?.['seq']);
    const [target] = change.seen;
    this.#sql.insert.run(
      seq,
      change.id,
      change.userId,
      change.username,
      change.ownerCreatedAt,
      change.kind,
      change.path,
      change.toPath,
      target === undefined || target.isFolder ? 1 : 0,
      target?.sizeBytes ?? 0,
      target?.checksum ?? null,
      seenText(change.seen),
      as.state,
      as.found ? 1 : 0,
      as.detail,
      change.createdAtMs,
      intentFile,
    );
    this.#sql.forgetSeq.run();
    this.#sql.setSeq.run(seq);
  }

  byId(id: string): ChangeRow | null {
    const raw = this.#sql.byId.get(id);
    return raw === undefined ? null : toChangeRow(raw);
  }

  bySeq(seq: number): ChangeRow | null {
    const raw = this.#sql.bySeq.get(seq);
    return raw === undefined ? null : toChangeRow(raw);
  }

  /** What its user saw there. */
  seenBy(id: string): readonly SeenEntry[] {
    return seenOf(String(this.#sql.seen.get(id)?.['seen_json'] ?? '[]'));
  }

  /** What the NAS is still to do for a user, by itself, oldest first. */
  openOf(userId: number): readonly ChangeRow[] {
    return this.#open.get(userId, () => this.#sql.ofUser.all(userId).map(toChangeRow));
  }

  list(userId: number, state: UploadState | null): readonly ChangeRow[] {
    if (state === null) return this.#sql.list.all(userId).map(toChangeRow);
    const alike = state === 'found' ? FOUND_WAITING : state;
    return this.#sql.listState.all(userId, state, alike).map(toChangeRow);
  }

  /** What belongs to nobody any more, newest first. */
  held(): readonly ChangeRow[] {
    return this.#sql.held.all().map(toChangeRow);
  }

  /** Everybody's that is not over, oldest first. */
  unfinished(): readonly ChangeRow[] {
    return this.#sql.unfinished.all().map(toChangeRow);
  }

  /** @param userId null: everybody's */
  counts(userId: number | null): ChangeCounts {
    const raw = this.#sql.counts.get({ user: userId }) ?? {};
    return {
      sending: Number(raw['sending']),
      pending: Number(raw['pending']),
      waitingForOwner: Number(raw['owners']),
      failed: Number(raw['failed']),
      conflicts: Number(raw['conflicts']),
      oldestPendingMs: numberOf(raw['oldest']),
      lastDoneMs: numberOf(raw['last']),
    };
  }

  /** Names of the users whose changes wait for a credential. */
  waitingForCredential(userId: number | null): readonly string[] {
    return this.#sql.waiting.all({ user: userId }).map((raw) => String(raw['username']));
  }

  /** It stays where it is until its end is written. @returns false while it is carried out */
  freeze(id: string): boolean {
    return this.#sql.freeze.run(id).changes > 0;
  }

  /** Its end could not be written: it goes on as before. */
  thaw(id: string): void {
    this.#sql.thaw.run(id);
  }

  /** @returns false while it is carried out */
  delete(id: string): boolean {
    return this.#sql.delete.run(id).changes > 0;
  }

  requeue(id: string): boolean {
    return this.#sql.requeue.run(id).changes > 0;
  }

  /** A conflict's change is wanted all the same: with what was found there instead. */
  rebase(id: string): boolean {
    return this.#sql.rebase.run(id).changes > 0;
  }

  /** That person is gone: nothing of theirs is who has the id now. @returns how many are held */
  hold(userId: number): number {
    return Number(this.#sql.hold.run(userId).changes);
  }

  /** Of what was rebuilt for an id: what belongs to the person who had it before. */
  holdOthers(userId: number, bornAt: string): number {
    return Number(this.#sql.holdOthers.run(userId, bornAt).changes);
  }

  /** 0 where there is none. */
  newestSeq(): number {
    return Number(this.#sql.newestSeq.get()?.['seq'] ?? 0);
  }

  /** Everybody's at or below a path, or going there, that are not over; oldest first. */
  within(from: string, mark: number): readonly ChangeRow[] {
    return this.#sql.within.all({ from, mark, ...belowBounds(from) }).map(toChangeRow);
  }

  ownerCreatedAt(id: string): string | null {
    return textOf(this.#sql.owner.get(id)?.['owner_created_at']);
  }

  /** It is about another place from now on, as its new intent tells; null where it has none. */
  place({ id, path, toPath }: ChangeRow, intentFile: string | null): void {
    this.#sql.place.run(path, toPath, intentFile, id);
  }

  /** Whether a row is left that a file of intents tells of. */
  isIntentNeeded(file: string): boolean {
    return this.#sql.isIntentNeeded.get(file) !== undefined;
  }
}
