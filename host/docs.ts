import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  DOCS_CONTENT_SECURITY_POLICY,
  DOCS_PAGE,
  docsAsset,
  ENDPOINTS,
  openApiDocument,
  Target,
} from '../nodes/lib/api/api.ts';
import { answer, answerNow, refuse } from '../nodes/lib/http/http.ts';
import type { RequestWatch } from './request-watch.ts';

/** Serves the description of the API and the page to read it; both open to all, nothing remote. */
export class Docs {
  readonly #document: Buffer;
  readonly #files = new Map<string, SharedFile>();
  readonly #watch: RequestWatch;

  constructor(version: string, watch: RequestWatch) {
    this.#watch = watch;
    this.#document = Buffer.from(JSON.stringify(openApiDocument(ENDPOINTS, version)));
  }

  /** Express middleware. */
  readonly handle = (
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
  ): void => {
    const { path } = new Target(request.url ?? '/');
    if (!isOurs(path)) {
      next();
      return;
    }
    this.#watch.watch(request, response).belongsTo(null);
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
    response.setHeader('Cache-Control', 'max-age=86400');
    this.#file(request, response, asset).catch(() => {
      response.destroy();
    });
  }

  async #file(
    request: IncomingMessage,
    response: ServerResponse,
    { filePath, contentType }: { readonly filePath: string; readonly contentType: string },
  ): Promise<void> {
    if (response.destroyed) return;
    const file = this.#files.get(filePath) ?? new SharedFile(filePath);
    this.#files.set(filePath, file);
    response.once('close', () => {
      file.leave();
    });
    send(request, response, contentType, await file.join());
  }
}

/** One copy in memory for all who read it at the moment; it goes with the last of them. */
class SharedFile {
  readonly #path: string;
  #bytes: Promise<Buffer> | null = null;
  #readers = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Each reader leaves once. @throws Error where it cannot be read */
  async join(): Promise<Buffer> {
    this.#readers += 1;
    this.#bytes ??= readFile(this.#path);
    return await this.#bytes;
  }

  leave(): void {
    this.#readers -= 1;
    if (this.#readers === 0) this.#bytes = null;
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

/** What is written at once, so that it shows how far a slow reader has come. */
const PIECE_BYTES = 64 * 1024;

/** Sends what is in memory once, however many read it: nothing of it is copied for a reader. */
function send(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  body: Buffer | string,
): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', bytes.length);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  let sentBytes = 0;
  const sendOn = (): void => {
    while (sentBytes < bytes.length) {
      const piece = bytes.subarray(sentBytes, sentBytes + PIECE_BYTES);
      sentBytes += piece.length;
      if (!response.write(piece)) {
        response.once('drain', sendOn);
        return;
      }
    }
    response.end();
  };
  sendOn();
}
