import type { Caller } from '../../accounts/caller.ts';
import { isWithin, nameOf, parentOf, pathNow, type QueuedChange } from '../../files/files.ts';
import { errorKind, type Log } from '../../log/log.ts';
import type { Clock } from '../../time/clock.ts';
import { reason } from '../reasons.ts';
import { type Admission, refused, type Refused, type UploadQuota } from '../receive/admission.ts';
import { folderOf } from '../receive/target.ts';
import type {
  ChangeDeliveryRows,
  ChangeRow,
  ChangeRows,
  NewChange,
  SeenEntry,
} from '../rows/change-rows.ts';
import { type DropRows, ConflictBackupRows } from '../rows/conflict-rows.ts';
import type { QueueViewRows } from '../rows/queue-view-rows.ts';
import type { UploadRow, UploadRows } from '../rows/upload-rows.ts';
import { type Disk, diskFaultOf } from '../spool/disk.ts';
import type { Intents } from '../spool/intents.ts';
import { type MayWrite, type ShownTreeEntry, type UploadDeps, uploadId } from '../upload-deps.ts';
import { type ChangeDelivery, endOfChange, MOST_ENTRIES } from './change-delivery.ts';
import { ChangeRecovery, Withdrawals } from './withdrawals.ts';

interface ChangeQueueDeps extends UploadDeps {
  readonly changeRows: ChangeRows;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly uploads: UploadRows;
  readonly viewRows: QueueViewRows;
  readonly drops: DropRows;
  readonly intents: Intents;
  readonly admission: Admission;
  readonly quota: UploadQuota;
  readonly delivery: ChangeDelivery;
}

/** Queues deletes, renames, moves and new folders while the NAS sleeps (docs/CHANGES-ASLEEP.md). */
export class ChangeQueue {
  /** Accepts changes while the NAS sleeps. */
  readonly intake: ChangeIntake;
  readonly #rows: ChangeRows;
  readonly #delivery: ChangeDelivery;
  /** What a person may do to a queued change. */
  readonly actions: ChangeActions;
  readonly recovery: ChangeRecovery;

  constructor(deps: ChangeQueueDeps) {
    this.#rows = deps.changeRows;
    this.#delivery = deps.delivery;
    const withdrawals = new Withdrawals({ ...deps, keptRows: new ConflictBackupRows(deps.store) });
    this.intake = new ChangeIntake({ ...deps, withdrawals });
    this.actions = new ChangeActions(deps);
    this.recovery = new ChangeRecovery({ ...deps, withdrawals });
  }

  /** Runs after {@link recovery}: updates listings with the changes carried out earlier. */
  async start(): Promise<void> {
    await this.#delivery.start();
  }

  /** The newest change's number; 0 where there was never one. */
  newestSeq(): number {
    return this.#rows.newestSeq();
  }

  /** What a user changed that the NAS did not carry out yet, in its order. */
  openOf(userId: number): readonly QueuedChange[] {
    return this.#rows.openOf(userId).map(({ seq, kind, path, toPath, createdAtMs }) => {
      return { seq, kind, path, toPath, acceptedAtMs: createdAtMs };
    });
  }

  /** Whether any change of a user is on its way; those that wait for their owner do not count. */
  hasUnfinished(userId: number): boolean {
    const { pending, waitingForOwner } = this.#rows.counts(userId);
    return pending > waitingForOwner;
  }
}

/** A change a caller wants on the NAS. Paths are parsed. */
export type QueuedInput =
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'mkdir'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly name: string }
  /** `target`: the new path or, where there is one, the folder to move it into. */
  | { readonly kind: 'move'; readonly path: string; readonly target: string };

export type ChangeTaken =
  /** It survives a power cut from now on. `id` is null where nothing was left to do. */
  | { readonly kind: 'taken'; readonly id: string | null }
  /** It needs the NAS: not everything was shown to this user. */
  | { readonly kind: 'asleep' }
  | Refused;

interface ChangeIntakeDeps extends Pick<
  UploadDeps,
  'shownPlaces' | 'listings' | 'bornAt' | 'randomBytes' | 'takesChanges'
> {
  readonly changeRows: ChangeRows;
  readonly viewRows: QueueViewRows;
  readonly withdrawals: Withdrawals;
  readonly intents: Intents;
  readonly admission: Admission;
  readonly mayWrite: MayWrite;
  readonly quota: UploadQuota;
  readonly disk: Disk;
  readonly clock: Clock;
  /** The queue's own folder. */
  readonly folder: string;
}

type Change = Omit<NewChange, 'id' | 'withdraws' | 'createdAtMs'>;

/** What accepting an input would do, as things are now. */
interface Plan {
  readonly kind: 'plan';
  /** Null where the NAS never had what the change is about. */
  readonly change: Change | null;
  /** Uploads that are no longer to be delivered. */
  readonly withdrawn: readonly UploadRow[];
}

/** Each try is two disk syncs after the one before. */
const MOST_TRIES = 5;
const ASLEEP: ChangeTaken = { kind: 'asleep' };
const NOTHING_LEFT: ChangeTaken = { kind: 'taken', id: null };

/**
 * Accepts deletes, renames, moves and new folders for a NAS that sleeps: only of what its user was
 * shown, for a folder all of it, and durably before the answer. What was seen is stored with it, to
 * be compared with the NAS when it is up.
 */
class ChangeIntake {
  readonly #deps: ChangeIntakeDeps;
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: ChangeIntakeDeps) {
    this.#deps = deps;
  }

  /** Waits until everything being accepted is. */
  async idle(): Promise<void> {
    await this.#last.catch(() => undefined);
  }

  /** One at a time: each builds on those accepted before. */
  accept(caller: Caller, input: QueuedInput): Promise<ChangeTaken> {
    const taking = this.#last.then(
      () => this.#accept(caller, input),
      () => this.#accept(caller, input),
    );
    this.#last = taking;
    return taking;
  }

  /**
   * Whether an input has to be queued although the NAS is awake: an earlier change of this user at,
   * above or below one of its paths is still pending.
   */
  isInLine(caller: Caller, input: QueuedInput): boolean {
    const { changeRows, viewRows, takesChanges } = this.#deps;
    if (!takesChanges) return false;
    const places = [input.path, ...('target' in input ? [input.target] : [])];
    if ('name' in input) places.push(joined(folderOf(input.path), input.name));
    const meets = (path: string | null): boolean =>
      path !== null && places.some((place) => isWithin(path, place) || isWithin(place, path));
    const userId = caller.user.id;
    return (
      changeRows.openOf(userId).some(({ path, toPath }) => meets(path) || meets(toPath)) ||
      viewRows.undelivered(userId).some(({ path, secondPath }) => meets(path) || meets(secondPath))
    );
  }

  async #accept(caller: Caller, input: QueuedInput): Promise<ChangeTaken> {
    if (!this.#deps.takesChanges) return ASLEEP;
    try {
      for (let tries = 0; tries < MOST_TRIES; tries += 1) {
        const plan = await this.#plan(caller, input);
        if (plan.kind !== 'plan') return plan;
        const taken = await this.#commit(caller, input, plan);
        if (taken !== null) return taken;
      }
    } catch (error) {
      const fault = diskFaultOf(error);
      if (fault === null) throw error;
      return refused(fault);
    }
    return refused('conflict', reason('placeUnsteady'));
  }

  async #plan(caller: Caller, input: QueuedInput): Promise<Plan | ChangeTaken> {
    const toPath = this.#toPathOf(caller, input);
    const refusal = await this.#refusal(caller, input, toPath);
    return refusal ?? this.#planOf(caller, input, toPath);
  }

  /** Awaits nothing, so that a transaction can compare it with the plan. */
  #planOf(caller: Caller, input: QueuedInput, toPath: string | null): Plan | ChangeTaken {
    if (input.kind === 'mkdir') return this.#planNewFolder(caller, input.path);
    const { shownPlaces } = this.#deps;
    const { id: userId } = caller.user;
    const shown = shownPlaces.treeShown(userId, input.path, MOST_ENTRIES);
    if (shown.kind === 'unlisted') return ASLEEP;
    if (shown.kind === 'absent') return this.#again(userId, input, toPath);
    if (input.kind === 'delete') return this.#planDelete(caller, input.path, shown.entries);
    if (toPath === null || toPath === input.path) return NOTHING_LEFT;
    const taken = this.#targetFault(userId, input.path, toPath);
    if (taken !== null) return taken;
    return this.#plain(caller, input.kind, input.path, toPath, shown.entries.map(seenEntry));
  }

  #planNewFolder(caller: Caller, path: string): Plan | ChangeTaken {
    const shown = this.#deps.shownPlaces.placeShown(caller.user.id, path);
    if (shown === 'unknown') return ASLEEP;
    if (shown === 'folder') return NOTHING_LEFT;
    if (shown === 'file') return refused('conflict', reason('fileIsThere', { path }));
    const above = this.#folderFault(caller.user.id, folderOf(path));
    return above ?? this.#plain(caller, 'mkdir', path, null, []);
  }

  /** A retry after a lost answer: the change was accepted already. */
  #again(userId: number, input: QueuedInput, toPath: string | null): ChangeTaken {
    const same = this.#deps.changeRows
      .openOf(userId)
      .findLast(
        (row) => row.kind === input.kind && row.path === input.path && row.toPath === toPath,
      );
    return same === undefined ? ASLEEP : { kind: 'taken', id: same.id };
  }

  /**
   * Uploads of the same user at or below it are not delivered just to be deleted. A new file takes
   * its delete with it; if an upload builds on a version on the NAS, that version is what to
   * delete. Uploads being sent, or in an unknown state, go first.
   */
  #planDelete(caller: Caller, path: string, entries: readonly ShownTreeEntry[]): Plan {
    const { viewRows, changeRows } = this.#deps;
    const userId = caller.user.id;
    const changes = changeRows.openOf(userId).map(asQueued);
    const withdrawn: UploadRow[] = [];
    const rows = Map.groupBy(viewRows.undelivered(userId), (row) =>
      pathNow(changes, row.path, row.seq),
    );
    const insteadOf = new Map<string, SeenEntry | null>();
    for (const [at, versions] of rows) {
      if (at === null || !isWithin(at, path)) continue;
      // Earlier changes to the same thing have to come first.
      const isAlone = versions.every((row) => !changes.some((change) => isAbout(change, row)));
      const before = isAlone ? this.#beforeUploads(userId, at, versions) : 'unknown';
      if (before === 'unknown') continue;
      withdrawn.push(...versions);
      insteadOf.set(at.slice(path.length + 1), before);
    }
    const seen = entries.flatMap((entry) => {
      const before = insteadOf.get(entry.path);
      if (before === undefined) return [seenEntry(entry)];
      return before === null ? [] : [{ ...before, path: entry.path }];
    });
    if (seen.length === 0) return { kind: 'plan', change: null, withdrawn };
    return { ...this.#plain(caller, 'delete', path, null, seen), withdrawn };
  }

  /** @returns what lay there before these; null: nothing; `unknown`: they have to go first */
  #beforeUploads(
    userId: number,
    at: string,
    versions: readonly UploadRow[],
  ): SeenEntry | null | 'unknown' {
    const isChain = versions.every(
      ({ base, state, secondPath }, index) =>
        state !== 'sending' &&
        secondPath === null &&
        (index === 0 ? base.source !== 'queue' : base.uploadId === versions[index - 1]?.id),
    );
    const [first] = versions;
    if (!isChain || first === undefined) return 'unknown';
    const { base } = first;
    if (base.source !== 'none') {
      const { sizeBytes, modifiedAt, checksum } = base;
      return { path: '', isFolder: false, sizeBytes, modifiedAt, checksum };
    }
    return this.#deps.listings.shows(userId, at).kind === 'absent' ? null : 'unknown';
  }

  #plain(
    caller: Caller,
    kind: Change['kind'],
    path: string,
    toPath: string | null,
    seen: readonly SeenEntry[],
  ): Plan {
    const { id: userId, username } = caller.user;
    const ownerCreatedAt = this.#deps.bornAt(userId);
    const change = { userId, username, ownerCreatedAt, kind, path, toPath, seen };
    return { kind: 'plan', change, withdrawn: [] };
  }

  /** A move goes into the folder it names, or to the exact path. */
  #toPathOf({ user }: Caller, input: QueuedInput): string | null {
    if (input.kind === 'rename') return joined(folderOf(input.path), input.name);
    if (input.kind !== 'move') return null;
    const { target, path } = input;
    const isFolder =
      parentOf(target) === '' || this.#deps.shownPlaces.placeShown(user.id, target) === 'folder';
    return isFolder ? joined(target, nameOf(path)) : target;
  }

  #targetFault(userId: number, path: string, toPath: string): ChangeTaken | null {
    if (isWithin(toPath, path)) {
      return refused('conflict', reason('intoItself', { path }));
    }
    const shown = this.#deps.shownPlaces.placeShown(userId, toPath);
    if (shown === 'unknown') return ASLEEP;
    if (shown !== 'absent') {
      const key = shown === 'file' ? 'fileIsThere' : 'folderIsThere';
      return refused('conflict', reason(key, { path: toPath }));
    }
    return this.#folderFault(userId, folderOf(toPath));
  }

  /** A folder its user cannot see takes nothing. A kept listing of it also proves it exists. */
  #folderFault(userId: number, folder: string): ChangeTaken | null {
    const shown = this.#deps.shownPlaces.placeShown(userId, folder);
    if (shown === 'folder' || shown === 'unknown') return null;
    return refused('conflict', reason('folderMissing', { path: folder }));
  }

  async #refusal(
    caller: Caller,
    input: QueuedInput,
    toPath: string | null,
  ): Promise<Refused | null> {
    const { admission, mayWrite, quota } = this.#deps;
    for (const place of [input.path, toPath]) {
      // Homes, Shared and everything next to them belong to the NAS.
      if (place !== null && !place.includes('/')) return refused('not_yours');
    }
    const made = input.kind === 'mkdir' ? input.path : toPath;
    if (!(await mayWrite(caller, input.path))) return refused('not_yours');
    const fault = made === null ? null : await admission.checkTarget(caller, made);
    return fault ?? (await quota.rowsRefusal(caller.user.id, 1));
  }

  /** @returns null where something changed meanwhile that would make it a different change */
  async #commit(caller: Caller, input: QueuedInput, plan: Plan): Promise<ChangeTaken | null> {
    const { intents, withdrawals, changeRows, disk, clock, folder, randomBytes } = this.#deps;
    const { change: planned, withdrawn } = plan;
    const createdAtMs = clock.nowMs();
    const id = uploadId(createdAtMs, randomBytes);
    const withdraws = withdrawn.map((row) => row.id);
    const change = planned === null ? null : { ...planned, withdraws, id, createdAtMs };
    const file = change === null ? null : await intents.writeChange(change);
    let isWanted = false;
    try {
      if (file !== null) await disk.syncFolder(folder);
      const now = this.#planOf(caller, input, this.#toPathOf(caller, input));
      if (!isSamePlan(plan, now)) return null;
      // An upload accepted from here on precedes it unseen: its delete will report that.
      await withdrawals.prepare(withdrawn);
      // Their ends are written: if the commit fails, the next start still finds the delete.
      isWanted = withdrawn.length > 0;
      changeRows.transaction(() => {
        withdrawals.take(withdrawn);
        if (change !== null && file !== null) changeRows.insert(change, file);
      });
      isWanted = true;
    } finally {
      if (file !== null && !isWanted) await intents.discard(file);
    }
    await withdrawals.finish(withdrawn);
    return { kind: 'taken', id: change?.id ?? null };
  }
}

function joined(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

function seenEntry(entry: ShownTreeEntry): SeenEntry {
  const { path, isFolder, sizeBytes, modifiedAt, checksum } = entry;
  return { path, isFolder, sizeBytes, modifiedAt, checksum };
}

/** Whether a change was made to what an upload brought, or to the folder it is in. */
function isAbout({ seq, path, toPath }: QueuedChange, row: UploadRow): boolean {
  const places = toPath === null ? [path] : [path, toPath];
  return seq > row.seq && places.some((place) => isWithin(row.path, place));
}

function asQueued(row: ChangeRow) {
  return { ...row, acceptedAtMs: row.createdAtMs };
}

function isSamePlan(plan: Plan, now: Plan | ChangeTaken): boolean {
  if (now.kind !== 'plan') return false;
  const told = ({ change, withdrawn }: Plan): string =>
    JSON.stringify([change, withdrawn.map(({ id }) => id)]);
  return told(plan) === told(now);
}

/** How a conflicting change is resolved: applied to what is there now, or dropped. */
export type ChangeResolution = 'done' | 'dropped';

export type ChangeDone = { readonly kind: 'done'; readonly change: ChangeRow } | Refused;

/** Conflicts of changes get numbers above all possible ones of uploads. */
const CONFLICTS_FROM = 1_000_000_000_000;

interface ChangeActionsDeps {
  readonly changeRows: ChangeRows;
  readonly delivery: Pick<ChangeDelivery, 'orphan'>;
  readonly intents: Intents;
  readonly clock: Clock;
  readonly log: Log;
}

/** The number of a change's conflict, among those of uploads. */
export function conflictIdOf({ seq }: Pick<ChangeRow, 'seq'>): number {
  return CONFLICTS_FROM + seq;
}

/** Whether a conflict is one of a change. */
export function isChangeConflict(id: number): boolean {
  return id > CONFLICTS_FROM;
}

/** What a person may do to a queued change. */
class ChangeActions {
  readonly #deps: ChangeActionsDeps;

  constructor(deps: ChangeActionsDeps) {
    this.#deps = deps;
  }

  /** Whether an id is that of a change which this caller may see. */
  knows(caller: Caller, id: string): boolean {
    return this.#own(caller, id) !== null;
  }

  /** Makes a failed or waiting change due at once. */
  retry(caller: Caller, id: string): ChangeDone {
    const { changeRows } = this.#deps;
    const row = this.#own(caller, id);
    if (row === null) return refused('not_found');
    if (row.state === 'synced') return refused('conflict', reason('changeDone'));
    if (row.state === 'conflict') return refused('conflict', SETTLE_FIRST);
    if (row.state === 'held') return refused('conflict', reason('changeUserGone'));
    changeRows.requeue(id);
    return { kind: 'done', change: changeRows.byId(id) ?? row };
  }

  /** Takes a change out of the queue and leaves the NAS as it is. */
  async drop(caller: Caller, id: string): Promise<ChangeDone> {
    const row = this.#own(caller, id);
    if (row === null) return refused('not_found');
    if (row.state === 'synced') return refused('conflict', reason('changeDone'));
    if (row.state === 'conflict') return refused('conflict', SETTLE_FIRST);
    return await this.#drop(row);
  }

  /** The caller's changes that met something else, newest first. */
  conflicts(caller: Caller): readonly ChangeRow[] {
    return this.#deps.changeRows.list(caller.user.id, 'conflict');
  }

  /** Whether a conflict is of one of the caller's changes, settled or not. */
  hasConflict(caller: Caller, id: number): boolean {
    return this.#deps.changeRows.bySeq(id - CONFLICTS_FROM)?.userId === caller.user.id;
  }

  /**
   * `done` applies it to what is there now, after one more comparison; `dropped` gives it up.
   * @returns the change as it was in the conflict
   */
  async settle(caller: Caller, id: number, resolution: ChangeResolution): Promise<ChangeDone> {
    const { changeRows } = this.#deps;
    const row = changeRows.bySeq(id - CONFLICTS_FROM);
    if (row === null || row.userId !== caller.user.id) return refused('not_found');
    if (row.state !== 'conflict') return refused('conflict', reason('conflictSettled'));
    if (resolution === 'dropped') return await this.#drop(row);
    changeRows.rebase(row.id);
    return { kind: 'done', change: row };
  }

  async #drop(row: ChangeRow): Promise<ChangeDone> {
    const { changeRows, delivery, intents, clock } = this.#deps;
    const busy = refused('conflict', reason('changeRunning'));
    if (!changeRows.freeze(row.id)) return busy;
    try {
      await intents.end([endOfChange(row, 'dropped', clock.nowMs())]);
    } catch (error) {
      changeRows.thaw(row.id);
      const fault = diskFaultOf(error);
      if (fault === null) throw error;
      return refused(fault);
    }
    if (!changeRows.delete(row.id)) return busy;
    delivery.orphan(row);
    await this.#discard(row);
    return { kind: 'done', change: row };
  }

  /** What the disk refuses here is retried by the next start. */
  async #discard({ intentFile }: ChangeRow): Promise<void> {
    const { changeRows, intents, log } = this.#deps;
    if (intentFile === null || changeRows.isIntentNeeded(intentFile)) return;
    try {
      await intents.discard(intentFile);
    } catch (error) {
      log.warn(`The intent of a dropped change could not be removed: ${errorKind(error)}.`);
    }
  }

  #own(caller: Caller, id: string): ChangeRow | null {
    const row = this.#deps.changeRows.byId(id);
    const heldForAdmins = row?.state === 'held' && caller.user.role === 'admin';
    return heldForAdmins || row?.userId === caller.user.id ? row : null;
  }
}

const SETTLE_FIRST = reason('changeSettleFirst');
