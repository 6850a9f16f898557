import type { MetadataRows } from './metadata-rows.ts';
import type { Shares } from './shares.ts';
import { normal } from './storage.ts';
import type { NasUser } from './users.ts';
import { refused } from './wire.ts';

export const SHARED = 'Shared';
export const SHARED_WITH_ME = 'Shared with me';

export function isShared(path: string): boolean {
  return path === SHARED || path.startsWith(`${SHARED}/`);
}

/** Who may see and write what (docs/NAS.md). */
export class Access {
  readonly #rows: MetadataRows;
  readonly #shares: Shares;

  constructor(rows: MetadataRows, shares: Shares) {
    this.#rows = rows;
    this.#shares = shares;
  }

  /**
   * The path without redundant slashes. @throws Refusal 400 with `..`, 403 outside the user's
   * folders
   */
  jail(path: string, user: NasUser): string {
    const clean = normal(path);
    if (user.role === 'admin') return clean;
    if (clean.split('/').includes('..')) throw refused(400, 'Invalid path');
    const home = user.username;
    const inside = isShared(clean) || clean === home || clean.startsWith(`${home}/`);
    if (inside || clean === SHARED_WITH_ME) return clean;
    if (clean !== '' && this.#shares.covering(clean, user.id) !== undefined) return clean;
    throw refused(403, 'Access denied');
  }

  ownerOf(path: string): number | null {
    return this.#rows.get(path)?.ownerId ?? null;
  }

  /** Without an owner, everybody in the jail may read. */
  canView(user: NasUser, ownerId: number | null): boolean {
    return ownerId === null || ownerId === user.id || user.role === 'admin';
  }

  /** @throws Refusal 403 */
  ensureCanView(path: string, user: NasUser): void {
    if (isShared(path) || this.canView(user, this.ownerOf(path))) return;
    if (this.#shares.covering(path, user.id) !== undefined) return;
    throw refused(403, 'Operation not permitted');
  }

  /** Without an owner only an admin may write. @throws Refusal 403 */
  ensureOwner(user: NasUser, ownerId: number | null): void {
    if (user.role === 'admin' || ownerId === user.id) return;
    throw refused(403, 'Operation not permitted');
  }

  /** The owner, or the holder of a share with that right. @throws Refusal 403 */
  ensureOwnerOrShare(path: string, user: NasUser, right: 'canWrite' | 'canDelete'): void {
    const ownerId = this.ownerOf(path);
    if (user.role === 'admin' || ownerId === user.id) return;
    if (this.#shares.covering(path, user.id)?.[right] === true) return;
    throw refused(403, 'Operation not permitted');
  }
}
