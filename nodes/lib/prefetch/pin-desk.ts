import type { Caller, User } from '../accounts/caller.ts';
import type { Pin, Pins } from '../cache/cache.ts';
import {
  type Files,
  type NasFault,
  parentOf,
  parseNasPath,
  SHARED_WITH_ME,
} from '../files/files.ts';
import type { NasPresence } from '../nas/presence-port.ts';
import { type Look, lookAtKept, walkPin } from './pin-walk.ts';

/** A folder is asked for so that it is kept; what is in it is read from there. */
const SHORTEST = { limit: 1, after: null };

export interface PinDeskPorts {
  readonly pins: Pins;
  readonly files: Pick<Files, 'list' | 'shownIn' | 'lastShown' | 'mayRead'>;
  readonly presence: Pick<NasPresence, 'state'>;
}

export type PinOutcome =
  | { readonly kind: 'pinned'; readonly pin: Pin }
  | { readonly kind: 'bad_path'; readonly reason: string }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'not_a_folder' }
  | { readonly kind: 'too_large'; readonly shareBytes: number; readonly wantedBytes: number }
  | NasFault;

/** A user's pins as that user may see them. */
export interface PinList {
  readonly pins: readonly Pin[];
  /** What this user's pins may hold together. */
  readonly shareBytes: number;
  /** What of it they want. */
  readonly wantedBytes: number;
}

/**
 * So many folders are looked into while whoever pins waits; the rest is looked through afterwards.
 * It takes less than a second and tells most folders' size.
 */
const FOLDERS_AT_ONCE = 32;

/** Pins as their users set, see and remove them. */
export class PinDesk {
  readonly #ports: PinDeskPorts;

  constructor(ports: PinDeskPorts) {
    this.#ports = ports;
  }

  /**
   * Pins a folder of the caller's. Asleep it is taken with what is known of it, and looked through
   * when the NAS is awake again.
   * @param auto the NAS is not to be kept from a soft sleep for it
   */
  async pin(caller: Caller, pathText: string, auto: boolean): Promise<PinOutcome> {
    const parsed = parseNasPath(pathText);
    if (parsed.kind === 'bad_path') return parsed;
    const { path } = parsed;
    if (path === '' || path === SHARED_WITH_ME) return { kind: 'not_a_folder' };
    const fault = await this.#faultOf(caller, path, auto);
    if (fault !== null) return fault;
    const { pins } = this.#ports;
    const { id: userId } = caller.user;
    const isNew = !pins.isPinned(userId, path);
    pins.put(userId, path);
    const isWhole = await this.#lookThrough(caller, path, auto);
    const shareBytes = pins.shareBytes(userId);
    const wantedBytes = this.#bytesWith(caller.user, path, isWhole);
    if (isNew && wantedBytes > shareBytes) {
      pins.drop(userId, path);
      return { kind: 'too_large', shareBytes, wantedBytes };
    }
    pins.shareAll();
    const pin = pins.find(userId, path);
    return pin === null ? { kind: 'not_found' } : { kind: 'pinned', pin };
  }

  /** @returns `not_found` where the caller had not pinned it */
  unpin(caller: Caller, pathText: string): 'unpinned' | 'not_found' {
    const parsed = parseNasPath(pathText);
    const isPath = parsed.kind === 'path';
    return isPath && this.#ports.pins.drop(caller.user.id, parsed.path) ? 'unpinned' : 'not_found';
  }

  list(caller: Caller): PinList {
    const { pins } = this.#ports;
    const { user } = caller;
    return {
      pins: pins.ofUser(user.id).map((pin) => this.#seen(user, pin)),
      shareBytes: pins.shareBytes(user.id),
      wantedBytes: pins.wantedBytes(user.id),
    };
  }

  /** What speaks against pinning a path; null for nothing. */
  async #faultOf(caller: Caller, path: string, auto: boolean): Promise<PinOutcome | null> {
    const { files, presence } = this.#ports;
    const { user } = caller;
    const parent = parentOf(path);
    // The folder above tells a file from a folder, and how large a folder is.
    if (presence.state.awake && parent !== null)
      await files.list(caller, parent, { auto, page: SHORTEST });
    const shown = files.lastShown(user, path);
    const isShown = shown !== null && files.mayRead(user, path, shown.ownerId);
    if (isShown && !shown.isDirectory) return { kind: 'not_a_folder' };
    const listed = await files.list(caller, path, { auto, page: SHORTEST });
    if (listed.kind === 'asleep') return null;
    if (listed.kind !== 'listing') return listed;
    const { source, queued } = listed.listing;
    // An empty answer that nothing confirms is how the NAS lists what is not there.
    const isThere = source === 'stored' || queued.length > 0 || files.shownIn(user, path) !== null;
    return isThere ? null : { kind: 'not_found' };
  }

  /** @returns whether all of the folder is known now */
  async #lookThrough(caller: Caller, path: string, auto: boolean): Promise<boolean> {
    const { pins, files, presence } = this.#ports;
    const pin = { userId: caller.user.id, path };
    const kept = lookAtKept(files, caller.user);
    const look = presence.state.awake
      ? (folder: string): Promise<Look> => this.#look(caller, folder, auto)
      : kept;
    const walked = await walkPin(pin, { pins, look, mostFolders: FOLDERS_AT_ONCE });
    const isWhole = walked === 'whole' || walked === 'cut_short';
    if (isWhole && presence.state.awake) pins.checked(pin, walked);
    return isWhole;
  }

  async #look(caller: Caller, folder: string, auto: boolean): Promise<Look> {
    const { files } = this.#ports;
    const listed = await files.list(caller, folder, { auto, page: SHORTEST });
    if (listed.kind === 'not_found') return { kind: 'missing' };
    if (listed.kind !== 'listing' || listed.listing.source !== 'fresh') return { kind: 'unknown' };
    return { kind: 'items', items: files.shownIn(caller.user, folder) ?? [] };
  }

  /** What the user's pins hold with this one, as far as it can be told. */
  #bytesWith(user: User, path: string, isWhole: boolean): number {
    const { pins, files } = this.#ports;
    const known = pins.knownBytes(user.id);
    if (isWhole) return known;
    // The NAS tells a folder's size with all below it (docs/NAS.md).
    const told = files.lastShown(user, path)?.sizeBytes ?? 0;
    const seen = pins.find(user.id, path)?.sizeBytes ?? 0;
    return known + Math.max(0, told - seen);
  }

  /** A folder its user may not read any more shows that and nothing else. */
  #seen(user: User, pin: Pin): Pin {
    const { files } = this.#ports;
    const owner = files.lastShown(user, pin.path)?.ownerId ?? null;
    if (files.mayRead(user, pin.path, owner)) return pin;
    return { ...pin, ...NOTHING, state: 'no_access' };
  }
}

const NOTHING = {
  files: 0,
  sizeBytes: 0,
  keptFiles: 0,
  keptBytes: 0,
  pendingFiles: 0,
  pendingBytes: 0,
  leftOutFiles: 0,
};
