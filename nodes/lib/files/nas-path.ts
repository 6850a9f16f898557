import type { User } from '../accounts/caller.ts';

/** A path below the NAS's root, or why the text is none. */
export type NasPath =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'bad_path'; readonly reason: string };

/** ext4 refuses a longer name (255 bytes, measured: 255 `ä` fail). */
const LONGEST_NAME_BYTES = 255;
/** Linux's PATH_MAX. */
const LONGEST_PATH_BYTES = 4096;
const DEEPEST = 64;

/**
 * Parses a path as a caller sends it. One leading and one trailing slash are ignored; all else is
 * kept as is, because the NAS stores names byte for byte and the apps compare them so: no Unicode
 * normalisation, no case folding. Whatever the NAS lists must be readable, so a name may hold
 * anything but NUL; stricter rules for new names belong to the uploads.
 * @returns the path without a leading slash, `''` for the root
 */
export function parseNasPath(text: string): NasPath {
  if (text === '' || text === '/') return { kind: 'path', path: '' };
  const path = text.replace(/^\//, '').replace(/\/$/, '');
  const reason = faultOf(path);
  return reason === null ? { kind: 'path', path } : { kind: 'bad_path', reason };
}

function faultOf(path: string): string | null {
  if (!path.isWellFormed()) return 'The path is not valid Unicode.';
  if (path.includes('\0')) return 'A path has no NUL.';
  if (Buffer.byteLength(path) > LONGEST_PATH_BYTES) return 'The path is too long.';
  const names = path.split('/');
  if (names.length > DEEPEST) return 'The path is too deep.';
  for (const name of names) {
    if (name === '') return 'A path has no empty parts.';
    if (name === '.' || name === '..') return 'A path has no . or .. in it.';
    if (Buffer.byteLength(name) > LONGEST_NAME_BYTES) return 'A name in the path is too long.';
  }
  return null;
}

/** The folder a path lies in; `''` for what lies in the root, null for the root itself. */
export function parentOf(path: string): string | null {
  if (path === '') return null;
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** The last name of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Whether `path` is `folder` or lies anywhere below it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`);
}

/**
 * Bounds for finding all below a folder through an index: `low < path < high`. The character after
 * `/` closes the range, as SQLite compares the bytes.
 */
export function belowBounds(folder: string): { readonly low: string; readonly high: string } {
  return { low: `${folder}/`, high: `${folder}0` };
}

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

/** Unsharing takes effect at once on the NAS, so a grant may not outlive it long (contract 3). */
const GRANT_TRUST_MS = 24 * 3_600_000;
/** How far into the future a fetch may seem to lie before the clocks are not believed. */
const CLOCK_SLACK_MS = 60_000;

/**
 * The NAS's own rule (docs/NAS.md): admins see everything; Shared is everyone's; a home is its
 * user's, except what others own in it; a share opens its path and all below.
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
