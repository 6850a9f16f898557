import type { UploadState } from '../../api/api.ts';
import { belowBounds, parentOf } from '../../files/files.ts';
import { prepareAll, Remembered, type Store } from '../../store/store.ts';
import { type Reason, USER_GONE_SQL } from '../reasons.ts';
import {
  CLAIMABLE,
  FOUND_WAITING,
  FREED,
  FROZEN,
  IN_LINE,
  type InsertedAs,
  IS_FROZEN,
  numberOf,
  PENDING,
  type PutBackState,
  REQUEUABLE,
  storedAs,
  textOf,
  toState,
  UNDELIVERED,
  UNFINISHED,
} from './upload-rows.ts';

/** More than anybody reads; the newest come first. */
const LONGEST_LIST = 1_000;
const MOST_REMEMBERED = 500;

const QUEUED: InsertedAs = { state: 'queued', found: false, detail: null };

/** Everything but what was seen, which may be megabytes. */
const CHANGE_COLUMNS = `seq, id, user_id, username, kind, path, to_path, is_folder,
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
  /** Still to be carried out, even if somebody must do something first. */
  readonly pending: number;
  /** Those recovered, which go only when their owner says so. */
  readonly waitingForOwner: number;
  /** Needs a person's decision: retry or drop. */
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
        detail = iif(state IN ${UNFINISHED}, ${USER_GONE_SQL}, detail),
        state = iif(state IN ${UNFINISHED} OR state = 'conflict', 'held', state)
      WHERE user_id = ?`,
  holdOthers: `
      UPDATE queued_changes SET state = 'held', detail = ${USER_GONE_SQL},
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

/** `queued_changes`, as it is filled, shown and resolved. */
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

  /** Placed after everything queued now, uploads and changes. Inside a transaction. */
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

  /** What the NAS still has to do for a user without anybody's help, oldest first. */
  openOf(userId: number): readonly ChangeRow[] {
    return this.#open.get(userId, () => this.#sql.ofUser.all(userId).map(toChangeRow));
  }

  list(userId: number, state: UploadState | null): readonly ChangeRow[] {
    if (state === null) return this.#sql.list.all(userId).map(toChangeRow);
    return this.#sql.listState.all(userId, ...storedAs(state)).map(toChangeRow);
  }

  /** Changes that belong to nobody any more, newest first. */
  held(): readonly ChangeRow[] {
    return this.#sql.held.all().map(toChangeRow);
  }

  /** Everybody's unfinished changes, oldest first. */
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

  /** Freezes it until its end is written. @returns false while it is being carried out */
  freeze(id: string): boolean {
    return this.#sql.freeze.run(id).changes > 0;
  }

  /** Its end could not be written: it continues as before. */
  thaw(id: string): void {
    this.#sql.thaw.run(id);
  }

  /** @returns false while it is being carried out */
  delete(id: string): boolean {
    return this.#sql.delete.run(id).changes > 0;
  }

  requeue(id: string): boolean {
    return this.#sql.requeue.run(id).changes > 0;
  }

  /** The change of a conflict is still wanted, applied to what was found there instead. */
  rebase(id: string): boolean {
    return this.#sql.rebase.run(id).changes > 0;
  }

  /**
   * That person is gone, and nothing passes to the id's next owner.
   * @returns how many are held
   */
  hold(userId: number): number {
    return Number(this.#sql.hold.run(userId).changes);
  }

  /** Holds those of an id's rebuilt rows that belong to its previous owner. */
  holdOthers(userId: number, bornAt: string): number {
    return Number(this.#sql.holdOthers.run(userId, bornAt).changes);
  }

  /** 0 where there is none. */
  newestSeq(): number {
    return Number(this.#sql.newestSeq.get()?.['seq'] ?? 0);
  }

  /** Everybody's unfinished changes at, below or into a path, oldest first. */
  within(from: string, mark: number): readonly ChangeRow[] {
    return this.#sql.within.all({ from, mark, ...belowBounds(from) }).map(toChangeRow);
  }

  ownerCreatedAt(id: string): string | null {
    return textOf(this.#sql.owner.get(id)?.['owner_created_at']);
  }

  /** It applies to another path from now on, as its new intent records; null where it has none. */
  place({ id, path, toPath }: ChangeRow, intentFile: string | null): void {
    this.#sql.place.run(path, toPath, intentFile, id);
  }

  /** Whether any row is left that an intent file records. */
  isIntentNeeded(file: string): boolean {
    return this.#sql.isIntentNeeded.get(file) !== undefined;
  }
}

const CHANGE_KINDS = ['delete', 'rename', 'move', 'mkdir'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** What a user saw at or below a place when they asked for a change to it. */
export interface SeenEntry {
  /** Below the target; `''` for the target itself. */
  readonly path: string;
  readonly isFolder: boolean;
  /** Null where nothing but a checksum is known. */
  readonly sizeBytes: number | null;
  /** As the NAS writes it; null for what the Pi is to deliver there first. */
  readonly modifiedAt: string | null;
  readonly checksum: string | null;
}

/** A change about to be queued, with what its intent records. */
export interface NewChange {
  readonly id: string;
  readonly userId: number;
  readonly username: string;
  /** When the NAS says that person was made; null while it was never told. */
  readonly ownerCreatedAt: string | null;
  readonly kind: ChangeKind;
  readonly path: string;
  /** Where it is renamed or moved to, in full; null for the other kinds. */
  readonly toPath: string | null;
  /** The target first, then all below it; nothing for a new folder. */
  readonly seen: readonly SeenEntry[];
  /** Uploads that it makes needless: its intent is theirs too. */
  readonly withdraws: readonly string[];
  readonly createdAtMs: number;
}

/** A delete, rename, move or new folder that the NAS is to carry out. */
export interface ChangeRow extends Omit<NewChange, 'seen' | 'withdraws' | 'ownerCreatedAt'> {
  /** In one sequence with the uploads'. */
  readonly seq: number;
  readonly isFolder: boolean;
  readonly sizeBytes: number;
  readonly checksum: string | null;
  readonly state: UploadState;
  /** Rebuilt from its intent: it is done only where nothing changed meanwhile. */
  readonly found: boolean;
  readonly attempts: number;
  readonly nextAttemptMs: number | null;
  readonly detail: Reason | null;
  readonly conflictAtMs: number | null;
  readonly intentFile: string | null;
}

/** Marks its line among those of uploads. */
const INTENT = 'change';

type Raw = Readonly<Record<string, unknown>>;

/** Reads a row of `queued_changes`, without what was seen: that may be much. */
function toChangeRow(raw: Raw): ChangeRow {
  const kind = kindOf(raw['kind']);
  if (kind === null) throw new Error('The queue holds an unknown kind of change.');
  return {
    seq: Number(raw['seq']),
    id: String(raw['id']),
    userId: Number(raw['user_id']),
    username: String(raw['username']),
    kind,
    path: String(raw['path']),
    toPath: textOf(raw['to_path']),
    isFolder: raw['is_folder'] === 1,
    sizeBytes: Number(raw['size_bytes']),
    checksum: textOf(raw['checksum']),
    state: toState(raw['state']),
    found: raw['found'] === 1,
    attempts: Number(raw['attempts']),
    nextAttemptMs: numberOf(raw['next_attempt_ms']),
    detail: textOf(raw['detail']) as Reason | null,
    createdAtMs: Number(raw['created_at_ms']),
    conflictAtMs: numberOf(raw['conflict_at_ms']),
    intentFile: textOf(raw['intent_file']),
  };
}

/** Every place a change is about. */
export function placesOf({ path, toPath }: Pick<ChangeRow, 'path' | 'toPath'>): readonly string[] {
  return toPath === null ? [path] : [path, toPath];
}

/** A change as its intent tells it. */
export function intentOfChange(change: NewChange): object {
  return { ...change, intent: INTENT, seen: change.seen.map(packed) };
}

/** Parses a change's intent; null for any other form, such as an upload's. */
export function readNewChange(value: unknown): NewChange | null {
  const raw = value as Partial<Record<keyof NewChange | 'intent', unknown>>;
  const { id, path, intent } = raw;
  const kind = kindOf(raw.kind);
  if (intent !== INTENT || kind === null) return null;
  if (typeof id !== 'string' || typeof path !== 'string' || !Array.isArray(raw.seen)) return null;
  return {
    id,
    kind,
    path,
    toPath: textOf(raw.toPath),
    seen: raw.seen.map(unpacked),
    withdraws: Array.isArray(raw.withdraws) ? raw.withdraws.map(String) : [],
    userId: Number(raw.userId),
    username: String(raw.username),
    ownerCreatedAt: textOf(raw.ownerCreatedAt),
    createdAtMs: Number(raw.createdAtMs),
  };
}

/** Ten thousand of them are a row of a megabyte or two. */
function seenText(seen: readonly SeenEntry[]): string {
  return JSON.stringify(seen.map(packed));
}

function seenOf(text: string): readonly SeenEntry[] {
  return (JSON.parse(text) as unknown[]).map(unpacked);
}

function packed(entry: SeenEntry): readonly unknown[] {
  const { path, isFolder, sizeBytes, modifiedAt, checksum } = entry;
  return isFolder ? [path, 1] : [path, 0, sizeBytes, modifiedAt, checksum];
}

function unpacked(value: unknown): SeenEntry {
  const [path, folder, sizeBytes, modifiedAt, checksum] = value as readonly unknown[];
  return {
    path: String(path),
    isFolder: folder === 1,
    sizeBytes: numberOf(sizeBytes),
    modifiedAt: textOf(modifiedAt),
    checksum: textOf(checksum),
  };
}

function kindOf(value: unknown): ChangeKind | null {
  return CHANGE_KINDS.find((kind) => kind === value) ?? null;
}

const DAY_MS = 86_400_000;
/** As long as delivered uploads. */
const KEPT_DAYS = 90;

/** As SQL: whether one of two paths is the other, or lies above it. */
export function meets(a: string, b: string): string {
  return `(${a} = ${b} OR (${a} > ${b} || '/' AND ${a} < ${b} || '0')
    OR (${b} > ${a} || '/' AND ${b} < ${a} || '0'))`;
}

const EARLIER_CHANGE = `
  SELECT 1 FROM queued_changes e INDEXED BY queued_changes_open
  WHERE e.seq < :seq AND e.state IN ${UNDELIVERED}
    AND (${meets('e.path', ':a')} OR ${meets('e.path', ':b')}
      OR (e.to_path IS NOT NULL AND (${meets('e.to_path', ':a')} OR ${meets('e.to_path', ':b')})))
  LIMIT 1`;

/** An upload of anybody at, above or below a place, under either reading or at a conflict name. */
const EARLIER_UPLOAD = `
  SELECT 1 FROM upload_queue WHERE seq < :seq AND state IN ${UNDELIVERED} AND (
    path = :path OR (path > :path || '/' AND path < :path || '0')
    OR path IN (SELECT value FROM json_each(:above))
    OR (second_path IS NOT NULL AND ${meets('second_path', ':path')})
    OR (conflict_path IS NOT NULL AND ${meets('conflict_path', ':path')}))
  LIMIT 1`;

const DELIVERY_SQL = {
  due: `
      SELECT ${CHANGE_COLUMNS} FROM queued_changes INDEXED BY queued_changes_open
      WHERE state IN ${UNDELIVERED} AND state IN ${CLAIMABLE} AND due_tick_ms <= ? ORDER BY seq`,
  earlierChange: EARLIER_CHANGE,
  earlierUpload: EARLIER_UPLOAD,
  claim: `
      UPDATE queued_changes SET state = 'sending', attempts = attempts + 1, next_attempt_ms = NULL
      WHERE id = ? AND state IN ${CLAIMABLE}`,
  settle: `
      UPDATE queued_changes SET state = iif(?1 = 'queued', ${IN_LINE}, ?1), detail = ?2,
        due_tick_ms = ?3, next_attempt_ms = ?4
      WHERE id = ?5 AND state <> 'held'`,
  done: `
      UPDATE queued_changes SET state = 'synced', detail = NULL, done_at_ms = ?, is_shown = 0,
        next_attempt_ms = NULL, intent_file = NULL WHERE id = ?`,
  conflict: `
      UPDATE queued_changes SET state = 'conflict', detail = ?, found_json = ?,
        conflict_at_ms = ?, next_attempt_ms = NULL WHERE id = ? AND state <> 'held'`,
  shown: 'UPDATE queued_changes SET is_shown = 1 WHERE id = ?',
  unshown: `
      SELECT ${CHANGE_COLUMNS} FROM queued_changes WHERE state = 'synced' AND is_shown = 0
      ORDER BY seq`,
  builtOn: `
      SELECT id FROM queued_changes INDEXED BY queued_changes_by_user
      WHERE user_id = :user AND state IN ${UNDELIVERED} AND state <> 'sending' AND seq > :seq
        AND (path = :made OR (path > :made || '/' AND path < :made || '0')
          OR to_path > :made || '/' AND to_path < :made || '0')`,
  waitForCredential: `
      UPDATE queued_changes SET state = 'waiting_for_credential', detail = ?,
        next_attempt_ms = NULL WHERE user_id = ? AND state IN ${CLAIMABLE}`,
  releaseUser: `
      UPDATE queued_changes SET state = ${IN_LINE}, detail = NULL, due_tick_ms = 0
      WHERE user_id = ? AND state = 'waiting_for_credential'`,
  usersWaiting: `SELECT DISTINCT user_id FROM queued_changes WHERE state = 'waiting_for_credential'`,
  releaseWaiting: `UPDATE queued_changes SET due_tick_ms = 0, next_attempt_ms = NULL
       WHERE state = 'waiting' AND due_tick_ms > 0`,
  releaseExpired: `UPDATE queued_changes SET state = ${IN_LINE} WHERE state = 'sending'`,
  releaseLeases: `UPDATE queued_changes SET ${FREED}`,
  nextDue: `SELECT min(due_tick_ms) AS due FROM queued_changes INDEXED BY queued_changes_open
       WHERE state IN ${UNDELIVERED} AND state IN ${CLAIMABLE}`,
  prune: `DELETE FROM queued_changes WHERE state = 'synced' AND is_shown = 1 AND done_at_ms < ?`,
} as const;

/** `queued_changes` as the delivery claims and records it. */
export class ChangeDeliveryRows {
  readonly #sql: ReturnType<typeof prepareAll<typeof DELIVERY_SQL>>;

  constructor(store: Store) {
    this.#sql = prepareAll(store, DELIVERY_SQL);
  }

  /**
   * Claims the oldest due change that nothing earlier blocks: no change and no upload of anybody
   * at, above or below one of its paths.
   */
  claim(nowTickMs: number): ChangeRow | null {
    for (const raw of this.#sql.due.all(Math.floor(nowTickMs))) {
      const row = toChangeRow(raw);
      if (this.#isBlocked(row)) continue;
      if (this.#sql.claim.run(row.id).changes === 0) continue;
      return { ...row, state: 'sending', attempts: row.attempts + 1 };
    }
    return null;
  }

  #isBlocked({ seq, path, toPath }: ChangeRow): boolean {
    const b = toPath ?? path;
    if (this.#sql.earlierChange.get({ seq, a: path, b }) !== undefined) return true;
    return [...new Set([path, b])].some((place) => {
      const above = JSON.stringify(foldersAbove(place));
      return this.#sql.earlierUpload.get({ seq, path: place, above }) !== undefined;
    });
  }

  /** Back to `queued` or `waiting`, or on to `failed`. */
  settle(
    id: string,
    state: PutBackState,
    detail: Reason | null,
    due: { readonly tickMs: number; readonly atMs: number } | null = null,
  ): void {
    this.#sql.settle.run(state, detail, Math.ceil(due?.tickMs ?? 0), due?.atMs ?? null, id);
  }

  done(id: string, nowMs: number): void {
    this.#sql.done.run(nowMs, id);
  }

  /** @param found what lies there instead; null where that is not known in full */
  conflict(id: string, detail: Reason, found: readonly SeenEntry[] | null, nowMs: number): void {
    this.#sql.conflict.run(detail, found === null ? null : seenText(found), nowMs, id);
  }

  /** Everybody's listings and copies know of it. */
  shown(id: string): void {
    this.#sql.shown.run(id);
  }

  /** Carried out, and the process ended before everybody's listings knew; oldest first. */
  unshown(): readonly ChangeRow[] {
    return this.#sql.unshown.all().map(toChangeRow);
  }

  /** Later ones of the same user that are about what this one would have made. */
  builtOn({ userId, seq, kind, path, toPath }: ChangeRow): readonly string[] {
    const made = kind === 'mkdir' ? path : toPath;
    if (made === null) return [];
    return this.#sql.builtOn.all({ user: userId, seq, made }).map((raw) => String(raw['id']));
  }

  waitForCredential(userId: number, detail: Reason): void {
    this.#sql.waitForCredential.run(detail, userId);
  }

  /** @returns whether any was waiting for that user's credential */
  releaseUser(userId: number): boolean {
    return Number(this.#sql.releaseUser.run(userId).changes) > 0;
  }

  usersWaitingForCredential(): readonly number[] {
    return this.#sql.usersWaiting.all().map((raw) => Number(raw['user_id']));
  }

  /** The NAS is back: none need wait any longer. */
  releaseWaiting(): void {
    this.#sql.releaseWaiting.run();
  }

  /** Between two runs nothing is carried out: a claimed row was left by a broken run. */
  releaseExpired(): void {
    this.#sql.releaseExpired.run();
  }

  /** A new process: rows claimed by the last one are free again. */
  releaseLeases(): void {
    this.#sql.releaseLeases.run();
  }

  /** Monotonic ms at which the next one falls due; null when none is to be done. */
  nextDueTickMs(): number | null {
    const due = this.#sql.nextDue.get()?.['due'];
    return due === null || due === undefined ? null : Number(due);
  }

  /** Forgets what was carried out more than 90 days ago. */
  prune(nowMs: number): void {
    this.#sql.prune.run(nowMs - KEPT_DAYS * DAY_MS);
  }
}

function foldersAbove(path: string): readonly string[] {
  const folders: string[] = [];
  for (let at = parentOf(path); at !== null && at !== ''; at = parentOf(at)) folders.push(at);
  return folders;
}
