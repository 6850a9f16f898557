import type { User } from '../accounts/caller.ts';
import {
  afterFetched,
  afterUsed,
  type Background,
  type FirstUse,
  LARGEST_PREFETCH_BYTES,
  neighboursToFetch,
  type Occasion,
} from '../cache/cache.ts';
import { type Files, parentOf, versionOf } from '../files/files.ts';
import type { DepthRows } from './depth-rows.ts';
import type { FetchFor } from './fetch-for.ts';

export interface NeighbourDeskPorts {
  readonly fetchFor: FetchFor;
  readonly depths: DepthRows;
  readonly background: Pick<Background, 'has' | 'limitBytes'>;
  readonly files: Pick<Files, 'shownBeside'>;
  readonly userOf: (userId: number) => User | null;
}

/** What a user looks at, and what is still to be fetched beside it. */
interface Interest {
  readonly userId: number;
  readonly after: Occasion['after'];
  readonly folder: string;
  /** The file read, or the folder listed. */
  readonly path: string;
  readonly readBefore: string | null;
  plan: string[] | null;
}

/** More users at once than a household has. */
const MOST_USERS = 100;
/** A folder that was only looked into may fill this much at most; whoever reads on gets more. */
const LISTED_BURST_BYTES = 40_000_000;
/** One burst takes no more of the cache than this share of it. */
const SHARE_OF_CACHE = 0.25;

/** The folders people browse, and the files beside where they are. One interest a user: the latest. */
export class NeighbourDesk {
  readonly #ports: NeighbourDeskPorts;
  readonly #interests = new Map<number, Interest>();
  readonly #lastRead = new Map<number, string>();

  constructor(ports: NeighbourDeskPorts) {
    this.#ports = ports;
  }

  /** How many users have files waiting to be fetched beside where they are. */
  get count(): number {
    return this.#interests.size;
  }

  read(userId: number, path: string): void {
    const folder = parentOf(path);
    const before = this.#lastRead.get(userId) ?? null;
    // A video is read in a hundred ranges: that is one read.
    if (folder === null || before === path) return;
    const readBefore = before !== null && parentOf(before) === folder ? before : null;
    keep(this.#lastRead, userId, path);
    this.#look({ userId, after: 'read', folder, path, readBefore, plan: null });
  }

  listed(userId: number, folder: string): void {
    const now = this.#interests.get(userId);
    // Whoever reads in a folder lists it too; what is read tells more.
    if (now?.folder === folder) return;
    this.#look({ userId, after: 'listed', folder, path: folder, readBefore: null, plan: null });
  }

  /** A copy fetched ahead was read: it was worth it. */
  used({ userId, after, round }: FirstUse): void {
    const { depths } = this.#ports;
    const key = { userId, after };
    depths.put(key, afterUsed(depths.of(key), round));
  }

  /** Fetches one file. @returns false when there is none to fetch now */
  async step(): Promise<boolean> {
    for (const interest of [...this.#interests.values()].reverse()) {
      const path = this.#next(interest);
      if (path === null) this.#drop(interest);
      else return this.#fetch(interest, path);
    }
    return false;
  }

  async #fetch(interest: Interest, path: string): Promise<boolean> {
    const { depths, fetchFor } = this.#ports;
    const { userId, after } = interest;
    const { round } = depths.of(interest);
    const occasion = { userId, after, round };
    const fetched = await fetchFor.file(userId, path, occasion, LARGEST_PREFETCH_BYTES);
    if (fetched === 'fetched') depths.put(interest, afterFetched(depths.of(interest), 1));
    if (fetched === 'no_token') this.#drop(interest);
    return fetched !== 'closed';
  }

  #next(interest: Interest): string | null {
    interest.plan ??= this.#planOf(interest);
    return interest.plan.shift() ?? null;
  }

  #planOf({ userId, after, folder, path, readBefore }: Interest): string[] {
    const { files, background, depths, userOf } = this.#ports;
    const user = userOf(userId);
    if (user === null) return [];
    const depth = depths.of({ userId, after }).files;
    const beside = files.shownBeside(user, folder, path, 4 * depth + 16);
    const versions = new Map(beside.map((item) => [item.path, versionOf(item)]));
    const named = beside.map((item) => ({ key: item.path, sizeBytes: item.sizeBytes }));
    const most = Math.floor(background.limitBytes() * SHARE_OF_CACHE);
    const isListed = after === 'listed';
    return neighboursToFetch({
      files: isListed ? [{ key: path, sizeBytes: 0 }, ...named] : named,
      read: path,
      readBefore,
      isKept: (key) => background.has({ path: key, version: versions.get(key) ?? null }),
      depth,
      mostBytes: isListed ? Math.min(most, LISTED_BURST_BYTES) : most,
    }).map(({ key }) => key);
  }

  #look(interest: Interest): void {
    keep(this.#interests, interest.userId, interest);
  }

  #drop(interest: Interest): void {
    const { userId } = interest;
    if (this.#interests.get(userId) === interest) this.#interests.delete(userId);
  }
}

/** Keeps the latest for so many users. */
function keep<T>(map: Map<number, T>, userId: number, value: T): void {
  map.delete(userId);
  map.set(userId, value);
  if (map.size <= MOST_USERS) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
