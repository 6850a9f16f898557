import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  DOCS_CONTENT_SECURITY_POLICY,
  DOCS_PAGE,
  docsAsset,
  ENDPOINTS,
  normaliseTarget,
  openApiDocument,
} from '../nodes/lib/api/api.ts';
import { answer, answerNow, refuse } from '../nodes/lib/http/http.ts';
import type { RequestWatch } from './request-watch.ts';

/** Serves the description of the API and the page to read it; both open to all, nothing remote. */
export class Docs {
  readonly #document: string;
  readonly #watch: RequestWatch;

  constructor(version: string, watch: RequestWatch) {
    this.#watch = watch;
    this.#document = JSON.stringify(openApiDocument(ENDPOINTS, version));
  }

  /** Express middleware. */
  readonly handle = (
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
  ): void => {
    const { path } = normaliseTarget(request.url ?? '/');
    if (!isOurs(path)) {
      next();
      return;
    }
    this.#watch.watch(request, response);
    if (request.method !== 'GET' && request.method !== 'HEAD') refuseMethod(request, response);
    else if (path === '/api/openapi.json') this.#send(request, response, 'application/json');
    else if (path === '/docs') this.#page(request, response);
    else this.#asset(request, response, path.slice('/docs/'.length));
  };

  #send(request: IncomingMessage, response: ServerResponse, type: string): void {
    send(request, response, type, this.#document);
  }

  #page(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('Content-Security-Policy', DOCS_CONTENT_SECURITY_POLICY);
    send(request, response, 'text/html; charset=utf-8', DOCS_PAGE);
  }

  #asset(request: IncomingMessage, response: ServerResponse, name: string): void {
    const asset = docsAsset(name);
    if (asset === undefined) {
      answerNow(request, response, refuse('not_found'));
      return;
    }
    if (asset.kind === 'text') {
      send(request, response, asset.contentType, asset.text);
      return;
    }
    response.setHeader('Content-Type', asset.contentType);
    response.setHeader('Cache-Control', 'max-age=86400');
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const file = createReadStream(asset.filePath);
    file.on('error', () => response.destroy());
    file.pipe(response);
  }
}

function isOurs(path: string): boolean {
  return path === '/api/openapi.json' || path === '/docs' || path.startsWith('/docs/');
}

function refuseMethod(request: IncomingMessage, response: ServerResponse): void {
  const allow = { Allow: 'GET, HEAD, OPTIONS' };
  if (request.method === 'OPTIONS') {
    answerNow(request, response, answer(null, 204, allow));
    return;
  }
  const given = refuse('method_not_allowed');
  answerNow(request, response, { ...given, headers: { ...given.headers, ...allow } });
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  text: string,
): void {
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(request.method === 'HEAD' ? undefined : text);
}
