import { dirname, join } from 'node:path';
import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import type { Disk } from './disk.ts';
import type { DropRows } from './drop-rows.ts';
import type { Intents } from './intents.ts';
import { KEPT_MS, type KeptRows } from './kept-rows.ts';
import type { UploadRow } from './upload-row.ts';
import type { UploadRows } from './upload-rows.ts';

export interface WithdrawalsParts {
  readonly drops: DropRows;
  readonly keptRows: KeptRows;
  readonly uploads: UploadRows;
  readonly intents: Intents;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** The queue's own folder. */
  readonly folder: string;
}

/** `kept_bytes` belong to a conflict, or to none. */
const NO_CONFLICT = 0;

/**
 * Takes uploads out of the queue that a later delete of their user made needless. Their bytes stay on
 * the Pi for 30 days. In three steps around the commit of what makes them needless: their ends are
 * durable before their rows go, and their bodies move when those are gone; a start does what a crash
 * left of that.
 */
export class Withdrawals {
  readonly #parts: WithdrawalsParts;

  constructor(parts: WithdrawalsParts) {
    this.#parts = parts;
  }

  /**
   * They stay where they are from now on, and their ends are written.
   * @param rows none of them is being sent
   * @throws the disk's error; they are then in line again
   */
  async prepare(rows: readonly UploadRow[]): Promise<void> {
    const { drops, intents, clock } = this.#parts;
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
    const { drops, keptRows, clock } = this.#parts;
    for (const row of rows) {
      // Its user dropped it, or had it sent, in this very moment.
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

  /** Their bodies go where kept bytes lie. What the disk refuses here the next start does. */
  async finish(rows: readonly Pick<UploadRow, 'id' | 'intentFile'>[]): Promise<void> {
    const { disk, uploads, intents, folder, log } = this.#parts;
    try {
      for (const { id } of rows) await keepBody(disk, folder, id);
      for (const { intentFile } of rows) {
        if (intentFile === null || uploads.isIntentNeeded(intentFile)) continue;
        await intents.discard(intentFile);
      }
    } catch (error) {
      log.warn(`Bytes of uploads that are not wanted any more stay: ${errorKind(error)}.`);
    }
  }
}

/** Moves a body of the queue to the bytes that are kept for their time. */
export async function keepBody(disk: Disk, folder: string, id: string): Promise<void> {
  const kept = join(folder, 'kept');
  if ((await disk.sizeOf(join(folder, id))) === null) return;
  await disk.makeFolder(kept);
  await disk.rename(join(folder, id), join(kept, id));
  await disk.syncFolder(kept);
  await disk.syncFolder(dirname(kept));
}
