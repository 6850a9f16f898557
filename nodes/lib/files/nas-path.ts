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
 * Reads a path as a caller sends it. One slash before and one after are let go; all else is kept
 * as it is, because the NAS stores names byte for byte and the apps compare them so: no Unicode
 * normal form, no case folding. Whatever the NAS lists must be readable, so a name may hold
 * anything but NUL; what a new name may not hold is for the uploads to say.
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
