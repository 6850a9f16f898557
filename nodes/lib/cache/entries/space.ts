import type { Files, FileVersion } from '../../files/files.ts';
import type { Log } from '../../log/log.ts';
import type { NasClient } from '../../nas/nas-client.ts';
import type { DiskFault, Store } from '../../store/store.ts';
import type { Clock } from '../../time/clock.ts';
import type { DownloadHead, OriginFault } from '../download/origin.ts';
import type { CachePolicy } from '../policy/policy.ts';
import type { BlobStore } from './blob-store.ts';
import type { EntryRows, Victim } from './entry-rows.ts';
import type { OpenBlobs } from './open-blobs.ts';
import type { SegmentRows } from './segment-rows.ts';

/** The disk the data folder lies on, in bytes. */
interface DiskSpace {
  readonly totalBytes: number;
  /** Free to this process. */
  readonly freeBytes: number;
}

interface SpaceDeps {
  readonly entryRows: EntryRows;
  readonly segments: SegmentRows;
  readonly policy: Pick<CachePolicy, 'admits'>;
  readonly blobs: Pick<BlobStore, 'remove'> & { readonly open: Pick<OpenBlobs, 'isRead'> };
  /** Writes down what was used a moment ago. */
  readonly flushUses: () => void;
  readonly disk: () => DiskSpace;
  /** CACHE_MAX_SIZE_GB in bytes. */
  readonly maxBytes: number;
  /** CACHE_MIN_FREE_GB in bytes. */
  readonly minFreeBytes: number;
  /** CACHE_EVICTION_THRESHOLD, 0 to 1. */
  readonly threshold: number;
  /** Bytes of the upload queue, held or promised. */
  readonly queuedBytes: () => number;
}

/** Space reserved for a file being downloaded. */
export interface Reservation {
  /** How much of it lies on the disk already. */
  wroteBytes(bytes: number): void;
  release(): void;
  /** It is not worth keeping: it may stay only while somebody reads it. */
  readonly isPassing: boolean;
}

interface Held {
  readonly bytes: number;
  readonly isPassing: boolean;
  written: number;
}

/**
 * How much the cache may hold, and what must go for more. Space is reserved before a byte is
 * written, so that concurrent downloads cannot exceed the limit.
 */
export class CacheSpace {
  readonly #deps: SpaceDeps;
  readonly #reserved = new Map<symbol, Held>();
  #evicting: Promise<unknown> = Promise.resolve();

  constructor(deps: SpaceDeps) {
    this.#deps = deps;
  }

  /** The least of the setting and what the disk leaves (contract 3), in bytes. */
  capacityBytes(): number {
    const { disk, maxBytes, minFreeBytes, queuedBytes } = this.#deps;
    const { totalBytes, freeBytes } = disk();
    const byDisk = totalBytes - minFreeBytes - queuedBytes();
    // Other things live on the disk too: free space plus ours is all there can be.
    const byFree = this.#deps.entryRows.totals().totalBytes + this.#sum('written') + freeBytes;
    return Math.max(0, Math.min(maxBytes, byDisk, byFree - minFreeBytes));
  }

  /** What the entries are kept below. */
  limitBytes(): number {
    return Math.floor(this.capacityBytes() * this.#deps.threshold);
  }

  /**
   * Reserves space for one file, evicting what must go. A file not worth that is held between the
   * limit and the capacity, if there is space, so that its readers share one stream.
   * @param path weighed by its worth; null for what is to be kept in any case
   * @returns null when it cannot fit
   */
  async reserve(bytes: number, path: string | null): Promise<Reservation | null> {
    if (bytes > this.limitBytes()) return null;
    if (path !== null && !this.#isWorthIt(bytes, path)) {
      const used = this.#deps.entryRows.totals().totalBytes + this.#sum('bytes');
      return used + bytes <= this.capacityBytes() ? this.#hold(bytes, true) : null;
    }
    const reservation = this.#hold(bytes, false);
    const over = this.#overBytes();
    if (over > 0) await this.#evict(over);
    if (this.#overBytes() <= 0) return reservation;
    reservation.release();
    return null;
  }

  #hold(bytes: number, isPassing: boolean): Reservation {
    const key = Symbol('fill');
    const held = { bytes, isPassing, written: 0 };
    this.#reserved.set(key, held);
    return {
      isPassing,
      wroteBytes: (written) => {
        held.written = written;
      },
      release: () => {
        this.#reserved.delete(key);
      },
    };
  }

  #isWorthIt(sizeBytes: number, path: string): boolean {
    const neededBytes = this.#overBytes() + sizeBytes;
    if (neededBytes <= 0) return true;
    const { policy, flushUses } = this.#deps;
    // Flush recent uses first, or they would look unused.
    flushUses();
    const candidates = new Candidates(this.#deps);
    const applicant = { path, sizeBytes, neededBytes, limitBytes: this.limitBytes() };
    return policy.admits(applicant, () => {
      const next = candidates.next();
      if (next === null) return null;
      return { worth: next.pinned === 1 ? Infinity : next.priority, sizeBytes: next.sizeBytes };
    });
  }

  /** Evicts back to the limit, as when the queue grew or the disk filled up. */
  async settle(): Promise<void> {
    const over = this.#overBytes();
    if (over > 0) await this.#evict(over);
  }

  /**
   * Frees disk space for an upload. Evicts nothing when all entries together would not suffice.
   * @returns whether `bytes` now fit above CACHE_MIN_FREE_GB
   */
  async evictFor(bytes: number): Promise<boolean> {
    const missing = this.#missingFor(bytes);
    if (missing <= 0) return true;
    if (missing > this.#deps.entryRows.totals().totalBytes) return false;
    await this.#evict(missing);
    return this.#missingFor(bytes) <= 0;
  }

  #missingFor(bytes: number): number {
    const promised = this.#sum('bytes') - this.#sum('written');
    return bytes + this.#deps.minFreeBytes + promised - this.#deps.disk().freeBytes;
  }

  #overBytes(): number {
    let keptBytes = this.#deps.entryRows.totals().totalBytes;
    for (const held of this.#reserved.values()) if (!held.isPassing) keptBytes += held.bytes;
    return keptBytes - this.limitBytes();
  }

  #sum(which: 'bytes' | 'written'): number {
    let sum = 0;
    for (const held of this.#reserved.values()) sum += held[which];
    return sum;
  }

  /** One eviction at a time, so that two do not choose the same victims. */
  #evict(bytes: number): Promise<void> {
    const turn = this.#evicting.then(
      () => this.#evictNow(bytes),
      () => this.#evictNow(bytes),
    );
    this.#evicting = turn;
    return turn;
  }

  async #evictNow(bytes: number): Promise<void> {
    const { blobs, flushUses } = this.#deps;
    // Flush recent uses first, or they would look unused.
    flushUses();
    const candidates = new Candidates(this.#deps);
    let freed = 0;
    while (freed < bytes) {
      const victim = candidates.next();
      if (victim === null) return;
      if (blobs.open.isRead(victim.blob)) continue;
      // The file first: a row without its file is noticed when opened, the reverse never.
      await blobs.remove(victim.blob);
      if (victim.evict()) freed += victim.sizeBytes;
    }
  }
}

interface Candidate extends Omit<Victim, 'id'> {
  readonly evict: () => boolean;
}

/** Whole entries and single segments, lowest worth first and pinned last. */
class Candidates {
  readonly #deps: Pick<SpaceDeps, 'entryRows' | 'segments'>;
  #entry: Victim | null;
  #segment: ReturnType<SegmentRows['lowest']>;

  constructor(deps: Pick<SpaceDeps, 'entryRows' | 'segments'>) {
    this.#deps = deps;
    this.#entry = deps.entryRows.lowest(null);
    this.#segment = deps.segments.lowest(null);
  }

  next(): Candidate | null {
    const { entryRows, segments } = this.#deps;
    const [entry, segment] = [this.#entry, this.#segment];
    if (entry !== null && (segment === null || goesBefore(entry, segment))) {
      this.#entry = entryRows.lowest(entry);
      return { ...entry, evict: () => entryRows.evict(entry) };
    }
    if (segment === null) return null;
    this.#segment = segments.lowest(segment);
    return { ...segment, evict: () => segments.evict(segment) };
  }
}

/** Pinned last; else by worth. */
function goesBefore(
  a: Pick<Victim, 'pinned' | 'priority'>,
  b: Pick<Victim, 'pinned' | 'priority'>,
): boolean {
  return a.pinned === b.pinned ? a.priority <= b.priority : a.pinned < b.pinned;
}

export interface DiskHealth {
  readonly refuses: DiskFault | null;
  /** @returns whether it was the disk's doing */
  failed(error: unknown): boolean;
}

export interface CacheDeps {
  /** The cache database. */
  readonly store: Store;
  /** The cache's own folder. */
  readonly folder: string;
  readonly clock: Clock;
  /** The time is verified, so that old data may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly log: Log;
  readonly nas: Pick<NasClient, 'download'>;
  readonly files: Pick<Files, 'views' | 'locator' | 'grants' | 'refused'>;
  readonly tokenRefused: (token: string) => void;
  readonly disk: () => DiskSpace;
  /** Whether its disk takes what is written; told what it refused. */
  readonly diskHealth: DiskHealth;
  readonly maxBytes: number;
  readonly minFreeBytes: number;
  /** 0 to 1. */
  readonly evictionThreshold: number;
  /** IANA name; days are counted in it. */
  readonly timeZone: string;
  readonly queuedBytes: () => number;
  /** For small files that are read again; 0 reads each from disk. */
  readonly memoryBytes?: number;
}

export type DownloadOpened =
  | { readonly kind: 'open'; readonly head: DownloadHead }
  /** The disk would not take it; the NAS may still be read past the cache. */
  | { readonly kind: 'no_storage' }
  | OriginFault;

/** A fetched, judged and synced file on its way into the cache. */
export interface DownloadedFile {
  readonly path: string;
  readonly version: FileVersion;
  readonly sha256: string;
  readonly mimeType: string | null;
  readonly ownerId: string | null;
  /** Where it lies now. */
  readonly file: string;
}

export interface DownloadTarget {
  readonly path: string;
  /** Nobody asked for it: the prefetcher has judged its worth. */
  readonly isAhead?: true;
  readonly version: FileVersion;
  readonly mimeType: string | null;
  readonly ownerId: string | null;
}
