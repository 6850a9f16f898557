import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { BlobStore, OpenBlob } from '../entries/blob-store.ts';
import type { EntryRows } from '../entries/entry-rows.ts';
import type { EntryStore } from '../entries/entry-store.ts';
import { readLater } from '../entries/open-blobs.ts';
import { Layout, type SegmentedFile, type SegmentRows } from '../entries/segment-rows.ts';
import type { DiskHealth } from '../entries/space.ts';
import type { ScrubRows, CheckedBlob } from './scrub-rows.ts';

export interface ScrubDeps {
  readonly rows: ScrubRows;
  readonly entryRows: EntryRows;
  readonly segments: SegmentRows;
  readonly entries: EntryStore;
  readonly blobs: BlobStore;
  readonly health: DiskHealth;
}

/** What one round found. */
export interface ScrubReport {
  /** Entries and segments read. */
  readonly checked: number;
  /** Damaged since they were kept; dropped. */
  readonly damaged: number;
  /** Files without a row; deleted. */
  readonly orphans: number;
}

/** About 1 % of all bytes a day, at a round every 15 minutes. */
const SHARE_A_ROUND = 0.01 / 96;
const FOLDERS = 256;
/** So all of them are checked within a day. */
const FOLDERS_A_ROUND = 3;
/** How much of the most-read data is checked after an unclean end. */
const HOT_BLOBS = 256;
const HOT_BYTES_A_ROUND = 128 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

/**
 * The slow check: re-reads kept bytes and drops what changed on disk, deletes files that a crash or
 * a lost database left without a row, and hashes files assembled from segments. After an unclean
 * end it starts with the most-read data and scans all folders in its first round.
 */
export class Scrub {
  readonly #deps: ScrubDeps;
  #suspects: CheckedBlob[] = [];
  /**
   * Bytes that may be read; negative after a large file, until later rounds have made up for it.
   */
  #creditBytes = 0;
  #running: Promise<ScrubReport> | null = null;
  #isStopped = false;
  #foldersDue = FOLDERS_A_ROUND;

  constructor(deps: ScrubDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { rows } = this.#deps;
    if (rows.begin()) return;
    this.#suspects = rows.hottest(HOT_BLOBS);
    this.#foldersDue = FOLDERS;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    this.#deps.rows.end();
  }

  /** One round; a second call joins a running one. */
  round(): Promise<ScrubReport> {
    this.#running ??= this.#round().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** The stand-in database of a refusing disk knows no files, and none may be deleted for that. */
  get #mayGoOn(): boolean {
    return !this.#isStopped && this.#deps.health.refuses === null;
  }

  async #round(): Promise<ScrubReport> {
    const suspects = await this.#checkSuspects();
    const share = await this.#checkShare();
    await this.#hashWhole();
    const orphans = await this.#dropOrphans();
    const checked = suspects.checked + share.checked;
    return { checked, damaged: suspects.damaged + share.damaged, orphans };
  }

  async #checkSuspects(): Promise<Omit<ScrubReport, 'orphans'>> {
    let [checked, damaged, bytes] = [0, 0, 0];
    while (bytes < HOT_BYTES_A_ROUND && this.#mayGoOn) {
      const suspect = this.#suspects.shift();
      if (suspect === undefined) break;
      if (await this.#dropIfDamaged(suspect)) damaged += 1;
      checked += 1;
      bytes += suspect.sizeBytes;
    }
    return { checked, damaged };
  }

  async #checkShare(): Promise<Omit<ScrubReport, 'orphans'>> {
    const { totalBytes } = this.#deps.entryRows.totals();
    this.#creditBytes = Math.min(this.#creditBytes, 0) + totalBytes * SHARE_A_ROUND;
    let [checked, damaged] = [0, 0];
    while (this.#creditBytes > 0 && this.#mayGoOn) {
      const next = this.#next();
      if (next === null) break;
      if (await this.#dropIfDamaged(next)) damaged += 1;
      checked += 1;
      this.#creditBytes -= next.sizeBytes;
    }
    return { checked, damaged };
  }

  /** Entries first, then segments, then from the beginning. */
  #next(): CheckedBlob | null {
    const { rows } = this.#deps;
    for (const kind of ['whole', 'segment'] as const) {
      const next = rows.next(kind, rows.cursor(kind));
      if (next === null) continue;
      rows.moveCursor(kind, next.id);
      return next;
    }
    rows.moveCursor('whole', 0);
    rows.moveCursor('segment', 0);
    return null;
  }

  async #dropIfDamaged(kept: CheckedBlob): Promise<boolean> {
    const { blobs, rows, entries } = this.#deps;
    // It may have been evicted or replaced since it was listed.
    if (!rows.isKnown(kept.blob)) return false;
    const blob = await blobs.openBlob(kept.blob, kept.sizeBytes);
    if (blob !== null) {
      try {
        if (await isAsKept(blob, kept)) return false;
      } finally {
        await blob.close();
      }
      if (!rows.isKnown(kept.blob)) return false;
    }
    await (kept.kind === 'whole' ? entries.discardWhole(kept) : entries.discardSegment(kept));
    return true;
  }

  /** A file assembled in any order, against the NAS's checksum. */
  async #hashWhole(): Promise<void> {
    const { segments, entries } = this.#deps;
    const file = segments.files.unhashed();
    if (file === null || !this.#mayGoOn) return;
    const sha256 = await this.#hashOf(file);
    if (sha256 === null) return;
    if (sha256 === file.version.checksum) entries.hashed(file.path, sha256);
    else await entries.discardSegmentsOf(file.path);
  }

  /** Null where a segment went meanwhile. */
  async #hashOf(file: SegmentedFile): Promise<string | null> {
    const hash = createHash('sha256');
    const { count } = new Layout(file.version.sizeBytes);
    for (let number = 0; number < count; number += 1) {
      const opened = await this.#deps.entries.openSegment(file.path, file.version, number);
      if (opened === null || !this.#mayGoOn) return null;
      try {
        const isRead = await readAll(opened.blob, opened.segment.sizeBytes, (bytes) => {
          hash.update(bytes);
        });
        if (!isRead) return null;
      } finally {
        await opened.blob.close();
      }
    }
    return hash.digest('hex');
  }

  async #dropOrphans(): Promise<number> {
    const { rows, blobs } = this.#deps;
    let orphans = 0;
    const due = this.#foldersDue;
    for (let count = 0; count < due && this.#mayGoOn; count += 1) {
      const folder = rows.cursor('folder') % FOLDERS;
      for (const name of await blobs.namesIn(folder)) {
        if (!this.#mayGoOn) return orphans;
        if (rows.isKnown(name)) continue;
        await blobs.remove(name);
        orphans += 1;
      }
      rows.moveCursor('folder', (folder + 1) % FOLDERS);
      this.#foldersDue = Math.max(FOLDERS_A_ROUND, this.#foldersDue - 1);
    }
    return orphans;
  }
}

async function isAsKept(blob: OpenBlob, kept: CheckedBlob): Promise<boolean> {
  if (kept.kind === 'whole') {
    const hash = createHash('sha256');
    const isRead = await readAll(blob, kept.sizeBytes, (bytes) => {
      hash.update(bytes);
    });
    return isRead && hash.digest('hex') === kept.sha256;
  }
  let sum = 0;
  const isRead = await readAll(blob, kept.sizeBytes, (bytes) => {
    sum = crc32(bytes, sum);
  });
  return isRead && sum === kept.crc32;
}

/** Reads a blob by way of the thread pool, so that others get their turn. */
async function readAll(
  blob: OpenBlob,
  sizeBytes: number,
  take: (bytes: Buffer) => void,
): Promise<boolean> {
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, Math.max(1, sizeBytes)));
  for (let at = 0; at < sizeBytes;) {
    const count = await readLater(blob.fd, buffer, Math.min(buffer.length, sizeBytes - at), at);
    if (count === 0) return false;
    take(buffer.subarray(0, count));
    at += count;
  }
  return true;
}
