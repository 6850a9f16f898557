import type { NasApi, NasClient, NasFileItem } from '../nas/nas-client.ts';
import type { Clock } from '../time/clock.ts';
import { readExisting } from './existing-files.ts';
import { interruptionOf, type Interruption } from './interruption.ts';
import { Pacer } from './pacer.ts';

/** Below the NAS's 200 listings a minute, leaving most of a user's own allowance to the user. */
const LIST_PACE = { burst: 40, perMinute: 120 };
/** Below its 30 mkdir, rename and move a minute. */
const MKDIR_PACE = { burst: 10, perMinute: 20 };
/** How long a listing that was asked for the file before still counts as the look before the next. */
const FRESH_MS = 5_000;
/** Folders known to exist; forgotten with each run. */
const MOST_FOLDERS = 1_000;
const MOST_KNOWN = 200;

export type FolderItems =
  { readonly kind: 'items'; readonly items: readonly NasFileItem[] } | Interruption;

/** What lies under some names of a folder. */
export type NamesSeen =
  | {
      readonly kind: 'seen';
      readonly items: ReadonlyMap<string, NasFileItem>;
      /** Nothing at all lies there, so the folder may not exist. */
      readonly folderEmpty: boolean;
    }
  | Interruption;

/** Looks into and makes folders of the NAS as one user, at a pace it allows. */
export class NasFolder {
  readonly #nas: NasClient;
  readonly #api: Pick<NasApi, 'call'>;
  readonly #clock: Clock;
  readonly #listPace: Pacer;
  readonly #mkdirPace: Pacer;
  readonly #made = new Set<string>();
  readonly #adopted = new Set<string>();
  /** Folders that were seen not to be empty in this run, with the folders in them. */
  readonly #known = new Map<string, ReadonlyMap<string, NasFileItem>>();
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

  /** Asks the NAS. An unknown folder shows no items (measured: 200 with an empty list). */
  async list(token: string, folder: string, signal: AbortSignal): Promise<FolderItems> {
    await this.#listPace.turn(signal);
    const listing = await this.#nas.list(token, folder, { signal });
    if (listing.kind !== 'listing') {
      this.#last = null;
      // A folder that is not there yet is as good as an empty one.
      if (listing.kind === 'refused' && listing.status === 404) return { kind: 'items', items: [] };
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
   * alone: a listing of a folder with thousands of photos costs both sides far more.
   * @param lately whether a listing of a few seconds ago will do
   */
  async look(
    token: string,
    folder: string,
    names: readonly string[],
    lately: boolean,
    signal: AbortSignal,
  ): Promise<NamesSeen> {
    const key = `${token}\n${folder}`;
    const folders = this.#known.get(key);
    const listedLately = lately && this.#isFresh(key);
    if (folders !== undefined && !listedLately && names.every(isAskable)) {
      const seen = await this.#exist(token, folder, names, folders, signal);
      if (seen !== null) return seen;
    }
    const listed = await (lately
      ? this.listLately(token, folder, signal)
      : this.list(token, folder, signal));
    if (listed.kind === 'busy' && listed.status === 200 && folders === undefined) {
      // An answer too long to read is a folder full of files.
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

  /** Waits until a rename or a move may go: they share their pace with new folders. */
  async turnToWrite(signal: AbortSignal): Promise<void> {
    await this.#mkdirPace.turn(signal);
  }

  /** Something was put there: no listing of before counts for what comes next. */
  changed(): void {
    this.#last = null;
  }

  /** As {@link list}, content with an answer a few seconds old. */
  async listLately(token: string, folder: string, signal: AbortSignal): Promise<FolderItems> {
    const last = this.#last;
    return last !== null && this.#isFresh(`${token}\n${folder}`)
      ? { kind: 'items', items: last.items }
      : this.list(token, folder, signal);
  }

  /**
   * Makes a folder and those above it, from the top: an upload into a missing folder is refused
   * (docs/NAS.md). A level that is refused may well exist, as a folder shared with that user does; what
   * comes next tells.
   */
  async ensure(token: string, folder: string, signal: AbortSignal): Promise<Interruption | null> {
    const names = folder.split('/');
    // Nobody makes homes or Shared; a single level is either of these, or an admin's own folder.
    for (let depth = Math.min(2, names.length); depth <= names.length; depth += 1) {
      const level = names.slice(0, depth).join('/');
      if (level === '' || this.#made.has(`${token}\n${level}`)) continue;
      await this.#mkdirPace.turn(signal);
      const interruption = interruptionOf(await this.#nas.mkdir(token, level));
      if (interruption === null) {
        if (this.#made.size >= MOST_FOLDERS) this.#made.clear();
        this.#made.add(`${token}\n${level}`);
      } else if (interruption.kind !== 'refused') {
        return this.#slowed(interruption);
      }
    }
    return null;
  }

  /**
   * Makes a folder that is there the user's own: one that was laid down past the NAS's API has no
   * owner, takes no upload, and gets one by being made (docs/NAS.md). Once in a run for each.
   * @returns whether there is reason for another try
   */
  async adopt(token: string, folder: string, signal: AbortSignal): Promise<boolean | Interruption> {
    const key = `${token}\n${folder}`;
    if (this.#adopted.has(key)) return false;
    if (this.#adopted.size >= MOST_FOLDERS) this.#adopted.clear();
    this.#adopted.add(key);
    const interruption = await this.ensure(token, folder, signal);
    return interruption ?? this.#made.has(key);
  }

  /**
   * The file that lies where a folder on the way to another is needed; null where none is seen.
   * @param folder the folder that something is to lie in
   */
  async fileInTheWay(token: string, folder: string, signal: AbortSignal): Promise<string | null> {
    const names = folder.split('/');
    for (let depth = 2; depth <= names.length; depth += 1) {
      const level = names.slice(0, depth).join('/');
      const listed = await this.listLately(token, names.slice(0, depth - 1).join('/'), signal);
      if (listed.kind !== 'items') return null;
      const item = listed.items.find(({ name }) => name === names[depth - 1]);
      if (item === undefined) return null;
      if (item.type !== 'directory') return level;
    }
    return null;
  }

  /** A new run begins: what was seen before may have changed. */
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
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(key, new Map(folders.map((item) => [item.name, item])));
  }

  /**
   * The NAS's own question for duplicates; it shows files alone, so folders come from the listing.
   * @returns null where a listing must tell
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
    const files = answered.kind === 'answer' ? readExisting(answered.body, folder) : null;
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

/** The NAS passes over such names in silence, as if nothing lay there (read in its code). */
function isAskable(name: string): boolean {
  return !name.includes('..') && !name.includes('\\');
}
