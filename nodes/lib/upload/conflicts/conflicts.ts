import type { Caller } from '../../accounts/caller.ts';
import { nameOf } from '../../files/files.ts';
import type { NasClient, NasFileItem } from '../../nas/nas-client.ts';
import type { NasPresence } from '../../nas/presence.ts';
import type { Clock } from '../../time/clock.ts';
import { conflictName } from '../delivery/attempt.ts';
import {
  type Interruption,
  type NasFolder,
  type NasMoves,
  readBack,
} from '../delivery/delivery-calls.ts';
import type { PathLocks } from '../delivery/path-locks.ts';
import { type Reason, reason } from '../reasons.ts';
import { refused, type Refused } from '../receive/admission.ts';
import { folderOf } from '../receive/target.ts';
import type { Conflict, ConflictRows, Resolution } from '../rows/conflict-rows.ts';
import { isSameItem } from '../rows/upload-rows.ts';
import type { TouchedPlace, UploadCredentials } from '../upload-deps.ts';
import type { KeepOutcome, ConflictBackups } from './backups.ts';

type Resolved =
  | { readonly kind: 'resolved'; readonly conflict: Conflict }
  /** The NAS sleeps, or went away in the middle. */
  | { readonly kind: 'asleep' }
  | Refused;

type Done =
  | SwapOutcome
  | Exclude<KeepOutcome, { readonly kind: 'kept' }>
  | { readonly kind: 'removed' };

interface ConflictsDeps {
  readonly rows: ConflictRows;
  readonly swap: ConflictSwap;
  readonly kept: ConflictBackups;
  readonly folders: NasFolder;
  readonly moves: NasMoves;
  readonly locks: PathLocks;
  readonly credentials: UploadCredentials;
  readonly presence: NasPresence;
  readonly clock: Clock;
  /** Called when files changed at these places: whatever is kept about them is out of date. */
  readonly touched: (userId: number, places: readonly TouchedPlace[]) => void | Promise<void>;
}

const ON_ITS_WAY = refused('conflict', reason('placeBusy'));

/** How long a call waits for other work on the same paths. */
const LOCK_MS = 10_000;

/** Conflicts as their owners see and resolve them. Whatever happens, no version is lost. */
export class Conflicts {
  readonly #deps: ConflictsDeps;
  readonly #stopping = new AbortController();

  constructor(deps: ConflictsDeps) {
    this.#deps = deps;
  }

  list(caller: Caller): readonly Conflict[] {
    return this.#deps.rows.openOf(caller.user.id);
  }

  /** Whether a conflict is one of the caller's, settled or not. */
  hasConflict(caller: Caller, id: number): boolean {
    return this.#deps.rows.byId(id)?.userId === caller.user.id;
  }

  /**
   * `renamed` leaves both as they are; `local` puts the upload in place and the other version under
   * the conflict name; `remote` takes the upload off the NAS and keeps it on the Pi for 30 days.
   * May be repeated after any failure: it continues where it was.
   * @throws the Pi's disk's error
   */
  async resolve(caller: Caller, id: number, resolution: Resolution): Promise<Resolved> {
    const { rows, presence, locks } = this.#deps;
    const seen = rows.byId(id);
    if (seen?.userId !== caller.user.id) return refused('not_found');
    if (seen.resolution !== null) return this.#settledBefore(seen, resolution);
    if (!presence.state.awake) return { kind: 'asleep' };
    if (rows.isBusy(seen)) return ON_ITS_WAY;
    // The delivery that met the conflict may still hold the lock; another call may settle it first.
    const unlock = await locks.takeSoon([seen.path, seen.conflictPath], LOCK_MS);
    if (unlock === null) return refused('conflict', reason('conflictBeingSettled'));
    try {
      const conflict = rows.byId(id) ?? seen;
      if (rows.isBusy(conflict)) return ON_ITS_WAY;
      return conflict.resolution === null
        ? await this.#settle(caller, conflict, resolution)
        : this.#settledBefore(conflict, resolution);
    } finally {
      unlock();
    }
  }

  /** Aborts what runs; it can be resumed. */
  stop(): void {
    this.#stopping.abort(new Error('Settling conflicts was stopped.'));
  }

  #settledBefore(conflict: Conflict, resolution: Resolution): Resolved {
    if (conflict.resolution === resolution) return { kind: 'resolved', conflict };
    const values = { resolution: conflict.resolution ?? '' };
    return refused('conflict', reason('conflictSettledAs', values));
  }

  async #settle(caller: Caller, conflict: Conflict, resolution: Resolution): Promise<Resolved> {
    const { credentials, rows, clock } = this.#deps;
    const { id: userId, username } = caller.user;
    const token = caller.nasToken ?? (await credentials.credentialFor(userId));
    if (token === null) return refused('refresh_token_now');
    if (resolution !== 'renamed') {
      const { signal } = this.#stopping;
      const done =
        resolution === 'local'
          ? await this.#deps.swap.swap(conflict, username, token, signal)
          : await this.#remove(conflict, token, signal);
      await this.#deps.touched(userId, touchedBy(conflict, done));
      if (done.kind === 'credential_refused') await credentials.refused(userId, token);
      if (done.kind !== 'swapped' && done.kind !== 'removed') return refusalOf(done);
    }
    rows.resolve(conflict, resolution, clock.nowMs());
    return { kind: 'resolved', conflict: { ...conflict, resolution, swapPath: null } };
  }

  /**
   * The bytes are safe on the Pi before the NAS is asked to delete them; already gone counts as
   * done.
   */
  async #remove(conflict: Conflict, token: string, signal: AbortSignal): Promise<Done> {
    const { folders, kept, moves } = this.#deps;
    const look = () => folders.list(token, folderOf(conflict.conflictPath), signal);
    const seen = await look();
    if (seen.kind !== 'items') return seen;
    const named = nameOf(conflict.conflictPath);
    const item = seen.items.find(({ name }) => name === named) ?? null;
    if (item === null) return { kind: 'removed' };
    if (item.type === 'directory') {
      return { kind: 'changed', detail: reason('conflictCopyIsFolder') };
    }
    const keeping = await kept.keep(conflict, item, token, signal);
    if (keeping.kind !== 'kept') return keeping;
    const again = await look();
    if (again.kind !== 'items') return again;
    const now = again.items.find(({ name }) => name === named) ?? null;
    if (!isSameItem(item, now)) {
      return { kind: 'changed', detail: reason('conflictCopyChanging') };
    }
    return (await moves.remove(token, conflict.conflictPath)) ?? { kind: 'removed' };
  }
}

function touchedBy(conflict: Conflict, done: Done): readonly TouchedPlace[] {
  if (done.kind === 'swapped') return done.now;
  if (done.kind === 'removed') return [{ path: conflict.conflictPath, item: null }];
  return [{ path: conflict.path }, { path: conflict.conflictPath }];
}

function refusalOf(done: Exclude<Done, { readonly kind: 'swapped' | 'removed' }>): Resolved {
  switch (done.kind) {
    case 'gone':
      return { kind: 'asleep' };
    case 'changed':
      return refused('conflict', done.detail);
    case 'unsteady':
      return refused('conflict', reason('conflictCopyChanging'));
    case 'no_room':
      return refused('no_room');
    case 'refused':
      return refused('not_allowed', done.detail);
    case 'trouble':
      return refused('nas_bad_answer', done.detail);
    case 'busy':
    case 'nas_full':
      return refused('nas_busy');
    case 'credential_refused':
      return refused('bad_token');
  }
}

/** Three renames, each checked before and after, with spare calls for a lost answer or two. */
const MOST_STEPS = 12;
const MOST_FAULTS = 2;
const MOST_NAMES = 1_000;

type SwapOutcome =
  /** `now`: what lies at each place that the swap touched. */
  | { readonly kind: 'swapped'; readonly now: readonly TouchedPlace[] }
  /** A file to be swapped is gone, or a new one is there. Nothing is lost. */
  | { readonly kind: 'changed'; readonly detail: Reason }
  | Interruption;

/** What lies at the three places now. */
interface Places {
  readonly place: NasFileItem | null;
  readonly copy: NasFileItem | null;
  readonly swap: NasFileItem | null;
}

type Step =
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'done' }
  | { readonly kind: 'changed'; readonly detail: Reason };

interface ConflictSwapDeps {
  readonly rows: ConflictRows;
  readonly folders: NasFolder;
  readonly moves: NasMoves;
  readonly nas: NasClient;
  /** IANA name. */
  readonly timezone: string;
  readonly isPathTaken: (id: string, path: string) => boolean;
}

/**
 * Puts an upload in its place and the other version under the conflict name. The NAS renames one
 * file at a time, so the other goes aside first. Each step follows from what is where at that
 * moment: a retry after a crash or a lost answer continues where it was, and both versions exist at
 * every moment.
 */
export class ConflictSwap {
  readonly #deps: ConflictSwapDeps;

  constructor(deps: ConflictSwapDeps) {
    this.#deps = deps;
  }

  /** @param username part of the temporary name, in case somebody sees it */
  async swap(
    given: Conflict,
    username: string,
    token: string,
    signal: AbortSignal,
  ): Promise<SwapOutcome> {
    let conflict = given;
    let faults = 0;
    for (let count = 0; count < MOST_STEPS; count += 1) {
      const listed = await this.#deps.folders.list(token, folderOf(conflict.path), signal);
      if (listed.kind !== 'items') return listed;
      const places = placesOf(conflict, listed.items);
      const content = await this.#ours(conflict, places, token, signal);
      if (typeof content !== 'boolean') return content;
      if (conflict.swapPath === null && needsSwapPath(places, content)) {
        conflict = this.#chooseSwapPath(conflict, username, listed.items);
      }
      const step = stepOf(conflict, places, content);
      if (step.kind === 'done') return { kind: 'swapped', now: touched(conflict, places) };
      if (step.kind === 'changed') {
        this.#deps.rows.setSwapPath(conflict.id, null);
        return step;
      }
      const fault = await this.#deps.moves.rename(token, step.from, nameOf(step.to));
      if (fault === null) continue;
      faults += 1;
      const unknown = fault.kind === 'trouble' || fault.kind === 'gone';
      if (!unknown || faults > MOST_FAULTS) return fault;
    }
    return { kind: 'trouble', detail: reason('conflictFilesChanging') };
  }

  /** Whether the upload's own content lies in its place already. */
  async #ours(
    conflict: Conflict,
    { place }: Places,
    token: string,
    signal: AbortSignal,
  ): Promise<boolean | Interruption> {
    if (place === null || place.type === 'directory') return false;
    if (place.size !== conflict.sizeBytes) return false;
    if (place.checksum?.toLowerCase() === conflict.sha256) return true;
    const content = await readBack(this.#deps.nas, token, place, signal);
    if (content.kind === 'hash') return content.sha256 === conflict.sha256;
    return content.kind === 'unsteady' ? false : content;
  }

  #chooseSwapPath(conflict: Conflict, username: string, items: readonly NasFileItem[]): Conflict {
    const { rows, timezone, isPathTaken } = this.#deps;
    const taken = new Set(items.map(({ name }) => name));
    const filename = nameOf(conflict.path);
    const folder = folderOf(conflict.path);
    for (let count = 2; count <= MOST_NAMES; count += 1) {
      const { foundAtMs: acceptedAtMs } = conflict;
      const name = conflictName({ filename, username, acceptedAtMs, timezone, count });
      const path = folder === '' ? name : `${folder}/${name}`;
      if (taken.has(name) || isPathTaken(conflict.uploadId, path)) continue;
      rows.setSwapPath(conflict.id, path);
      return { ...conflict, swapPath: path };
    }
    throw new Error('A thousand conflict names of one file are taken.');
  }
}

function placesOf(conflict: Conflict, items: readonly NasFileItem[]): Places {
  const at = (path: string | null): NasFileItem | null =>
    path === null ? null : (items.find(({ name }) => name === nameOf(path)) ?? null);
  return { place: at(conflict.path), copy: at(conflict.conflictPath), swap: at(conflict.swapPath) };
}

function touched(conflict: Conflict, { place, copy }: Places): TouchedPlace[] {
  const { path, conflictPath, swapPath } = conflict;
  const now = [
    { path, item: place },
    { path: conflictPath, item: copy },
  ];
  return swapPath === null ? now : [...now, { path: swapPath, item: null }];
}

function needsSwapPath({ place, copy }: Places, placeIsOurs: boolean): boolean {
  return place?.type === 'file' && copy?.type === 'file' && !placeIsOurs;
}

/** No rename here ever targets an existing name. */
function stepOf(conflict: Conflict, places: Places, placeIsOurs: boolean): Step {
  const { place, copy, swap } = places;
  const { path, conflictPath, swapPath } = conflict;
  if (placeIsOurs && swap === null) return { kind: 'done' };
  const folder = [place, copy].find((item) => item?.type === 'directory') ?? null;
  if (folder !== null) return inTheWay(folder);
  if (swapPath !== null && swap !== null) return stepWithSwap(conflict, swapPath, places);
  if (copy === null) return gone();
  if (place === null) return { kind: 'rename', from: conflictPath, to: path };
  if (swapPath === null) throw new Error('Two files cannot change places without a third place.');
  return { kind: 'rename', from: path, to: swapPath };
}

function stepWithSwap(
  { path, conflictPath }: Conflict,
  swapPath: string,
  { place, copy, swap }: Places,
): Step {
  // A folder appeared just before the rename: it goes back.
  if (place === null && swap?.type === 'directory') {
    return { kind: 'rename', from: swapPath, to: path };
  }
  if (place !== null && copy === null) return { kind: 'rename', from: swapPath, to: conflictPath };
  if (place === null && copy !== null) return { kind: 'rename', from: conflictPath, to: path };
  // The copy vanished meanwhile: the other version goes back to its place.
  if (place === null) return { kind: 'rename', from: swapPath, to: path };
  const detail = reason('conflictNewVersion', { name: nameOf(swapPath) });
  return { kind: 'changed', detail };
}

/**
 * Only versions of a file are swapped: a folder would take its contents along and lose its pins.
 */
function inTheWay({ path }: NasFileItem): Step {
  return {
    kind: 'changed',
    detail: reason('folderInTheWayOnNas', { path }),
  };
}

function gone(): Step {
  return { kind: 'changed', detail: reason('conflictCopyGone') };
}
