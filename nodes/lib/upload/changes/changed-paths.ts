import { isWithin, movedPath, nameOf } from '../../files/files.ts';
import { errorKind, type Log } from '../../log/log.ts';
import type { Clock } from '../../time/clock.ts';
import type { ConflictBackups } from '../conflicts/backups.ts';
import { intentOf } from '../delivery/recovery.ts';
import type { ChunkedSend } from '../delivery/send.ts';
import { folderOf } from '../receive/target.ts';
import type { ChangeRow, ChangeRows } from '../rows/change-rows.ts';
import type { DropRows } from '../rows/conflict-rows.ts';
import type { ChangedRows } from '../rows/queue-view-rows.ts';
import type { UploadRow, UploadRows } from '../rows/upload-rows.ts';
import type { Disk } from '../spool/disk.ts';
import type { Intents } from '../spool/intents.ts';

interface ChangedPathsDeps {
  readonly rows: ChangedRows;
  readonly uploads: UploadRows;
  readonly changes: Pick<FollowedChanges, 'follow'>;
  readonly drops: DropRows;
  readonly intents: Intents;
  readonly kept: Pick<ConflictBackups, 'keepBody'>;
  readonly chunked: Pick<ChunkedSend, 'forget'>;
  readonly disk: Disk;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Log;
  /** The queue's own folder. */
  readonly folder: string;
  readonly fileOf: (id: string) => string;
}

/**
 * Adjusts the queue after something was moved or deleted on the NAS: pending items follow a move,
 * and what their own user deleted does not come back. Rows accepted after the change stay, as their
 * user knew about it. The caller holds the locks of these paths.
 */
export class ChangedPaths {
  readonly #deps: ChangedPathsDeps;

  constructor(deps: ChangedPathsDeps) {
    this.#deps = deps;
  }

  /**
   * Moves everybody's rows at or below a path, changes included.
   * @param mark the newest row accepted before
   * @returns how many
   * @throws the disk's error; rows not handled yet stay where they were
   */
  async followMove(from: string, to: string, mark: number): Promise<number> {
    const { rows, intents, disk, folder, chunked } = this.#deps;
    let count = 0;
    let after = 0;
    for (;;) {
      const some = rows.within(from, after, mark);
      const last = some.at(-1);
      if (last === undefined) break;
      after = last.seq;
      const moved = some.map((row) => placedAt(row, from, to));
      const waiting = moved.filter(({ hasBytes, state }) => hasBytes && state !== 'held');
      const others = moved.filter((row) => !waiting.includes(row));
      if (waiting.length > 0) {
        const file = await intents.write(waiting.map(intentOf));
        await disk.syncFolder(folder);
        rows.place(waiting, file);
      }
      rows.place(others, null);
      for (const { id } of moved) chunked.forget(id);
      await this.#discard(some);
      count += some.length;
    }
    rows.moved(from, to, mark);
    return count + (await this.#deps.changes.follow(from, to, mark));
  }

  /**
   * Removes one user's rows at or below a path that this user deleted; their bytes stay on the Pi
   * for 30 days.
   * @returns how many
   * @throws the disk's error
   */
  async dropOwn(userId: number, path: string, mark: number): Promise<number> {
    const { rows, clock } = this.#deps;
    let count = 0;
    let after = 0;
    for (;;) {
      const some = rows.ofUser(userId, path, after, mark);
      const last = some.at(-1);
      if (last === undefined) break;
      after = last.seq;
      for (const row of some) count += (await this.#drop(row)) ? 1 : 0;
      await this.#discard(some);
    }
    rows.gone(path, clock.nowMs());
    return count;
  }

  /** Its end is written first: an older database must not bring it back. */
  async #drop(row: UploadRow): Promise<boolean> {
    const { drops, intents, kept, disk, clock, fileOf } = this.#deps;
    if (!drops.freeze(row.id)) return false;
    const { id, path, sizeBytes, sha256, base } = row;
    const atMs = clock.nowMs();
    try {
      await intents.end([{ id, end: 'dropped', atMs, path, sizeBytes, sha256, base }]);
    } catch (error) {
      drops.thaw(id);
      throw error;
    }
    if (!drops.drop(row)) return false;
    if (row.hasBytes) await kept.keepBody(row, fileOf(id));
    else await disk.remove(fileOf(id));
    return true;
  }

  /**
   * Removes intent files that none of these rows needs any more. Leftovers go at the next start.
   */
  async #discard(rows: readonly UploadRow[]): Promise<void> {
    const { uploads, intents, log } = this.#deps;
    const files = new Set(rows.map(({ intentFile }) => intentFile));
    try {
      for (const file of files) {
        if (file !== null && !uploads.isIntentNeeded(file)) await intents.discard(file);
      }
    } catch (error) {
      log.warn(`Intents that are no longer needed could not be removed: ${errorKind(error)}.`);
    }
  }
}

function placedAt(row: UploadRow, from: string, to: string): UploadRow {
  const path = movedPath(row.path, from, to);
  const isSecondWithin = row.secondPath !== null && isWithin(row.secondPath, from);
  const secondPath = isSecondWithin ? movedPath(row.secondPath, from, to) : row.secondPath;
  return { ...row, path, secondPath, folder: folderOf(path), filename: nameOf(path) };
}

interface FollowedChangesDeps {
  readonly changeRows: ChangeRows;
  readonly intents: Intents;
  readonly disk: Disk;
  readonly log: Log;
  /** The queue's own folder. */
  readonly folder: string;
}

/**
 * Adjusts queued changes after anybody moved what they apply to: they follow it to the new path. At
 * the old path a delete would find nothing and count as done. The caller holds the locks of these
 * paths.
 */
export class FollowedChanges {
  readonly #deps: FollowedChangesDeps;

  constructor(deps: FollowedChangesDeps) {
    this.#deps = deps;
  }

  /**
   * @param mark the newest row accepted before
   * @returns how many
   * @throws the disk's error; rows not handled yet stay where they were
   */
  async follow(from: string, to: string, mark: number): Promise<number> {
    const { changeRows, disk, folder } = this.#deps;
    const rows = changeRows.within(from, mark);
    for (const row of rows) {
      const placed = followedTo(row, from, to);
      const file = row.intentFile === null ? null : await this.#written(placed);
      if (file !== null) await disk.syncFolder(folder);
      changeRows.place(placed, file);
      await this.#discard(row);
    }
    return rows.length;
  }

  /** Keeps the order of the intent that it replaces. */
  async #written(row: ChangeRow): Promise<string> {
    const { changeRows, intents } = this.#deps;
    const { id, userId, username, kind, path, toPath, createdAtMs, intentFile } = row;
    const ownerCreatedAt = changeRows.ownerCreatedAt(id);
    const seen = changeRows.seenBy(id);
    const change = { id, userId, username, ownerCreatedAt, kind, path, toPath, seen, createdAtMs };
    return await intents.writeChange({ ...change, withdraws: [] }, intentFile);
  }

  /** What the disk refuses here is retried by the next start. */
  async #discard({ intentFile }: ChangeRow): Promise<void> {
    const { changeRows, intents, log } = this.#deps;
    if (intentFile === null || changeRows.isIntentNeeded(intentFile)) return;
    try {
      await intents.discard(intentFile);
    } catch (error) {
      log.warn(`The intent of a change that moved could not be removed: ${errorKind(error)}.`);
    }
  }
}

function followedTo(row: ChangeRow, from: string, to: string): ChangeRow {
  const path = isWithin(row.path, from) ? movedPath(row.path, from, to) : row.path;
  if (row.toPath === null) return { ...row, path };
  if (row.kind === 'rename') return { ...row, path, toPath: beside(path, nameOf(row.toPath)) };
  const isTargetWithin = isWithin(row.toPath, from);
  return { ...row, path, toPath: isTargetWithin ? movedPath(row.toPath, from, to) : row.toPath };
}

function beside(path: string, name: string): string {
  const folder = folderOf(path);
  return folder === '' ? name : `${folder}/${name}`;
}
