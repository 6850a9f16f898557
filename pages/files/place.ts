import { joined } from './api.ts';

const PAGE = '/dashboard/files';
/** Everybody's folder, and the one that shows what others share. */
export const SHARED = 'Shared';
export const SHARED_WITH_ME = 'Shared with me';

/** Where the page is: a folder, and what of it is open. */
export interface Place {
  readonly path: string;
  /** Name of the file that is looked at; null for none. */
  readonly shows: string | null;
}

/** Who looks at it, as the document says. */
export interface Reader {
  readonly username: string;
  readonly isAdmin: boolean;
  readonly mayWake: boolean;
}

export function placeOf(search: string): Place {
  const query = new URLSearchParams(search);
  return { path: query.get('path') ?? '', shows: query.get('show') };
}

/** The address of a place, in the letters that also survive a sign-in on the way. */
export function addressOf({ path, shows }: Place): string {
  const wanted = [
    ...(path === '' ? [] : [`path=${escaped(path)}`]),
    ...(shows === null ? [] : [`show=${escaped(shows)}`]),
  ];
  return wanted.length === 0 ? PAGE : `${PAGE}?${wanted.join('&')}`;
}

/** Where to sign in, to come back to the same place. */
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
 * What somebody may change, by the rule of the API, which decides: this one only keeps buttons away
 * that would be refused.
 */
export class Rights {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Whether files can be put into a folder. @param shared what a share says of what lies in it */
  mayPutInto(path: string, shared: boolean | null): boolean {
    if (path === '' || path === SHARED_WITH_ME) return false;
    return this.#isOwn(path) || shared === true;
  }

  /** Whether an entry may be renamed, moved or deleted. @param shared what a share says of it */
  mayWrite(path: string, shared: boolean | null): boolean {
    return !isRoot(path) && (this.#isOwn(path) || shared === true);
  }

  /** Whether somebody's folder is looked at, of which only what is shared can be seen. */
  isForeign(path: string): boolean {
    return path !== '' && path !== SHARED_WITH_ME && !this.#isOwn(path);
  }

  #isOwn(path: string): boolean {
    const { username, isAdmin } = this.#reader;
    return isAdmin || isWithin(path, username) || isWithin(path, SHARED);
  }
}

/** A home, or a folder of the house: nobody's to rename. */
function isRoot(path: string): boolean {
  return !path.includes('/');
}
