import { setImmediate } from 'node:timers/promises';
import { type FileVersion, sameVersion } from '../../files/files.ts';
import type { Clock } from '../../time/clock.ts';
import type { BlobStore, OpenBlob } from './blob-store.ts';
import type { EntryRows, Victim } from './entry-rows.ts';
import type { KeptSegment, SegmentedFile, SegmentRows } from './segment-rows.ts';
import type { DiskHealth, DownloadedFile, DownloadTarget } from './space.ts';

const DROP_BATCH = 200;
/** A row and an entry of an index each. */
const MOVE_BATCH = 500;

/** Rows and blobs, put up and taken down together. */
export class EntryStore {
  readonly #copies: EntryRows;
  readonly #blobs: BlobStore;
  readonly #clock: Pick<Clock, 'nowMs'>;

  constructor(copies: EntryRows, blobs: BlobStore, clock: Pick<Clock, 'nowMs'>) {
    this.#copies = copies;
    this.#blobs = blobs;
    this.#clock = clock;
  }

  /**
   * Keeps a whole, synced file. The row first, then the rename, in one turn: a crash between leaves
   * a row without a file, which is found out at the first open, where the reverse would leave a
   * file nobody knows of.
   */
  async keep(file: DownloadedFile): Promise<void> {
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

/** Rows and blobs of segments, put up and taken down together. */
export class SegmentStore {
  readonly #rows: SegmentRows;
  readonly #blobs: BlobStore;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #whole: Pick<EntryStore, 'discardCopy'>;
  readonly #health: DiskHealth;

  /** @param whole where copies in one lie: of a path there is one or segments, never both */
  constructor(
    rows: SegmentRows,
    blobs: BlobStore,
    clock: Pick<Clock, 'nowMs'>,
    whole: Pick<EntryStore, 'discardCopy'>,
    health: DiskHealth,
  ) {
    this.#rows = rows;
    this.#blobs = blobs;
    this.#clock = clock;
    this.#whole = whole;
    this.#health = health;
  }

  find(path: string): SegmentedFile | null {
    return this.#rows.find(path);
  }

  numbers(fileId: number): Iterable<number> {
    return this.#rows.numbers(fileId);
  }

  /** Keeps a segment: the row first, then the rename, in one turn, as whole copies are kept. */
  async keep(segment: SealedSegment): Promise<void> {
    const { path, ownerId } = segment.target;
    const blob = this.#blobs.newName();
    const nowMs = this.#clock.nowMs();
    const { version, mimeType, number, crc32 } = segment;
    const file = { path, version, mimeType, ownerId, validatedAtMs: nowMs };
    const replaced = this.#rows.keep({ file, number, blob, crc32 }, nowMs);
    try {
      this.#blobs.moveIn(segment.file, blob);
    } catch (error) {
      const row = this.#segmentOf(path, number);
      if (row?.blob === blob) this.#rows.remove(row);
      throw error;
    } finally {
      for (const old of replaced) await this.#blobs.remove(old);
    }
    await this.#whole.discardCopy(path);
  }

  /** The whole file was hashed, where all of it is here. */
  hashed(path: string, sha256: string): void {
    const file = this.#rows.find(path);
    if (file !== null && file.heldBytes === file.version.sizeBytes) {
      this.#rows.files.hashed(file.id, sha256);
    }
  }

  /** Opens a segment of one version; null when it is not there, or not as it was kept. */
  async open(
    path: string,
    version: FileVersion,
    number: number,
  ): Promise<{ readonly segment: KeptSegment; readonly blob: OpenBlob } | null> {
    const file = this.#rows.find(path);
    if (file === null || !sameVersion(file.version, version)) return null;
    const segment = this.#rows.segment(file.id, number);
    if (segment === null) return null;
    const blob = await this.#openBlob(segment);
    if (blob !== null) return { segment, blob };
    // On a disk that is gone for now nothing is lost that is missing.
    if (this.#health.refuses === null) await this.discard(segment);
    return null;
  }

  async #openBlob({ blob, sizeBytes }: KeptSegment): Promise<OpenBlob | null> {
    try {
      return await this.#blobs.openBlob(blob, sizeBytes);
    } catch (error) {
      if (!this.#health.failed(error)) throw error;
      return null;
    }
  }

  async discard(segment: Pick<KeptSegment, 'id' | 'blob'>): Promise<void> {
    await this.#blobs.remove(segment.blob);
    this.#rows.remove(segment);
  }

  /** Discards what lies at or below a path. */
  discardBelow(path: string): Promise<void> {
    return this.#discard(path, 1, () => false);
  }

  /** As {@link discardBelow} without what somebody pinned, and without some files. */
  discardUnpinned(path: string, isSpared: (fileId: number) => boolean): Promise<void> {
    return this.#discard(path, 0, isSpared);
  }

  async #discard(
    path: string,
    pinned: 0 | 1,
    isSpared: (fileId: number) => boolean,
  ): Promise<void> {
    let afterId = 0;
    for (;;) {
      const segments = this.#rows.below(path, DROP_BATCH, pinned, afterId);
      for (const segment of segments) if (!isSpared(segment.fileId)) await this.discard(segment);
      if (segments.length < DROP_BATCH) return;
      afterId = segments.at(-1)?.id ?? afterId;
    }
  }

  /** Discards the segments of one path. */
  async discardFile(path: string): Promise<void> {
    if (this.#rows.find(path) !== null) await this.discardBelow(path);
  }

  #segmentOf(path: string, number: number): KeptSegment | null {
    const file = this.#rows.find(path);
    return file === null ? null : this.#rows.segment(file.id, number);
  }
}
