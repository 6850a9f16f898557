/**
 * Which files of a folder to fetch before they are asked for, while the NAS is awake anyway: the
 * next ones by name in the reader's direction, as many as recently proved useful. Pure: no clock,
 * no disk, no NAS. The caller makes sure that the reader may read them.
 */

/** A file of a folder that is being read. */
export interface FolderFile<K> {
  readonly key: K;
  readonly sizeBytes: number;
}

export interface Browsing<K> {
  /** Files in name order: the folder, or enough of it around the file just read. */
  readonly files: readonly FolderFile<K>[];
  /** The file just read. */
  readonly read: K;
  /** The one this reader read before in the same folder, so that the way they go is known. */
  readonly readBefore: K | null;
  readonly isKept: (key: K) => boolean;
  /** How many files to keep ahead: {@link Depth.files}. */
  readonly depth: number;
  /** Most bytes to name at once, such as the cache's free space. */
  readonly mostBytes: number;
}

/** Larger files are only fetched on request. */
export const LARGEST_PREFETCH_BYTES = 20_000_000;
/** Most bytes fetched in one go. */
export const LARGEST_BURST_BYTES = 400_000_000;
/** The minimum to prefetch for a continuing reader. */
const LEAST_DEPTH = 1;
/** Below it a file costs the NAS a seek and the network nothing: it goes before the large ones. */
const SMALL_BYTES = 256 * 1024;

/**
 * Files to fetch now, in this order. Files already kept count as ahead, so that a sequential reader
 * causes one fetch per step.
 */
export function neighboursToFetch<K>(browsing: Browsing<K>): FolderFile<K>[] {
  const { files, read, readBefore, depth, isKept } = browsing;
  // Where hardly any prefetched file was used, a single read is no sign of more to come.
  if (depth <= LEAST_DEPTH && readBefore === null) return [];
  const at = files.findIndex(({ key }) => key === read);
  if (at < 0) return [];
  const step = isBackwards(browsing, at) ? -1 : 1;
  const small: FolderFile<K>[] = [];
  const large: FolderFile<K>[] = [];
  let left = Math.min(browsing.mostBytes, LARGEST_BURST_BYTES);
  let ahead = 0;
  for (let next = at + step; ahead < depth; next += step) {
    const file = files[next];
    if (file === undefined) break;
    if (file.sizeBytes > LARGEST_PREFETCH_BYTES) continue;
    ahead += 1;
    if (isKept(file.key)) continue;
    left -= file.sizeBytes;
    if (left < 0) break;
    (file.sizeBytes <= SMALL_BYTES ? small : large).push(file);
  }
  return [...small, ...large];
}

function isBackwards<K>({ files, readBefore }: Browsing<K>, at: number): boolean {
  if (readBefore === null) return false;
  return files.findIndex(({ key }) => key === readBefore) > at;
}

interface Yield {
  readonly fetched: number;
  readonly used: number;
}

/** How many files to prefetch, and how many were used. */
export interface Depth {
  readonly files: number;
  /** Number of the round that fetches now; noted with each file it fetches. */
  readonly round: number;
  readonly now: Yield;
  readonly before: Yield;
}

const ROUND_FILES = 32;
const MOST_DEPTH = 12;
const DEEPER_ABOVE = 0.75;
const SHALLOWER_BELOW = 0.5;
const NOTHING: Yield = { fetched: 0, used: 0 };

export const STARTING_DEPTH: Depth = { files: 8, round: 1, now: NOTHING, before: NOTHING };

/** After `count` files were fetched under {@link Depth.round}. */
export function afterFetched(depth: Depth, count: number): Depth {
  const now = { ...depth.now, fetched: depth.now.fetched + count };
  if (now.fetched < ROUND_FILES) return { ...depth, now };
  // The previous round is judged, not this one: its readers have had their time.
  const files = judged(depth.files, depth.before);
  return { files, round: depth.round + 1, now: NOTHING, before: now };
}

/** After a fetched file was read for the first time. @param round noted when it was fetched */
export function afterUsed(depth: Depth, round: number): Depth {
  const more = ({ fetched, used }: Yield): Yield => ({ fetched, used: used + 1 });
  if (round === depth.round) return { ...depth, now: more(depth.now) };
  return round === depth.round - 1 ? { ...depth, before: more(depth.before) } : depth;
}

function judged(files: number, { fetched, used }: Yield): number {
  if (fetched === 0) return files;
  const share = used / fetched;
  if (share > DEEPER_ABOVE) return Math.min(MOST_DEPTH, 2 * files);
  return share < SHALLOWER_BELOW ? Math.max(LEAST_DEPTH, Math.floor(files / 2)) : files;
}
