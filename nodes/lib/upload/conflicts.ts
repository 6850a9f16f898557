import type { Caller } from '../accounts/caller.ts';
import type { NasPresence } from '../nas/presence-port.ts';
import type { Clock } from '../time/clock.ts';
import { nameOf } from '../files/files.ts';
import { refused, type Refused } from './admission.ts';
import { isSameItem } from './base.ts';
import type { Conflict, ConflictRows, Resolution } from './conflict-rows.ts';
import type { ConflictSwap, SwapOutcome } from './conflict-swap.ts';
import type { KeepOutcome, KeptCopies } from './kept-copies.ts';
import type { NasFolder } from './nas-folder.ts';
import type { NasMoves } from './nas-moves.ts';
import type { PathLocks } from './path-locks.ts';
import { folderOf } from './target.ts';
import type { TouchedPlace, UploadCredentials } from './upload-ports.ts';

export type Resolved =
  | { readonly kind: 'resolved'; readonly conflict: Conflict }
  /** The NAS sleeps, or went away in the middle. */
  | { readonly kind: 'asleep' }
  | Refused;

type Done =
  SwapOutcome | Exclude<KeepOutcome, { readonly kind: 'kept' }> | { readonly kind: 'removed' };

export interface ConflictsParts {
  readonly rows: ConflictRows;
  readonly swap: ConflictSwap;
  readonly kept: KeptCopies;
  readonly folders: NasFolder;
  readonly moves: NasMoves;
  readonly locks: PathLocks;
  readonly credentials: UploadCredentials;
  readonly presence: NasPresence;
  readonly clock: Clock;
  /** Files changed at these places: nothing kept about them counts any more. */
  readonly touched: (userId: number, places: readonly TouchedPlace[]) => void | Promise<void>;
}

/** Conflicts as their owners see and settle them. Whatever happens, no version is lost. */
export class Conflicts {
  readonly #parts: ConflictsParts;
  readonly #stopping = new AbortController();

  constructor(parts: ConflictsParts) {
    this.#parts = parts;
  }

  list(caller: Caller): readonly Conflict[] {
    return this.#parts.rows.openOf(caller.user.id);
  }

  /** Whether a conflict is one of the caller's, settled or not. */
  hasConflict(caller: Caller, id: number): boolean {
    return this.#parts.rows.byId(id)?.userId === caller.user.id;
  }

  /**
   * `renamed` leaves both as they are; `local` puts the upload in place and the other version under
   * the conflict name; `remote` takes the upload off the NAS and keeps it on the Pi for 30 days.
   * May be called again after any failure: it goes on where it was.
   * @throws the Pi's disk's error
   */
  async resolve(caller: Caller, id: number, resolution: Resolution): Promise<Resolved> {
    const { rows, presence, locks } = this.#parts;
    const conflict = rows.byId(id);
    if (conflict?.userId !== caller.user.id) return refused('not_found');
    if (conflict.resolution !== null) return this.#settledBefore(conflict, resolution);
    if (!presence.state.awake) return { kind: 'asleep' };
    if (rows.isBusy(conflict)) {
      return refused('conflict', 'An upload to one of these places is on its way. Wait for it.');
    }
    const unlock = locks.take([conflict.path, conflict.conflictPath]);
    if (unlock === null) return refused('conflict', 'This conflict is being settled right now.');
    try {
      return await this.#settle(caller, conflict, resolution);
    } finally {
      unlock();
    }
  }

  /** Cuts what runs; it can be begun again. */
  stop(): void {
    this.#stopping.abort(new Error('Settling conflicts was stopped.'));
  }

  #settledBefore(conflict: Conflict, resolution: Resolution): Resolved {
    if (conflict.resolution === resolution) return { kind: 'resolved', conflict };
    return refused('conflict', `This conflict was settled as ${conflict.resolution ?? ''}.`);
  }

  async #settle(caller: Caller, conflict: Conflict, resolution: Resolution): Promise<Resolved> {
    const { credentials, rows, clock } = this.#parts;
    const { id: userId, username } = caller.user;
    const token = caller.nasToken ?? (await credentials.credentialFor(userId));
    if (token === null) return refused('refresh_token_now');
    if (resolution !== 'renamed') {
      const { signal } = this.#stopping;
      const done =
        resolution === 'local'
          ? await this.#parts.swap.swap(conflict, username, token, signal)
          : await this.#remove(conflict, token, signal);
      await this.#parts.touched(userId, touchedBy(conflict, done));
      if (done.kind === 'credential_refused') await credentials.refused(userId, token);
      if (done.kind !== 'swapped' && done.kind !== 'removed') return refusalOf(done);
    }
    rows.resolve(conflict, resolution, clock.nowMs());
    return { kind: 'resolved', conflict: { ...conflict, resolution, swapPath: null } };
  }

  /** The bytes are safe on the Pi before the NAS is told to delete; gone already is as good. */
  async #remove(conflict: Conflict, token: string, signal: AbortSignal): Promise<Done> {
    const { folders, kept, moves } = this.#parts;
    const look = () => folders.list(token, folderOf(conflict.conflictPath), signal);
    const seen = await look();
    if (seen.kind !== 'items') return seen;
    const named = nameOf(conflict.conflictPath);
    const item = seen.items.find(({ name }) => name === named) ?? null;
    if (item === null) return { kind: 'removed' };
    if (item.type === 'directory') {
      return { kind: 'changed', detail: 'A folder lies where the conflict copy was.' };
    }
    const keeping = await kept.keep(conflict, item, token, signal);
    if (keeping.kind !== 'kept') return keeping;
    const again = await look();
    if (again.kind !== 'items') return again;
    const now = again.items.find(({ name }) => name === named) ?? null;
    if (!isSameItem(item, now)) {
      return { kind: 'changed', detail: 'The conflict copy is changing. Try again.' };
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
      return refused('conflict', 'The conflict copy is changing. Try again.');
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
