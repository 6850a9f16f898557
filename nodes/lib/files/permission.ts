import type { User } from '../accounts/caller.ts';
import { isWithin } from './nas-path.ts';

/** A share as the NAS told it to the user it is for (`GET /api/shares/shared-with-me`). */
export interface ShareGrant {
  readonly path: string;
  readonly isDirectory: boolean;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  /** Epoch ms; null for a share without an end. */
  readonly expiresAtMs: number | null;
  /** When the NAS said so, epoch ms of trusted time. */
  readonly fetchedAtMs: number;
}

/** Everybody's folder on the NAS. */
export const SHARED_FOLDER = 'Shared';
/** The virtual folder a user's shares appear in; its items carry the real paths (docs/NAS.md). */
export const SHARED_WITH_ME = 'Shared with me';

/** Unsharing acts at once on the NAS, so a grant may not outlive it for long (contract 3). */
const GRANT_TRUST_MS = 24 * 3_600_000;
/** How far into the future a fetch may seem to lie before the clocks are not believed. */
const CLOCK_SLACK_MS = 60_000;

/**
 * The NAS's own rule (docs/NAS.md): an admin sees all; Shared is everyone's; a home is its user's,
 * less what belongs to somebody else in it; a share opens its path and all below.
 * @param ownerId of the path itself, as the NAS told it; null where it told none
 * @param nowMs trusted time, epoch ms
 */
export function mayRead(
  user: User,
  path: string,
  ownerId: string | null,
  grants: readonly ShareGrant[],
  nowMs: number,
): boolean {
  if (user.role === 'admin') return true;
  if (path === '' || path === SHARED_WITH_ME) return true;
  if (isWithin(path, SHARED_FOLDER)) return true;
  if (isOwnHome(user, path) && (ownerId === null || ownerId === String(user.id))) return true;
  return grants.some((grant) => grant.canRead && opens(grant, path, nowMs));
}

/** As {@link mayRead}, for putting a file there. Says nothing of whether anything is there. */
export function mayWrite(
  user: User,
  path: string,
  grants: readonly ShareGrant[],
  nowMs: number,
): boolean {
  if (path === '' || path === SHARED_WITH_ME) return user.role === 'admin' && path === '';
  if (user.role === 'admin') return true;
  if (isWithin(path, SHARED_FOLDER) || isOwnHome(user, path)) return true;
  return grants.some((grant) => grant.canWrite && opens(grant, path, nowMs));
}

function isOwnHome(user: User, path: string): boolean {
  return user.username !== '' && isWithin(path, user.username);
}

function opens(grant: ShareGrant, path: string, nowMs: number): boolean {
  const ageMs = nowMs - grant.fetchedAtMs;
  if (ageMs > GRANT_TRUST_MS || ageMs < -CLOCK_SLACK_MS) return false;
  if (grant.expiresAtMs !== null && grant.expiresAtMs <= nowMs) return false;
  if (grant.path === '') return false;
  return grant.isDirectory ? isWithin(path, grant.path) : path === grant.path;
}
