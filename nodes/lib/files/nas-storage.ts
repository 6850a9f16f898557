import type { User } from '../accounts/caller.ts';
import type { NasClient, NasFileItem } from '../nas/nas-client.ts';
import type { NasPresence } from '../nas/presence-port.ts';
import type { Clock } from '../time/clock.ts';
import type { ListingRows } from './listing-rows.ts';
import { SHARED_FOLDER, SHARED_WITH_ME } from './permission.ts';

/** Whoever only wants to know is told what was seen up to this long ago. */
const LOOK_EVERY_MS = 10_000;
/** One entry that went is a last file deleted. Two or more, and nothing left anywhere, is a disk. */
const FEWEST_LOST = 2;

export interface NasStorageDeps {
  readonly rows: Pick<ListingRows, 'find' | 'items' | 'countKnown'>;
  readonly nas: Pick<NasClient, 'list'>;
  readonly presence: Pick<NasPresence, 'state'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/**
 * Whether the disk behind the NAS is there. A disk that is not mounted shows as an empty storage in
 * which the NAS makes a home anew as its user lists the root (docs/NAS.md), and what it is sent then
 * lies hidden under the disk once that is back. It counts as missing when no folder at the top that
 * the asking user may see lists anything, although kept listings show two entries or more in and
 * among them. So a home that was emptied beside a Shared with something in it is believed, and so is
 * a last file that was deleted. Anything that lies there again ends it.
 */
export class NasStorage {
  readonly #deps: NasStorageDeps;
  #isMissing = false;
  #seen: { readonly tickMs: number; readonly wokeAtMs: number } | null = null;
  #looking: Promise<boolean> | null = null;

  constructor(deps: NasStorageDeps) {
    this.#deps = deps;
  }

  /** As last seen. */
  get isMissing(): boolean {
    return this.#isMissing;
  }

  /** The NAS listed something that lies on its disk. */
  seen(): void {
    this.#found(false);
  }

  /** Whether it is there, as of the last 10 s. A NAS that woke since may have come without it. */
  async stands(user: User, token: string): Promise<boolean> {
    const { clock, presence } = this.#deps;
    const isFresh =
      this.#seen?.wokeAtMs === presence.state.sinceMs &&
      clock.monotonicMs() - this.#seen.tickMs < LOOK_EVERY_MS;
    return isFresh ? !this.#isMissing : await this.look(user, token);
  }

  /** Whether it is there now. Where the NAS does not tell, what was known stays so. */
  async look(user: User, token: string): Promise<boolean> {
    this.#looking ??= this.#look(user, token).finally(() => {
      this.#looking = null;
    });
    return await this.#looking;
  }

  #found(isMissing: boolean): void {
    this.#isMissing = isMissing;
    const { clock, presence } = this.#deps;
    this.#seen = { tickMs: clock.monotonicMs(), wokeAtMs: presence.state.sinceMs };
  }

  async #look(user: User, token: string): Promise<boolean> {
    const lost = this.#known(user);
    const root = await this.#deps.nas.list(token, '');
    if (root.kind !== 'listing') return !this.#isMissing;
    const tops = root.items.filter(isTop).map(({ path }) => path);
    for (const top of tops) {
      const holds = await this.#holds(token, top);
      if (holds === null) return !this.#isMissing;
      if (holds) {
        this.#found(false);
        return true;
      }
    }
    let entries = 0;
    for (const [top, within] of lost) entries += within + (tops.includes(top) ? 0 : 1);
    this.#found(entries >= FEWEST_LOST);
    return !this.#isMissing;
  }

  /** The folders at the top that kept listings know, and how many entries they show in each. */
  #known(user: User): ReadonlyMap<string, number> {
    const { rows } = this.#deps;
    const tops = [SHARED_FOLDER, user.username].filter((top) => rows.countKnown(top, 1) > 0);
    const root = rows.find(user.id, '');
    if (root !== null) {
      for (const { path, isDirectory } of rows.items(root.id)) {
        if (isTop({ path, type: isDirectory ? 'directory' : 'file' })) tops.push(path);
      }
    }
    return new Map(tops.map((top) => [top, rows.countKnown(top, FEWEST_LOST)]));
  }

  /** Whether a folder lists anything, without reading on; null where the NAS does not tell. */
  async #holds(token: string, folder: string): Promise<boolean | null> {
    const enough = new AbortController();
    let holds = false;
    const answer = await this.#deps.nas.list(token, folder, {
      signal: enough.signal,
      each: (items) => {
        holds ||= items.length > 0;
        if (holds) enough.abort(new Error('The first entries tell.'));
      },
    });
    if (holds) return true;
    if (answer.kind === 'listing') return answer.items.length > 0;
    return answer.kind === 'refused' && answer.status === 404 ? false : null;
  }
}

/** A folder that lies on the disk: neither the virtual one of shares nor one of the NAS's own. */
function isTop({ path, type }: Pick<NasFileItem, 'path' | 'type'>): boolean {
  return type === 'directory' && path !== SHARED_WITH_ME && !/^\.|^lost\+found$/.test(path);
}
