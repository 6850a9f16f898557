import type { Caller, User } from '../accounts/caller.ts';
import type { NasPresence } from '../nas/presence-port.ts';
import type { Clock } from '../time/clock.ts';
import type { ListingRow, ListingRows } from './listing-rows.ts';
import type { AskOptions, Listings } from './listings.ts';
import { parentOf } from './nas-path.ts';
import type { NasFault } from './outcomes.ts';
import { SHARED_WITH_ME } from './permission.ts';
import type { ShareGrants } from './share-grants.ts';
import type { StoredItem } from './stored-item.ts';

/** A folder as one caller may see it now. */
export type FolderView =
  | {
      readonly kind: 'view';
      /** Null for an empty folder that nothing confirms to exist. */
      readonly row: ListingRow | null;
      readonly source: 'fresh' | 'stored';
      readonly ageSeconds: number;
    }
  | { readonly kind: 'not_found' }
  /** Asleep and never listed by this user. */
  | { readonly kind: 'unlisted' }
  | NasFault;

/** How the NAS can be reached for a caller at this moment. */
export type Access =
  | { readonly kind: 'awake'; readonly token: string }
  | { readonly kind: 'asleep' }
  | { readonly kind: 'needs_nas_token' };

export interface FolderViewsPorts {
  readonly rows: ListingRows;
  readonly listings: Listings;
  readonly grants: ShareGrants;
  readonly presence: Pick<NasPresence, 'state'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** The token to show the NAS for a caller: their own, or one from their stored credential. */
  readonly tokenOf: (caller: Caller) => Promise<string | null>;
}

/** Permission first, then the NAS while it is awake, then what is kept. */
export class FolderViews {
  readonly #ports: FolderViewsPorts;

  constructor(ports: FolderViewsPorts) {
    this.#ports = ports;
  }

  async access(caller: Caller): Promise<Access> {
    if (!this.#ports.presence.state.awake) return { kind: 'asleep' };
    const token = await this.#ports.tokenOf(caller);
    return token === null ? { kind: 'needs_nas_token' } : { kind: 'awake', token };
  }

  /**
   * Whether the caller may see a path, by the rule and the owner their listing tells. Asks the NAS
   * for the caller's shares, never for the path: what lies outside is refused unseen.
   */
  async mayRead(user: User, path: string, access: Access): Promise<boolean> {
    if (access.kind === 'awake') {
      await this.#ports.grants.refresh(user, access.token, path === SHARED_WITH_ME);
    }
    return this.#ports.grants.mayRead(user, path, this.ownerOf(user, path));
  }

  /** The folder itself; the caller must have been let in before. */
  async view(
    user: User,
    path: string,
    access: Access,
    options: AskOptions = {},
  ): Promise<FolderView> {
    if (access.kind === 'needs_nas_token') return access;
    if (access.kind === 'awake') {
      const asked = await this.#ports.listings.ask(user, access.token, path, options);
      if (asked.kind === 'listed') {
        return { kind: 'view', row: asked.row, source: 'fresh', ageSeconds: 0 };
      }
      const kept = asked.kind === 'nas_busy' ? this.#stored(user, path) : null;
      if (kept !== null) return kept;
      if (asked.kind !== 'cannot_ask') return asked;
    }
    return this.#stored(user, path) ?? this.#neverListed(user, path);
  }

  /** The owner of a path as this user's listing of its folder tells it. */
  ownerOf(user: User, path: string): string | null {
    return this.itemOf(user, path)?.ownerId ?? null;
  }

  /** The entry of a path in this user's kept listing of its folder. */
  itemOf(user: User, path: string): StoredItem | null {
    const parent = parentOf(path);
    if (parent === null) return null;
    return this.entryIn(user, parent, path);
  }

  /** The entry of a path in one of this user's kept listings. */
  entryIn(user: User, folder: string, path: string): StoredItem | null {
    const row = this.#ports.rows.find(user.id, folder);
    return row === null ? null : this.#ports.rows.shows(row.id, path);
  }

  #stored(user: User, path: string): FolderView | null {
    const row = this.#ports.rows.find(user.id, path);
    if (row === null) return null;
    const ageMs = this.#ports.clock.nowMs() - row.listedAtMs;
    const ageSeconds = Math.max(0, Math.floor(ageMs / 1000));
    return { kind: 'view', row, source: 'stored', ageSeconds };
  }

  /** The nearest kept folder above may rule the path out; else only the NAS knows. */
  #neverListed(user: User, path: string): FolderView {
    let below = path;
    while (!this.#ports.grants.sharesFolder(user, below)) {
      const parent = parentOf(below);
      if (parent === null) break;
      const row = this.#ports.rows.find(user.id, parent);
      if (row !== null) {
        const shown = this.#ports.rows.shows(row.id, below)?.isDirectory === true;
        return shown ? { kind: 'unlisted' } : { kind: 'not_found' };
      }
      below = parent;
    }
    return { kind: 'unlisted' };
  }
}
