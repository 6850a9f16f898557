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

/** Serves the description of the API and the page to read it; both open to all, nothing remote. */
export class Docs {
  readonly #document: string;

  constructor(version: string) {
    this.#document = JSON.stringify(openApiDocument(ENDPOINTS, version));
  }

  /** Express middleware. */
  readonly handle = (
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
  ): void => {
    const { path } = normaliseTarget(request.url ?? '/');
    const reading = request.method === 'GET' || request.method === 'HEAD';
    if (!reading) next();
    else if (path === '/api/openapi.json') this.#send(request, response, 'application/json');
    else if (path === '/docs') this.#page(request, response);
    else if (path.startsWith('/docs/')) this.#asset(request, response, next, path.slice(6));
    else next();
  };

  #send(request: IncomingMessage, response: ServerResponse, type: string): void {
    send(request, response, type, this.#document);
  }

  #page(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('Content-Security-Policy', DOCS_CONTENT_SECURITY_POLICY);
    send(request, response, 'text/html; charset=utf-8', DOCS_PAGE);
  }

  #asset(request: IncomingMessage, response: ServerResponse, next: () => void, name: string): void {
    const asset = docsAsset(name);
    if (asset === undefined) {
      next();
      return;
    }
    if (asset.kind === 'text') {
      send(request, response, asset.contentType, asset.text);
      return;
    }
    response.setHeader('Content-Type', asset.contentType);
    response.setHeader('X-Content-Type-Options', 'nosniff');
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

function send(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  text: string,
): void {
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.end(request.method === 'HEAD' ? undefined : text);
}
