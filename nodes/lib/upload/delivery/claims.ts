import { errorKind, type Log } from '../../log/log.ts';
import type { NasFileItem } from '../../nas/nas-client.ts';
import type { Clock } from '../../time/clock.ts';
import type { DeliveryRows } from '../rows/delivery-rows.ts';
import { branchBaseOf, type UploadRow, type UploadRows } from '../rows/upload-rows.ts';
import type { UploadCredentials, UploadDeps } from '../upload-deps.ts';
import type { DeliveryAttempt, StepOutcome, TargetCheck, Wanted } from './attempt.ts';
import type { Interruption, NamesSeen, NasFolder } from './delivery-calls.ts';
import type { PendingCleanup, Next, Settle } from './outcome.ts';
import type { PathLocks } from './path-locks.ts';
import type { ChunkedSend, Sending } from './send.ts';

/** Renewed by each chunk that arrives. */
const LEASE_MS = 10 * 60_000;
/** Any credential may be refused once; one refused more often in a run is invalid. */
const MOST_REFUSALS = 3;
/** Limits for files that travel together: how many, and how large each and all of them. */
const TOGETHER = {
  count: 15,
  fileBytes: 16 * 1024 * 1024,
  bytes: 48 * 1024 * 1024,
} as const;
/** How long until a path being moved on the NAS is tried again, ms. */
const LOCKED_MS = 2_000;

interface DeliveryClaimsDeps {
  readonly rows: DeliveryRows;
  readonly step: DeliveryAttempt;
  readonly batch: DeliveryBatch;
  readonly settle: Settle;
  readonly locks: PathLocks;
  readonly credentials: UploadCredentials;
  readonly storageStands: UploadDeps['storageStands'];
  readonly cleanup: PendingCleanup;
  readonly clock: Clock;
  readonly log: Log;
  /** Names this process in leases. */
  readonly owner: string;
}

type Delivered = Extract<StepOutcome, { readonly kind: 'delivered' }>;

/** One claim: a user's oldest due row, and the rows that may travel with it. */
export class DeliveryClaims {
  readonly #deps: DeliveryClaimsDeps;
  #renewAtTickMs = 0;
  /** Users take turns, so that one user's thousands of files delay nobody else. */
  #lastUser = -1;
  #refusals = new Map<number, number>();

  constructor(deps: DeliveryClaimsDeps) {
    this.#deps = deps;
  }

  /** Starts a new run, in which tokens refused in the last one may be good again. */
  forget(): void {
    this.#refusals.clear();
  }

  /**
   * @param onDelivered called when something went through
   * @returns null when nothing is due
   */
  async take(signal: AbortSignal, onDelivered: () => void): Promise<Next | null> {
    const { rows, clock, owner, locks } = this.#deps;
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
      this.#deps.settle.noCredential(first);
      return { kind: 'next' };
    }
    if (!(await this.#deps.storageStands(first.userId, token))) {
      return this.#deps.settle.storageMissing(first);
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
      : await this.#deps.credentials.credentialFor(row.userId);
  }

  /** Rows that may travel with it, each with its path locked. */
  #alongside(first: UploadRow): {
    readonly others: readonly UploadRow[];
    readonly unlock: () => void;
  } {
    const { rows, clock, owner, locks, settle } = this.#deps;
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
    const { settle, step } = this.#deps;
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
    const { settle, batch } = this.#deps;
    let outcomes: ReadonlyMap<string, BatchOutcome>;
    try {
      outcomes = await batch.deliver(rows, token, signal, () => {
        this.#renew(rows);
      });
    } catch (error) {
      // One of their files cannot be read, so each is tried alone.
      if (!signal.aborted) {
        this.#deps.log.warn(`Files cannot travel together: ${errorKind(error)}.`);
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
    const { settle } = this.#deps;
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
    const next = await this.#deps.settle.settle(row, token, outcome);
    if (outcome.kind === 'delivered') {
      onDelivered();
      await this.#letGo([{ row, outcome }]);
    }
    return next;
  }

  /** A renewal costs a commit, so it waits until half the lease is gone. */
  #renew(rows: readonly UploadRow[]): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs < this.#renewAtTickMs) return;
    this.#renewAtTickMs = nowMs + LEASE_MS / 2;
    for (const { id } of rows) this.#deps.rows.renewLease(id, nowMs + LEASE_MS);
  }

  async #letGo(
    delivered: readonly { readonly row: UploadRow; readonly outcome: Delivered }[],
  ): Promise<void> {
    await this.#deps.cleanup.give(
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

/** Every path on the NAS that a row's delivery may write to, as far as known in advance. */
function placesOf({ path, secondPath, conflictPath }: UploadRow): readonly string[] {
  return [path, secondPath, conflictPath].filter((place) => place !== null);
}

/** How long a place counts as free after a check, ms. */
const LOOK_HOLDS_MS = 1_000;

type BatchOutcome =
  | StepOutcome
  /** It needs the longer way, through {@link DeliveryAttempt}. */
  | { readonly kind: 'alone' }
  /** Nothing was tried for it. */
  | { readonly kind: 'untouched' };

interface DeliveryBatchDeps {
  readonly uploads: UploadRows;
  readonly check: TargetCheck;
  readonly folders: NasFolder;
  readonly chunked: ChunkedSend;
  readonly step: DeliveryAttempt;
  readonly clock: Clock;
  readonly fileOf: (id: string) => string;
}

interface Run {
  readonly token: string;
  readonly signal: AbortSignal;
  readonly onProgress: () => void;
  readonly folder: string;
  readonly outcomes: Map<string, BatchOutcome>;
}

/** A row on its way, and what was in its place at the first look. */
interface Flying {
  readonly row: UploadRow;
  readonly wanted: Wanted;
  readonly seenFree: NasFileItem | null;
}

/**
 * Several small files of one user and folder delivered together: the NAS is asked for all of them
 * at once before the first step, before the last step and for verification, as its limit on lookups
 * (200 a minute) is far below its capacity. Anything unusual goes alone.
 */
export class DeliveryBatch {
  readonly #deps: DeliveryBatchDeps;

  constructor(deps: DeliveryBatchDeps) {
    this.#deps = deps;
  }

  /**
   * @param rows claimed, of one user and one folder, decided, each path once
   * @param onProgress called after each chunk
   * @returns an outcome for each row, by its id
   * @throws the Pi's disk's error
   */
  async deliver(
    rows: readonly UploadRow[],
    token: string,
    signal: AbortSignal,
    onProgress: () => void,
  ): Promise<ReadonlyMap<string, BatchOutcome>> {
    const run: Run = {
      token,
      signal,
      onProgress,
      folder: rows[0]?.folder ?? '',
      outcomes: new Map(),
    };
    const stop = await this.#fly(rows, run);
    if (stop !== null) decideRest(rows, run.outcomes, stop);
    return run.outcomes;
  }

  async #fly(rows: readonly UploadRow[], run: Run): Promise<Interruption | null> {
    const looked = await this.#look(rows, run);
    if (!Array.isArray(looked)) return looked;
    const ready: Flying[] = [];
    for (const flying of looked) {
      const prepared = await this.#deps.chunked.prepare(run.token, this.#sending(flying, run));
      if (prepared.kind === 'ready') ready.push(flying);
      else if (prepared.kind === 'no_sessions' || prepared.kind === 'refused') {
        run.outcomes.set(flying.row.id, ALONE);
      } else if (isWhole(prepared)) return prepared;
      else run.outcomes.set(flying.row.id, prepared);
    }
    return await this.#finish(ready, run);
  }

  /**
   * Looks before the first step.
   * @returns what may be sent
   */
  async #look(rows: readonly UploadRow[], run: Run): Promise<Flying[] | Interruption> {
    const { folders, check, uploads } = this.#deps;
    const seen = await this.#see(rows, true, run);
    if (seen.kind !== 'seen') return seen;
    if (seen.folderEmpty) {
      const interruption = await folders.ensure(run.token, run.folder, run.signal);
      if (interruption !== null) return interruption;
    }
    const flying: Flying[] = [];
    for (const row of rows) {
      const { path, sizeBytes, sha256 } = row;
      const { base, copyPath } = branchBaseOf(row, uploads);
      if (copyPath !== null) {
        run.outcomes.set(row.id, ALONE);
        continue;
      }
      const wanted: Wanted = { path, sizeBytes, sha256, base };
      const item = seen.items.get(row.filename) ?? null;
      const comparison =
        item === null ? 'unchanged' : await check.judge(run.token, wanted, item, run.signal);
      if (typeof comparison !== 'string') return comparison;
      if (comparison === 'unchanged') flying.push({ row, wanted, seenFree: item });
      else if (comparison === 'changed' || item === null) run.outcomes.set(row.id, ALONE);
      else run.outcomes.set(row.id, { kind: 'delivered', path, item, beside: false });
    }
    return flying;
  }

  /** Looks again right before the last step, takes that step, and verifies. */
  async #finish(ready: readonly Flying[], run: Run): Promise<Interruption | null> {
    const { clock, chunked, folders } = this.#deps;
    const sent: Flying[] = [];
    let seen: NamesSeen | null = null;
    let seenAtMs = -Infinity;
    let stop: Interruption | null = null;
    for (const [index, flying] of ready.entries()) {
      if (seen === null || clock.monotonicMs() - seenAtMs > LOOK_HOLDS_MS) {
        seen = await this.#see(
          ready.slice(index).map(({ row }) => row),
          false,
          run,
        );
        seenAtMs = clock.monotonicMs();
      }
      if (seen.kind !== 'seen') {
        stop = seen;
        break;
      }
      const may = await this.#mayFinish(flying, seen.items.get(flying.row.filename) ?? null, run);
      if (may !== 'yes') {
        run.outcomes.set(flying.row.id, ALONE);
        continue;
      }
      const finished = await chunked.finish(run.token, this.#sending(flying, run));
      folders.changed();
      if (finished.kind === 'completed') sent.push(flying);
      else if (!isInterruption(finished) || finished.kind === 'refused') {
        run.outcomes.set(flying.row.id, ALONE);
      } else if (isWhole(finished)) {
        stop = finished;
        break;
      } else run.outcomes.set(flying.row.id, finished);
    }
    return (await this.#verify(sent, run)) ?? stop;
  }

  async #mayFinish(
    { wanted, seenFree }: Flying,
    item: NasFileItem | null,
    run: Run,
  ): Promise<'yes' | 'no'> {
    if (item === null) return 'yes';
    const { token, signal } = run;
    const comparison = await this.#deps.check.judge(token, { ...wanted, seenFree }, item, signal);
    return comparison === 'unchanged' ? 'yes' : 'no';
  }

  async #verify(sent: readonly Flying[], run: Run): Promise<Interruption | null> {
    if (sent.length === 0) return null;
    const { step } = this.#deps;
    const seen = await this.#see(
      sent.map(({ row }) => row),
      false,
      run,
    );
    if (seen.kind !== 'seen') return seen;
    for (const { row, wanted } of sent) {
      const item = seen.items.get(row.filename) ?? null;
      const verified = await step.compare(wanted, false, item, run.token, run.signal);
      run.outcomes.set(row.id, verified);
    }
    return null;
  }

  async #see(rows: readonly UploadRow[], recently: boolean, run: Run): Promise<NamesSeen> {
    const names = rows.map(({ filename }) => filename);
    return await this.#deps.folders.look(run.token, run.folder, names, recently, run.signal);
  }

  #sending({ row }: Flying, run: Run): Sending {
    return {
      uploadId: row.id,
      file: this.#deps.fileOf(row.id),
      sizeBytes: row.sizeBytes,
      path: row.path,
      onProgress: run.onProgress,
      mayComplete: () => Promise.resolve('yes'),
    };
  }
}

const ALONE = { kind: 'alone' } as const;

/** Whether it concerns all of a user's files and not just this one. */
function isWhole(interruption: Interruption): boolean {
  return ['gone', 'busy', 'nas_full', 'credential_refused'].includes(interruption.kind);
}

function isInterruption(given: { readonly kind: string }): given is Interruption {
  return ['gone', 'busy', 'nas_full', 'credential_refused', 'trouble', 'refused'].includes(
    given.kind,
  );
}

/** One row records what happened; the others stay as they were, or are tried alone. */
function decideRest(
  rows: readonly UploadRow[],
  outcomes: Map<string, BatchOutcome>,
  stop: Interruption,
): void {
  let told = false;
  for (const { id } of rows) {
    if (outcomes.has(id)) continue;
    if (!isWhole(stop)) outcomes.set(id, ALONE);
    else outcomes.set(id, told ? { kind: 'untouched' } : stop);
    told = true;
  }
}
