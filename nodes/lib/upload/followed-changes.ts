import { isWithin, movedPath, nameOf } from '../files/files.ts';
import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';
import type { ChangeRow } from './change-row.ts';
import type { ChangeRows } from './change-rows.ts';
import type { Disk } from './disk.ts';
import type { Intents } from './intents.ts';
import { folderOf } from './target.ts';

export interface FollowedChangesDeps {
  readonly changeRows: ChangeRows;
  readonly intents: Intents;
  readonly disk: Disk;
  readonly log: Log;
  /** The queue's own folder. */
  readonly folder: string;
}

/**
 * Queued changes of things that were moved on the NAS meanwhile, by whomever: they are about the same
 * things at their new place. Left at the old one, a delete would find nothing there and call itself
 * done. Whoever calls holds the locks of these places.
 */
export class FollowedChanges {
  readonly #deps: FollowedChangesDeps;

  constructor(deps: FollowedChangesDeps) {
    this.#deps = deps;
  }

  /**
   * @param mark the newest row that was accepted before
   * @returns how many
   * @throws the disk's error; what was not told yet stays where it was
   */
  async follow(from: string, to: string, mark: number): Promise<number> {
    const { changeRows, disk, folder } = this.#deps;
    const rows = changeRows.within(from, mark);
    for (const row of rows) {
      const placed = placedAt(row, from, to);
      const file = row.intentFile === null ? null : await this.#written(placed);
      if (file !== null) await disk.syncFolder(folder);
      changeRows.place(placed, file);
      await this.#discard(row);
    }
    return rows.length;
  }

  /** In the order of the intent that it replaces. */
  async #written(row: ChangeRow): Promise<string> {
    const { changeRows, intents } = this.#deps;
    const { id, userId, username, kind, path, toPath, createdAtMs, intentFile } = row;
    const ownerCreatedAt = changeRows.ownerCreatedAt(id);
    const seen = changeRows.seenBy(id);
    const change = { id, userId, username, ownerCreatedAt, kind, path, toPath, seen, createdAtMs };
    return await intents.writeChange({ ...change, withdraws: [] }, intentFile);
  }

  /** What the disk refuses here the next start does. */
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

function placedAt(row: ChangeRow, from: string, to: string): ChangeRow {
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
