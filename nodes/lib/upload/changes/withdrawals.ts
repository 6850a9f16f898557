import { dirname, join } from 'node:path';
import { errorKind, type Log } from '../../log/log.ts';
import type { Clock } from '../../time/clock.ts';
import { reason } from '../reasons.ts';
import type { ChangeDeliveryRows, ChangeRow, ChangeRows, NewChange } from '../rows/change-rows.ts';
import { type DropRows, KEPT_MS, type ConflictBackupRows } from '../rows/conflict-rows.ts';
import {
  FOUND_WAITING,
  type InsertedAs,
  isDelivered,
  type UploadRow,
  type UploadRows,
} from '../rows/upload-rows.ts';
import type { Disk } from '../spool/disk.ts';
import type { End, Intents } from '../spool/intents.ts';
import type { BornAt } from '../upload-deps.ts';

interface WithdrawalsDeps {
  readonly drops: DropRows;
  readonly keptRows: ConflictBackupRows;
  readonly uploads: UploadRows;
  readonly intents: Intents;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** The queue's own folder. */
  readonly folder: string;
}

/** The conflict in `kept_bytes` of bytes that belong to none. */
const NO_CONFLICT = 0;

/**
 * Removes uploads from the queue that a later delete of their user made needless. Their bytes stay
 * on the Pi for 30 days. Three steps around the commit of that delete: their ends are durable
 * before their rows go, and their bodies move after that; a start finishes what a crash left.
 */
export class Withdrawals {
  readonly #deps: WithdrawalsDeps;

  constructor(deps: WithdrawalsDeps) {
    this.#deps = deps;
  }

  /**
   * Freezes the rows and writes their ends.
   * @param rows none of them is being sent
   * @throws the disk's error; they are then queued again
   */
  async prepare(rows: readonly UploadRow[]): Promise<void> {
    const { drops, intents, clock } = this.#deps;
    for (const { id } of rows) drops.freeze(id);
    const atMs = clock.nowMs();
    try {
      await intents.end(
        rows.map(({ id, path, sizeBytes, sha256, base }) => {
          const what = { id, path, sizeBytes, sha256, base };
          return { ...what, end: 'dropped', atMs, keep: true } as const;
        }),
      );
    } catch (error) {
      for (const { id } of rows) drops.thaw(id);
      throw error;
    }
  }

  /** Inside a transaction. */
  take(rows: readonly UploadRow[]): void {
    const { drops, keptRows, clock } = this.#deps;
    for (const row of rows) {
      // Its user dropped it, or had it sent, in the meantime.
      if (!drops.take(row)) continue;
      const { id, userId, path, sizeBytes, sha256 } = row;
      const keptUntilMs = clock.nowMs() + KEPT_MS;
      keptRows.insert({
        id,
        conflictId: NO_CONFLICT,
        userId,
        path,
        sizeBytes,
        sha256,
        keptUntilMs,
      });
    }
  }

  /** Moves their bodies to the kept bytes. What the disk refuses is retried by the next start. */
  async finish(rows: readonly Pick<UploadRow, 'id' | 'intentFile'>[]): Promise<void> {
    const { disk, uploads, intents, folder, log } = this.#deps;
    try {
      for (const { id } of rows) await keepBody(disk, folder, id);
      for (const { intentFile } of rows) {
        if (intentFile === null || uploads.isIntentNeeded(intentFile)) continue;
        await intents.discard(intentFile);
      }
    } catch (error) {
      log.warn(`Bytes of dropped uploads could not be removed: ${errorKind(error)}.`);
    }
  }
}

/** Moves a body of the queue to the kept bytes. */
export async function keepBody(disk: Disk, folder: string, id: string): Promise<void> {
  const kept = join(folder, 'kept');
  if ((await disk.sizeOf(join(folder, id))) === null) return;
  await disk.makeFolder(kept);
  await disk.rename(join(folder, id), join(kept, id));
  await disk.syncFolder(kept);
  await disk.syncFolder(dirname(kept));
}

interface ChangeRecoveryDeps {
  readonly changeRows: ChangeRows;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly uploads: UploadRows;
  readonly withdrawals: Withdrawals;
  readonly intents: Intents;
  readonly bornAt: BornAt;
}

/**
 * Reconciles queued changes with their intents after a start, as {@link Recovery} does for uploads:
 * what ended stays ended, and what no row knows is rebuilt.
 */
export class ChangeRecovery {
  readonly #deps: ChangeRecoveryDeps;
  /** Uploads made needless by changes that were rebuilt. */
  #needless: string[] = [];

  constructor(deps: ChangeRecoveryDeps) {
    this.#deps = deps;
  }

  /** The ids of everything whose end may have news. */
  async unsettled(files: readonly string[]): Promise<readonly string[]> {
    const { changeRows, intents } = this.#deps;
    const ids = changeRows.unfinished().map(({ id }) => id);
    for (const file of files) {
      for await (const { id } of intents.readChanges(file)) {
        if (changeRows.byId(id) === null) ids.push(id);
      }
    }
    return ids;
  }

  /** Queues a dead process's work again, and keeps ended what had ended. */
  settle(ends: ReadonlyMap<string, End>): void {
    const { changeRows, changeDeliveryRows } = this.#deps;
    changeDeliveryRows.releaseLeases();
    for (const row of changeRows.unfinished()) this.#end(row, ends.get(row.id));
  }

  /**
   * Rebuilds the changes of one file of intents, in the order of the files.
   * @returns how many were found that no row knew
   */
  async rebuild(
    file: string,
    { ends, isRestored }: { ends: ReadonlyMap<string, End>; isRestored: boolean },
  ): Promise<number> {
    const { changeRows, intents } = this.#deps;
    let found = 0;
    for await (const change of intents.readChanges(file)) {
      if (changeRows.byId(change.id) !== null || ends.has(change.id)) continue;
      changeRows.transaction(() => {
        changeRows.insert(change, file, this.#insertedAs(change, isRestored));
      });
      if (!isRestored) this.#needless.push(...change.withdraws);
      found += 1;
    }
    return found;
  }

  /**
   * Completes a process that died between the intent of a delete and the ends of uploads it
   * cancels: they go now, and their bytes are kept. Once, after all is rebuilt.
   * @returns their ids
   */
  async withdraw(): Promise<ReadonlySet<string>> {
    const { uploads, changeRows, withdrawals } = this.#deps;
    const rows = this.#needless
      .map((id) => uploads.byId(id))
      .filter((row) => row !== null)
      // Held ones are for an admin to resolve.
      .filter((row) => row.hasBytes && !isDelivered(row) && row.state !== 'held');
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
    return this.#deps.changeRows.isIntentNeeded(file);
  }

  /** The database is older than this end, or the process died right after writing it. */
  #end(row: ChangeRow, end: End | undefined): void {
    if (end?.end === 'delivered') this.#deps.changeDeliveryRows.done(row.id, end.atMs);
    else if (end !== undefined) this.#deps.changeRows.delete(row.id);
  }

  #insertedAs({ userId, username, ownerCreatedAt }: NewChange, isRestored: boolean): InsertedAs {
    const bornAt = this.#deps.bornAt(userId);
    const isAnother = bornAt !== null && ownerCreatedAt !== null && bornAt !== ownerCreatedAt;
    if (isAnother || userId < 0) {
      return { state: 'held', found: true, detail: reason('userGone', { username }) };
    }
    if (!isRestored) return { state: 'found', found: true, detail: null };
    const detail = reason('restoredChange');
    return { state: FOUND_WAITING, found: true, detail };
  }
}
