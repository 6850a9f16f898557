import { errorKind } from '../log/error-kind.ts';
import type { Listeners } from '../log/listeners.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import { backoffMs, type Random } from './backoff.ts';
import type { ChangeDeliveryRows } from './change-delivery-rows.ts';
import { placesOf, type ChangeRow } from './change-row.ts';
import type { ChangeRows } from './change-rows.ts';
import type { ChangeOutcome, ChangeStep } from './change-step.ts';
import type { Intents } from './intents.ts';
import type { PathLocks } from './path-locks.ts';
import type { Next } from './settle.ts';
import type { SyncLogRows } from './sync-log-rows.ts';
import { newsOfChange, type UploadNews } from './upload-news.ts';
import type { UploadParts } from './upload-parts.ts';
import type { CarriedOut } from './upload-ports.ts';
import { FOUND_WAITING } from './upload-states.ts';

/** A token refused more often in one run is none. */
const MOST_REFUSALS = 3;
/** A place where something else is going on is looked at again after this, ms. */
const LOCKED_MS = 2_000;

const NEXT: Next = { kind: 'next' };
const BUILT_ON = 'A change that this one builds on was not carried out.';

export interface ChangeDeliveryParts extends Pick<
  UploadParts,
  'credentials' | 'storageStands' | 'changed'
> {
  readonly changeRows: ChangeRows;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly changeStep: ChangeStep;
  readonly intents: Intents;
  readonly syncLog: SyncLogRows;
  readonly locks: PathLocks;
  readonly clock: Clock;
  readonly log: Log;
  readonly news: Listeners<UploadNews>;
  readonly random: Random;
}

/** Has the NAS carry queued changes out, one at a time, each behind all that was wanted before it. */
export class ChangeDelivery {
  readonly #parts: ChangeDeliveryParts;
  #refusals = new Map<number, number>();

  constructor(parts: ChangeDeliveryParts) {
    this.#parts = parts;
  }

  /** Tells everybody's listings what was carried out right before the last process ended. */
  async start(): Promise<void> {
    for (const row of this.#parts.changeDeliveryRows.unshown()) await this.#show(row);
  }

  /** A new run: what was refused in the last one may be good again. */
  forget(): void {
    this.#refusals.clear();
  }

  /**
   * @param onDone something went through
   * @returns null when nothing is due
   */
  async take(signal: AbortSignal, onDone: () => void): Promise<Next | null> {
    const { changeDeliveryRows: rows, clock, locks } = this.#parts;
    const row = rows.claim(clock.monotonicMs());
    if (row === null) return null;
    const unlock = locks.take(placesOf(row));
    if (unlock === null) {
      const [tickMs, atMs] = [clock.monotonicMs() + LOCKED_MS, clock.nowMs() + LOCKED_MS];
      rows.settle(row.id, 'queued', row.detail, { tickMs, atMs });
      return NEXT;
    }
    try {
      return await this.#carryOut(row, signal, onDone);
    } finally {
      unlock();
    }
  }

  async #carryOut(row: ChangeRow, signal: AbortSignal, onDone: () => void): Promise<Next> {
    const { changeStep, changeRows, storageStands } = this.#parts;
    const token = await this.#tokenOf(row);
    if (token === null) return this.#noCredential(row);
    if (!(await storageStands(row.userId, token))) {
      this.#end(row, 'waiting', 'The NAS shows nothing of its storage. Is its disk mounted?');
      return { kind: 'hold', reason: 'no_storage', atLeastMs: 0 };
    }
    let outcome: ChangeOutcome;
    try {
      outcome = await changeStep.carryOut(row, changeRows.seenBy(row.id), token, signal);
    } catch (error) {
      if (!signal.aborted) {
        this.#parts.log.error(`Carrying out a change failed unexpectedly: ${errorKind(error)}.`);
        this.#wait(row, 'Something went wrong here.');
        return NEXT;
      }
      return this.#released(row);
    }
    if (signal.aborted && outcome.kind !== 'done') return this.#released(row);
    return await this.#settle(row, token, outcome, onDone);
  }

  async #tokenOf({ userId }: ChangeRow): Promise<string | null> {
    const isRefused = (this.#refusals.get(userId) ?? 0) >= MOST_REFUSALS;
    return isRefused ? null : await this.#parts.credentials.credentialFor(userId);
  }

  async #settle(
    row: ChangeRow,
    token: string,
    outcome: ChangeOutcome,
    onDone: () => void,
  ): Promise<Next> {
    switch (outcome.kind) {
      case 'done':
        await this.#done(row);
        onDone();
        return NEXT;
      case 'changed':
        this.#differs(row, outcome);
        return NEXT;
      case 'refused':
        this.#end(row, 'failed', outcome.detail);
        this.#parts.news.tell(newsOfChange('upload_failed', row, outcome.detail));
        this.orphan(row);
        return NEXT;
      case 'trouble':
        this.#wait(row, outcome.detail);
        return NEXT;
      case 'gone':
        this.#end(row, 'waiting', 'The NAS went away.');
        return { kind: 'hold', reason: 'gone', atLeastMs: 0 };
      case 'busy':
        this.#end(row, 'waiting', `The NAS is busy (${outcome.status}).`);
        return { kind: 'hold', reason: 'busy', atLeastMs: outcome.retryAfterMs ?? 0 };
      case 'nas_full':
        this.#end(row, 'waiting', 'The NAS has no room left.');
        return { kind: 'hold', reason: 'full', atLeastMs: 0 };
      case 'credential_refused':
        return await this.#credentialRefused(row, token);
    }
  }

  /** That it is over is told beside the row before the row says so. */
  async #done(row: ChangeRow): Promise<void> {
    const { changeDeliveryRows: rows, changeRows, intents, clock } = this.#parts;
    const atMs = clock.nowMs();
    await intents.end([endOfChange(row, 'delivered', atMs)]);
    this.#commit(row, 'synced', null, () => {
      rows.done(row.id, atMs);
    });
    await this.#show(row);
    if (row.intentFile !== null && !changeRows.isIntentNeeded(row.intentFile)) {
      await intents.discard(row.intentFile);
    }
  }

  async #show(row: ChangeRow): Promise<void> {
    const { changed, changeDeliveryRows: rows, log } = this.#parts;
    try {
      await changed(carriedOut(row), { userId: row.userId, mark: row.seq });
      rows.shown(row.id);
    } catch (error) {
      // The next start tells them again; the NAS's own listings are right meanwhile.
      log.warn(`What was carried out could not be shown yet: ${errorKind(error)}.`);
    }
  }

  /** Rebuilt from an intent it waits for a word of its owner, else it is a conflict. */
  #differs(
    row: ChangeRow,
    { detail, found }: Extract<ChangeOutcome, { readonly kind: 'changed' }>,
  ): void {
    const { changeDeliveryRows: rows, clock } = this.#parts;
    if (row.found) {
      this.#end(row, FOUND_WAITING, detail);
    } else {
      this.#commit(row, 'conflict', detail, () => {
        rows.conflict(row.id, detail, found, clock.nowMs());
      });
      this.#parts.news.tell(newsOfChange('conflict', row, detail));
    }
    this.orphan(row);
  }

  /** What builds on a change that is not carried out would be done to something else. */
  orphan(row: ChangeRow): void {
    const { changeDeliveryRows: rows, changeRows, clock } = this.#parts;
    for (const id of rows.builtOn(row)) {
      const later = changeRows.byId(id);
      rows.conflict(id, BUILT_ON, null, clock.nowMs());
      if (later === null) continue;
      this.#parts.news.tell(newsOfChange('conflict', later, BUILT_ON));
      this.orphan(later);
    }
  }

  #released(row: ChangeRow): Next {
    this.#parts.changeDeliveryRows.settle(row.id, 'queued', row.detail);
    return { kind: 'stop' };
  }

  #noCredential(row: ChangeRow): Next {
    this.#commit(row, 'no_credential', null, () => {
      const { changeDeliveryRows: rows } = this.#parts;
      rows.waitForCredential(row.userId, 'Waiting for its user to sign in.');
    });
    return NEXT;
  }

  /** A short-lived token may simply have run out: a new one is tried once, at once. */
  async #credentialRefused(row: ChangeRow, token: string): Promise<Next> {
    const { credentials } = this.#parts;
    this.#refusals.set(row.userId, (this.#refusals.get(row.userId) ?? 0) + 1);
    await credentials.refused(row.userId, token);
    const another = await credentials.credentialFor(row.userId);
    if (another === null || another === token) return this.#noCredential(row);
    this.#parts.changeDeliveryRows.settle(row.id, 'queued', null);
    return NEXT;
  }

  #wait(row: ChangeRow, detail: string): void {
    const { changeDeliveryRows: rows, clock, random } = this.#parts;
    const delayMs = backoffMs(row.attempts, random);
    const due = { tickMs: clock.monotonicMs() + delayMs, atMs: clock.nowMs() + delayMs };
    this.#commit(row, 'waiting', detail, () => {
      rows.settle(row.id, 'waiting', detail, due);
    });
  }

  #end(row: ChangeRow, state: 'waiting' | 'failed' | typeof FOUND_WAITING, detail: string): void {
    this.#commit(row, state, detail, () => {
      this.#parts.changeDeliveryRows.settle(row.id, state, detail);
    });
  }

  #commit(row: ChangeRow, outcome: string, detail: string | null, work: () => void): void {
    const { changeRows, syncLog, clock } = this.#parts;
    changeRows.transaction(() => {
      work();
      syncLog.add(row, outcome, detail, clock.nowMs());
    });
  }
}

/** A change that is over; it has no bytes of its own. */
export function endOfChange(
  { id, path }: Pick<ChangeRow, 'id' | 'path'>,
  end: 'delivered' | 'dropped',
  atMs: number,
) {
  return { id, end, atMs, path, sizeBytes: 0, sha256: '', base: null } as const;
}

function carriedOut({ kind, path, toPath }: ChangeRow): CarriedOut {
  if (kind === 'delete') return { kind: 'deleted', path };
  if (kind === 'mkdir') return { kind: 'made', path };
  return { kind: 'moved', from: path, to: toPath ?? path };
}
