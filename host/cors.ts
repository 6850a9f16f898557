import type { IncomingMessage, ServerResponse } from 'node:http';

const EXPOSED =
  'X-Request-Id, X-Balupi-Cache, Age, Accept-Ranges, Content-Range, Content-Disposition, ' +
  'Retry-After, ETag';
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
const ALLOWED =
  'Authorization, Content-Type, Range, If-Range, If-None-Match, If-Modified-Since, ' +
  'Idempotency-Key, X-Content-SHA256, X-Base-Checksum, X-Sync-Trigger, X-Device-ID';
const PREFLIGHT_SECONDS = '600';

/** Lets the web pages named in the settings call the API, and no other. */
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
