import type { NasPresence } from '../nas/presence-port.ts';
import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import { DailyLook } from '../time/daily-look.ts';
import type { Random } from './backoff.ts';
import type { ChangeDelivery } from './change-delivery.ts';
import type { ChangeDeliveryRows } from './change-delivery-rows.ts';
import type { ChunkedSend } from './chunked-send.ts';
import type { DeliveryTurn } from './delivery-turn.ts';
import type { HandOver } from './hand-over.ts';
import { Hold } from './hold.ts';
import type { Intents } from './intents.ts';
import type { KeptCopies } from './kept-copies.ts';
import type { NasFolder } from './nas-folder.ts';
import type { Next } from './settle.ts';
import type { SyncLogRows } from './sync-log-rows.ts';
import type { UploadCredentials } from './upload-ports.ts';
import type { WaitRows } from './wait-rows.ts';

/** A delivered file that cannot be taken off the disk is tried again after this. */
const OWED_AGAIN_MS = 60_000;
/** Of 1,000 lines each. */
const MOST_SLICES = 10;

export interface DeliveryParts {
  readonly turn: DeliveryTurn;
  readonly changes: ChangeDelivery;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly handOver: HandOver;
  readonly waits: WaitRows;
  readonly syncLog: SyncLogRows;
  readonly kept: KeptCopies;
  readonly intents: Intents;
  readonly folders: NasFolder;
  readonly chunked: ChunkedSend;
  readonly presence: NasPresence;
  readonly credentials: UploadCredentials;
  /** Nothing goes out while it says no; always yes when left out. */
  readonly mayDeliver?: () => boolean;
  readonly clock: Clock;
  /** Both proofs of the time stand, so that what is old may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly log: Log;
  readonly random: Random;
}

/**
 * Empties the queue while the NAS is awake: the users in turn, each user's oldest first, small
 * neighbours together, each version of a path after the one before it, changes and uploads of one
 * place in the order in which they were wanted. It never wakes the NAS. Every claim begins by asking the NAS what it has,
 * so that whatever became of the attempt before, nothing is sent twice.
 */
export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #stopping = new AbortController();
  #run: Promise<void> | null = null;
  #again = false;
  readonly #hold: Hold;
  #timer: Cancel | null = null;
  #unlisten: (() => void) | null = null;
  readonly #daily: DailyLook;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.#hold = new Hold(parts.clock, parts.random);
    this.#daily = new DailyLook(parts.clock);
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
    try {
      await this.#run;
      await this.#parts.handOver.finish();
    } catch (error) {
      this.#parts.log.warn(
        `The delivery ended unfinished; the next start goes on: ${errorKind(error)}.`,
      );
    }
  }

  /** Begins a run soon, unless one is under way, which then looks again. */
  kick(): void {
    this.flush().catch((error: unknown) => {
      this.#parts.log.error(`The delivery broke off: ${errorKind(error)}.`);
    });
  }

  /** Begins a run for somebody who does not want to wait until it would come by itself. */
  tryNow(): void {
    this.#hold.lift();
    this.kick();
  }

  /** A user can be acted for again. */
  credentialArrived(userId: number): void {
    const isReleased = [this.#parts.waits, this.#parts.changeDeliveryRows].map((rows) =>
      rows.releaseUser(userId),
    );
    if (isReleased.includes(true)) this.kick();
  }

  /** Delivers what is due while the NAS is awake. One run at a time; who joins waits for its end. */
  async flush(): Promise<void> {
    if (this.#parts.mayDeliver?.() === false) return undefined;
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
    this.#parts.changeDeliveryRows.releaseWaiting();
    this.kick();
  }

  async #runs(): Promise<void> {
    try {
      this.#parts.waits.releaseStrays();
      this.#parts.changeDeliveryRows.releaseStrays();
      await this.#parts.handOver.finish();
      do {
        this.#again = false;
        await this.#once();
      } while (this.#again && !this.#isHeld());
    } catch (error) {
      // A disk that takes no commit is not asked again at once.
      this.#hold.begin('broken', 0);
      throw error;
    } finally {
      this.#parts.chunked.close();
      this.#parts.folders.forget();
      this.#parts.turn.forget();
      this.#parts.changes.forget();
      this.#schedule();
    }
  }

  async #once(): Promise<void> {
    await this.#releaseUsers();
    while (!this.#isHeld()) {
      // Changes and uploads take turns: each waits for those that were wanted before it.
      const isChange = await this.#turnOf(this.#parts.changes);
      const isUpload = !this.#isHeld() && (await this.#turnOf(this.#parts.turn));
      if (!isChange && !isUpload) break;
    }
    await this.#prune();
  }

  /** @returns whether anything was due */
  async #turnOf(turn: Pick<DeliveryTurn, 'take'>): Promise<boolean> {
    const next = await turn.take(this.#stopping.signal, () => {
      this.#hold.succeeded();
    });
    if (next !== null) this.#follow(next);
    return next !== null;
  }

  #isHeld(): boolean {
    const { presence } = this.#parts;
    return this.#stopping.signal.aborted || !presence.state.awake || this.#hold.isOn;
  }

  async #releaseUsers(): Promise<void> {
    const { waits, changeDeliveryRows: changes, credentials, presence } = this.#parts;
    if (!presence.state.awake) return;
    const waiting = [waits, changes].flatMap((rows) => rows.usersWaitingForCredential());
    for (const userId of new Set(waiting)) {
      if ((await credentials.credentialFor(userId)) === null) continue;
      waits.releaseUser(userId);
      changes.releaseUser(userId);
    }
  }

  #follow(next: Next): void {
    if (next.kind !== 'hold') return;
    if (next.reason === 'gone') this.#parts.presence.silent();
    if (next.reason === 'busy') this.#parts.folders.slowDown();
    this.#hold.begin(next.reason, next.atLeastMs);
  }

  /** Comes back when the next row is due or the hold is over. */
  #schedule(): void {
    this.#timer?.();
    this.#timer = null;
    const { clock } = this.#parts;
    if (this.#stopping.signal.aborted) return;
    const dueTickMs = this.#dueTickMs();
    if (dueTickMs === null) return;
    const delayMs = Math.max(dueTickMs, this.#hold.untilTickMs) - clock.monotonicMs();
    this.#timer = clock.after(Math.max(1_000, delayMs), () => {
      this.kick();
    });
  }

  /** What is owed on the Pi's own disk needs no NAS. */
  #dueTickMs(): number | null {
    const { waits, changeDeliveryRows: changes, handOver, clock, presence } = this.#parts;
    const owed = handOver.isOwing ? clock.monotonicMs() + OWED_AGAIN_MS : null;
    const queued = presence.state.awake ? [waits.nextDueTickMs(), changes.nextDueTickMs()] : [];
    const due = [owed, ...queued].filter((tickMs) => tickMs !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  /** Once a day, in slices: no commit of it holds a delivery up for long. */
  async #prune(): Promise<void> {
    const { syncLog, kept, intents, changeDeliveryRows, isClockProved } = this.#parts;
    if (!isClockProved()) return;
    const nowMs = this.#daily.due();
    if (nowMs === null) return;
    for (let slice = 0; slice < MOST_SLICES && !this.#stopping.signal.aborted; slice += 1) {
      if (!syncLog.prune(nowMs)) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    changeDeliveryRows.prune(nowMs);
    await kept.prune(nowMs);
    await intents.prune(nowMs);
  }
}
