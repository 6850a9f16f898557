import { joined } from './api.ts';

const PAGE = '/dashboard/files';
/** Everybody's folder, and the one that shows what others share. */
export const SHARED = 'Shared';
export const SHARED_WITH_ME = 'Shared with me';

/** The page's place: a folder, and the file open in it. */
export interface Place {
  readonly path: string;
  /** Name of the open file; null for none. */
  readonly shows: string | null;
}

/** The reader, from the document's attributes. */
export interface Reader {
  readonly username: string;
  readonly isAdmin: boolean;
  readonly mayWake: boolean;
}

export function placeOf(search: string): Place {
  const query = new URLSearchParams(search);
  return { path: query.get('path') ?? '', shows: query.get('show') };
}

/** The address of a place, in characters that survive a sign-in on the way. */
export function addressOf({ path, shows }: Place): string {
  const wanted = [
    ...(path === '' ? [] : [`path=${escaped(path)}`]),
    ...(shows === null ? [] : [`show=${escaped(shows)}`]),
  ];
  return wanted.length === 0 ? PAGE : `${PAGE}?${wanted.join('&')}`;
}

/** The sign-in's address, leading back to the same place. */
export function signInAddress(place: Place): string {
  return `/dashboard/sign-in?next=${escaped(addressOf(place))}`;
}

function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*~]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The folders from the top down to a path, that itself included. */
export function trailOf(path: string): readonly { readonly path: string; readonly name: string }[] {
  if (path === '') return [];
  let above = '';
  return path.split('/').map((name) => {
    above = joined(above, name);
    return { path: above, name };
  });
}

/** The folder that a path lies in. */
export function folderOf(path: string): string {
  return path.split('/').slice(0, -1).join('/');
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/**
 * What the reader may change, by the API's rules. The API decides; this only hides buttons that it
 * would refuse.
 */
export class Rights {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Whether files can be put into a folder. @param shared a share's permission on its content */
  mayPutInto(path: string, shared: boolean | null): boolean {
    if (path === '' || path === SHARED_WITH_ME) return false;
    return this.#isOwn(path) || shared === true;
  }

  /** Whether an entry may be renamed, moved or deleted. @param shared a share's permission on it */
  mayWrite(path: string, shared: boolean | null): boolean {
    return !isRoot(path) && (this.#isOwn(path) || shared === true);
  }

  /** Whether it is another user's folder, of which only shared entries are visible. */
  isForeign(path: string): boolean {
    return path !== '' && path !== SHARED_WITH_ME && !this.#isOwn(path);
  }

  #isOwn(path: string): boolean {
    const { username, isAdmin } = this.#reader;
    return isAdmin || isWithin(path, username) || isWithin(path, SHARED);
  }
}

/** A user's home or a top-level folder, which nobody may rename. */
function isRoot(path: string): boolean {
  return !path.includes('/');
}
