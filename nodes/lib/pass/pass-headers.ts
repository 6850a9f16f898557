import type { IncomingHttpHeaders } from 'node:http';

/** Of one connection alone (RFC 9110, 7.6.1), with those that `Connection` names. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** What the Pi says itself, or what says where the caller sits. */
const NOT_SENT: ReadonlySet<string> = new Set([
  'accept-encoding',
  'authorization',
  'content-length',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'origin',
  'referer',
  'via',
  'x-client-ip',
  'x-real-ip',
  'x-request-id',
]);

/**
 * What the Pi says itself, what would lead a browser somewhere else, and what would bind it to the
 * NAS's way of being reached.
 */
const NOT_GIVEN: ReadonlySet<string> = new Set([
  'alt-svc',
  'clear-site-data',
  'content-length',
  'date',
  'location',
  'referrer-policy',
  'refresh',
  'server',
  'set-cookie',
  'strict-transport-security',
  'vary',
  'via',
  'x-content-type-options',
  'x-powered-by',
  'x-request-id',
]);

const OURS = /^x-balupi-/;
const FORWARDED = /^x-forwarded-/;
const CORS = /^access-control-/;
/** The cookies of the pages; see `host/dashboard-sign-in.ts`. */
const OUR_COOKIE = /^balupi_/i;

/** The headers that go on to the NAS, which sees its own Host, and the token that is given. */
export function sentHeaders(
  given: IncomingHttpHeaders,
  { token, auto }: { readonly token: string; readonly auto: boolean },
): Record<string, string> {
  const kept = keptOf(given, NOT_SENT, [OURS, FORWARDED]);
  const cookies = cookiesOfNas(given.cookie);
  return {
    accept: '*/*',
    ...kept,
    ...(cookies === '' ? {} : { cookie: cookies }),
    ...(auto ? { 'x-sync-trigger': 'auto' } : {}),
    authorization: `Bearer ${token}`,
  };
}

/** The headers of the NAS's answer that go on to the caller, but for its length. */
export function givenHeaders(
  given: IncomingHttpHeaders,
  status: number,
): Record<string, string | string[]> {
  const kept = keptOf(given, NOT_GIVEN, [OURS, CORS, FORWARDED]);
  // BaluHost sends it with each answer of a limited route, also where nothing is to be waited for.
  if (status < 300) delete kept['retry-after'];
  const cookies = (given['set-cookie'] ?? []).filter((cookie) => !OUR_COOKIE.test(cookie.trim()));
  return {
    'cache-control': 'private, no-store',
    ...kept,
    ...(cookies.length === 0 ? {} : { 'set-cookie': cookies }),
  };
}

function keptOf(
  given: IncomingHttpHeaders,
  dropped: ReadonlySet<string>,
  patterns: readonly RegExp[],
): Record<string, string> {
  const named = new Set((given.connection ?? '').toLowerCase().split(/\s*,\s*/));
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || HOP_BY_HOP.has(name) || dropped.has(name) || named.has(name)) {
      continue;
    }
    if (patterns.some((pattern) => pattern.test(name))) continue;
    kept[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return kept;
}

function cookiesOfNas(cookies: string | undefined): string {
  const pairs = (cookies ?? '').split(';').map((pair) => pair.trim());
  return pairs.filter((pair) => pair !== '' && !OUR_COOKIE.test(pair)).join('; ');
}
