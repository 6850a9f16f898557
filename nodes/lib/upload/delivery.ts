import type { NasPresence } from '../nas/presence-port.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import type { Random } from './backoff.ts';
import type { ChunkedSend } from './chunked-send.ts';
import type { DeliveryRows } from './delivery-rows.ts';
import type { DeliveryStep, StepOutcome } from './delivery-step.ts';
import type { Disk } from './disk.ts';
import { Hold } from './hold.ts';
import type { NasFolder } from './nas-folder.ts';
import type { Next, Settle } from './settle.ts';
import type { SyncLogRows } from './sync-log-rows.ts';
import type { DeliveredFile, KeepDelivered, UploadCredentials } from './upload-ports.ts';
import type { UploadRow } from './upload-row.ts';
import type { RecoveryRows } from './recovery-rows.ts';
import type { WaitRows } from './wait-rows.ts';

/** Each chunk that arrives renews it. */
const LEASE_MS = 10 * 60_000;
/** A token refused this often in one run is no token. */
const MOST_REFUSALS = 2;
const PRUNE_EVERY_MS = 86_400_000;

export interface DeliveryParts {
  readonly rows: DeliveryRows;
  readonly recovery: RecoveryRows;
  readonly waits: WaitRows;
  readonly syncLog: SyncLogRows;
  readonly step: DeliveryStep;
  readonly settle: Settle;
  readonly folders: NasFolder;
  readonly chunked: ChunkedSend;
  readonly presence: NasPresence;
  readonly credentials: UploadCredentials;
  readonly keep: KeepDelivered;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly fileOf: (id: string) => string;
  /** Names this process in leases. */
  readonly owner: string;
}

/**
 * Empties the queue while the NAS is awake: one row at a time, oldest first, each version of a path
 * after the one before it. It never wakes the NAS. Every claim begins by asking the NAS what it has,
 * so that whatever became of the attempt before, nothing is sent twice.
 */
export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #stopping = new AbortController();
  #run: Promise<void> | null = null;
  #again = false;
  readonly #hold: Hold;
  #renewAtTickMs = 0;
  #timer: Cancel | null = null;
  #unlisten: (() => void) | null = null;
  #prunedAtTickMs: number | null = null;
  #refusals = new Map<number, number>();

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.#hold = new Hold(parts.clock, parts.random);
  }

  /** Listens for the NAS, and begins if it is awake. */
  start(): void {
    let wasAwake = this.#parts.presence.state.awake;
    this.#unlisten = this.#parts.presence.onChange((state) => {
      if (state.awake && !wasAwake) this.#nasIsBack();
      wasAwake = state.awake;
    });
    this.kick();
  }

  /** Cuts what runs; a row being sent goes back to the queue. */
  async stop(): Promise<void> {
    this.#unlisten?.();
    this.#timer?.();
    this.#stopping.abort(new Error('The delivery was stopped.'));
    this.#parts.chunked.close();
    await this.#run;
  }

  /** Begins a run soon, unless one is under way, which then looks again. */
  kick(): void {
    this.flush().catch((error: unknown) => {
      this.#parts.log.error(`The delivery broke off: ${kindOf(error)}.`);
    });
  }

  /** A user can be acted for again. */
  credentialArrived(userId: number): void {
    if (this.#parts.waits.releaseUser(userId)) this.kick();
  }

  /** Delivers what is due while the NAS is awake. One run at a time; who joins waits for its end. */
  async flush(): Promise<void> {
    if (this.#run !== null) {
      this.#again = true;
      return this.#run;
    }
    this.#run = this.#runs();
    try {
      await this.#run;
    } finally {
      this.#run = null;
    }
  }

  #nasIsBack(): void {
    this.#hold.end();
    this.#parts.waits.releaseWaiting();
    this.kick();
  }

  async #runs(): Promise<void> {
    try {
      do {
        this.#again = false;
        await this.#once();
      } while (this.#again && !this.#isHeld());
    } finally {
      this.#parts.chunked.close();
      this.#parts.folders.forget();
      this.#refusals.clear();
      this.#schedule();
    }
  }

  async #once(): Promise<void> {
    await this.#releaseUsers();
    while (!this.#isHeld()) {
      const { rows, clock, owner } = this.#parts;
      const nowMs = clock.monotonicMs();
      const row = rows.claim(owner, nowMs, nowMs + LEASE_MS);
      if (row === null) break;
      this.#renewAtTickMs = nowMs + LEASE_MS / 2;
      this.#follow(await this.#deliver(row));
    }
    this.#prune();
  }

  #isHeld(): boolean {
    const { presence } = this.#parts;
    return this.#stopping.signal.aborted || !presence.state.awake || this.#hold.isOn;
  }

  async #releaseUsers(): Promise<void> {
    const { waits, credentials, presence } = this.#parts;
    if (!presence.state.awake) return;
    for (const userId of waits.usersWaitingForCredential()) {
      if ((await credentials.credentialFor(userId)) !== null) waits.releaseUser(userId);
    }
  }

  async #deliver(row: UploadRow): Promise<Next> {
    const { settle, credentials, step } = this.#parts;
    const signal = this.#stopping.signal;
    const refusals = this.#refusals.get(row.userId) ?? 0;
    const token = refusals >= MOST_REFUSALS ? null : await credentials.credentialFor(row.userId);
    if (token === null) {
      settle.noCredential(row);
      return { kind: 'next' };
    }
    let outcome: StepOutcome;
    try {
      outcome = await step.deliver(row, token, signal, () => {
        this.#renew(row);
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
    if (outcome.kind === 'credential_refused') this.#refusals.set(row.userId, refusals + 1);
    const next = await settle.settle(row, token, outcome);
    if (outcome.kind === 'delivered') {
      this.#hold.succeeded();
      await this.#letGo(row, outcome.path, outcome.item);
    }
    return next;
  }

  /** A renewal costs a commit, so only when half the lease is gone. */
  #renew(row: UploadRow): void {
    const { rows, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#renewAtTickMs) return;
    this.#renewAtTickMs = nowMs + LEASE_MS / 2;
    rows.renewLease(row.id, nowMs + LEASE_MS);
  }

  #follow(next: Next): void {
    if (next.kind !== 'hold') return;
    if (next.reason === 'gone') this.#parts.presence.silent();
    if (next.reason === 'busy') this.#parts.folders.slowDown();
    this.#hold.begin(next.reason, next.atLeastMs);
  }

  /** The bytes go to the cache, or off the disk, once the row says that they are on the NAS. */
  async #letGo(row: UploadRow, path: string, version: DeliveredFile['version']): Promise<void> {
    const { keep, disk, recovery, log, fileOf } = this.#parts;
    const file = fileOf(row.id);
    try {
      await keep({ userId: row.userId, path, file, sha256: row.sha256, version });
    } catch (error) {
      log.warn(`A delivered file could not be kept as a copy: ${kindOf(error)}.`);
    }
    try {
      await disk.remove(file);
      recovery.bytesGone(row.id);
    } catch (error) {
      log.warn(`A delivered file could not be removed; the next start will: ${kindOf(error)}.`);
    }
  }

  /** Comes back when the next row is due or the hold is over. */
  #schedule(): void {
    this.#timer?.();
    this.#timer = null;
    const { waits, clock, presence } = this.#parts;
    if (this.#stopping.signal.aborted || !presence.state.awake) return;
    const dueTickMs = waits.nextDueTickMs();
    if (dueTickMs === null) return;
    const delayMs = Math.max(dueTickMs, this.#hold.untilTickMs) - clock.monotonicMs();
    this.#timer = clock.after(Math.max(1_000, delayMs), () => {
      this.kick();
    });
  }

  #prune(): void {
    const { clock, syncLog } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (this.#prunedAtTickMs !== null && nowMs - this.#prunedAtTickMs < PRUNE_EVERY_MS) return;
    this.#prunedAtTickMs = nowMs;
    syncLog.prune(clock.nowMs());
  }
}

/** What an error is, without its message, which may name a path. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error ? String(error.code) : error.name;
}
