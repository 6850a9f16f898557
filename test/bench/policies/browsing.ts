import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import {
  afterFetched,
  afterUsed,
  type Depth,
  type FolderFile,
  neighboursToFetch,
  STARTING_DEPTH,
} from '../../../nodes/lib/cache/background/neighbours.ts';
import { BaluPiPolicy } from './balupi.ts';
import type { Policy } from './policy.ts';

/** A timed request for a file in a folder. */
export interface Read {
  readonly atSeconds: number;
  readonly key: number;
  readonly sizeBytes: number;
}

/** The files of each folder in name order, and each file's folder. */
export interface FolderMap {
  readonly folders: readonly (readonly FolderFile<number>[])[];
  readonly folderOf: ReadonlyMap<number, number>;
}

export interface Browsed {
  readonly objectHitRatio: number;
  readonly byteHitRatio: number;
  readonly nasWakes: number;
  readonly nasBytes: number;
  /** Of the prefetched bytes; 1 if there were none. */
  readonly usedRatio: number;
}

/** The NAS goes to sleep this long after its last transfer. */
const IDLE_SECONDS = 15 * 60;
/** The latest start of a prefetch after a caller needed the NAS (contract 6). */
const NEEDED_SECONDS = 5 * 60;

/** @param file gzipped CSV, `key,folder,index_in_folder,kind,size` */
export function readFolders(file: string): FolderMap {
  const [header = '', ...lines] = linesOf(file);
  if (header !== 'key,folder,index_in_folder,kind,size') {
    throw new Error(`A folder map begins with '${header}', wanted key,folder,index_in_folder,….`);
  }
  const rows = lines.map((line) => {
    const [key, folder, index, , sizeBytes] = line.split(',');
    return { key: Number(key), folder: Number(folder), index: Number(index), size: sizeBytes };
  });
  rows.sort((a, b) => a.index - b.index);
  const folders: FolderFile<number>[][] = [];
  for (const { key, folder, size } of rows) {
    (folders[folder] ??= []).push({ key, sizeBytes: Number(size) });
  }
  return mapOf(folders);
}

/** @param folders files in name order; holes are folders without files */
export function mapOf(folders: readonly (readonly FolderFile<number>[])[]): FolderMap {
  const folderOf = new Map<number, number>();
  folders.forEach((files, folder) => {
    for (const { key } of files) folderOf.set(key, folder);
  });
  return { folders, folderOf };
}

/** @param file gzipped CSV, `time,key,size` with times in seconds */
export function readReads(file: string): Read[] {
  return linesOf(file)
    .slice(1)
    .map((line) => {
      const [atSeconds, key, sizeBytes] = line.split(',').map(Number);
      return { atSeconds: atSeconds ?? 0, key: key ?? 0, sizeBytes: sizeBytes ?? 0 };
    });
}

function linesOf(file: string): string[] {
  return gunzipSync(readFileSync(file)).toString('latin1').trimEnd().split(/\r?\n/);
}

/** Replays reads against a cache in front of a NAS that sleeps, without prefetching. */
export function browseWithout(reads: readonly Read[], policy: Policy): Browsed {
  const nas = new SleepingNas();
  const counters = new Hits();
  for (const { atSeconds, key, sizeBytes } of reads) {
    const hit = policy.use({ key, sizeBytes, nextUse: Infinity });
    counters.count(hit, sizeBytes);
    if (!hit) nas.give(atSeconds, sizeBytes);
  }
  return { ...counters.ratios(), nasWakes: nas.wakes, nasBytes: nas.bytes, usedRatio: 1 };
}

/** The same with our own cache, which prefetches neighbours while the NAS is awake anyway. */
export function browseAhead(
  reads: readonly Read[],
  { folders, folderOf }: FolderMap,
  limitBytes: number,
): Browsed {
  const cache = new BaluPiPolicy(limitBytes);
  const nas = new SleepingNas();
  const counters = new Hits();
  const ahead = new Ahead();
  let last: { readonly folder: number; readonly key: number } | null = null;
  for (const { atSeconds, key, sizeBytes } of reads) {
    const hit = cache.use({ key, sizeBytes });
    counters.count(hit, sizeBytes);
    if (hit) {
      ahead.read(key, sizeBytes);
      nas.look(atSeconds);
    } else {
      ahead.lost(key);
      nas.give(atSeconds, sizeBytes);
    }
    const folder = folderOf.get(key);
    if (folder === undefined) continue;
    if (nas.mayFetchAhead(atSeconds)) {
      const wanted = neighboursToFetch({
        files: folders[folder] ?? [],
        read: key,
        readBefore: last?.folder === folder ? last.key : null,
        isKept: (other) => cache.has(other),
        depth: ahead.depth.files,
        mostBytes: limitBytes / 8,
      });
      for (const file of wanted) {
        if (!cache.keepAhead(file)) continue;
        nas.giveAhead(atSeconds, file.sizeBytes);
        ahead.fetched(file);
      }
    }
    last = { folder, key };
  }
  const { wakes: nasWakes, bytes: nasBytes } = nas;
  return { ...counters.ratios(), nasWakes, nasBytes, usedRatio: ahead.usedRatio };
}

class Hits {
  #hits = 0;
  #reads = 0;
  #hitBytes = 0;
  #bytes = 0;

  count(hit: boolean, sizeBytes: number): void {
    this.#reads += 1;
    this.#bytes += sizeBytes;
    if (!hit) return;
    this.#hits += 1;
    this.#hitBytes += sizeBytes;
  }

  ratios(): Pick<Browsed, 'objectHitRatio' | 'byteHitRatio'> {
    return {
      objectHitRatio: this.#hits / Math.max(1, this.#reads),
      byteHitRatio: this.#hitBytes / Math.max(1, this.#bytes),
    };
  }
}

class SleepingNas {
  wakes = 0;
  bytes = 0;
  #busyUntil = -Infinity;
  #neededAt = -Infinity;

  give(atSeconds: number, sizeBytes: number): void {
    if (atSeconds > this.#busyUntil) this.wakes += 1;
    this.#neededAt = atSeconds;
    this.giveAhead(atSeconds, sizeBytes);
  }

  /**
   * A reader of a cached file has it revalidated while the NAS is awake, which does not keep the
   * NAS awake.
   */
  look(atSeconds: number): void {
    if (atSeconds <= this.#busyUntil) this.#neededAt = atSeconds;
  }

  giveAhead(atSeconds: number, sizeBytes: number): void {
    this.bytes += sizeBytes;
    this.#busyUntil = atSeconds + IDLE_SECONDS;
  }

  mayFetchAhead(atSeconds: number): boolean {
    return atSeconds <= this.#busyUntil && atSeconds <= this.#neededAt + NEEDED_SECONDS;
  }
}

/** Prefetched and not yet read files, by the round they came in. */
class Ahead {
  depth: Depth = STARTING_DEPTH;
  readonly #unread = new Map<number, number>();
  #bytes = 0;
  #usedBytes = 0;

  get usedRatio(): number {
    return this.#bytes === 0 ? 1 : this.#usedBytes / this.#bytes;
  }

  fetched({ key, sizeBytes }: FolderFile<number>): void {
    this.#unread.set(key, this.depth.round);
    this.#bytes += sizeBytes;
    this.depth = afterFetched(this.depth, 1);
  }

  read(key: number, sizeBytes: number): void {
    const round = this.#unread.get(key);
    if (round === undefined) return;
    this.#unread.delete(key);
    this.#usedBytes += sizeBytes;
    this.depth = afterUsed(this.depth, round);
  }

  /** It was evicted before anybody read it. */
  lost(key: number): void {
    this.#unread.delete(key);
  }
}
