import type { IncomingMessage } from 'node:http';

const ROOT = '/dashboard';

/**
 * Whether an address is the Dashboard's. Express ignores case, so this must too, or another spelling
 * would bypass the auth middleware.
 */
export function isDashboard(path: string): boolean {
  const lower = path.toLowerCase();
  return lower === ROOT || lower.startsWith(`${ROOT}/`);
}

/** Whether a person opens a page, rather than a page requesting a part of itself. */
export function isDocument({ method, headers }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const wanted = headers['sec-fetch-dest'];
  if (wanted !== undefined) return wanted === 'document' || wanted === 'iframe';
  return /\btext\/html\b/.test(headers.accept ?? '');
}

/**
 * Whether a request comes from a page of this origin. Browsers send `Origin` with everything that can
 * change something or open a socket; only other programs leave it out.
 */
export function isSameOrigin({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  if (origin === undefined) return true;
  if (host === undefined) return false;
  return URL.parse(origin)?.host === URL.parse(`http://${host}`)?.host;
}

/** The first cookie of that name; undefined without one. */
export function cookieOf(
  { headers }: Pick<IncomingMessage, 'headers'>,
  name: string,
): string | undefined {
  for (const pair of (headers.cookie ?? '').split(';')) {
    const [key = '', ...value] = pair.split('=');
    if (key.trim() === name) return value.join('=').trim();
  }
  return undefined;
}

/** A page may keep its state in its address, such as `?period=month&date=2026-02-22`. */
const INSIDE = /^\/dashboard\/[\w/-]*(?:\?[\w-]+=[\w.:%-]*(?:&[\w-]+=[\w.:%-]*)*)?$/;

/** A redirect target inside the Dashboard; anything else becomes its first page. */
export function safeNext(next: string | null | undefined): string {
  const isInside = INSIDE.test(next ?? '');
  const isStep = /^\/dashboard\/sign-/.test(next ?? '');
  return isInside && !isStep && typeof next === 'string' ? next : `${ROOT}/`;
}
