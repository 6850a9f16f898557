import { encodeSegment, type Target } from './normalise.ts';

/** An address of the NAS as it is passed on: exactly what was matched, encoded anew. */
export interface PassedAddress {
  /** Decoded, without the `api` before them; the segments of a file's own path too. */
  readonly segments: readonly string[];
  /** The file's path where the address ends in one, as `alice/a.jpg`; else null. */
  readonly filePath: string | null;
  /** As the NAS reads it: a raw `+` is a space, and of several equal ones it takes the last. */
  readonly query: URLSearchParams;
  /** Path and query as they go on the wire. */
  readonly url: string;
}

export type PassedAddressFound =
  | { readonly kind: 'address'; readonly address: PassedAddress }
  /** It ends in a file's path that no file can have. */
  | { readonly kind: 'bad_path' }
  /** Not below `/api`, or with characters that no address has. */
  | { readonly kind: 'none' };

/** Addresses of BaluHost 1.38 that end in a file's own path, from its OpenAPI document. */
const FILE_ENDS: readonly { method: string; head: readonly string[]; tail?: string }[] = [
  { method: 'DELETE', head: ['files', 'raw'] },
  { method: 'DELETE', head: ['files'] },
  { method: 'POST', head: ['sync', 'conflicts'], tail: 'resolve' },
  { method: 'GET', head: ['sync', 'history'] },
];

const NONE: PassedAddressFound = { kind: 'none' };
const BAD_PATH: PassedAddressFound = { kind: 'bad_path' };

/**
 * Reads an address that BaluPi does not answer itself.
 * @param method `HEAD` counts as `GET`
 */
export function passedAddress(method: string, target: Target): PassedAddressFound {
  const [api, ...below] = target.segments.map(({ text }) => text);
  if (api !== 'api' || below.length === 0) return NONE;
  const query = new URLSearchParams(target.query);
  if (method === 'DELETE' && below.length === 1 && below[0] === 'files') return ofQuery(query);
  const end = fileEnd(method, below);
  if (end !== null) return withFile(end, query);
  if (!target.isPlain) return NONE;
  const slash = target.endsInSlash ? '/' : '';
  return { kind: 'address', address: written(below, { slash, query, filePath: null }) };
}

interface FileEnd {
  readonly head: readonly string[];
  readonly path: readonly string[];
  readonly tail: readonly string[];
}

function fileEnd(method: string, below: readonly string[]): FileEnd | null {
  for (const { method: wanted, head, tail } of FILE_ENDS) {
    if (method !== wanted || below.length <= head.length) continue;
    if (!head.every((word, index) => below[index] === word)) continue;
    const rest = below.slice(head.length);
    const hasTail = tail !== undefined && rest.length > 1 && rest.at(-1) === tail;
    return {
      head,
      path: hasTail ? rest.slice(0, -1) : rest,
      tail: hasTail ? [tail] : [],
    };
  }
  return null;
}

/**
 * `DELETE /api/files?path=`, as BaluDesk writes it: BaluHost answers with a redirect that the client
 * does not follow, so it is brought into the form that works.
 */
function ofQuery(query: URLSearchParams): PassedAddressFound {
  const path = query.getAll('path').at(-1);
  if (path === undefined) {
    return { kind: 'address', address: written(['files'], { slash: '', query, filePath: null }) };
  }
  query.delete('path');
  return withFile({ head: ['files'], path: [path], tail: [] }, query);
}

function withFile({ head, path, tail }: FileEnd, query: URLSearchParams): PassedAddressFound {
  // An escaped slash is one to the NAS, so it is one here.
  const words = path.flatMap((word) => word.split('/')).filter((word) => word !== '');
  const isBad = words.some((word) => word === '.' || word === '..' || word.includes('\0'));
  if (isBad || words.length === 0) return BAD_PATH;
  const filePath = words.join('/');
  const address = written([...head, ...words, ...tail], { slash: '', query, filePath });
  return { kind: 'address', address };
}

function written(
  segments: readonly string[],
  rest: { slash: string; query: URLSearchParams; filePath: string | null },
): PassedAddress {
  const { slash, query, filePath } = rest;
  const path = `/api/${segments.map(encodeSegment).join('/')}${slash}`;
  const asked = query.toString();
  return { segments, filePath, query, url: asked === '' ? path : `${path}?${asked}` };
}
