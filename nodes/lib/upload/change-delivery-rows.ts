import { prepareAll } from '../store/prepared.ts';
import type { Store } from '../store/store.ts';
import { parentOf } from '../files/files.ts';
import { seenText, toChangeRow, type ChangeRow, type SeenEntry } from './change-row.ts';
import { CHANGE_COLUMNS } from './change-rows.ts';
import { CLAIMABLE, FOUND_WAITING, FREED, IN_LINE, UNDELIVERED } from './upload-states.ts';

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

/** An upload of anybody at, above or below a place, under either reading or beside. */
const EARLIER_UPLOAD = `
  SELECT 1 FROM upload_queue WHERE seq < :seq AND state IN ${UNDELIVERED} AND (
    path = :path OR (path > :path || '/' AND path < :path || '0')
    OR path IN (SELECT value FROM json_each(:above))
    OR (second_path IS NOT NULL AND ${meets('second_path', ':path')})
    OR (conflict_path IS NOT NULL AND ${meets('conflict_path', ':path')}))
  LIMIT 1`;

const SQL = {
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
  releaseStrays: `UPDATE queued_changes SET state = ${IN_LINE} WHERE state = 'sending'`,
  releaseLeases: `UPDATE queued_changes SET ${FREED}`,
  nextDue: `SELECT min(due_tick_ms) AS due FROM queued_changes INDEXED BY queued_changes_open
       WHERE state IN ${UNDELIVERED} AND state IN ${CLAIMABLE}`,
  prune: `DELETE FROM queued_changes WHERE state = 'synced' AND is_shown = 1 AND done_at_ms < ?`,
} as const;

/** `queued_changes` as the delivery claims and settles it. */
export class ChangeDeliveryRows {
  readonly #sql: ReturnType<typeof prepareAll<typeof SQL>>;

  constructor(store: Store) {
    this.#sql = prepareAll(store, SQL);
  }

  /**
   * Claims the oldest change that is due and that nothing earlier stands before: no change and no
   * upload of anybody at, above or below one of its places.
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
    state: 'queued' | 'waiting' | 'failed' | typeof FOUND_WAITING,
    detail: string | null,
    due: { readonly tickMs: number; readonly atMs: number } | null = null,
  ): void {
    this.#sql.settle.run(state, detail, Math.ceil(due?.tickMs ?? 0), due?.atMs ?? null, id);
  }

  done(id: string, nowMs: number): void {
    this.#sql.done.run(nowMs, id);
  }

  /** @param found what lies there instead; null where that is not known in full */
  conflict(id: string, detail: string, found: readonly SeenEntry[] | null, nowMs: number): void {
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

  waitForCredential(userId: number, detail: string): void {
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

  /** Between two runs nothing is carried out: what still says so was left by one that broke off. */
  releaseStrays(): void {
    this.#sql.releaseStrays.run();
  }

  /** A new process: what the last one was at is free again. */
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
