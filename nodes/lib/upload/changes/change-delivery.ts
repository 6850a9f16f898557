import { nameOf } from '../../files/files.ts';
import { errorKind, type Listeners, type Log } from '../../log/log.ts';
import type { NasClient, NasFileItem } from '../../nas/nas-client.ts';
import type { Clock } from '../../time/clock.ts';
import { backoffMs, type Random } from '../delivery/backoff.ts';
import {
  busyReason,
  type Interruption,
  type NasFolder,
  type NasMoves,
  Pacer,
  readBack,
} from '../delivery/delivery-calls.ts';
import type { Next } from '../delivery/outcome.ts';
import type { PathLocks } from '../delivery/path-locks.ts';
import { type Reason, reason, reasonAt } from '../reasons.ts';
import { folderOf } from '../receive/target.ts';
import {
  type ChangeDeliveryRows,
  type ChangeRow,
  type ChangeRows,
  placesOf,
  type SeenEntry,
} from '../rows/change-rows.ts';
import type { SyncLogRows } from '../rows/delivery-rows.ts';
import { compareBase, FOUND_WAITING, NO_BASE, type PutBackState } from '../rows/upload-rows.ts';
import type { Intents } from '../spool/intents.ts';
import { type CarriedOut, newsOfChange, type UploadDeps, type UploadNews } from '../upload-deps.ts';

/** A token refused more often than this in one run counts as invalid. */
const MOST_REFUSALS = 3;
/** How long until a path in use by other work is tried again, ms. */
const LOCKED_MS = 2_000;

const NEXT: Next = { kind: 'next' };
const BUILT_ON = reason('changeBeforeFailed');

interface ChangeDeliveryDeps extends Pick<UploadDeps, 'credentials' | 'storageStands' | 'changed'> {
  readonly changeRows: ChangeRows;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly changeStep: ChangeAttempt;
  readonly intents: Intents;
  readonly syncLog: SyncLogRows;
  readonly locks: PathLocks;
  readonly clock: Clock;
  readonly log: Log;
  readonly news: Listeners<UploadNews>;
  readonly random: Random;
}

/** Has the NAS carry out queued changes, one at a time, each after everything queued before it. */
export class ChangeDelivery {
  readonly #deps: ChangeDeliveryDeps;
  #refusals = new Map<number, number>();

  constructor(deps: ChangeDeliveryDeps) {
    this.#deps = deps;
  }

  /**
   * Updates everybody's listings with the changes carried out right before the last process ended.
   */
  async start(): Promise<void> {
    for (const row of this.#deps.changeDeliveryRows.unshown()) await this.#show(row);
  }

  /** Starts a new run, in which tokens refused in the last one may be good again. */
  forget(): void {
    this.#refusals.clear();
  }

  /**
   * @param onDone called when something went through
   * @returns null when nothing is due
   */
  async take(signal: AbortSignal, onDone: () => void): Promise<Next | null> {
    const { changeDeliveryRows: rows, clock, locks } = this.#deps;
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
    const { changeStep, changeRows, storageStands } = this.#deps;
    const token = await this.#tokenOf(row);
    if (token === null) return this.#noCredential(row);
    if (!(await storageStands(row.userId, token))) {
      this.#end(row, 'waiting', reason('nasNoStorage'));
      return { kind: 'hold', reason: 'no_storage', atLeastMs: 0 };
    }
    let outcome: ChangeOutcome;
    try {
      outcome = await changeStep.carryOut(row, changeRows.seenBy(row.id), token, signal);
    } catch (error) {
      if (!signal.aborted) {
        this.#deps.log.error(`Carrying out a change failed unexpectedly: ${errorKind(error)}.`);
        this.#wait(row, reason('somethingWentWrongHere'));
        return NEXT;
      }
      return this.#released(row);
    }
    if (signal.aborted && outcome.kind !== 'done') return this.#released(row);
    return await this.#settle(row, token, outcome, onDone);
  }

  async #tokenOf({ userId }: ChangeRow): Promise<string | null> {
    const isRefused = (this.#refusals.get(userId) ?? 0) >= MOST_REFUSALS;
    return isRefused ? null : await this.#deps.credentials.credentialFor(userId);
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
        this.#deps.news.tell(newsOfChange('upload_failed', row, outcome.detail));
        this.orphan(row);
        return NEXT;
      case 'trouble':
        this.#wait(row, outcome.detail);
        return NEXT;
      case 'gone':
        this.#end(row, 'waiting', reason('nasWentAway'));
        return { kind: 'hold', reason: 'gone', atLeastMs: 0 };
      case 'busy':
        this.#end(row, 'waiting', busyReason(outcome));
        return { kind: 'hold', reason: 'busy', atLeastMs: outcome.retryAfterMs ?? 0 };
      case 'nas_full':
        this.#end(row, 'waiting', reason('nasFull'));
        return { kind: 'hold', reason: 'full', atLeastMs: 0 };
      case 'credential_refused':
        return await this.#credentialRefused(row, token);
    }
  }

  /** The end is written to the intents before the row, so that an older database cannot undo it. */
  async #done(row: ChangeRow): Promise<void> {
    const { changeDeliveryRows: rows, changeRows, intents, clock } = this.#deps;
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
    const { changed, changeDeliveryRows: rows, log } = this.#deps;
    try {
      await changed(carriedOut(row), { userId: row.userId, mark: row.seq });
      rows.shown(row.id);
    } catch (error) {
      // The next start tells them again; the NAS's own listings are right meanwhile.
      log.warn(`Listings could not be updated after a change yet: ${errorKind(error)}.`);
    }
  }

  /**
   * A change rebuilt from an intent waits for its owner's decision; any other becomes a conflict.
   */
  #differs(
    row: ChangeRow,
    { detail, found }: Extract<ChangeOutcome, { readonly kind: 'changed' }>,
  ): void {
    const { changeDeliveryRows: rows, clock } = this.#deps;
    if (row.found) {
      this.#end(row, FOUND_WAITING, detail);
    } else {
      this.#commit(row, 'conflict', detail, () => {
        rows.conflict(row.id, detail, found, clock.nowMs());
      });
      this.#deps.news.tell(newsOfChange('conflict', row, detail));
    }
    this.orphan(row);
  }

  /**
   * Marks what builds on an unfinished change as conflicts: it would be applied to something else.
   */
  orphan(row: ChangeRow): void {
    const { changeDeliveryRows: rows, changeRows, clock } = this.#deps;
    for (const id of rows.builtOn(row)) {
      const later = changeRows.byId(id);
      rows.conflict(id, BUILT_ON, null, clock.nowMs());
      if (later === null) continue;
      this.#deps.news.tell(newsOfChange('conflict', later, BUILT_ON));
      this.orphan(later);
    }
  }

  #released(row: ChangeRow): Next {
    this.#deps.changeDeliveryRows.settle(row.id, 'queued', row.detail);
    return { kind: 'stop' };
  }

  #noCredential(row: ChangeRow): Next {
    this.#commit(row, 'no_credential', null, () => {
      const { changeDeliveryRows: rows } = this.#deps;
      rows.waitForCredential(row.userId, reason('waitingForUser'));
    });
    return NEXT;
  }

  /** A short-lived token may simply have run out, so a new one is tried once, immediately. */
  async #credentialRefused(row: ChangeRow, token: string): Promise<Next> {
    const { credentials } = this.#deps;
    this.#refusals.set(row.userId, (this.#refusals.get(row.userId) ?? 0) + 1);
    await credentials.refused(row.userId, token);
    const another = await credentials.credentialFor(row.userId);
    if (another === null || another === token) return this.#noCredential(row);
    this.#deps.changeDeliveryRows.settle(row.id, 'queued', null);
    return NEXT;
  }

  #wait(row: ChangeRow, detail: Reason): void {
    const { changeDeliveryRows: rows, clock, random } = this.#deps;
    const delayMs = backoffMs(row.attempts, random);
    const due = { tickMs: clock.monotonicMs() + delayMs, atMs: clock.nowMs() + delayMs };
    this.#commit(row, 'waiting', detail, () => {
      rows.settle(row.id, 'waiting', detail, due);
    });
  }

  #end(row: ChangeRow, state: Exclude<PutBackState, 'queued'>, detail: Reason): void {
    this.#commit(row, state, detail, () => {
      this.#deps.changeDeliveryRows.settle(row.id, state, detail);
    });
  }

  #commit(row: ChangeRow, outcome: string, detail: Reason | null, work: () => void): void {
    const { changeRows, syncLog, clock } = this.#deps;
    changeRows.transaction(() => {
      work();
      syncLog.add(row, outcome, detail, clock.nowMs());
    });
  }
}

/** The end of a change, which has no bytes of its own. */
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

/** Below the NAS's 30 deletes a minute. */
const DELETE_PACE = { burst: 10, perMinute: 25 };
/** The most entries, in a folder and everything below it, that a queued change may affect. */
export const MOST_ENTRIES = 10_000;

type ChangeOutcome =
  | { readonly kind: 'done' }
  /** Nothing was touched. `found`: what lies there now, null where that is not known in full. */
  | {
      readonly kind: 'changed';
      readonly detail: Reason;
      readonly found: readonly SeenEntry[] | null;
    }
  | Interruption;

interface ChangeAttemptDeps {
  readonly nas: NasClient;
  readonly folders: NasFolder;
  readonly moves: NasMoves;
  readonly clock: Clock;
}

/** On whose behalf a change is carried out. */
interface Run {
  readonly token: string;
  readonly signal: AbortSignal;
}

type Look = { readonly kind: 'seen'; readonly item: NasFileItem | null } | Interruption;

/** A folder and everything below it, as the NAS lists it now. */
type Tree =
  | { readonly kind: 'tree'; readonly items: ReadonlyMap<string, NasFileItem> }
  | { readonly kind: 'too_many' }
  | Interruption;

const DONE: ChangeOutcome = { kind: 'done' };
const CHANGED = reason('itChangedOnTheNas');

/**
 * Carries out one change on the NAS. Each attempt first checks what is where, so that a retry after
 * a crash or a lost answer recognises its own work. Nothing is touched that its user did not see; a
 * change at the very last moment cannot be noticed, as the NAS has no conditional write.
 */
export class ChangeAttempt {
  readonly #deps: ChangeAttemptDeps;
  readonly #deletePace: Pacer;

  constructor(deps: ChangeAttemptDeps) {
    this.#deps = deps;
    this.#deletePace = new Pacer(deps.clock, DELETE_PACE);
  }

  /** @param seen what its user saw, the target first */
  async carryOut(
    row: ChangeRow,
    seen: readonly SeenEntry[],
    token: string,
    signal: AbortSignal,
  ): Promise<ChangeOutcome> {
    const run = { token, signal };
    switch (row.kind) {
      case 'mkdir':
        return await this.#make(row.path, run);
      case 'delete':
        return await this.#delete(row.path, seen, run);
      case 'rename':
      case 'move':
        return await this.#move(row.path, row.toPath ?? row.path, seen, run);
    }
  }

  async #make(path: string, run: Run): Promise<ChangeOutcome> {
    const before = await this.#look(path, run);
    if (before.kind !== 'seen') return before;
    if (before.item !== null) return this.#made(path, before.item);
    const fault = await this.#deps.folders.ensure(run.token, path, run.signal);
    if (fault !== null) return fault;
    this.#deps.folders.forget();
    const after = await this.#look(path, run);
    if (after.kind !== 'seen') return after;
    if (after.item !== null) return this.#made(path, after.item);
    return { kind: 'refused', status: 403, detail: reasonAt(path, reason('nasDidNotMakeIt')) };
  }

  #made(path: string, item: NasFileItem): ChangeOutcome {
    if (item.type === 'directory') return DONE;
    return changed(path, reason('nameTaken'), null);
  }

  async #delete(path: string, seen: readonly SeenEntry[], run: Run): Promise<ChangeOutcome> {
    const looked = await this.#look(path, run);
    if (looked.kind !== 'seen') return looked;
    if (looked.item === null) return DONE;
    const differs = await this.#compare(path, looked.item, seen, true, run);
    if (differs !== null) return differs;
    await this.#deletePace.turn(run.signal);
    const fault = await this.#deps.moves.remove(run.token, path);
    this.#deps.folders.forget();
    if (fault === null) return DONE;
    return await this.#afterFault(fault, async () => {
      const again = await this.#look(path, run);
      return again.kind === 'seen' ? again.item === null : again;
    });
  }

  async #move(
    path: string,
    toPath: string,
    seen: readonly SeenEntry[],
    run: Run,
  ): Promise<ChangeOutcome> {
    const [source, target] = [await this.#look(path, run), await this.#look(toPath, run)];
    if (source.kind !== 'seen') return source;
    if (target.kind !== 'seen') return target;
    if (source.item === null) return await this.#wasMoved(path, toPath, target.item, seen, run);
    if (target.item !== null) {
      return changed(toPath, reason('otherHasName'), null);
    }
    const differs = await this.#compare(path, source.item, seen, false, run);
    if (differs !== null) return differs;
    const fault = await this.#rebase(path, toPath, run);
    this.#deps.folders.forget();
    if (fault === null) return DONE;
    return await this.#afterFault(fault, async () => {
      const [from, to] = [await this.#look(path, run), await this.#look(toPath, run)];
      if (from.kind !== 'seen') return from;
      return to.kind === 'seen' ? from.item === null && to.item !== null : to;
    });
  }

  /** Nothing is at the source: an earlier attempt moved it, or somebody else changed it. */
  async #wasMoved(
    path: string,
    toPath: string,
    item: NasFileItem | null,
    seen: readonly SeenEntry[],
    run: Run,
  ): Promise<ChangeOutcome> {
    const gone = changed(path, reason('goneFromNas'), null);
    if (item === null) return gone;
    const differs = await this.#compare(toPath, item, seen, false, run);
    if (differs === null) return DONE;
    return differs.kind === 'changed' ? gone : differs;
  }

  async #rebase(path: string, toPath: string, run: Run): Promise<Interruption | null> {
    const { folders, moves } = this.#deps;
    const folder = folderOf(toPath);
    if (folder === folderOf(path)) {
      await folders.turnToWrite(run.signal);
      return await moves.rename(run.token, path, nameOf(toPath));
    }
    const above = await this.#look(folder, run);
    if (above.kind !== 'seen') return above;
    if (above.item === null && folder.includes('/')) {
      const fault = await folders.ensure(run.token, folder, run.signal);
      if (fault !== null) return fault;
    }
    await folders.turnToWrite(run.signal);
    return await moves.move(run.token, path, toPath);
  }

  /** The NAS may answer 500, or refuse, although it carried out the call. */
  async #afterFault(
    fault: Interruption,
    isDone: () => Promise<boolean | Interruption>,
  ): Promise<ChangeOutcome> {
    if (fault.kind !== 'trouble' && fault.kind !== 'refused') return fault;
    return (await isDone()) === true ? DONE : fault;
  }

  /** @returns null where it, and everything below it, is what its user saw */
  async #compare(
    path: string,
    item: NasFileItem,
    seen: readonly SeenEntry[],
    isForGood: boolean,
    run: Run,
  ): Promise<Exclude<ChangeOutcome, { kind: 'done' }> | null> {
    const [target, ...below] = seen;
    if (target === undefined || target.isFolder !== (item.type === 'directory')) {
      const isFolder = item.type === 'directory';
      return changed(path, reason(isFolder ? 'itIsAFolderNow' : 'itIsAFileNow'), null);
    }
    if (!target.isFolder) {
      const comparison = await this.#judge(target, item, isForGood, run);
      if (comparison === 'same') return null;
      if (comparison !== 'changed') return comparison;
      return changed(path, CHANGED, [entryOf('', item)]);
    }
    const tree = await this.#tree(path, run);
    if (tree.kind === 'too_many') {
      return changed(path, reason('tooMuchToCompare'), null);
    }
    if (tree.kind !== 'tree') return tree;
    return await this.#compareBelow(path, item, { below, tree: tree.items, isForGood }, run);
  }

  /** Entries missing by now are harmless; a single name the user has not seen stops the change. */
  async #compareBelow(
    path: string,
    item: NasFileItem,
    of: {
      readonly below: readonly SeenEntry[];
      readonly tree: ReadonlyMap<string, NasFileItem>;
      readonly isForGood: boolean;
    },
    run: Run,
  ): Promise<Exclude<ChangeOutcome, { kind: 'done' }> | null> {
    const seen = new Map(of.below.map((entry) => [entry.path, entry]));
    const found = (): readonly SeenEntry[] => [
      entryOf('', item),
      ...[...of.tree].map(([inside, its]) => entryOf(inside, its)),
    ];
    for (const [inside, its] of of.tree) {
      const entry = seen.get(inside);
      if (entry === undefined) {
        return changed(`${path}/${inside}`, reason('notSeenByYou'), found());
      }
      const comparison = await this.#judge(entry, its, of.isForGood, run);
      if (comparison === 'changed') return changed(`${path}/${inside}`, CHANGED, found());
      if (comparison !== 'same') return comparison;
    }
    return null;
  }

  async #judge(
    entry: SeenEntry,
    item: NasFileItem,
    isForGood: boolean,
    { token, signal }: Run,
  ): Promise<'same' | 'changed' | Interruption> {
    const comparison = judgeEntry(entry, item, isForGood);
    if (comparison !== 'doubtful') return comparison;
    const content = await readBack(this.#deps.nas, token, item, signal);
    if (content.kind === 'unsteady') return 'changed';
    if (content.kind !== 'hash') return content;
    return content.sha256 === entry.checksum ? 'same' : 'changed';
  }

  async #tree(path: string, { token, signal }: Run): Promise<Tree> {
    const items = new Map<string, NasFileItem>();
    const folders = [''];
    for (const inside of folders) {
      const folder = inside === '' ? path : `${path}/${inside}`;
      const listed = await this.#deps.folders.list(token, folder, signal);
      if (listed.kind !== 'items') return listed;
      for (const item of listed.items) {
        const at = inside === '' ? item.name : `${inside}/${item.name}`;
        items.set(at, item);
        if (item.type === 'directory') folders.push(at);
      }
      if (items.size > MOST_ENTRIES) return { kind: 'too_many' };
    }
    return { kind: 'tree', items };
  }

  /** Uses a fresh listing or, where that is too long to read, asks for the name alone. */
  async #look(path: string, { token, signal }: Run): Promise<Look> {
    const { folders } = this.#deps;
    const [folder, name] = [folderOf(path), nameOf(path)];
    const listed = await folders.list(token, folder, signal);
    if (listed.kind === 'items') {
      return { kind: 'seen', item: listed.items.find((item) => item.name === name) ?? null };
    }
    if (listed.kind !== 'busy' || listed.isUnread !== true) return listed;
    const seen = await folders.look(token, folder, [name], false, signal);
    return seen.kind === 'seen' ? { kind: 'seen', item: seen.items.get(name) ?? null } : seen;
  }
}

function changed(
  path: string,
  why: Reason,
  found: readonly SeenEntry[] | null,
): Extract<ChangeOutcome, { kind: 'changed' }> {
  return { kind: 'changed', detail: reasonAt(path, why), found };
}

/** `doubtful`: the listing alone cannot tell, the content must be read. */
type EntryComparison = 'same' | 'changed' | 'doubtful';

/**
 * Compares what the NAS lists now with what its user saw. A checksum of the NAS may be stale, so a
 * match proves nothing where the time is unknown.
 * @param isForGood the change destroys data, so no doubt may be left
 */
function judgeEntry(seen: SeenEntry, item: NasFileItem, isForGood: boolean): EntryComparison {
  if (seen.isFolder || item.type === 'directory') {
    return seen.isFolder && item.type === 'directory' ? 'same' : 'changed';
  }
  const { sizeBytes, modifiedAt, checksum } = seen;
  const comparison = compareBase(
    { ...NO_BASE, source: 'listing', sizeBytes, modifiedAt, checksum },
    item,
  );
  if (comparison === 'doubtful') return 'doubtful';
  if (comparison !== 'unchanged') return 'changed';
  return isForGood && modifiedAt === null ? 'doubtful' : 'same';
}

/** What is at a path, for comparing with the NAS again if the owner still wants the change. */
function entryOf(path: string, item: NasFileItem): SeenEntry {
  return {
    path,
    isFolder: item.type === 'directory',
    sizeBytes: item.size,
    modifiedAt: item.modified_at,
    checksum: item.checksum?.toLowerCase() ?? null,
  };
}
