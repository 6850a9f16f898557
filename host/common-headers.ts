import type { ErrorRequestHandler, RequestHandler } from 'express';
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { type Answer, answerNow, refuse } from '../nodes/lib/http/http.ts';
import type { Log } from '../nodes/lib/log/log.ts';

const HEADER = 'X-Request-Id';

/** Headers of every answer of the API, whoever gives it. */
export function commonHeaders(): Readonly<Record<string, string>> {
  return {
    [HEADER]: randomUUID(),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  };
}

export function setCommonHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(commonHeaders())) response.setHeader(name, value);
}

export function requestIdOf(response: ServerResponse): string {
  return String(response.getHeader(HEADER));
}

const EXPOSED =
  'X-Request-Id, X-Balupi-Cache, Age, Accept-Ranges, Content-Range, Content-Disposition, ' +
  'Retry-After, ETag';
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
const ALLOWED =
  'Authorization, Content-Type, Range, If-Range, If-None-Match, If-Modified-Since, ' +
  'Idempotency-Key, X-Content-SHA256, X-Base-Checksum, X-Sync-Trigger, X-Device-ID';
const PREFLIGHT_SECONDS = '600';

/** Lets only the web pages named in the settings call the API. */
export class Cors {
  readonly #origins: ReadonlySet<string>;

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  apply(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    if (this.#origins.size > 0) response.setHeader('Vary', 'Origin');
    if (origin === undefined || !this.#origins.has(origin)) return;
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', EXPOSED);
    if (request.method !== 'OPTIONS') return;
    response.setHeader('Access-Control-Allow-Methods', METHODS);
    response.setHeader('Access-Control-Allow-Headers', ALLOWED);
    response.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
  }
}

/** The last route of an app: 404 as JSON, where Express would answer HTML. */
export const nobodyAnswered: RequestHandler = (request, response) => {
  answerNow(request, response, refuse('not_found'));
};

/** Handles what a route threw; Express would send its stack to the caller. */
export function lastResort(log: Log): ErrorRequestHandler {
  return (problem: unknown, request, response, next) => {
    if (response.headersSent) {
      next(problem);
      return;
    }
    const { status } = problem as { status?: unknown };
    const theirs = typeof status === 'number' && status >= 400 && status < 500;
    if (!theirs) log.error(`A route failed: ${String((problem as Error).stack ?? problem)}`);
    answerNow(request, response, refuse(theirs ? codeOf(status) : 'failed'));
  };
}

function codeOf(status: number): 'too_large' | 'wrong_body_type' | 'malformed' {
  if (status === 413) return 'too_large';
  return status === 415 ? 'wrong_body_type' : 'malformed';
}

/** Answers on a raw socket, where Node has no response object, and ends the connection. */
export function endWith(socket: Socket, { statusCode, payload, headers }: Answer): void {
  const text = JSON.stringify(payload);
  const all = {
    ...commonHeaders(),
    ...headers,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(text)),
    Connection: 'close',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  const start = `HTTP/1.1 ${String(statusCode)} ${STATUS_CODES[statusCode] ?? 'No'}`;
  socket.end([start, ...lines, '', text].join('\r\n'));
}

/**
 * Tells whether a request to the editor names this machine. A page on the internet can make a
 * browser send requests here under its own name (DNS rebinding) or from its own origin; both are
 * refused before Node-RED sees them.
 */
export class HostCheck {
  readonly #names: ReadonlySet<string>;

  /** @param extraNames further names of this machine, such as the configured editor host */
  constructor(extraNames: readonly string[]) {
    const own = hostname().toLowerCase();
    this.#names = new Set(
      ['localhost', own, `${own}.local`, ...extraNames].map((name) => name.toLowerCase()),
    );
  }

  allows(request: IncomingMessage): boolean {
    const { host, origin } = request.headers;
    if (host === undefined || !this.#isOurs(nameOf(`http://${host}`))) return false;
    if (origin === undefined) return true;
    return URL.parse(origin)?.host === URL.parse(`http://${host}`)?.host;
  }

  /** Addresses cannot be rebound, only names. */
  #isOurs(name: string | null): boolean {
    return name !== null && (isIP(name.replace(/^\[|\]$/g, '')) !== 0 || this.#names.has(name));
  }
}

function nameOf(address: string): string | null {
  return URL.parse(address)?.hostname.toLowerCase() ?? null;
}
