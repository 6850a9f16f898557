import type { IncomingMessage } from 'node:http';
import { ENDPOINTS, type Match, Matcher, Target } from '../nodes/lib/api/api.ts';
import { isSameOrigin } from './dashboard-request.ts';

/** What an address below `/dashboard/files` is. */
export type FilesPlace =
  | { readonly kind: 'page' }
  | { readonly kind: 'asset'; readonly name: string }
  /** An operation of the API; `url` is its own address there. */
  | { readonly kind: 'api'; readonly url: string }
  | { readonly kind: 'thumbnail' }
  /** Nothing, whoever asks. */
  | { readonly kind: 'nowhere' };

const NOWHERE: FilesPlace = { kind: 'nowhere' };

/** What of the API the page is let do, by the ids of its descriptions. */
const OPERATIONS: ReadonlySet<string> = new Set([
  'files-list',
  'files-download',
  'files-download-query',
  'files-upload',
  'files-chunked-list',
  'files-chunked-init',
  'files-chunked-chunk',
  'files-chunked-complete',
  'files-chunked-abort',
  'files-sync-status',
  'files-uploads-list',
  'files-uploads-retry',
  'files-uploads-drop',
  'files-conflicts',
  'files-conflicts-resolve',
  'cache-pins',
  'cache-pin',
  'cache-unpin',
  'nas-status',
  'nas-wol',
]);

/** What of the NAS, which has it from here: a new folder, a rename, a move, and a delete by path. */
const PASSED: ReadonlySet<string> = new Set([
  'POST files/folder',
  'PUT files/rename',
  'PUT files/move',
]);

const matcher = new Matcher(ENDPOINTS);

/**
 * Reads an address of the page Files. What runs for `/dashboard/files/api/…` is found out as for the
 * API itself, in every spelling, and is nothing else than what stands in the lists above.
 * @returns null for what is not below `/dashboard/files` in any case
 */
export function filesPlace(method: string, target: Target): FilesPlace | null {
  const [, files, kind, name] = target.segments;
  if (files?.text.toLowerCase() !== 'files') return null;
  const words = target.segments.map(({ text }) => text);
  if (words[0] !== 'dashboard' || files.text !== 'files') return NOWHERE;
  if (kind === undefined) return { kind: 'page' };
  if (kind.text === 'api') return operation(method, target);
  if (kind.text === 'thumbnail' && name === undefined) return { kind: 'thumbnail' };
  const isAsset = kind.text === 'assets' && name !== undefined && target.isPlain;
  return isAsset ? { kind: 'asset', name: words.slice(3).join('/') } : NOWHERE;
}

function operation(method: string, target: Target): FilesPlace {
  const query = target.query === '' ? '' : `?${target.query}`;
  const url = `/api/${target.rawFrom(3)}${query}`;
  return isLetDo(method, matcher.match(method, new Target(url))) ? { kind: 'api', url } : NOWHERE;
}

function isLetDo(method: string, match: Match): boolean {
  if (match.kind === 'endpoint') return OPERATIONS.has(match.endpoint.id);
  // It names no file, which the API says better.
  if (match.kind === 'bad_path') return true;
  if (match.kind !== 'passed') return false;
  const { segments, filePath } = match.address;
  if (method === 'DELETE') return filePath !== null && segments[0] === 'files';
  return PASSED.has(`${method} ${segments.join('/')}`);
}

/**
 * Whether the page itself asks, and not another site, another port or another house's page in this
 * browser. What changes something always names its origin; a file may also be opened by a person.
 */
export function isAskedByPage(request: IncomingMessage): boolean {
  if (!isSameOrigin(request)) return false;
  const { method, headers } = request;
  if (method === 'GET' || method === 'HEAD') return true;
  return headers.origin !== undefined && headers['sec-fetch-site'] !== 'none';
}
