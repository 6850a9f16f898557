import { errorKind, type Listeners, type Log, quoted } from '../../log/log.ts';
import type { Clock } from '../../time/clock.ts';
import { type Reason, reason } from '../reasons.ts';
import type { DeliveryRows, RecoveryRows, SyncLogRows, WaitRows } from '../rows/delivery-rows.ts';
import { FOUND_WAITING, type PutBackState, type UploadRow } from '../rows/upload-rows.ts';
import { type Disk, diskFaultOf } from '../spool/disk.ts';
import type { End, Intents } from '../spool/intents.ts';
import {
  type DeliveredFile,
  type KeepDelivered,
  newsOfUpload,
  type UploadCredentials,
  type UploadNews,
} from '../upload-deps.ts';
import type { StepOutcome } from './attempt.ts';
import { backoffMs, type Random } from './backoff.ts';
import { busyReason } from './delivery-calls.ts';

/** Contract 4: sent again at most three times. */
const MOST_RESENDS = 3;

/**
 * What the run does after a recorded outcome. `hold`: leave the NAS alone for at least that long.
 */
export type Next =
  | { readonly kind: 'next' }
  | {
      readonly kind: 'hold';
      readonly reason: 'gone' | 'busy' | 'full' | 'no_storage';
      readonly atLeastMs: number;
    }
  | { readonly kind: 'stop' };

const NEXT: Next = { kind: 'next' };
const WAITS_FOR_SIGN_IN = reason('waitingForUser');

interface SettleDeps {
  readonly rows: DeliveryRows;
  readonly recovery: RecoveryRows;
  readonly intents: Intents;
  readonly waits: WaitRows;
  readonly syncLog: SyncLogRows;
  readonly credentials: UploadCredentials;
  readonly disk: Pick<Disk, 'isWell'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly news: Listeners<UploadNews>;
  readonly random: Random;
}

/**
 * Records the outcome of an attempt: one commit for the row's new state and its log line. A final
 * outcome goes into the intents first.
 */
export class Settle {
  readonly #deps: SettleDeps;

  constructor(deps: SettleDeps) {
    this.#deps = deps;
  }

  async settle(row: UploadRow, token: string, outcome: StepOutcome): Promise<Next> {
    switch (outcome.kind) {
      case 'delivered':
        await this.#delivered(row, outcome.path, outcome.beside);
        return NEXT;
      case 'mismatch':
        this.#mismatch(row, outcome);
        return NEXT;
      case 'refused':
        this.#deps.log.warn(`delivery: ${nameOf(row)} was refused by the NAS (${outcome.status}).`);
        this.#commit(row, 'failed', outcome.detail, () => {
          this.#deps.rows.settle(row.id, 'failed', outcome.detail);
          if (outcome.needsFolder === true) this.#deps.rows.markNeedsFolder(row.id);
        });
        this.#tellFailed(row, outcome.detail);
        return NEXT;
      case 'awaits_owner':
        this.#deps.log.info(`delivery: ${nameOf(row)} waits for its owner to decide.`);
        this.#end(row, FOUND_WAITING, outcome.detail);
        this.#tellWaits(row, outcome.detail);
        return NEXT;
      case 'trouble':
        this.#wait(row, outcome.detail);
        return NEXT;
      case 'gone':
        this.#pause(row, reason('nasWentAway'));
        return { kind: 'hold', reason: 'gone', atLeastMs: 0 };
      case 'busy':
        this.#pause(row, busyReason(outcome));
        return { kind: 'hold', reason: 'busy', atLeastMs: outcome.retryAfterMs ?? 0 };
      case 'nas_full':
        this.#pause(row, reason('nasFull'));
        return { kind: 'hold', reason: 'full', atLeastMs: 0 };
      case 'credential_refused':
        return this.#credentialRefused(row, token);
    }
  }

  /** The process stops; the row goes back to how it was before the claim. */
  released(row: UploadRow): void {
    this.#deps.rows.settle(row.id, 'queued', row.detail);
  }

  /** There is no credential for that user, so all of the user's rows wait. */
  noCredential(row: UploadRow): void {
    this.#deps.log.info(`delivery: uploads of ${quoted(row.username)} wait for a sign-in.`);
    this.#commit(row, 'no_credential', null, () => {
      this.#deps.waits.waitForCredential(row.userId, WAITS_FOR_SIGN_IN);
    });
    this.#tellWaits(row, WAITS_FOR_SIGN_IN);
  }

  /** Sent now, it would end up hidden under the NAS's disk once that is mounted again. */
  storageMissing(row: UploadRow): Next {
    this.#pause(row, reason('nasNoStorage'));
    return { kind: 'hold', reason: 'no_storage', atLeastMs: 0 };
  }

  /** The Pi's own disk failed while reading the file. */
  readFailed(row: UploadRow, error: unknown): Next {
    const fault = diskFaultOf(error);
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'ENOENT' && this.#deps.disk.isWell()) {
      this.#deps.log.error('An accepted upload has lost its file. Its row is kept as failed.');
      this.#commit(row, 'lost', null, () => {
        this.#deps.recovery.markLost(row.id, reason('fileLost'));
      });
      this.#tellFailed(row, reason('fileLost'));
      return NEXT;
    }
    if (fault === null) this.#deps.log.error('Delivering an upload failed unexpectedly.');
    this.#wait(row, reason(fault === null ? 'somethingWentWrongHere' : 'diskUnreadable'));
    return NEXT;
  }

  /** Records several that were verified together, in one commit. */
  async deliveredTogether(rows: readonly UploadRow[]): Promise<void> {
    const { rows: table, syncLog, clock, intents } = this.#deps;
    const nowMs = clock.nowMs();
    await intents.end(rows.map((row) => endOf(row, row.path, nowMs)));
    table.transaction(() => {
      for (const row of rows) {
        table.delivered(row.id, 'synced', row.path, nowMs);
        syncLog.add(row, 'synced', null, nowMs);
      }
    });
    for (const row of rows) this.#tellArrived(row, row.path);
  }

  async #delivered(row: UploadRow, path: string, beside: boolean): Promise<void> {
    const { rows, clock, intents } = this.#deps;
    const nowMs = clock.nowMs();
    await intents.end([endOf(row, path, nowMs)]);
    const state = beside ? 'conflict' : 'synced';
    this.#commit(row, state, null, () => {
      rows.delivered(row.id, state, path, nowMs);
      if (beside) rows.addConflict(row, path, nowMs);
    });
    this.#tellArrived(row, path);
    if (!beside) return;
    this.#deps.news.tell(newsOfUpload('conflict', row, { conflictPath: path }));
    const why = 'as the file on the NAS had changed; its owner decides';
    this.#deps.log.warn(`conflict: ${nameOf(row)} has a second name on the NAS, ${why}.`);
  }

  #tellFailed(row: UploadRow, detail: Reason): void {
    this.#deps.news.tell(newsOfUpload('upload_failed', row, { detail }));
  }

  #tellWaits(row: UploadRow, detail: Reason): void {
    this.#deps.news.tell(newsOfUpload('upload_waits', row, { detail }));
  }

  #tellArrived(row: UploadRow, path: string): void {
    this.#deps.news.tell(newsOfUpload('upload_delivered', row, { path }));
    this.#deps.log.info(`delivery: ${nameOf(row)} is on the NAS, ${row.sizeBytes} bytes.`);
  }

  /** Nothing will get through for a while. */
  #pause(row: UploadRow, why: Reason): void {
    this.#deps.log.info(`delivery: pauses. ${why}`);
    this.#end(row, 'waiting', why);
    this.#tellWaits(row, why);
  }

  #mismatch(row: UploadRow, { found }: Extract<StepOutcome, { kind: 'mismatch' }>): void {
    const { rows, log } = this.#deps;
    const detail = reason('nasShowsOther');
    const isLast = row.resends >= MOST_RESENDS;
    const next = isLast ? 'kept as failed' : 'sent again';
    log.warn(`delivery: ${nameOf(row)} did not arrive whole and is ${next}.`);
    this.#commit(row, 'mismatch', detail, () => {
      if (isLast) {
        rows.settle(row.id, 'failed', reason('nasShowsOtherTimes', { count: MOST_RESENDS + 1 }));
        return;
      }
      rows.mismatched(row.id, {
        sizeBytes: found?.size ?? null,
        modifiedAt: found?.modified_at ?? null,
        checksum: found?.checksum ?? null,
      });
      rows.settle(row.id, 'queued', detail);
    });
    if (isLast) this.#tellFailed(row, detail);
    else this.#tellWaits(row, detail);
  }

  #wait(row: UploadRow, detail: Reason): void {
    const { rows, clock, random } = this.#deps;
    const delayMs = backoffMs(row.attempts, random);
    const seconds = Math.round(delayMs / 1_000);
    this.#deps.log.info(`delivery: ${nameOf(row)} did not go through; again in ${seconds} s.`);
    const due = { tickMs: clock.monotonicMs() + delayMs, atMs: clock.nowMs() + delayMs };
    this.#commit(row, 'waiting', detail, () => {
      rows.settle(row.id, 'waiting', detail, due);
    });
    this.#tellWaits(row, detail);
  }

  #end(row: UploadRow, state: Exclude<PutBackState, 'queued'>, detail: Reason): void {
    this.#commit(row, state, detail, () => {
      this.#deps.rows.settle(row.id, state, detail);
    });
  }

  /** A short-lived token may simply have expired, so a new one is tried once, immediately. */
  async #credentialRefused(row: UploadRow, token: string): Promise<Next> {
    const { credentials, rows } = this.#deps;
    await credentials.refused(row.userId, token);
    const another = await credentials.credentialFor(row.userId);
    if (another === null || another === token) {
      this.noCredential(row);
      return NEXT;
    }
    this.#commit(row, 'credential_refused', null, () => {
      rows.settle(row.id, 'queued', null);
    });
    return NEXT;
  }

  #commit(row: UploadRow, outcome: string, detail: Reason | null, work: () => void): void {
    const { rows, syncLog, clock } = this.#deps;
    rows.transaction(() => {
      work();
      syncLog.add(row, outcome, detail, clock.nowMs());
    });
  }
}

/** The log holds no file names: the page Uploads and the API tell which upload it is. */
function nameOf({ id, username }: UploadRow): string {
  return `upload ${id} of ${quoted(username)}`;
}

function endOf({ id, sizeBytes, sha256 }: UploadRow, path: string, atMs: number): End {
  return { id, end: 'delivered', atMs, path, sizeBytes, sha256, base: null };
}

interface PendingCleanupDeps {
  readonly recovery: RecoveryRows;
  readonly intents: Intents;
  readonly keep: KeepDelivered;
  readonly disk: Disk;
  readonly log: Log;
  readonly fileOf: (id: string) => string;
}

/** A delivered upload by its id, in the form the cache takes. */
type HandedOver = Omit<DeliveredFile, 'file'> & { readonly id: string };

/**
 * Hands the bytes of delivered uploads to the cache, or deletes them, once their rows say they are
 * on the NAS. What the disk refuses stays pending until it is done: a row claiming bytes that are
 * gone would count against the quota for ever.
 */
export class PendingCleanup {
  readonly #deps: PendingCleanupDeps;
  /** Ids whose file or row is still to be cleaned up. */
  readonly #pending = new Set<string>();

  constructor(deps: PendingCleanupDeps) {
    this.#deps = deps;
  }

  /** Whether {@link finish} has anything left to do. */
  get isPending(): boolean {
    return this.#pending.size > 0;
  }

  /** @throws the database's error; the cleanup then stays pending */
  async give(delivered: readonly HandedOver[]): Promise<void> {
    const { keep, log, fileOf } = this.#deps;
    for (const { id } of delivered) this.#pending.add(id);
    // All are started, and so shown, before the first is stored: the disk takes its time.
    const keeping = delivered.map(async ({ id, ...file }) => {
      try {
        await keep({ ...file, file: fileOf(id) });
      } catch (error) {
        log.warn(`A delivered file could not be kept as a copy: ${errorKind(error)}.`);
      }
    });
    await Promise.all(keeping);
    await this.finish();
  }

  /**
   * Retries what an earlier call could not do.
   * @throws the database's error; the cleanup then stays pending
   */
  async finish(): Promise<void> {
    const { disk, recovery, log, fileOf } = this.#deps;
    const gone: string[] = [];
    for (const id of this.#pending) {
      try {
        await disk.remove(fileOf(id));
        gone.push(id);
      } catch (error) {
        log.warn(`A delivered file could not be removed yet: ${errorKind(error)}.`);
      }
    }
    const files = recovery.bytesGone(gone);
    for (const id of gone) this.#pending.delete(id);
    for (const file of files) await this.#discard(file);
  }

  /** What the disk refuses here is retried by the next start. */
  async #discard(file: string): Promise<void> {
    try {
      await this.#deps.intents.discard(file);
    } catch (error) {
      this.#deps.log.warn(
        `Intents that are no longer needed could not be removed: ${errorKind(error)}.`,
      );
    }
  }
}
