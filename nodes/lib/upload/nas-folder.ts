import type { NasClient, NasFileItem } from '../nas/nas-client.ts';
import type { Clock } from '../time/clock.ts';
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

export type FolderItems =
  { readonly kind: 'items'; readonly items: readonly NasFileItem[] } | Interruption;

/** Looks into and makes folders of the NAS as one user, at a pace it allows. */
export class NasFolder {
  readonly #nas: NasClient;
  readonly #clock: Clock;
  readonly #listPace: Pacer;
  readonly #mkdirPace: Pacer;
  readonly #made = new Set<string>();
  #last: {
    readonly key: string;
    readonly atMs: number;
    readonly items: readonly NasFileItem[];
  } | null = null;

  constructor(nas: NasClient, clock: Clock) {
    this.#nas = nas;
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
    this.#last = { key: `${token}\n${folder}`, atMs: this.#clock.monotonicMs(), items };
    return { kind: 'items', items };
  }

  /** As {@link list}, content with an answer a few seconds old. */
  async listLately(token: string, folder: string, signal: AbortSignal): Promise<FolderItems> {
    const last = this.#last;
    const fresh =
      last !== null &&
      last.key === `${token}\n${folder}` &&
      this.#clock.monotonicMs() - last.atMs <= FRESH_MS;
    return fresh ? { kind: 'items', items: last.items } : this.list(token, folder, signal);
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

  /** A new run begins: what was seen before may have changed. */
  forget(): void {
    this.#last = null;
    this.#made.clear();
  }

  /** The NAS said that calls came too fast. */
  slowDown(): void {
    this.#listPace.slowDown();
    this.#mkdirPace.slowDown();
  }

  #slowed(interruption: Interruption): Interruption {
    if (interruption.kind === 'busy') this.slowDown();
    return interruption;
  }
}
