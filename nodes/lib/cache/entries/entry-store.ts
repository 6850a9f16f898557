import { setImmediate } from 'node:timers/promises';
import { type FileVersion, sameVersion } from '../../files/files.ts';
import type { Clock } from '../../time/clock.ts';
import type { BlobStore, OpenBlob } from './blob-store.ts';
import type { EntryRows, Victim } from './entry-rows.ts';
import type { KeptSegment, SegmentRows } from './segment-rows.ts';
import type { DiskHealth, DownloadedFile, DownloadTarget } from './space.ts';

const DROP_BATCH = 200;
/** A row and an index entry each. */
const MOVE_BATCH = 500;

/** A full, proved and synced segment on its way into the cache. */
interface SealedSegment {
  readonly target: DownloadTarget;
  /** With the tag the NAS sent. */
  readonly version: FileVersion;
  readonly mimeType: string | null;
  readonly number: number;
  readonly crc32: number;
  /** Where it lies now. */
  readonly file: string;
}

interface EntryStoreDeps {
  readonly entryRows: EntryRows;
  readonly segments: SegmentRows;
  readonly blobs: BlobStore;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly diskHealth: DiskHealth;
}

/**
 * Rows and blobs of all that is kept, added and removed together.
 *
 * - Bytes are synced first. Then the row, then the rename, in one turn: a crash between leaves a
 *   row without a file, which is found out at the first open, where the reverse would leave a file
 *   nobody knows of. A removal deletes the file first, for the same reason.
 * - A path has one entry, whole or in segments, of one version: a newer one replaces the older.
 * - A blob's name is random and belongs to one version for ever; it is learnt from the row.
 */
export class EntryStore {
  readonly #deps: EntryStoreDeps;

  constructor(deps: EntryStoreDeps) {
    this.#deps = deps;
  }

  /** Keeps a whole, synced file. */
  async keepWhole(file: DownloadedFile): Promise<void> {
    const { entryRows, blobs, clock } = this.#deps;
    const { path, version, sha256, mimeType, ownerId } = file;
    const blob = blobs.newName();
    const nowMs = clock.nowMs();
    const entry = { path, version, sha256, mimeType, ownerId, blob, validatedAtMs: nowMs };
    const replaced = entryRows.replace(entry, nowMs);
    await this.#moveIn(file.file, blob, replaced === null ? [] : [replaced], () => {
      const row = entryRows.find(path);
      if (row?.blob === blob) entryRows.remove({ id: row.id, blob, sizeBytes: version.sizeBytes });
    });
    await this.discardSegmentsOf(path);
  }

  /** Keeps a segment of a larger file. */
  async keepSegment(segment: SealedSegment): Promise<void> {
    const { segments, blobs, clock } = this.#deps;
    const { path, ownerId } = segment.target;
    const blob = blobs.newName();
    const nowMs = clock.nowMs();
    const { version, mimeType, number, crc32 } = segment;
    const file = { path, version, mimeType, ownerId, validatedAtMs: nowMs };
    const replaced = segments.keep({ file, number, blob, crc32 }, nowMs);
    await this.#moveIn(segment.file, blob, replaced, () => {
      const kept = segments.find(path);
      const row = kept === null ? null : segments.segment(kept.id, number);
      if (row?.blob === blob) segments.remove(row);
    });
    await this.#discardWholeOf(path);
  }

  /** @param undo forgets the row, where the file could not be moved */
  async #moveIn(
    file: string,
    blob: string,
    replaced: readonly string[],
    undo: () => void,
  ): Promise<void> {
    const { blobs } = this.#deps;
    try {
      blobs.moveIn(file, blob);
    } catch (error) {
      undo();
      throw error;
    } finally {
      for (const old of replaced) await blobs.remove(old);
    }
  }

  /** Whether every byte of a path is here. */
  isKept(path: string): boolean {
    return this.#deps.entryRows.isKept(path) || this.#deps.segments.isWhole(path);
  }

  /** A file kept in segments was hashed as a whole, where all of it is here. */
  hashed(path: string, sha256: string): void {
    const { segments } = this.#deps;
    const file = segments.find(path);
    if (file !== null && file.heldBytes === file.version.sizeBytes) {
      segments.files.hashed(file.id, sha256);
    }
  }

  /** Opens a segment of one version; null when it is not there, or not as it was kept. */
  async openSegment(
    path: string,
    version: FileVersion,
    number: number,
  ): Promise<{ readonly segment: KeptSegment; readonly blob: OpenBlob } | null> {
    const { segments, diskHealth } = this.#deps;
    const file = segments.find(path);
    if (file === null || !sameVersion(file.version, version)) return null;
    const segment = segments.segment(file.id, number);
    if (segment === null) return null;
    const blob = await this.#openBlob(segment);
    if (blob !== null) return { segment, blob };
    // On an unreachable disk, missing is not lost.
    if (diskHealth.refuses === null) await this.discardSegment(segment);
    return null;
  }

  async #openBlob({ blob, sizeBytes }: KeptSegment): Promise<OpenBlob | null> {
    try {
      return await this.#deps.blobs.openBlob(blob, sizeBytes);
    } catch (error) {
      if (!this.#deps.diskHealth.failed(error)) throw error;
      return null;
    }
  }

  async discardWhole(entry: Pick<Victim, 'id' | 'blob' | 'sizeBytes'>): Promise<void> {
    await this.#deps.blobs.remove(entry.blob);
    this.#deps.entryRows.remove(entry);
  }

  async discardSegment(segment: Pick<KeptSegment, 'id' | 'blob'>): Promise<void> {
    await this.#deps.blobs.remove(segment.blob);
    this.#deps.segments.remove(segment);
  }

  /** Moves everything at or below a path to another, where nothing is kept. */
  async move(from: string, to: string): Promise<void> {
    const { entryRows, segments } = this.#deps;
    while (entryRows.move(from, to, MOVE_BATCH) === MOVE_BATCH) await setImmediate();
    segments.files.move(from, to);
  }

  /**
   * Discards everything at or below a path; with `unpinned` all but what is pinned.
   * @param isSpared whether a segmented file stays too, by its id
   */
  async discardBelow(
    path: string,
    which: 'all' | 'unpinned' = 'all',
    isSpared: (fileId: number) => boolean = () => false,
  ): Promise<void> {
    const pinned = which === 'all' ? 1 : 0;
    for (;;) {
      const entries = this.#deps.entryRows.below(path, DROP_BATCH, pinned);
      for (const entry of entries) await this.discardWhole(entry);
      if (entries.length < DROP_BATCH) break;
    }
    await this.#discardSegments(path, pinned, isSpared);
  }

  /** Discards the segments of one path, if there are any. */
  async discardSegmentsOf(path: string): Promise<void> {
    if (this.#deps.segments.find(path) !== null) await this.#discardSegments(path, 1, () => false);
  }

  async #discardWholeOf(path: string): Promise<void> {
    const entry = this.#deps.entryRows.find(path);
    if (entry === null) return;
    await this.discardWhole({ id: entry.id, blob: entry.blob, sizeBytes: entry.version.sizeBytes });
  }

  async #discardSegments(
    path: string,
    pinned: 0 | 1,
    isSpared: (fileId: number) => boolean,
  ): Promise<void> {
    let afterId = 0;
    for (;;) {
      const segments = this.#deps.segments.below(path, DROP_BATCH, pinned, afterId);
      for (const one of segments) if (!isSpared(one.fileId)) await this.discardSegment(one);
      if (segments.length < DROP_BATCH) return;
      afterId = segments.at(-1)?.id ?? afterId;
    }
  }
}
