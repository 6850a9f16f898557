import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { RateLimiter } from '../limits/limits.ts';
import { Target } from '../api/api.ts';
import type { NasApi, NasExchange, NasPresence } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';

interface WebPagesDeps {
  readonly clock: Clock;
  readonly presence: Pick<NasPresence, 'state'>;
  readonly nas: Pick<NasApi, 'relay'>;
}

/** What a browser asks of the NAS's web pages. */
export interface WebPageAsked {
  /** As {@link pagePathOf} gave it. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Whose share of the rate limit it counts in. */
  readonly address: string;
  readonly signal: AbortSignal;
}

type WebPageOutcome =
  | { readonly kind: 'asleep' | 'nas_bad_answer' }
  | { readonly kind: 'too_many_tries'; readonly retryAfterSeconds: number }
  | WebPage;

export interface WebPage {
  readonly kind: 'page';
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Null where the NAS does not tell. */
  readonly lengthBytes: number | null;
  /** Must be read or destroyed. */
  readonly body: Readable;
}

/** The page all others are drawn in: BaluHost's web pages are one program in the browser. */
const WHOLE = '/';
/** A page and what it is made of are some 60 files. */
const ASKED_PER_MINUTE = 300;
const FIRST_BYTE_MS = 20_000;
const IDLE_MS = 30_000;
/** Addresses that the Pi itself answers, or that the NAS only shows to known users. */
const NOT_PAGES: ReadonlySet<string> = new Set(['api', 'dashboard', 'docs', 'metrics']);
const PLAIN_NAME = /^[\w-][\w.-]*$/;
const FILE_NAME = /^[\w-][\w.-]*\.[a-z0-9]{1,11}$/i;
/** The headers by which a browser asks whether its copy is still good. */
const ASKED = ['accept', 'accept-language', 'if-none-match', 'if-modified-since'];

/**
 * Which address of the NAS serves one of its web pages or a part of them. The pages' own addresses
 * are not passed on: the NAS has one page, which finds its place in the browser.
 * @param wantsPage a person navigates there; no page requests it as a part
 * @returns null for any other address
 */
export function pagePathOf(url: string, wantsPage: boolean): string | null {
  const target = new Target(url);
  const names = target.segments.map(({ text }) => text);
  const [first = ''] = names;
  if (!target.isPlain || NOT_PAGES.has(first.toLowerCase())) return null;
  if (wantsPage) return WHOLE;
  const last = names.at(-1);
  const isFile = last !== undefined && FILE_NAME.test(last);
  return isFile && names.every((name) => PLAIN_NAME.test(name)) ? target.path : null;
}

/**
 * The NAS's web pages, for visitors using its name while the name points here (contract 6). Only
 * what is open on the NAS too: no token, cookie or query is passed on, and an open page does not
 * count as a need of the NAS.
 */
export class WebPages {
  readonly #deps: WebPagesDeps;
  readonly #rate: RateLimiter;

  constructor(deps: WebPagesDeps) {
    this.#deps = deps;
    this.#rate = new RateLimiter(deps.clock, { most: ASKED_PER_MINUTE });
  }

  async page({ path, headers, address, signal }: WebPageAsked): Promise<WebPageOutcome> {
    const { presence, nas } = this.#deps;
    if (!presence.state.awake) return { kind: 'asleep' };
    const leave = this.#rate.take(address);
    if (leave.kind === 'wait') {
      return { kind: 'too_many_tries', retryAfterSeconds: leave.retryAfterSeconds };
    }
    const exchange = await nas.relay({
      ...{ method: 'GET', path, headers: askedHeaders(path, headers), signal },
      ...{ firstByteMs: FIRST_BYTE_MS, idleMs: IDLE_MS },
    });
    if (exchange.kind === 'response') return pageOf(exchange, path);
    return { kind: exchange.cause.code === 'protocol' ? 'nas_bad_answer' : 'asleep' };
  }
}

function askedHeaders(path: string, given: IncomingHttpHeaders): Record<string, string> {
  const asked: Record<string, string> = { 'x-sync-trigger': 'auto' };
  for (const name of ASKED) {
    const value = given[name];
    // While the NAS sleeps another page has the same address, so it is never cached.
    const isOfKept = name.startsWith('if-') && path === WHOLE;
    if (typeof value === 'string' && !isOfKept) asked[name] = value;
  }
  return asked;
}

function pageOf(
  { status, headers, lengthBytes, body }: Extract<NasExchange, { kind: 'response' }>,
  path: string,
): WebPageOutcome {
  const leadsAway = status >= 300 && status < 400 && status !== 304;
  if (leadsAway || status >= 500) {
    body.destroy();
    return { kind: 'nas_bad_answer' };
  }
  const given = givenHeaders(headers, status);
  delete given['set-cookie'];
  if (path === WHOLE) given['cache-control'] = 'no-store';
  return { kind: 'page', status, headers: given, lengthBytes, body };
}

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

/** What the Pi itself says, or what would reveal where the caller is. */
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
 * Headers the Pi sets itself, and those that would redirect a browser or bind it to the way the NAS
 * is reached.
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

/** The headers passed on to the NAS, with its own Host and the given token. */
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

/** The headers of the NAS's answer passed on to the caller, without its length. */
export function givenHeaders(
  given: IncomingHttpHeaders,
  status: number,
): Record<string, string | string[]> {
  const kept = keptOf(given, NOT_GIVEN, [OURS, CORS, FORWARDED]);
  // BaluHost sends it with each answer of a limited route, even where there is nothing to wait for.
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
