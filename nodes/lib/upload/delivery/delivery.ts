import { join } from 'node:path';
import { errorKind, Listeners, type Log } from '../../log/log.ts';
import type { NasPresence } from '../../nas/presence.ts';
import type { Cancel, Clock } from '../../time/clock.ts';
import { ChangeDelivery, ChangeAttempt } from '../changes/change-delivery.ts';
import { ChangedPaths, FollowedChanges } from '../changes/changed-paths.ts';
import { ConflictBackups } from '../conflicts/backups.ts';
import { Conflicts, ConflictSwap } from '../conflicts/conflicts.ts';
import type { UploadQuota } from '../receive/admission.ts';
import type { ChangeDeliveryRows, ChangeRows } from '../rows/change-rows.ts';
import { ConflictRows, DropRows, ConflictBackupRows } from '../rows/conflict-rows.ts';
import { DeliveryRows, type RecoveryRows, SyncLogRows, WaitRows } from '../rows/delivery-rows.ts';
import { ChangedRows, FlushWakeRows } from '../rows/queue-view-rows.ts';
import type { UploadRows } from '../rows/upload-rows.ts';
import type { Intents } from '../spool/intents.ts';
import {
  type UploadCredentials,
  type UploadDeps,
  uploadId,
  type UploadNews,
} from '../upload-deps.ts';
import { DeliveryAttempt, TargetCheck } from './attempt.ts';
import { Hold, type Random } from './backoff.ts';
import { DeliveryBatch, DeliveryClaims } from './claims.ts';
import { FlushWake } from './flush-wake.ts';
import { NasFolder, NasMoves } from './delivery-calls.ts';
import { PendingCleanup, type Next, Settle } from './outcome.ts';
import { PathLocks } from './path-locks.ts';
import { ChunkedSend } from './send.ts';

/** A delivered file that cannot be taken off the disk is tried again after this. */
const PENDING_AGAIN_MS = 60_000;
/** Of 1,000 lines each. */
const MOST_SLICES = 10;

interface DeliveryDeps {
  readonly turn: DeliveryClaims;
  readonly changes: ChangeDelivery;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly cleanup: PendingCleanup;
  readonly waits: WaitRows;
  readonly syncLog: SyncLogRows;
  readonly kept: ConflictBackups;
  readonly intents: Intents;
  readonly folders: NasFolder;
  readonly chunked: ChunkedSend;
  readonly presence: NasPresence;
  readonly credentials: UploadCredentials;
  /** Nothing is sent while it returns false; left out, it is always true. */
  readonly mayDeliver?: () => boolean;
  readonly clock: Clock;
  /** Whether the time is proved twice, so that old data may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly log: Log;
  readonly random: Random;
}

/**
 * Empties the queue while the NAS is awake: users in turn, each user's oldest first, small
 * neighbours together, versions of a path in order, changes and uploads of one path in the order
 * they were queued. Callers decide when it runs ({@link Delivery.flush}); {@link Delivery.onDue}
 * tells when that helps. It never wakes the NAS. Every claim first asks the NAS what it has, so
 * that nothing is sent twice, whatever became of the previous attempt.
 */
export class Delivery {
  readonly #deps: DeliveryDeps;
  readonly #stopping = new AbortController();
  #run: Promise<void> | null = null;
  #again = false;
  readonly #hold: Hold;
  readonly #due: Listeners<void>;
  #timer: Cancel | null = null;
  #unlisten: (() => void) | null = null;
  readonly #daily: DailyLook;

  constructor(deps: DeliveryDeps) {
    this.#deps = deps;
    this.#hold = new Hold(deps.clock, deps.random);
    this.#daily = new DailyLook(deps.clock);
    this.#due = new Listeners(deps.log);
  }

  /**
   * Tells when a run may get something through: the listener starts it ({@link flush}). Nothing
   * here starts one by itself.
   * @returns how to unsubscribe
   */
  onDue(listener: () => void): () => void {
    return this.#due.listen(listener);
  }

  /** Listens for the NAS. */
  start(): void {
    let wasAwake = this.#deps.presence.state.awake;
    this.#unlisten = this.#deps.presence.onChange((state) => {
      if (state.awake && !wasAwake) this.#nasIsBack();
      wasAwake = state.awake;
    });
    this.kick();
  }

  /** Aborts what runs; a row being sent goes back to the queue. */
  async stop(): Promise<void> {
    this.#unlisten?.();
    this.#timer?.();
    this.#stopping.abort(new Error('The delivery was stopped.'));
    this.#deps.chunked.close();
    try {
      await this.#run;
      await this.#deps.cleanup.finish();
    } catch (error) {
      this.#deps.log.warn(
        `The delivery ended unfinished; the next start goes on: ${errorKind(error)}.`,
      );
    }
  }

  /** Something can be delivered, or may get through again. */
  kick(): void {
    this.#due.tell();
  }

  /** For somebody who does not want to wait for the next automatic try. */
  tryNow(): void {
    this.#hold.lift();
    this.kick();
  }

  /** A user can be acted for again. */
  credentialArrived(userId: number): void {
    const isReleased = [this.#deps.waits, this.#deps.changeDeliveryRows].map((rows) =>
      rows.releaseUser(userId),
    );
    if (isReleased.includes(true)) this.kick();
  }

  /** Delivers what is due while the NAS is awake. One run at a time; other callers join it. */
  async flush(): Promise<void> {
    if (this.#deps.mayDeliver?.() === false) return undefined;
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
    this.#deps.waits.releaseWaiting();
    this.#deps.changeDeliveryRows.releaseWaiting();
    this.kick();
  }

  async #runs(): Promise<void> {
    try {
      this.#deps.waits.releaseExpired();
      this.#deps.changeDeliveryRows.releaseExpired();
      await this.#deps.cleanup.finish();
      do {
        this.#again = false;
        await this.#once();
      } while (this.#again && !this.#isHeld());
    } catch (error) {
      // A disk that refuses a commit is not asked again immediately.
      this.#hold.begin('broken', 0);
      throw error;
    } finally {
      this.#deps.chunked.close();
      this.#deps.folders.forget();
      this.#deps.turn.forget();
      this.#deps.changes.forget();
      this.#schedule();
    }
  }

  async #once(): Promise<void> {
    await this.#releaseUsers();
    while (!this.#isHeld()) {
      // Changes and uploads take turns: each waits for everything queued before it.
      const isChange = await this.#turnOf(this.#deps.changes);
      const isUpload = !this.#isHeld() && (await this.#turnOf(this.#deps.turn));
      if (!isChange && !isUpload) break;
    }
    await this.#prune();
  }

  /** @returns whether anything was due */
  async #turnOf(turn: Pick<DeliveryClaims, 'take'>): Promise<boolean> {
    const next = await turn.take(this.#stopping.signal, () => {
      this.#hold.succeeded();
    });
    if (next !== null) this.#follow(next);
    return next !== null;
  }

  #isHeld(): boolean {
    const { presence } = this.#deps;
    return this.#stopping.signal.aborted || !presence.state.awake || this.#hold.isOn;
  }

  async #releaseUsers(): Promise<void> {
    const { waits, changeDeliveryRows: changes, credentials, presence } = this.#deps;
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
    if (next.reason === 'gone') this.#deps.presence.silent();
    if (next.reason === 'busy') this.#deps.folders.slowDown();
    this.#hold.begin(next.reason, next.atLeastMs);
  }

  /** Schedules the next run for when a row is due or the backoff is over. */
  #schedule(): void {
    this.#timer?.();
    this.#timer = null;
    const { clock } = this.#deps;
    if (this.#stopping.signal.aborted) return;
    const dueTickMs = this.#dueTickMs();
    if (dueTickMs === null) return;
    const delayMs = Math.max(dueTickMs, this.#hold.untilTickMs) - clock.monotonicMs();
    this.#timer = clock.after(Math.max(1_000, delayMs), () => {
      this.kick();
    });
  }

  /** Cleanup on the Pi's own disk, which does not need the NAS. */
  #dueTickMs(): number | null {
    const { waits, changeDeliveryRows: changes, cleanup, clock, presence } = this.#deps;
    const pendingTickMs = cleanup.isPending ? clock.monotonicMs() + PENDING_AGAIN_MS : null;
    const queued = presence.state.awake ? [waits.nextDueTickMs(), changes.nextDueTickMs()] : [];
    const due = [pendingTickMs, ...queued].filter((tickMs) => tickMs !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  /** Runs once a day, in slices, so that no commit of it delays a delivery for long. */
  async #prune(): Promise<void> {
    const { syncLog, kept, intents, changeDeliveryRows, isClockProved } = this.#deps;
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

/** What the delivery shares with receiving uploads. */
interface SharedDeps {
  readonly rows: UploadRows;
  readonly recovery: RecoveryRows;
  readonly intents: Intents;
  readonly quota: UploadQuota;
  readonly changeRows: ChangeRows;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly fileOf: (id: string) => string;
  readonly news: Listeners<UploadNews>;
}

interface AssembledDelivery {
  readonly delivery: Delivery;
  readonly changes: ChangeDelivery;
  readonly conflicts: Conflicts;
  readonly kept: ConflictBackups;
  readonly flushWake: FlushWake;
  readonly changed: ChangedPaths;
  readonly locks: PathLocks;
}

/** Assembles everything on the way from the queue to the NAS. */
export function assembleDelivery(deps: UploadDeps, shared: SharedDeps): AssembledDelivery {
  const { store, nas, api, disk, clock, randomBytes } = deps;
  const { rows: uploads, quota } = shared;
  const locks = new PathLocks(clock);
  const folder = join(deps.folder, 'kept');
  const kept = new ConflictBackups({ ...deps, rows: new ConflictBackupRows(store), quota, folder });
  const rows = new DeliveryRows(store);
  const waits = new WaitRows(store);
  const syncLog = new SyncLogRows(store);
  const folders = new NasFolder(nas, api, clock);
  const chunked = new ChunkedSend(nas, disk);
  const check = new TargetCheck(nas, folders);
  const cleanup = new PendingCleanup({ ...deps, ...shared });
  const queues = { uploads, rows, waits, syncLog, cleanup };
  const common = { ...deps, ...shared, ...queues, folders, chunked, check };
  const step = new DeliveryAttempt(common);
  const turn = new DeliveryClaims({
    ...common,
    step,
    batch: new DeliveryBatch({ ...common, step }),
    settle: new Settle(common),
    locks,
    owner: uploadId(clock.nowMs(), randomBytes),
  });
  const drops = new DropRows(store);
  const changed = { rows: new ChangedRows(store), drops, changes: new FollowedChanges(common) };
  const changeStep = new ChangeAttempt({ nas, folders, moves: new NasMoves(api), clock });
  const changes = new ChangeDelivery({ ...common, changeStep, locks });
  return {
    delivery: new Delivery({ ...common, turn, changes, kept }),
    changes,
    conflicts: assembleConflicts(deps, rows, { uploads, locks, kept }),
    kept,
    flushWake: assembleFlushWake(deps),
    changed: new ChangedPaths({ ...common, ...changed, kept }),
    locks,
  };
}

function assembleFlushWake(deps: UploadDeps): FlushWake {
  return new FlushWake({ ...deps, ...deps.flushWake, rows: new FlushWakeRows(deps.store) });
}

/**
 * With a view of the NAS of its own, since the delivery's forgets with each run, and slows down.
 */
function assembleConflicts(
  deps: UploadDeps,
  delivery: DeliveryRows,
  shared: {
    readonly uploads: UploadRows;
    readonly locks: PathLocks;
    readonly kept: ConflictBackups;
  },
): Conflicts {
  const rows = new ConflictRows(deps.store, shared.uploads, new DropRows(deps.store));
  const folders = new NasFolder(deps.nas, deps.api, deps.clock);
  const moves = new NasMoves(deps.api);
  const isPathTaken = (id: string, path: string): boolean => delivery.isPathTaken(id, path);
  const swap = new ConflictSwap({ ...deps, rows, folders, moves, isPathTaken });
  return new Conflicts({ ...deps, ...shared, rows, folders, moves, swap });
}

const DAY_MS = 86_400_000;

interface Look {
  readonly wallMs: number;
  readonly tickMs: number;
}

/**
 * Once a day, the time before which old data may be deleted. A wall clock that jumps ahead, as on a
 * Pi that is set wrongly, must not end what is to be kept for weeks: beyond the previous reading
 * only days BaluPi was running count.
 */
export class DailyLook {
  readonly #clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  #last: Look | null = null;

  constructor(clock: Pick<Clock, 'nowMs' | 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** @returns epoch ms; null at the first look and until a day after the last */
  due(): number | null {
    const now = { wallMs: this.#clock.nowMs(), tickMs: this.#clock.monotonicMs() };
    const last = this.#last;
    if (last !== null && now.tickMs - last.tickMs < DAY_MS) return null;
    this.#last = now;
    return last === null ? null : Math.min(now.wallMs, last.wallMs + now.tickMs - last.tickMs);
  }
}
