import { LruMap } from '../../limits/limits.ts';
import { createHash } from 'node:crypto';
import {
  encodeNasPath,
  failureOf,
  failureOfStatus,
  goodBodyOf,
  type NasFailure,
  type NasRefusal,
} from '../../nas/nas.ts';
import type {
  NasApi,
  NasClient,
  NasDownload,
  NasFileItem,
  NasJson,
  NasListing,
} from '../../nas/nas-client.ts';
import type { Clock } from '../../time/clock.ts';
import { type Reason, reason } from '../reasons.ts';

/** Below the NAS's 200 listings a minute: most of a user's own allowance is left to the user. */
const LIST_PACE = { burst: 40, perMinute: 120 };
/** Below its 30 mkdir, rename and move a minute. */
const MKDIR_PACE = { burst: 10, perMinute: 20 };
/** How old a listing may be and still count as the check before the next file. */
const FRESH_MS = 5_000;
/** Folders known to exist; each run starts without any. */
const MOST_FOLDERS = 1_000;
const MOST_KNOWN = 200;

type FolderItems =
  | { readonly kind: 'items'; readonly items: readonly NasFileItem[] }
  | Interruption;

/** What is at some names in a folder. */
export type NamesSeen =
  | {
      readonly kind: 'seen';
      readonly items: ReadonlyMap<string, NasFileItem>;
      /** There is nothing at all, so the folder may not exist. */
      readonly folderEmpty: boolean;
    }
  | Interruption;

/** Lists and creates folders of the NAS as one user, within its rate limits. */
export class NasFolder {
  readonly #nas: NasClient;
  readonly #api: Pick<NasApi, 'call'>;
  readonly #clock: Clock;
  readonly #listPace: Pacer;
  readonly #mkdirPace: Pacer;
  readonly #made = new LruMap<string, true>(MOST_FOLDERS);
  readonly #adopted = new LruMap<string, true>(MOST_FOLDERS);
  /** Folders seen not to be empty in this run, with the folders in them. */
  readonly #known = new LruMap<string, ReadonlyMap<string, NasFileItem>>(MOST_KNOWN);
  #last: {
    readonly key: string;
    readonly atMs: number;
    readonly items: readonly NasFileItem[];
  } | null = null;

  constructor(nas: NasClient, api: Pick<NasApi, 'call'>, clock: Clock) {
    this.#nas = nas;
    this.#api = api;
    this.#clock = clock;
    this.#listPace = new Pacer(clock, LIST_PACE);
    this.#mkdirPace = new Pacer(clock, MKDIR_PACE);
  }

  /** Asks the NAS. An unknown folder has no items (measured: 200 with an empty list). */
  async list(token: string, folder: string, signal: AbortSignal): Promise<FolderItems> {
    await this.#listPace.turn(signal);
    const listing = await this.#nas.list(token, folder, { signal });
    if (listing.kind !== 'listing') {
      this.#last = null;
      // A folder that does not exist yet counts as an empty one.
      if (failureOf(listing).kind === 'not_found') return { kind: 'items', items: [] };
      return this.#slowed(interruptionOf(listing) ?? { kind: 'gone' });
    }
    const { items } = listing;
    const key = `${token}\n${folder}`;
    this.#last = { key, atMs: this.#clock.monotonicMs(), items };
    if (items.length > 0) this.#learn(key, items);
    return { kind: 'items', items };
  }

  /**
   * Looks for a few names. Once a folder is known not to be empty, the NAS is asked for these names
   * alone: listing a folder with thousands of photos costs both sides far more.
   * @param recently whether a listing a few seconds old will do
   */
  async look(
    token: string,
    folder: string,
    names: readonly string[],
    recently: boolean,
    signal: AbortSignal,
  ): Promise<NamesSeen> {
    const key = `${token}\n${folder}`;
    const folders = this.#known.get(key);
    const isListed = recently && this.#isFresh(key);
    if (folders !== undefined && !isListed && names.every(isAskable)) {
      const seen = await this.#exist(token, folder, names, folders, signal);
      if (seen !== null) return seen;
    }
    const listed = await (recently
      ? this.listRecent(token, folder, signal)
      : this.list(token, folder, signal));
    if (listed.kind === 'busy' && listed.isUnread === true && folders === undefined) {
      // An answer too long to read means a folder full of files.
      this.#learn(key, []);
      return (await this.#exist(token, folder, names, new Map(), signal)) ?? listed;
    }
    if (listed.kind !== 'items') return listed;
    const { items } = listed;
    const wanted = new Set(names);
    const found = items.filter(({ name }) => wanted.has(name));
    return {
      kind: 'seen',
      items: new Map(found.map((item) => [item.name, item])),
      folderEmpty: items.length === 0,
    };
  }

  /** Waits until a rename or move may go: they share the rate limit of new folders. */
  async turnToWrite(signal: AbortSignal): Promise<void> {
    await this.#mkdirPace.turn(signal);
  }

  /** Something was written, so earlier listings no longer count. */
  changed(): void {
    this.#last = null;
  }

  /** As {@link list}, but an answer a few seconds old will do. */
  async listRecent(token: string, folder: string, signal: AbortSignal): Promise<FolderItems> {
    const last = this.#last;
    return last !== null && this.#isFresh(`${token}\n${folder}`)
      ? { kind: 'items', items: last.items }
      : this.list(token, folder, signal);
  }

  /**
   * Creates a folder and its parents, from the top: an upload into a missing folder is refused
   * (docs/NAS.md). A refused level may well exist, such as a folder shared with that user; the next
   * step tells.
   */
  async ensure(token: string, folder: string, signal: AbortSignal): Promise<Interruption | null> {
    const names = folder.split('/');
    // Homes and Shared are never created; a single level is one of these, or an admin's own folder.
    for (let depth = Math.min(2, names.length); depth <= names.length; depth += 1) {
      const level = names.slice(0, depth).join('/');
      if (level === '' || this.#made.get(`${token}\n${level}`) === true) continue;
      await this.#mkdirPace.turn(signal);
      const interruption = interruptionOf(await this.#nas.mkdir(token, level));
      if (interruption === null) {
        this.#made.set(`${token}\n${level}`, true);
      } else if (interruption.kind !== 'refused') {
        return this.#slowed(interruption);
      }
    }
    return null;
  }

  /**
   * Makes an existing folder the user's own: one created outside the NAS's API has no owner and
   * takes no upload; mkdir gives it one (docs/NAS.md). Once per run and folder.
   * @returns whether another try makes sense
   */
  async adopt(token: string, folder: string, signal: AbortSignal): Promise<boolean | Interruption> {
    const key = `${token}\n${folder}`;
    if (this.#adopted.get(key) === true) return false;
    this.#adopted.set(key, true);
    const interruption = await this.ensure(token, folder, signal);
    return interruption ?? this.#made.get(key) === true;
  }

  /**
   * The file that blocks a folder on this path; null where none is seen.
   * @param folder the folder to write into
   */
  async fileInTheWay(token: string, folder: string, signal: AbortSignal): Promise<string | null> {
    const names = folder.split('/');
    for (let depth = 2; depth <= names.length; depth += 1) {
      const level = names.slice(0, depth).join('/');
      const listed = await this.listRecent(token, names.slice(0, depth - 1).join('/'), signal);
      if (listed.kind !== 'items') return null;
      const item = listed.items.find(({ name }) => name === names[depth - 1]);
      if (item === undefined) return null;
      if (item.type !== 'directory') return level;
    }
    return null;
  }

  /** A new run begins, and what was seen before may have changed. */
  forget(): void {
    this.#last = null;
    this.#adopted.clear();
    this.#made.clear();
    this.#known.clear();
  }

  /** The NAS said that calls came too fast. */
  slowDown(): void {
    this.#listPace.slowDown();
    this.#mkdirPace.slowDown();
  }

  #isFresh(key: string): boolean {
    const last = this.#last;
    return last?.key === key && this.#clock.monotonicMs() - last.atMs <= FRESH_MS;
  }

  #learn(key: string, items: readonly NasFileItem[]): void {
    const folders = items.filter(({ type }) => type === 'directory');
    this.#known.set(key, new Map(folders.map((item) => [item.name, item])));
  }

  /**
   * Uses the NAS's own check for duplicates; it only shows files, so folders come from the listing.
   * @returns null where a listing has to tell
   */
  async #exist(
    token: string,
    folder: string,
    names: readonly string[],
    folders: ReadonlyMap<string, NasFileItem>,
    signal: AbortSignal,
  ): Promise<NamesSeen | null> {
    await this.#listPace.turn(signal);
    const answered = await this.#api.call({
      method: 'POST',
      path: '/api/files/check-exists',
      token,
      body: { filenames: names, target_path: folder },
      signal,
    });
    const interruption = interruptionOf(answered);
    if (interruption?.kind === 'refused') return null;
    if (interruption !== null) return this.#slowed(interruption);
    const files = readExisting(goodBodyOf(answered), folder);
    if (files === null) return null;
    const items = new Map(files.map((item) => [item.name, item]));
    for (const name of names) {
      const inside = folders.get(name);
      if (inside !== undefined && !items.has(name)) items.set(name, inside);
    }
    return { kind: 'seen', items, folderEmpty: false };
  }

  #slowed(interruption: Interruption): Interruption {
    if (interruption.kind === 'busy') this.slowDown();
    return interruption;
  }
}

/** The NAS silently skips such names, as if nothing were there (read in its code). */
function isAskable(name: string): boolean {
  return !name.includes('..') && !name.includes('\\');
}

/**
 * Reads the answer of `POST /api/files/check-exists`: files alone, with what an upload must know.
 * @returns null when it is not of that form
 */
function readExisting(body: unknown, folder: string): readonly NasFileItem[] | null {
  const found = fieldOf(body, 'duplicates');
  if (!Array.isArray(found)) return null;
  const items: NasFileItem[] = [];
  for (const raw of found as readonly unknown[]) {
    const item = toItem(raw, folder);
    if (item === null) return null;
    items.push(item);
  }
  return items;
}

function toItem(raw: unknown, folder: string): NasFileItem | null {
  const [name, size, modifiedAt, checksum] = [
    fieldOf(raw, 'filename'),
    fieldOf(raw, 'size_bytes'),
    fieldOf(raw, 'modified_at'),
    fieldOf(raw, 'checksum'),
  ];
  if (typeof name !== 'string' || typeof size !== 'number') return null;
  if (typeof modifiedAt !== 'string') return null;
  return {
    name,
    path: folder === '' ? name : `${folder}/${name}`,
    size,
    type: 'file',
    // Timestamps in its listings end in Z.
    modified_at: modifiedAt.replace(/\+00:?00$/, 'Z'),
    owner_id: null,
    owner_name: null,
    mime_type: null,
    file_id: null,
    checksum: typeof checksum === 'string' ? checksum : null,
    can_read: null,
    can_write: null,
    can_delete: null,
  };
}

/** Why a step of the delivery could not be done. */
export type Interruption =
  /** The NAS is gone; what the last call did is unknown. */
  | { readonly kind: 'gone' }
  /** The NAS, or its proxy, wants a pause. */
  | {
      readonly kind: 'busy';
      readonly status: number;
      readonly retryAfterMs: number | null;
      /** What it answered could not be read, as where a listing is too long. */
      readonly isUnread?: true;
    }
  /** It failed for this upload, perhaps only for now. */
  | { readonly kind: 'trouble'; readonly detail: Reason }
  /** The NAS has no space (507): nothing will go through for a while. */
  | { readonly kind: 'nas_full' }
  /** It no longer knows this token. */
  | { readonly kind: 'credential_refused' }
  /** It refused for good: another try would get the same answer. */
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly detail: Reason;
      readonly isForbidden?: true;
      /** As far as the NAS knows, the folder is not the user's; that may change. */
      readonly needsFolder?: true;
    };

const MOST_DETAIL = 200;

/**
 * What an answer of the NAS means for the queue. Its proxy's pages count by their status here: a
 * body over its limit never reaches the NAS, now or later.
 * @returns null where the call succeeded
 */
export function interruptionOf(answered: NasJson | NasListing | NasDownload): Interruption | null {
  const failure = failureOf(answered);
  if (failure === null) return null;
  const isPage = failure.kind === 'bad_answer';
  return interruption((isPage ? failureOfStatus(failure.status) : null) ?? failure);
}

const MEANING: Readonly<Record<NasFailure['kind'], Interruption['kind']>> = {
  unreachable: 'gone',
  bad_answer: 'busy',
  gateway: 'busy',
  unavailable: 'busy',
  throttled: 'busy',
  failing: 'trouble',
  full: 'nas_full',
  token_refused: 'credential_refused',
  forbidden: 'refused',
  not_found: 'refused',
  bad_range: 'refused',
  not_now: 'trouble',
  refused: 'refused',
};

function interruption(failure: NasFailure): Interruption {
  if (failure.kind === 'unreachable') return { kind: 'gone' };
  const { status, retryAfterMs } = failure;
  const kind = MEANING[failure.kind];
  switch (kind) {
    case 'busy': {
      const isUnread = failure.kind === 'bad_answer';
      return { kind, status, retryAfterMs, ...(isUnread ? { isUnread } : {}) };
    }
    case 'trouble':
      return { kind, detail: inWords('nasAnswered', failure) };
    case 'refused': {
      const detail = inWords('nasRefused', failure);
      const isForbidden = failure.kind === 'forbidden';
      return { kind, status, detail, ...(isForbidden ? { isForbidden } : {}) };
    }
    case 'gone':
    case 'nas_full':
    case 'credential_refused':
      return { kind };
  }
}

function inWords(key: 'nasAnswered' | 'nasRefused', { status, detail }: NasRefusal): Reason {
  if (detail === null) return reason(key, { status });
  return reason(`${key}Saying`, { status, reason: detail.slice(0, MOST_DETAIL) });
}

/** A page or half an answer says nothing of how busy the NAS is. */
export function busyReason({ status, isUnread }: Extract<Interruption, { kind: 'busy' }>): Reason {
  return reason(isUnread === true ? 'nasUnread' : 'nasBusyStatus', { status });
}

/** A field of a JSON object; undefined where there is none. */
export function fieldOf(body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null) return undefined;
  return (body as Readonly<Record<string, unknown>>)[name];
}

/** Renames and deletes on the NAS as one user. Null: the NAS confirmed it. */
export class NasMoves {
  readonly #api: Pick<NasApi, 'call'>;

  constructor(api: Pick<NasApi, 'call'>) {
    this.#api = api;
  }

  /**
   * Onto an existing name the NAS replaces that file and answers 500 (measured), so the caller
   * checks first.
   */
  async rename(token: string, path: string, newName: string): Promise<Interruption | null> {
    const answered = await this.#api.call({
      method: 'PUT',
      path: '/api/files/rename',
      token,
      body: { old_path: path, new_name: newName },
    });
    return interruptionOf(answered);
  }

  /**
   * To a full, free path: into an existing folder the NAS would move it, and an existing file it
   * would replace.
   */
  async move(token: string, path: string, toPath: string): Promise<Interruption | null> {
    const answered = await this.#api.call({
      method: 'PUT',
      path: '/api/files/move',
      token,
      body: { source_path: path, target_path: toPath },
    });
    return interruptionOf(answered);
  }

  /** Deletes it with everything below. What is not there counts as deleted, as on the NAS. */
  async remove(token: string, path: string): Promise<Interruption | null> {
    const answered = await this.#api.call({
      method: 'DELETE',
      path: `/api/files/${encodeNasPath(path)}`,
      token,
    });
    return interruptionOf(answered);
  }
}

type ReadBack =
  | { readonly kind: 'hash'; readonly sha256: string }
  /** Its length differs from the listing: it is changing while being read. */
  | { readonly kind: 'unsteady' }
  | Interruption;

/** Reads a file of the NAS once, and keeps nothing but its SHA-256 (hex). */
export async function readBack(
  nas: NasClient,
  token: string,
  item: Pick<NasFileItem, 'path' | 'size'>,
  signal: AbortSignal,
): Promise<ReadBack> {
  const download = await nas.download(token, item.path, undefined, { signal });
  if (download.kind !== 'stream') {
    // It was listed, so one that cannot be found is being moved right now.
    if (failureOf(download).kind === 'not_found') return { kind: 'unsteady' };
    return interruptionOf(download) ?? { kind: 'gone' };
  }
  if (download.lengthBytes !== item.size) {
    download.body.destroy();
    return { kind: 'unsteady' };
  }
  const hash = createHash('sha256');
  let readBytes = 0;
  try {
    for await (const chunk of download.body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      readBytes += chunk.length;
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { kind: 'gone' };
  }
  return readBytes === item.size
    ? { kind: 'hash', sha256: hash.digest('hex') }
    : { kind: 'unsteady' };
}

/** The pace for one kind of call. */
interface Pace {
  /** How many calls may go at once after a pause. */
  readonly burst: number;
  readonly perMinute: number;
}

/**
 * Spaces calls below a limit of the NAS. Each 429 halves the rate, each minute without one restores
 * a quarter of the full rate.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #pace: Pace;
  #tokens: number;
  #factor = 1;
  #filledAtMs: number;
  #slowedAtMs = 0;

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock;
    this.#pace = pace;
    this.#tokens = pace.burst;
    this.#filledAtMs = clock.monotonicMs();
  }

  /**
   * Waits until the next call may go.
   * @throws the signal's reason when it aborts first
   */
  async turn(signal: AbortSignal): Promise<void> {
    this.#fill();
    this.#tokens -= 1;
    if (this.#tokens >= 0) return;
    await this.#clock.sleep(-this.#tokens / this.#perMs(), signal);
  }

  /** The NAS said that it was too fast. */
  slowDown(): void {
    this.#fill();
    this.#factor = Math.max(1 / 16, this.#factor / 2);
    this.#tokens = Math.min(this.#tokens, 0);
    this.#slowedAtMs = this.#clock.monotonicMs();
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs();
    const minutesCalm = (nowMs - this.#slowedAtMs) / 60_000;
    if (this.#factor < 1 && minutesCalm >= 1) {
      this.#factor = Math.min(1, this.#factor + 0.25 * Math.floor(minutesCalm));
      this.#slowedAtMs = nowMs;
    }
    const won = (nowMs - this.#filledAtMs) * this.#perMs();
    this.#tokens = Math.min(this.#pace.burst, this.#tokens + won);
    this.#filledAtMs = nowMs;
  }

  #perMs(): number {
    return (this.#pace.perMinute * this.#factor) / 60_000;
  }
}
