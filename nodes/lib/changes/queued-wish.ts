import { type NasPath, parseNasPath } from '../files/files.ts';
import type { PassRequest } from '../pass/pass-hook.ts';
import { parseNewPath, type QueuedWish } from '../upload/upload.ts';

export type ReadQueuedWish =
  | { readonly kind: 'wish'; readonly wish: QueuedWish }
  | { readonly kind: 'bad_path'; readonly reason: string }
  /** It says nothing that could wait; the NAS would say what is wrong with it. */
  | { readonly kind: 'none' };

/** Reads the path of a file by a number that its user knows it by. */
export type PathOfId = (id: number) => string | null;

type Body = Readonly<Record<string, unknown>>;
type Reader = (body: Body, pathOfId: PathOfId) => ReadQueuedWish;

const NONE: ReadQueuedWish = { kind: 'none' };

/** Addresses below `/api/files` whose body says what is wanted, in every spelling (docs/NAS.md). */
const BY_BODY: Readonly<Record<string, Reader>> = {
  'POST delete': readDelete,
  'DELETE delete': readDelete,
  'POST folder': readFolder,
  'POST mkdir': (body) => read(body['path'], parseNewPath, (path) => ({ kind: 'mkdir', path })),
  'PUT rename': readRename,
  'PUT move': readMove,
};

/** Whether a request may be one that can wait for a NAS that sleeps, and whether its body says so. */
export function mayWait({
  method,
  segments,
}: Pick<PassRequest, 'method' | 'segments'>): boolean | 'with_body' {
  if (segments[0] !== 'files') return false;
  const isByBody = segments.length === 2 && `${method} ${segments[1] ?? ''}` in BY_BODY;
  return isByBody ? 'with_body' : method === 'DELETE';
}

/** What such a request wants. */
export function readQueuedWish(request: PassRequest, pathOfId: PathOfId): ReadQueuedWish {
  const { method, segments, filePath, body } = request;
  const reader = segments.length === 2 ? BY_BODY[`${method} ${segments[1] ?? ''}`] : undefined;
  if (reader !== undefined) return isBody(body) ? reader(body, pathOfId) : NONE;
  if (filePath === null) return NONE;
  // BaluDesk's explorer deletes by number; nobody has a file beside the homes.
  const path = /^\d{1,15}$/.test(filePath) ? pathOfId(Number(filePath)) : filePath;
  return read(path, parseNasPath, (deleted) => ({ kind: 'delete', path: deleted }));
}

function readDelete(body: Body): ReadQueuedWish {
  return read(body['path'], parseNasPath, (path) => ({ kind: 'delete', path }));
}

function readFolder({ path, name }: Body): ReadQueuedWish {
  const above = typeof path === 'string' ? path.replace(/\/$/, '') : '';
  if (typeof name !== 'string' || name === '') return NONE;
  const whole = above === '' ? name : `${above}/${name}`;
  return read(whole, parseNewPath, (made) => ({ kind: 'mkdir', path: made }));
}

function readRename(body: Body, pathOfId: PathOfId): ReadQueuedWish {
  const { new_name: name } = body;
  if (typeof name !== 'string' || name === '') return NONE;
  const fit = parseNewPath(name);
  if (fit.kind === 'bad_path') return fit;
  if (fit.path !== name || name.includes('/')) {
    return { kind: 'bad_path', reason: 'The new name is not the name of a file.' };
  }
  // BaluApp writes `path`.
  const source = sourceIn(body, 'old_path', pathOfId) ?? body['path'];
  return read(source, parseNasPath, (path) => {
    return { kind: 'rename', path, name };
  });
}

/** The apps write where to as `destination_path` or `new_path`, BaluHost as `target_path`. */
function readMove(body: Body, pathOfId: PathOfId): ReadQueuedWish {
  const target = body['target_path'] ?? body['destination_path'] ?? body['new_path'];
  if (typeof target !== 'string') return NONE;
  const fit = parseNewPath(target);
  if (fit.kind === 'bad_path') return fit;
  return read(sourceIn(body, 'source_path', pathOfId), parseNasPath, (path) => {
    return { kind: 'move', path, target: fit.path };
  });
}

function sourceIn(body: Body, name: string, pathOfId: PathOfId): unknown {
  const id = Number(body['file_id'] ?? NaN);
  return body[name] ?? (Number.isSafeInteger(id) ? pathOfId(id) : null);
}

function read(
  text: unknown,
  parse: (text: string) => NasPath,
  make: (path: string) => QueuedWish,
): ReadQueuedWish {
  if (typeof text !== 'string') return NONE;
  const parsed = parse(text);
  if (parsed.kind === 'bad_path') return parsed;
  return parsed.path === '' ? NONE : { kind: 'wish', wish: make(parsed.path) };
}

function isBody(body: unknown): body is Body {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}
