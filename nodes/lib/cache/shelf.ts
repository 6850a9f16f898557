import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../time/clock.ts';
import type { BlobStore } from './blob-store.ts';
import type { CopyRows, Victim } from './copy-rows.ts';
import type { FilledFile } from './fill-ports.ts';

const DROP_BATCH = 200;
/** A row and an entry of an index each. */
const MOVE_BATCH = 500;

/** Rows and blobs, put up and taken down together. */
export class Shelf {
  readonly #copies: CopyRows;
  readonly #blobs: BlobStore;
  readonly #clock: Pick<Clock, 'nowMs'>;

  constructor(copies: CopyRows, blobs: BlobStore, clock: Pick<Clock, 'nowMs'>) {
    this.#copies = copies;
    this.#blobs = blobs;
    this.#clock = clock;
  }

  /**
   * Keeps a whole, synced file. The row first, then the rename, in one turn: a crash between leaves
   * a row without a file, which is found out at the first open, where the reverse would leave a
   * file nobody knows of.
   */
  async keep(file: FilledFile): Promise<void> {
    const { path, version, sha256, mimeType, ownerId } = file;
    const blob = this.#blobs.newName();
    const nowMs = this.#clock.nowMs();
    const copy = { path, version, sha256, mimeType, ownerId, blob, validatedAtMs: nowMs };
    const replaced = this.#copies.replace(copy, nowMs);
    try {
      this.#blobs.moveIn(file.file, blob);
    } catch (error) {
      const row = this.#copies.find(path);
      if (row?.blob === blob)
        this.#copies.remove({ id: row.id, blob, sizeBytes: version.sizeBytes });
      throw error;
    } finally {
      if (replaced !== null) await this.#blobs.remove(replaced);
    }
  }

  async discard(entry: Pick<Victim, 'id' | 'blob' | 'sizeBytes'>): Promise<void> {
    await this.#blobs.remove(entry.blob);
    this.#copies.remove(entry);
  }

  /** Discards the copy of one path, if there is one. */
  async discardCopy(path: string): Promise<void> {
    const copy = this.#copies.find(path);
    if (copy === null) return;
    await this.discard({ id: copy.id, blob: copy.blob, sizeBytes: copy.version.sizeBytes });
  }

  /** What lay at or below a path lies at another now, where nothing is kept. */
  async move(from: string, to: string): Promise<void> {
    while (this.#copies.move(from, to, MOVE_BATCH) === MOVE_BATCH) await setImmediate();
  }

  /** Discards what lies at or below a path, and with `unpinned` leaves what somebody pinned. */
  async discardBelow(path: string, which: 'all' | 'unpinned' = 'all'): Promise<void> {
    for (;;) {
      const entries = this.#copies.below(path, DROP_BATCH, which === 'all' ? 1 : 0);
      for (const entry of entries) await this.discard(entry);
      if (entries.length < DROP_BATCH) return;
    }
  }
}
