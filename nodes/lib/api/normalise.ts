/** A request target as the API matches it. */
export interface Target {
  /** Starts with `/`, has no empty segment and no slash at its end, except in a download's rest. */
  readonly path: string;
  /** What followed `?`, undecoded, without it. */
  readonly query: string;
}

const ORIGIN = /^https?:\/\/[^/?#]*/i;
const DOUBLED_PREFIX = '/api/api/';
/** BaluHost's apps put `/api/` before an address that may end in `/api/` itself (read in BaluApp). */
const DOWNLOAD = /^\/+(?:api\/+)?api\/+files\/+download\/(.*)$/s;

/**
 * Brings a request target into the one form that is matched: `//api/x` and `/api//api/x` become
 * `/api/x`, doubled slashes and a slash at the end go (contract 1). What follows
 * `/api/files/download/` is a path on the NAS and stays as it was sent. Escapes are left alone, so
 * nothing a caller sends makes this throw.
 */
export function normaliseTarget(rawUrl: string): Target {
  const url = rawUrl.replace(ORIGIN, '');
  const mark = url.indexOf('?');
  const rawPath = mark === -1 ? url : url.slice(0, mark);
  const query = mark === -1 ? '' : url.slice(mark + 1);
  const rest = DOWNLOAD.exec(rawPath)?.[1];
  if (rest !== undefined && rest !== '') return { path: `/api/files/download/${rest}`, query };
  return { path: normalisePath(rawPath), query };
}

function normalisePath(rawPath: string): string {
  const single = `/${rawPath
    .split('/')
    .filter((segment) => segment !== '')
    .join('/')}`;
  return single.startsWith(DOUBLED_PREFIX) ? single.slice('/api'.length) : single;
}
