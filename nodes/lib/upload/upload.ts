import type { IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import type { Transform } from 'node:stream';
import type { Caller } from '../accounts/caller.ts';
import { parentOf } from '../files/files.ts';
import { Listeners, type Log } from '../log/log.ts';
import type { Store } from '../store/store.ts';
import {
  type ChangeDone,
  ChangeQueue,
  type ChangeResolution,
  type ChangeTaken,
  isChangeConflict,
  type QueuedInput,
} from './changes/change-queue.ts';
import type { ChangedPaths } from './changes/changed-paths.ts';
import type { ConflictBackups } from './conflicts/backups.ts';
import type { Conflicts } from './conflicts/conflicts.ts';
import { assembleDelivery, type Delivery } from './delivery/delivery.ts';
import type { FlushWake } from './delivery/flush-wake.ts';
import type { PathLocks } from './delivery/path-locks.ts';
import { type Recovered, Recovery } from './delivery/recovery.ts';
import {
  Admission,
  BodySlots,
  refused,
  type Refused,
  refusedAt,
  UploadQuota,
} from './receive/admission.ts';
import { Branches, Enqueue } from './receive/enqueue.ts';
import { type AcceptOutcome, Intake } from './receive/intake.ts';
import { Publisher } from './receive/publisher.ts';
import { ResumableRows } from './rows/resumable-rows.ts';
import { ResumableSpool } from './resumable/resumable-spool.ts';
import { ResumableUploads } from './resumable/resumable-uploads.ts';
import { ChangeDeliveryRows, ChangeRows } from './rows/change-rows.ts';
import { DropRows, type Resolution } from './rows/conflict-rows.ts';
import { RecoveryRows } from './rows/delivery-rows.ts';
import { HeldRows, QueueViewRows, PlaceRows, ShareRows } from './rows/queue-view-rows.ts';
import { UploadRows } from './rows/upload-rows.ts';
import type { Disk } from './spool/disk.ts';
import { EmptiedArray } from './spool/emptied-array.ts';
import type { FileHashing } from './spool/hashing.ts';
import { Intents } from './spool/intents.ts';
import type { ShownListings, UploadDeps, UploadNews } from './upload-deps.ts';
import {
  type ConflictItem,
  toChangeConflict,
  toChangeItem,
  toConflictItem,
  toUploadItem,
} from './view/answers.ts';
import {
  type Done,
  HeldUploads,
  QueueView,
  type PendingUpload,
  type TakeUpInput,
} from './view/queue-view.ts';

export { acceptAnswer, refusedAnswer } from './view/answers.ts';
export type { QueuedInput };
export { HashThread } from './spool/hashing.ts';
export { NodeDisk } from './spool/disk.ts';
export type { PendingUpload };
export {
  begunAnswer,
  chunkAnswer,
  completedAnswer,
  unfinishedAnswer,
} from './resumable/resumable-uploads.ts';
export { interruptionOf, NasMoves, readBack } from './delivery/delivery-calls.ts';
export { ChunkedSend, type MultipartSender, PlainSend, type Sent } from './delivery/send.ts';
export { parsePath as parseNewPath } from './receive/target.ts';
export { RecoveryRows } from './rows/delivery-rows.ts';
export { QueueViewRows } from './rows/queue-view-rows.ts';
export type { UploadDeps } from './upload-deps.ts';
export type { UploadNews };
export type * from './upload-deps.ts';

/** How settling a conflict ended. `asleep`: the NAS sleeps, or went away in the middle. */
export type Settled =
  | { readonly kind: 'resolved'; readonly conflict: ConflictItem }
  | { readonly kind: 'asleep' }
  | Refused;

/**
 * The entry point of the module: uploads that are never lost. Whatever {@link Upload.accept} has
 * accepted is on disk for good; the delivery brings it to the NAS as its own user, once and intact,
 * and overwrites nothing its sender had not seen.
 */
export class Upload {
  /** What is in the queue, as its owners are shown it. */
  readonly view: Omit<QueueView, 'retry' | 'drop'>;
  /** Uploads in chunks, in BaluHost's terms. */
  readonly resumable: ResumableUploads;
  /** Decides, from the headers alone, whether a body should be read at all. */
  readonly admission: Admission;
  /** Keeps deliveries and conflicts away from places of the NAS. */
  readonly locks: PathLocks;
  /** Adjusts the queue to what was moved or deleted on the NAS. */
  readonly changedPaths: ChangedPaths;
  /** Deletes, renames, moves and new folders that wait for the NAS; see {@link acceptChange}. */
  readonly changes: ChangeQueue;
  /** Tells when something is due, and delivers it; nothing is delivered unless somebody asks. */
  readonly delivery: Pick<Delivery, 'flush' | 'onDue'>;
  /** What each user has in the queue. */
  readonly shares: Pick<ShareRows, 'usageOf'>;
  /** What the NAS does not have yet, over all users. */
  readonly totals: Pick<QueueViewRows, 'inbox'>;
  /** Undelivered items of people who are gone, until an admin takes them up. */
  readonly held: Pick<HeldUploads, 'hold'>;
  /** Accepted uploads whose file was found missing, ever. */
  readonly lost: Pick<RecoveryRows, 'countLost'>;
  readonly #folder: string;
  readonly #incomingFolder: string;
  readonly #disk: Disk;
  readonly #hashing: FileHashing;
  readonly #log: Log;
  readonly #news: Listeners<UploadNews>;
  readonly #slots = new BodySlots();
  readonly #branches: Branches;
  readonly #places: PlaceRows;
  readonly #listings: ShownListings;
  readonly #recoveryRows: RecoveryRows;
  readonly #viewRows: QueueViewRows;
  readonly #intake: Intake;
  readonly #delivery: Delivery;
  readonly #conflicts: Conflicts;
  readonly #kept: ConflictBackups;
  readonly #flushWake: FlushWake;
  readonly #mayDeliver: () => boolean;
  readonly #queueView: QueueView;
  readonly #held: HeldUploads;
  readonly #recovery: Recovery;
  #recovered: Recovered = { orphans: 0, lost: 0, found: 0, strangers: 0 };

  constructor(deps: UploadDeps) {
    const { store, disk, clock, log, folder } = deps;
    this.#folder = folder;
    this.#incomingFolder = join(folder, 'incoming');
    [this.#disk, this.#hashing, this.#listings] = [disk, deps.hashing, deps.listings];
    [this.#log, this.#mayDeliver] = [log, deps.mayDeliver ?? (() => true)];
    const news = (this.#news = new Listeners(log));
    const { rows, places, recovery, viewRows, drops, ...changes } = tablesIn(store);
    [this.#recoveryRows, this.#viewRows] = [recovery, viewRows];
    [this.#places, this.lost, this.totals] = [places, recovery, viewRows];
    const shares = (this.shares = new ShareRows(store));
    const quota = new UploadQuota({ ...deps, rows: shares });
    this.admission = admissionOf(deps, { places, quota, slots: this.#slots });
    const intents = new Intents(deps);
    this.#branches = new Branches({ ...deps, ...changes, rows, places });
    const enqueue = new Enqueue({ ...deps, ...changes, rows, branches: this.#branches });
    const publisher = new Publisher({ disk, rows, enqueue, intents, clock, log, news }, folder);
    const fileOf = (id: string): string => publisher.fileOf(id);
    const incomingFolder = this.#incomingFolder;
    const receiving = { admission: this.admission, slots: this.#slots, quota, publisher };
    this.#intake = new Intake({ ...deps, ...receiving, incomingFolder });
    const shared = { rows, recovery, intents, quota, fileOf, news, ...changes };
    const assembled = assembleDelivery(deps, shared);
    this.delivery = this.#delivery = assembled.delivery;
    this.#conflicts = assembled.conflicts;
    this.#kept = assembled.kept;
    this.#flushWake = assembled.flushWake;
    [this.changedPaths, this.locks] = [assembled.changed, assembled.locks];
    const queue = { ...deps, ...changes, drops, intents, uploads: rows };
    this.view = this.#queueView = new QueueView({ ...queue, rows: viewRows, fileOf });
    this.held = this.#held = new HeldUploads({ ...queue, rows: new HeldRows(store) });
    const { changes: delivery } = assembled;
    this.changes = new ChangeQueue({ ...queue, ...receiving, viewRows, delivery });
    const recovering = { rows: recovery, changes: this.changes.recovery };
    this.#recovery = new Recovery({ ...queue, ...recovering, incomingFolder });
    this.resumable = buildResumable(deps, receiving, () => {
      this.#delivery.kick();
    });
  }

  /** Recovers what the last run left, then opens for uploads and begins to deliver. */
  async start(): Promise<Recovered> {
    await this.#disk.makeFolder(this.#incomingFolder);
    await this.#disk.syncFolder(this.#folder);
    await this.#disk.syncFolder(dirname(this.#folder));
    // Before the queue's own folder is cleared of what no row owns.
    const cutShort = await this.resumable.start();
    const recovered = await this.#recovery.run();
    await this.#kept.start();
    await this.changes.start();
    this.#delivery.start();
    this.#recovered = { ...recovered, lost: recovered.lost + cutShort };
    return this.#recovered;
  }

  /** Aborts incoming bodies and what is being sent; nothing accepted is lost. */
  async stop(): Promise<void> {
    this.#conflicts.stop();
    const { resumable } = this;
    await this.changes.intake.idle();
    await Promise.all([this.#intake.stop(), resumable.stop(), this.#delivery.stop()]);
    await this.#flushWake.stop();
    await this.#hashing.stop();
  }

  /**
   * Subscribes to everybody's uploads and changes from now on.
   * @returns how to unsubscribe
   */
  onNews(listener: (news: UploadNews) => void): () => void {
    return this.#news.listen(listener);
  }

  /**
   * Receives an upload's body. Where it refuses, the request is left paused and open.
   * @param query `path` of the query, null where it has none
   */
  async accept(
    caller: Caller,
    request: IncomingMessage,
    query: { readonly path: string | null },
  ): Promise<AcceptOutcome> {
    const outcome = await this.#intake.accept(caller, request, query.path);
    if (outcome.kind === 'accepted') this.#delivery.kick();
    return outcome;
  }

  /** Wakes the NAS for the queue where FLUSH_WAKE says that it is time. */
  wakeIfDue(): void {
    if (this.#mayDeliver()) this.#flushWake.tick();
  }

  /**
   * Takes a delete, rename, move or new folder for a NAS that sleeps; it survives a power cut from
   * then on, is shown to its user at once, and carried out when the NAS is up.
   */
  async acceptChange(caller: Caller, input: QueuedInput): Promise<ChangeTaken> {
    const taken = await this.changes.intake.accept(caller, input);
    if (taken.kind === 'taken') this.#delivery.kick();
    return taken;
  }

  /** The caller's open conflicts, of uploads and of changes. */
  conflicts(caller: Caller): readonly ConflictItem[] {
    const ofChanges = this.changes.actions.conflicts(caller);
    return [
      ...ofChanges.map((row) => toChangeConflict(row, null)),
      ...this.#conflicts.list(caller).map(toConflictItem),
    ];
  }

  /** Resolves one of the caller's conflicts, of an upload or a change. */
  async resolveConflict(
    caller: Caller,
    id: number,
    resolution: Resolution | ChangeResolution,
  ): Promise<Settled> {
    const isOfChange = resolution === 'done' || resolution === 'dropped';
    const rows = isChangeConflict(id) ? this.changes.actions : this.#conflicts;
    if (!rows.hasConflict(caller, id)) return refused('not_found');
    if (isOfChange !== isChangeConflict(id)) {
      const ways = isChangeConflict(id) ? 'done or dropped' : 'renamed, local or remote';
      return refusedAt(['body', 'resolution'], `This conflict is settled as ${ways}.`);
    }
    if (!isOfChange) {
      const resolved = await this.#conflicts.resolve(caller, id, resolution);
      if (resolved.kind !== 'resolved') return resolved;
      return { kind: 'resolved', conflict: toConflictItem(resolved.conflict) };
    }
    const settled = await this.changes.actions.settle(caller, id, resolution);
    if (settled.kind === 'refused') return settled;
    this.#delivery.kick();
    return { kind: 'resolved', conflict: toChangeConflict(settled.change, resolution) };
  }

  /** The newest number accepted so far. */
  mark(): number {
    return Math.max(this.#places.newestSeq(), this.changes.newestSeq());
  }

  /** A user can be acted for again, so their waiting items continue. */
  credentialArrived(userId: number): void {
    this.#held.confirmed(userId);
    this.#delivery.credentialArrived(userId);
  }

  /** Makes a held upload a new one of a named user; for admins. */
  async takeUp(caller: Caller, id: string, input: TakeUpInput): Promise<Done> {
    const taken = await this.#held.takeUp(caller, id, input);
    if (taken.kind === 'refused') return taken;
    this.#delivery.kick();
    return { kind: 'done', upload: toUploadItem(taken.upload) };
  }

  /**
   * A device was shown a folder, including its user's uploads: what it saves there from now on is
   * based on them. A caller without either is the Pi itself.
   */
  shown(caller: Caller, folder: string): void {
    if (this.#releaseInto(caller.user.id, folder)) this.#delivery.kick();
    if (caller.device !== undefined || caller.agent !== undefined) {
      this.#branches.shown(caller, folder);
    }
  }

  /** What a folder in this one had refused is tried again once it is listed as the user's own. */
  #releaseInto(userId: number, listed: string): boolean {
    const own = this.#places
      .foldersNeeded(userId)
      .filter((folder) => parentOf(folder) === listed || folder === listed)
      .filter((folder) => {
        const shown = this.#listings.shows(userId, folder);
        return shown.kind === 'folder' && shown.isOwn === true;
      });
    return own.map((folder) => this.#places.requeueInto(userId, folder)).includes(true);
  }

  /** Makes a failed or waiting upload or change due at once. */
  retry(caller: Caller, id: string): Done {
    const { actions } = this.changes;
    const done = actions.knows(caller, id)
      ? asUpload(actions.retry(caller, id))
      : this.#queueView.retry(caller, id);
    if (done.kind === 'done') this.#delivery.tryNow();
    return done;
  }

  /** Takes an upload, with its bytes, or a change out of the queue. */
  async drop(caller: Caller, id: string): Promise<Done> {
    const { actions } = this.changes;
    if (!actions.knows(caller, id)) return await this.#queueView.drop(caller, id);
    const dropped = asUpload(await actions.drop(caller, id));
    // Items that waited for it can go now.
    if (dropped.kind === 'done') this.#delivery.kick();
    return dropped;
  }

  /** Bytes on the disk that no cache may count as free. */
  queuedBytes(): number {
    return this.#viewRows.queuedBytes() + this.resumable.storedBytes();
  }

  /** How many uploads of anybody's the NAS does not have yet. */
  queuedCount(): number {
    return this.#viewRows.counts(null).pending;
  }

  /** How many uploads of anybody's the NAS refused or that did not arrive whole. */
  failedCount(): number {
    return this.#viewRows.counts(null).failed;
  }

  /**
   * For health. `lost`: an accepted upload has lost its file. `strangers`: complete files unknown
   * to any row. `found`: rebuilt uploads not on the NAS yet.
   */
  recoveryWord(): 'ok' | 'found' | 'strangers' | 'lost' {
    if (this.lost.countLost() > 0) return 'lost';
    if (this.#recovered.strangers > 0) return 'strangers';
    return this.#recoveryRows.countFound() > 0 ? 'found' : 'ok';
  }

  /**
   * Whether anything of that user is on its way to the NAS: in the queue, a body coming in, or a
   * resumable upload that moved recently. What never arrives by itself does not count.
   */
  hasUnfinished(userId: number): boolean {
    const { pending, waitingForOwner } = this.#viewRows.counts(userId);
    if (pending > waitingForOwner || this.#slots.running(userId) > 0) return true;
    if (this.changes.hasUnfinished(userId)) return true;
    return this.resumable.unfinished.isMoving(userId);
  }

  /** Removes the deletions from the NAS's delta for a desktop, and logs how many there were. */
  withoutDeletes(): Transform {
    const emptied = new EmptiedArray('to_delete');
    emptied.once('end', () => {
      const { removed } = emptied;
      if (removed > 0) {
        this.#log.info(
          `A delta for a desktop named ${removed} paths to delete; none was passed on.`,
        );
      }
    });
    return emptied;
  }
}

function tablesIn(store: Store) {
  return {
    rows: new UploadRows(store),
    places: new PlaceRows(store),
    recovery: new RecoveryRows(store),
    viewRows: new QueueViewRows(store),
    drops: new DropRows(store),
    changeRows: new ChangeRows(store),
    changeDeliveryRows: new ChangeDeliveryRows(store),
  };
}

function asUpload(done: ChangeDone): Done {
  return done.kind === 'refused' ? done : { kind: 'done', upload: toChangeItem(done.change) };
}

function buildResumable(
  deps: UploadDeps,
  shared: {
    readonly admission: Admission;
    readonly quota: UploadQuota;
    readonly publisher: Publisher;
    readonly slots: BodySlots;
  },
  onQueued: () => void,
): ResumableUploads {
  const rows = new ResumableRows(deps.store);
  const spool = new ResumableSpool({ ...deps, rows });
  return new ResumableUploads({ ...deps, ...shared, rows, spool, onQueued });
}

function admissionOf(
  { maxFileBytes, mayWrite, listings }: UploadDeps,
  shared: { readonly places: PlaceRows; readonly quota: UploadQuota; readonly slots: BodySlots },
): Admission {
  const kindAt = (userId: number, path: string): 'file' | 'folder' | null => {
    if (shared.places.isFileQueued(userId, path)) return 'file';
    const { kind } = listings.shows(userId, path);
    return kind === 'file' || kind === 'folder' ? kind : null;
  };
  return new Admission(maxFileBytes, mayWrite, shared.quota, shared.slots, kindAt);
}
