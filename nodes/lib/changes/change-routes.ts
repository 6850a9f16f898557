import type { PassRequest } from '../pass/pass-hook.ts';
import { parseNasPath, type NasPath } from '../files/files.ts';
import { parseNewPath } from '../upload/upload.ts';

/** What a caller wants changed on the NAS, whichever way it is written. Paths are parsed. */
export type ChangeWish =
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'make_folder'; readonly path: string }
  /** `name`: a rename in its folder. */
  | { readonly kind: 'rename'; readonly path: string; readonly name: string }
  /** `target`: the new path, or the folder to move it into, where there is one. */
  | { readonly kind: 'move'; readonly path: string; readonly target: string }
  | { readonly kind: 'give'; readonly path: string }
  | { readonly kind: 'permit'; readonly path: string }
  | { readonly kind: 'share'; readonly fileId: number | null }
  | { readonly kind: 'change_share'; readonly shareId: string }
  /** A version, or something out of the trash, comes back; only the answer may say where. */
  | { readonly kind: 'restore' };

/** What an address of the NAS that changes files asks for. */
export type ReadWish =
  | { readonly kind: 'wish'; readonly wish: ChangeWish; readonly spelling: 'nas' | 'other' }
  | { readonly kind: 'bad_path'; readonly reason: string }
  /** It names a file by a number that is none of the caller's. */
  | { readonly kind: 'not_found' }
  /** The NAS will say what is wrong with it. */
  | { readonly kind: 'unreadable' };

type Address = Pick<PassRequest, 'method' | 'segments'>;
type Body = Readonly<Record<string, unknown>>;

/** Reads the path of a file by the number that a caller knows it by. */
export type PathOfId = (id: number) => string | null;

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const CHANGES_BY_METHOD: Readonly<Record<string, ReadonlySet<string>>> = {
  POST: new Set(['delete', 'folder', 'mkdir', 'transfer-ownership', 'enforce-residency']),
  PUT: new Set(['rename', 'move', 'permissions']),
};

/** Whether a request may change what is kept here of files and shares; and whether its body says what. */
export function changesFiles({ method, segments }: Address): boolean | 'with_body' {
  const [first, second, third] = segments;
  if (READS.has(method)) return false;
  if (first === 'files') return changesOne(method, segments);
  if (first !== 'shares' || second !== 'user-shares') return segments.includes('restore');
  if (third === undefined) return method === 'POST' ? 'with_body' : false;
  return method === 'PATCH' || method === 'DELETE';
}

function changesOne(method: string, segments: readonly string[]): boolean | 'with_body' {
  const [, second = ''] = segments;
  const isTwo = segments.length === 2;
  if (method === 'DELETE') return isTwo && second === 'delete' ? 'with_body' : true;
  return isTwo && CHANGES_BY_METHOD[method]?.has(second) === true ? 'with_body' : false;
}

/** Reads what such a request asks for. Both spellings of a move and a rename say the same. */
export function readWish(
  request: Pick<PassRequest, 'method' | 'segments' | 'filePath' | 'body'>,
  pathOfId: PathOfId,
): ReadWish {
  const { method, segments, filePath } = request;
  const [first, second = '', third] = segments;
  const body = isBody(request.body) ? request.body : {};
  if (first === 'shares') {
    if (third !== undefined) return wish({ kind: 'change_share', shareId: third });
    return wish({ kind: 'share', fileId: numberIn(body['file_id']) });
  }
  if (first !== 'files') return wish({ kind: 'restore' });
  if (method === 'DELETE' && second !== 'delete') return readDelete(filePath, pathOfId);
  return READERS[second]?.(body, pathOfId) ?? wish({ kind: 'restore' });
}

const READERS: Readonly<Record<string, (body: Body, pathOfId: PathOfId) => ReadWish>> = {
  delete: ({ path }) => withPath(path, parseNasPath, (at) => ({ kind: 'delete', path: at })),
  mkdir: ({ path }) => withPath(path, parseNewPath, (at) => ({ kind: 'make_folder', path: at })),
  folder: readFolder,
  rename: readRename,
  move: readMove,
  'transfer-ownership': ({ path }) =>
    withPath(path, parseNasPath, (at) => ({ kind: 'give', path: at })),
  permissions: ({ path }) => withPath(path, parseNasPath, (at) => ({ kind: 'permit', path: at })),
};

/** BaluDesk's explorer deletes by number; nobody has a file with such a name beside the homes. */
function readDelete(filePath: string | null, pathOfId: PathOfId): ReadWish {
  if (filePath === null) return { kind: 'unreadable' };
  if (!/^\d{1,15}$/.test(filePath)) {
    return withPath(filePath, parseNasPath, (path) => ({ kind: 'delete', path }));
  }
  const path = pathOfId(Number(filePath));
  return path === null ? { kind: 'not_found' } : other({ kind: 'delete', path });
}

function readFolder(body: Body): ReadWish {
  const { path = '', name } = body;
  if (typeof name !== 'string' || (path !== null && typeof path !== 'string')) {
    return { kind: 'unreadable' };
  }
  const above = (path ?? '').replace(/\/$/, '');
  const whole = above === '' ? name : `${above}/${name}`;
  return withPath(whole, parseNewPath, (made) => ({ kind: 'make_folder', path: made }));
}

/** BaluHost says `old_path`, BaluApp `path`, BaluDesk a number. */
function readRename(body: Body, pathOfId: PathOfId): ReadWish {
  const { old_path: nasPath, path: appPath, new_name: name } = body;
  const oldPath = nasPath ?? appPath;
  if (typeof name !== 'string') return { kind: 'unreadable' };
  const fit = parseNewPath(name);
  if (fit.kind === 'bad_path') return fit;
  if (fit.path === '' || fit.path.includes('/') || fit.path !== name) {
    return { kind: 'bad_path', reason: 'The new name is not the name of a file.' };
  }
  if (typeof oldPath === 'string') {
    const read = withPath(oldPath, parseNasPath, (path) => ({ kind: 'rename', path, name }));
    return read.kind === 'wish' && nasPath === undefined ? { ...read, spelling: 'other' } : read;
  }
  return byId(body, pathOfId, (path) => ({ kind: 'rename', path, name }));
}

function readMove(body: Body, pathOfId: PathOfId): ReadWish {
  const { source_path: source, target_path: nasTarget } = body;
  const target = nasTarget ?? body['destination_path'] ?? body['new_path'];
  if (typeof target !== 'string') return { kind: 'unreadable' };
  const fit = parseNewPath(target);
  if (fit.kind === 'bad_path') return fit;
  const moved = (path: string): ChangeWish => ({ kind: 'move', path, target: fit.path });
  if (typeof source !== 'string') return byId(body, pathOfId, moved);
  const read = withPath(source, parseNasPath, moved);
  return read.kind === 'wish' && nasTarget === undefined ? { ...read, spelling: 'other' } : read;
}

function byId(body: Body, pathOfId: PathOfId, make: (path: string) => ChangeWish): ReadWish {
  const id = numberIn(body['file_id']);
  if (id === null) return { kind: 'unreadable' };
  const path = pathOfId(id);
  return path === null ? { kind: 'not_found' } : other(make(path));
}

function withPath(
  text: unknown,
  parse: (text: string) => NasPath,
  make: (path: string) => ChangeWish,
): ReadWish {
  if (typeof text !== 'string') return { kind: 'unreadable' };
  const parsed = parse(text);
  if (parsed.kind === 'bad_path') return parsed;
  // An admin's delete of it would be of everybody's files (read in the NAS's code).
  if (parsed.path !== '') return wish(make(parsed.path));
  return { kind: 'bad_path', reason: 'What everything lies in cannot be changed.' };
}

function wish(given: ChangeWish): ReadWish {
  return { kind: 'wish', wish: given, spelling: 'nas' };
}

function other(given: ChangeWish): ReadWish {
  return { kind: 'wish', wish: given, spelling: 'other' };
}

function isBody(body: unknown): body is Body {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}

/** BaluDesk writes numbers as numbers, some callers as text. */
function numberIn(value: unknown): number | null {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : null;
}
