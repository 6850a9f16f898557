import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import type { BatchOutcome, DeliveryBatch } from './delivery-batch.ts';
import type { DeliveryRows } from './delivery-rows.ts';
import type { DeliveryStep, StepOutcome } from './delivery-step.ts';
import type { HandOver } from './hand-over.ts';
import type { PathLocks } from './path-locks.ts';
import type { Next, Settle } from './settle.ts';
import type { UploadParts } from './upload-parts.ts';
import type { UploadCredentials } from './upload-ports.ts';
import type { UploadRow } from './upload-row.ts';

/** Each chunk that arrives renews it. */
const LEASE_MS = 10 * 60_000;
/** Every kind of credential may be refused once; a token refused more often in one run is none. */
const MOST_REFUSALS = 3;
/** Files that travel together, and how large one and all of them may be. */
const TOGETHER = {
  count: 15,
  fileBytes: 16 * 1024 * 1024,
  bytes: 48 * 1024 * 1024,
} as const;
/** A path that is being moved about on the NAS is looked at again after this, ms. */
const LOCKED_MS = 2_000;

export interface DeliveryTurnParts {
  readonly rows: DeliveryRows;
  readonly step: DeliveryStep;
  readonly batch: DeliveryBatch;
  readonly settle: Settle;
  readonly locks: PathLocks;
  readonly credentials: UploadCredentials;
  readonly storageStands: UploadParts['storageStands'];
  readonly handOver: HandOver;
  readonly clock: Clock;
  readonly log: Log;
  /** Names this process in leases. */
  readonly owner: string;
}

type Delivered = Extract<StepOutcome, { readonly kind: 'delivered' }>;

/** One turn of the delivery: a user's oldest row that is due, and what may travel with it. */
export class DeliveryTurn {
  readonly #parts: DeliveryTurnParts;
  #renewAtTickMs = 0;
  /** Users take turns, so that one user's thousands of files hold nobody else up. */
  #lastUser = -1;
  #refusals = new Map<number, number>();

  constructor(parts: DeliveryTurnParts) {
    this.#parts = parts;
  }

  /** A new run: what was refused in the last one may be good again. */
  forget(): void {
    this.#refusals.clear();
  }

  /**
   * @param onDelivered something went through
   * @returns null when nothing is due
   */
  async take(signal: AbortSignal, onDelivered: () => void): Promise<Next | null> {
    const { rows, clock, owner, locks } = this.#parts;
    const nowMs = clock.monotonicMs();
    const first = rows.claim(this.#lastUser, owner, nowMs, nowMs + LEASE_MS);
    if (first === null) return null;
    this.#lastUser = first.userId;
    this.#renewAtTickMs = nowMs + LEASE_MS / 2;
    const unlock = locks.take(placesOf(first));
    if (unlock === null) {
      const due = { tickMs: nowMs + LOCKED_MS, atMs: clock.nowMs() + LOCKED_MS };
      rows.settle(first.id, 'queued', first.detail, due);
      return { kind: 'next' };
    }
    try {
      return await this.#locked(first, signal, onDelivered);
    } finally {
      unlock();
    }
  }

  async #locked(first: UploadRow, signal: AbortSignal, onDelivered: () => void): Promise<Next> {
    const token = await this.#tokenOf(first);
    if (token === null) {
      this.#parts.settle.noCredential(first);
      return { kind: 'next' };
    }
    if (!(await this.#parts.storageStands(first.userId, token))) {
      return this.#parts.settle.storageMissing(first);
    }
    const { others, unlock } = this.#alongside(first);
    try {
      return others.length === 0
        ? await this.#alone(first, token, signal, onDelivered)
        : await this.#together([first, ...others], token, signal, onDelivered);
    } finally {
      unlock();
    }
  }

  async #tokenOf(row: UploadRow): Promise<string | null> {
    const refusals = this.#refusals.get(row.userId) ?? 0;
    return refusals >= MOST_REFUSALS
      ? null
      : await this.#parts.credentials.credentialFor(row.userId);
  }

  /** What may travel with it, each with its place locked. */
  #alongside(first: UploadRow): {
    readonly others: readonly UploadRow[];
    readonly unlock: () => void;
  } {
    const { rows, clock, owner, locks, settle } = this.#parts;
    const odd =
      first.secondPath !== null || first.conflictPath !== null || first.resends > 0 || first.found;
    const isAlone = odd || first.sizeBytes > TOGETHER.fileBytes;
    const nowMs = clock.monotonicMs();
    const claimed = isAlone
      ? []
      : rows.claimAlongside(first, owner, nowMs, nowMs + LEASE_MS, TOGETHER);
    const others: UploadRow[] = [];
    const unlocks: (() => void)[] = [];
    for (const row of claimed) {
      const unlock = locks.take(placesOf(row));
      if (unlock === null) settle.released(row);
      else {
        others.push(row);
        unlocks.push(unlock);
      }
    }
    const unlock = (): void => {
      for (const one of unlocks) one();
    };
    return { others, unlock };
  }

  async #alone(
    row: UploadRow,
    token: string,
    signal: AbortSignal,
    onDelivered: () => void,
  ): Promise<Next> {
    const { settle, step } = this.#parts;
    let outcome: StepOutcome;
    try {
      outcome = await step.deliver(row, token, signal, () => {
        this.#renew([row]);
      });
    } catch (error) {
      if (!signal.aborted) return settle.readFailed(row, error);
      settle.released(row);
      return { kind: 'stop' };
    }
    if (signal.aborted && outcome.kind !== 'delivered') {
      settle.released(row);
      return { kind: 'stop' };
    }
    return await this.#settle(row, token, outcome, onDelivered);
  }

  async #together(
    rows: readonly UploadRow[],
    token: string,
    signal: AbortSignal,
    onDelivered: () => void,
  ): Promise<Next> {
    const { settle, batch } = this.#parts;
    let outcomes: ReadonlyMap<string, BatchOutcome>;
    try {
      outcomes = await batch.deliver(rows, token, signal, () => {
        this.#renew(rows);
      });
    } catch (error) {
      // One file of them cannot be read: each finds out for itself.
      if (!signal.aborted) {
        this.#parts.log.warn(`Files cannot travel together: ${errorKind(error)}.`);
      }
      outcomes = new Map(rows.map(({ id }) => [id, { kind: 'alone' }]));
    }
    const arrived: { readonly row: UploadRow; readonly outcome: Delivered }[] = [];
    for (const row of rows) {
      const outcome = outcomes.get(row.id);
      if (outcome?.kind === 'delivered') arrived.push({ row, outcome });
    }
    await settle.deliveredTogether(arrived.map(({ row }) => row));
    if (arrived.length > 0) onDelivered();
    await this.#letGo(arrived);
    return await this.#settleRest(rows, outcomes, { token, signal, onDelivered });
  }

  async #settleRest(
    rows: readonly UploadRow[],
    outcomes: ReadonlyMap<string, BatchOutcome>,
    run: { readonly token: string; readonly signal: AbortSignal; readonly onDelivered: () => void },
  ): Promise<Next> {
    const { settle } = this.#parts;
    const { token, signal, onDelivered } = run;
    let next: Next = { kind: 'next' };
    for (const row of rows) {
      const outcome = outcomes.get(row.id) ?? { kind: 'untouched' };
      if (outcome.kind === 'delivered') continue;
      if (next.kind !== 'next' || signal.aborted || outcome.kind === 'untouched') {
        settle.released(row);
      } else if (outcome.kind === 'alone') {
        next = await this.#alone(row, token, signal, onDelivered);
      } else {
        next = await this.#settle(row, token, outcome, onDelivered);
      }
    }
    return signal.aborted ? { kind: 'stop' } : next;
  }

  async #settle(
    row: UploadRow,
    token: string,
    outcome: StepOutcome,
    onDelivered: () => void,
  ): Promise<Next> {
    if (outcome.kind === 'credential_refused') {
      this.#refusals.set(row.userId, (this.#refusals.get(row.userId) ?? 0) + 1);
    }
    const next = await this.#parts.settle.settle(row, token, outcome);
    if (outcome.kind === 'delivered') {
      onDelivered();
      await this.#letGo([{ row, outcome }]);
    }
    return next;
  }

  /** A renewal costs a commit, so only when half the lease is gone. */
  #renew(rows: readonly UploadRow[]): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs < this.#renewAtTickMs) return;
    this.#renewAtTickMs = nowMs + LEASE_MS / 2;
    for (const { id } of rows) this.#parts.rows.renewLease(id, nowMs + LEASE_MS);
  }

  async #letGo(
    delivered: readonly { readonly row: UploadRow; readonly outcome: Delivered }[],
  ): Promise<void> {
    await this.#parts.handOver.give(
      delivered.map(({ row, outcome }) => ({
        id: row.id,
        userId: row.userId,
        path: outcome.path,
        sha256: row.sha256,
        version: outcome.item,
      })),
    );
  }
}

/** Everything of the NAS that a row's delivery may write to, as far as it is known before. */
function placesOf({ path, secondPath, conflictPath }: UploadRow): readonly string[] {
  return [path, secondPath, conflictPath].filter((place) => place !== null);
}
