import type { Caller } from '../accounts/caller.ts';
import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import { refused, type Refused } from './admission.ts';
import { endOfChange, type ChangeDelivery } from './change-delivery.ts';
import type { ChangeRow } from './change-row.ts';
import type { ChangeRows } from './change-rows.ts';
import { diskFaultOf } from './disk.ts';
import type { Intents } from './intents.ts';

/** How a change that met something else is settled: done with what is there now, or not at all. */
export const CHANGE_RESOLUTIONS = ['done', 'dropped'] as const;
export type ChangeResolution = (typeof CHANGE_RESOLUTIONS)[number];

export type ChangeDone = { readonly kind: 'done'; readonly change: ChangeRow } | Refused;

/** Conflicts of changes are numbered behind all that uploads may ever have. */
const CONFLICTS_FROM = 1_000_000_000_000;

export interface ChangeDeskParts {
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
export class ChangeDesk {
  readonly #parts: ChangeDeskParts;

  constructor(parts: ChangeDeskParts) {
    this.#parts = parts;
  }

  /** Whether an id is that of a change which this caller may see. */
  knows(caller: Caller, id: string): boolean {
    return this.#own(caller, id) !== null;
  }

  /** Makes a failed or waiting change due at once. */
  retry(caller: Caller, id: string): ChangeDone {
    const { changeRows } = this.#parts;
    const row = this.#own(caller, id);
    if (row === null) return refused('not_found');
    if (row.state === 'synced') return refused('conflict', 'This change is done already.');
    if (row.state === 'conflict') return refused('conflict', SETTLE_FIRST);
    if (row.state === 'held') return refused('conflict', 'Its user is gone. Drop it.');
    changeRows.requeue(id);
    return { kind: 'done', change: changeRows.byId(id) ?? row };
  }

  /** Takes a change out of the queue: the NAS is left as it is. */
  async drop(caller: Caller, id: string): Promise<ChangeDone> {
    const row = this.#own(caller, id);
    if (row === null) return refused('not_found');
    if (row.state === 'synced') return refused('conflict', 'This change is done already.');
    if (row.state === 'conflict') return refused('conflict', SETTLE_FIRST);
    return await this.#drop(row);
  }

  /** The caller's changes that met something else, newest first. */
  conflicts(caller: Caller): readonly ChangeRow[] {
    return this.#parts.changeRows.list(caller.user.id, 'conflict');
  }

  /** Whether a conflict is of one of the caller's changes, settled or not. */
  hasConflict(caller: Caller, id: number): boolean {
    return this.#parts.changeRows.bySeq(id - CONFLICTS_FROM)?.userId === caller.user.id;
  }

  /**
   * `done`: it is wanted all the same, of what lies there now, which is compared once more. `dropped`:
   * it is not wanted any more.
   * @returns the change as it stood in the conflict
   */
  async settle(caller: Caller, id: number, resolution: ChangeResolution): Promise<ChangeDone> {
    const { changeRows } = this.#parts;
    const row = changeRows.bySeq(id - CONFLICTS_FROM);
    if (row === null || row.userId !== caller.user.id) return refused('not_found');
    if (row.state !== 'conflict') return refused('conflict', 'This conflict is settled already.');
    if (resolution === 'dropped') return await this.#drop(row);
    changeRows.rebase(row.id);
    return { kind: 'done', change: row };
  }

  async #drop(row: ChangeRow): Promise<ChangeDone> {
    const { changeRows, delivery, intents, clock } = this.#parts;
    const busy = refused('conflict', 'This change is being carried out right now.');
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

  /** What the disk refuses here the next start does. */
  async #discard({ intentFile }: ChangeRow): Promise<void> {
    const { changeRows, intents, log } = this.#parts;
    if (intentFile === null || changeRows.isIntentNeeded(intentFile)) return;
    try {
      await intents.discard(intentFile);
    } catch (error) {
      log.warn(`The intent of a dropped change could not be removed: ${errorKind(error)}.`);
    }
  }

  #own(caller: Caller, id: string): ChangeRow | null {
    const row = this.#parts.changeRows.byId(id);
    const heldForAdmins = row?.state === 'held' && caller.user.role === 'admin';
    return heldForAdmins || row?.userId === caller.user.id ? row : null;
  }
}

const SETTLE_FIRST = 'Something else was found in its place. Settle that conflict.';
