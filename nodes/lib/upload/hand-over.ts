import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';
import type { Disk } from './disk.ts';
import type { Intents } from './intents.ts';
import type { RecoveryRows } from './recovery-rows.ts';
import type { DeliveredFile, KeepDelivered } from './upload-ports.ts';

export interface HandOverParts {
  readonly recovery: RecoveryRows;
  readonly intents: Intents;
  readonly keep: KeepDelivered;
  readonly disk: Disk;
  readonly log: Log;
  readonly fileOf: (id: string) => string;
}

/** A delivered upload by its id, as the cache takes it. */
export type HandedOver = Omit<DeliveredFile, 'file'> & { readonly id: string };

/**
 * Gives the bytes of delivered uploads to the cache, or takes them off the disk, once their rows say
 * that they are on the NAS. What the disk refuses stays owed until it is done: a row that says it
 * has bytes where none are left would count against the room for ever.
 */
export class HandOver {
  readonly #parts: HandOverParts;
  /** Ids whose file is still to be removed or whose row is still to be told so. */
  readonly #owed = new Set<string>();

  constructor(parts: HandOverParts) {
    this.#parts = parts;
  }

  /** Whether {@link finish} has something left to do. */
  get isOwing(): boolean {
    return this.#owed.size > 0;
  }

  /** @throws the database's error; everything is then still owed */
  async give(delivered: readonly HandedOver[]): Promise<void> {
    const { keep, log, fileOf } = this.#parts;
    for (const { id } of delivered) this.#owed.add(id);
    // All are shown before the first is kept: the disk takes its time.
    const keeping = delivered.map(async ({ id, ...file }) => {
      try {
        await keep({ ...file, file: fileOf(id) });
      } catch (error) {
        log.warn(`A delivered file could not be kept as a copy: ${errorKind(error)}.`);
      }
    });
    await Promise.all(keeping);
    await this.finish();
  }

  /**
   * Does what an earlier call could not.
   * @throws the database's error; everything is then still owed
   */
  async finish(): Promise<void> {
    const { disk, recovery, log, fileOf } = this.#parts;
    const gone: string[] = [];
    for (const id of this.#owed) {
      try {
        await disk.remove(fileOf(id));
        gone.push(id);
      } catch (error) {
        log.warn(`A delivered file could not be removed yet: ${errorKind(error)}.`);
      }
    }
    const files = recovery.bytesGone(gone);
    for (const id of gone) this.#owed.delete(id);
    for (const file of files) await this.#discard(file);
  }

  /** What the disk refuses here the next start does. */
  async #discard(file: string): Promise<void> {
    try {
      await this.#parts.intents.discard(file);
    } catch (error) {
      this.#parts.log.warn(`Intents that are done with could not be removed: ${errorKind(error)}.`);
    }
  }
}
