import type { User } from '../accounts/caller.ts';
import type { Pins, PinRow } from '../cache/cache.ts';
import type { Files } from '../files/files.ts';
import type { Clock } from '../time/clock.ts';
import type { FetchFor } from './fetch-for.ts';
import { learn, type Look, MOST_FOLDERS, walkPin } from './pin-walk.ts';

export interface PinKeeperPorts {
  readonly pins: Pins;
  readonly fetchFor: FetchFor;
  readonly files: Pick<Files, 'shownIn' | 'mayRead' | 'lastShown'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly userOf: (userId: number) => User | null;
}

/** A pinned folder is looked through again this long after the last time, while the NAS is up. */
const WALK_EVERY_MS = 2 * 60_000;
const PAGE = 20;
const MOST_TOUCHED = 500;

interface Cursor {
  readonly modifiedAtMs: number;
  readonly path: string;
}

/** Keeps pinned folders fresh: looks through them, then fetches what is wanted and not here. */
export class PinKeeper {
  readonly #ports: PinKeeperPorts;
  readonly #walkedAtMs = new Map<string, number>();
  readonly #brokenOff = new Set<string>();
  readonly #touched = new Map<string, { readonly userId: number; readonly folder: string }>();
  /** How far each user's waiting files were tried since their pins were last looked through. */
  readonly #tried = new Map<number, Cursor>();
  #lastServed = 0;

  constructor(ports: PinKeeperPorts) {
    this.#ports = ports;
  }

  /** The NAS is awake again: everything is to be looked at anew. */
  renew(): void {
    this.#walkedAtMs.clear();
    this.#brokenOff.clear();
    this.#tried.clear();
  }

  /** Something can be asked for a user again, who may have been waited for. */
  credentialArrived(userId: number): void {
    for (const pin of this.#ports.pins.all()) {
      const key = keyOf(pin);
      if (pin.userId === userId && this.#brokenOff.has(key)) this.#walkedAtMs.delete(key);
    }
  }

  /** A user was shown a folder just now: what it holds is known without asking. */
  shown(userId: number, folder: string): void {
    if (this.#touched.size < MOST_TOUCHED) {
      this.#touched.set(`${userId}\0${folder}`, { userId, folder });
    }
  }

  /**
   * What needs no NAS: folders just shown, and pins whose user may not read them any more, whose
   * copies are then no better than others.
   */
  tidy(): void {
    const { pins } = this.#ports;
    for (const pin of pins.all()) {
      if (this.#mayRead(pin) || pin.state === 'no_access') continue;
      pins.forget(pin.userId, pin.path);
      pins.checked(pin, 'no_access');
      pins.shareAll();
    }
    for (const { userId, folder } of this.#touched.values()) this.#learnShown(userId, folder);
    this.#touched.clear();
  }

  /** One look or one file. @returns false when there is nothing to do now */
  async step(): Promise<boolean> {
    this.tidy();
    const pin = this.#due();
    if (pin !== null) return this.#walk(pin);
    return this.#fetchNext();
  }

  #learnShown(userId: number, folder: string): void {
    const { pins, files, userOf } = this.#ports;
    const user = userOf(userId);
    const items = user === null ? null : files.shownIn(user, folder);
    if (items === null || !pins.covers(userId, folder)) return;
    learn(pins, userId, folder, items);
    pins.share(userId);
    this.#tried.delete(userId);
  }

  #mayRead({ userId, path }: PinRow): boolean {
    const { files, userOf } = this.#ports;
    const user = userOf(userId);
    if (user === null) return false;
    return files.mayRead(user, path, files.lastShown(user, path)?.ownerId ?? null);
  }

  #due(): PinRow | null {
    const nowMs = this.#ports.clock.monotonicMs();
    for (const pin of this.#ports.pins.all()) {
      const walkedAtMs = this.#walkedAtMs.get(keyOf(pin));
      const isDue = walkedAtMs === undefined || nowMs - walkedAtMs >= WALK_EVERY_MS;
      if (isDue) return pin;
    }
    return null;
  }

  async #walk(pin: PinRow): Promise<boolean> {
    const { pins, clock } = this.#ports;
    // What was answered before a sleep is not how things are after it.
    const force = !this.#walkedAtMs.has(keyOf(pin));
    const look = (folder: string): Promise<Look> => this.#look(pin.userId, folder, force);
    const walked = await walkPin(pin, { pins, look, mostFolders: MOST_FOLDERS });
    // Also where it broke off: one user without a token must not hold up the others.
    this.#walkedAtMs.set(keyOf(pin), clock.monotonicMs());
    if (walked === 'unpinned') return true;
    if (walked === 'broken_off') this.#brokenOff.add(keyOf(pin));
    else {
      this.#brokenOff.delete(keyOf(pin));
      pins.checked(pin, walked === 'missing' && !this.#mayRead(pin) ? 'no_access' : walked);
    }
    pins.share(pin.userId);
    this.#tried.delete(pin.userId);
    return true;
  }

  async #look(userId: number, folder: string, force: boolean): Promise<Look> {
    const { fetchFor, files, userOf } = this.#ports;
    const listed = await fetchFor.list(userId, folder, force);
    if (listed === null) return { kind: 'unknown' };
    if (listed.kind === 'not_found') return { kind: 'missing' };
    if (listed.kind !== 'listing' || listed.listing.source !== 'fresh') return { kind: 'unknown' };
    // An empty answer that nothing confirms is how the NAS lists what is not there.
    const user = userOf(userId);
    const items = user === null ? null : files.shownIn(user, folder);
    return items === null ? { kind: 'missing' } : { kind: 'items', items };
  }

  /** The next waiting file, users in turn. */
  async #fetchNext(): Promise<boolean> {
    const users = [...new Set(this.#ports.pins.all().map(({ userId }) => userId))];
    const later = users.filter((userId) => userId > this.#lastServed);
    const inTurn = [...later, ...users.filter((userId) => userId <= this.#lastServed)];
    for (const userId of inTurn) {
      const [file] = this.#ports.pins.pending(userId, this.#tried.get(userId) ?? null, PAGE);
      if (file === undefined) continue;
      this.#lastServed = userId;
      const fetched = await this.#ports.fetchFor.file(userId, file.path, null, Infinity);
      if (fetched === 'closed') return false;
      // Each file is tried once until the next look; what cannot be had must not be tried for ever.
      const isStuck = fetched === 'no_token';
      this.#tried.set(userId, isStuck ? { modifiedAtMs: -1, path: '' } : file);
      return true;
    }
    return false;
  }
}

function keyOf({ userId, path }: PinRow): string {
  return `${userId}\0${path}`;
}
