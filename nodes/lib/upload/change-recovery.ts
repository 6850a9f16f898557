import type { ChangeDeliveryRows } from './change-delivery-rows.ts';
import type { ChangeRow, NewChange } from './change-row.ts';
import type { ChangeRows } from './change-rows.ts';
import type { End, Intents } from './intents.ts';
import type { BornAt } from './upload-ports.ts';
import type { InsertedAs, UploadRows } from './upload-rows.ts';
import { FOUND_WAITING, type UploadState } from './upload-states.ts';
import type { Withdrawals } from './withdrawals.ts';

/** They are on the NAS, or an admin's to settle. */
const STAYING: ReadonlySet<UploadState> = new Set(['synced', 'conflict', 'held']);

export interface ChangeRecoveryParts {
  readonly changeRows: ChangeRows;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly uploads: UploadRows;
  readonly withdrawals: Withdrawals;
  readonly intents: Intents;
  readonly bornAt: BornAt;
}

/**
 * Brings queued changes and their intents together after a start, as {@link Recovery} does it with
 * uploads: what is over stays over, and what no row knows is rebuilt.
 */
export class ChangeRecovery {
  readonly #parts: ChangeRecoveryParts;
  /** Uploads that changes which were rebuilt make needless. */
  #needless: string[] = [];

  constructor(parts: ChangeRecoveryParts) {
    this.#parts = parts;
  }

  /** Everything that an end may say something new of. */
  async unsettled(files: readonly string[]): Promise<readonly string[]> {
    const { changeRows, intents } = this.#parts;
    const ids = changeRows.unfinished().map(({ id }) => id);
    for (const file of files) {
      for await (const { id } of intents.readChanges(file)) {
        if (changeRows.byId(id) === null) ids.push(id);
      }
    }
    return ids;
  }

  /** What a process that died was at is to be done again, and what is over is over. */
  settle(ends: ReadonlyMap<string, End>): void {
    const { changeRows, changeDeliveryRows } = this.#parts;
    changeDeliveryRows.releaseLeases();
    for (const row of changeRows.unfinished()) this.#end(row, ends.get(row.id));
  }

  /**
   * Of one file of intents, in the order of the files.
   * @returns how many were found that no row knew
   */
  async rebuild(
    file: string,
    { ends, isRestored }: { ends: ReadonlyMap<string, End>; isRestored: boolean },
  ): Promise<number> {
    const { changeRows, intents } = this.#parts;
    let found = 0;
    for await (const change of intents.readChanges(file)) {
      if (changeRows.byId(change.id) !== null || ends.has(change.id)) continue;
      changeRows.transaction(() => {
        changeRows.insert(change, file, this.#standing(change, isRestored));
      });
      if (!isRestored) this.#needless.push(...change.withdraws);
      found += 1;
    }
    return found;
  }

  /**
   * A process that died after the intent of a delete and before the ends of uploads that it takes
   * back: they go now, and their bytes are kept. Once, after all is rebuilt.
   * @returns their ids
   */
  async withdraw(): Promise<ReadonlySet<string>> {
    const { uploads, changeRows, withdrawals } = this.#parts;
    const rows = this.#needless
      .map((id) => uploads.byId(id))
      .filter((row) => row !== null)
      .filter(({ state, hasBytes }) => hasBytes && !STAYING.has(state));
    this.#needless = [];
    if (rows.length === 0) return new Set();
    await withdrawals.prepare(rows);
    changeRows.transaction(() => {
      withdrawals.take(rows);
    });
    await withdrawals.finish(rows);
    return new Set(rows.map(({ id }) => id));
  }

  isIntentNeeded(file: string): boolean {
    return this.#parts.changeRows.isIntentNeeded(file);
  }

  /** The database is older than this end, or the process died right after writing it. */
  #end(row: ChangeRow, end: End | undefined): void {
    if (end?.end === 'delivered') this.#parts.changeDeliveryRows.done(row.id, end.atMs);
    else if (end !== undefined) this.#parts.changeRows.delete(row.id);
  }

  #standing({ userId, username, ownerCreatedAt }: NewChange, isRestored: boolean): InsertedAs {
    const bornAt = this.#parts.bornAt(userId);
    const isAnother = bornAt !== null && ownerCreatedAt !== null && bornAt !== ownerCreatedAt;
    if (isAnother || userId < 0) {
      return { state: 'held', found: true, detail: `Its user ${username} is gone.` };
    }
    if (!isRestored) return { state: 'found', found: true, detail: null };
    const detail = 'It was found after a restore. Try now to have it done, or drop it.';
    return { state: FOUND_WAITING, found: true, detail };
  }
}
