import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, join } from 'node:path';
import {
  DOCS_CONTENT_SECURITY_POLICY,
  DOCS_PAGE,
  docsAsset,
  Target,
} from '../nodes/lib/api/api.ts';
import { plainAnswer, answerNow, codingFor, refuse } from '../nodes/lib/http/http.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';
import type { RequestWatch } from './request-watch.ts';

/**
 * Chunk size and pace: 3 MB a second. Chunks show how far a slow reader has come; the pace keeps
 * clients that request again and again without reading from filling the kernel's buffers.
 */
const CHUNK_BYTES = 64 * 1024;
const CHUNK_EVERY_MS = 20;
const KEPT_MS = 60_000;

/** Two browsers with six connections each. */
const MOST_AT_ONCE = 12;
const TOO_MANY = refuse('too_many_tries', {
  detail: 'Your address is being sent as many of these as it may at once. Wait a little.',
});

interface Deps {
  /** Where the build put the description, and the page's files as `<name>.gz`. */
  readonly builtFolder: string;
  readonly watch: RequestWatch;
  readonly clock: Pick<Clock, 'after'>;
  /** Whose share a request counts in. */
  readonly shareOf: (request: IncomingMessage) => string;
}

interface FileToSend {
  readonly filePath: string;
  readonly contentType: string;
}

/** Serves the API's description and a page to read it; both public, nothing remote. */
export class Docs {
  readonly #deps: Deps;
  readonly #files = new Map<string, SharedFile>();
  /** Running answers by address. */
  readonly #sending = new Map<string, number>();

  constructor(deps: Deps) {
    this.#deps = deps;
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
    this.#deps.watch.watch(request, response).belongsTo(null);
    if (request.method !== 'GET' && request.method !== 'HEAD') refuseMethod(request, response);
    else if (!this.#begin(request, response)) answerNow(request, response, TOO_MANY);
    else if (path === '/api/openapi.json') {
      const filePath = join(this.#deps.builtFolder, 'openapi.json');
      this.#packable(request, response, { filePath, contentType: 'application/json' });
    } else if (path === '/docs') this.#page(request, response);
    else this.#asset(request, response, path.slice('/docs/'.length));
  };

  /** Whether that address may get one more: unread answers still fill the kernel's buffers. */
  #begin(request: IncomingMessage, response: ServerResponse): boolean {
    const share = this.#deps.shareOf(request);
    const running = this.#sending.get(share) ?? 0;
    if (running >= MOST_AT_ONCE || response.destroyed) return false;
    this.#sending.set(share, running + 1);
    response.once('close', () => {
      const left = (this.#sending.get(share) ?? 1) - 1;
      if (left > 0) this.#sending.set(share, left);
      else this.#sending.delete(share);
    });
    return true;
  }

  #page(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('Content-Security-Policy', DOCS_CONTENT_SECURITY_POLICY);
    const bytes = Buffer.from(DOCS_PAGE);
    this.#send(request, response, { type: 'text/html; charset=utf-8', bytes });
  }

  #asset(request: IncomingMessage, response: ServerResponse, name: string): void {
    const asset = docsAsset(name);
    if (asset === undefined) {
      answerNow(request, response, refuse('not_found'));
      return;
    }
    if (asset.kind === 'text') {
      const bytes = Buffer.from(asset.text);
      this.#send(request, response, { type: asset.contentType, bytes });
      return;
    }
    response.setHeader('Cache-Control', 'max-age=86400');
    this.#packable(request, response, asset);
  }

  #packable(request: IncomingMessage, response: ServerResponse, asset: FileToSend): void {
    const packed = join(this.#deps.builtFolder, `${basename(asset.filePath)}.gz`);
    const isPacked = existsSync(packed) && takesPacked(request, response);
    const file = isPacked ? { ...asset, filePath: packed } : asset;
    this.#file(request, response, file).catch(() => {
      response.destroy();
    });
  }

  async #file(
    request: IncomingMessage,
    response: ServerResponse,
    { filePath, contentType }: FileToSend,
  ): Promise<void> {
    if (response.destroyed) return;
    const file = this.#files.get(filePath) ?? new SharedFile(filePath, this.#deps.clock);
    this.#files.set(filePath, file);
    response.once('close', () => {
      file.leave();
    });
    this.#send(request, response, { type: contentType, bytes: await file.join() });
  }

  /** Sends from the one copy in memory, however many read it. */
  #send(
    request: IncomingMessage,
    response: ServerResponse,
    { type, bytes }: { readonly type: string; readonly bytes: Buffer },
  ): void {
    response.setHeader('Content-Type', type);
    response.setHeader('Content-Length', bytes.length);
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    let sentBytes = 0;
    const later = (): void => {
      this.#deps.clock.after(CHUNK_EVERY_MS, sendOn);
    };
    const sendOn = (): void => {
      if (response.destroyed) return;
      const chunk = bytes.subarray(sentBytes, sentBytes + CHUNK_BYTES);
      sentBytes += chunk.length;
      if (sentBytes >= bytes.length) response.end(chunk);
      else if (response.write(chunk)) later();
      else response.once('drain', later);
    };
    sendOn();
  }
}

/**
 * One copy in memory for all readers, until a minute after the last: reading the file for each would
 * leave megabytes a second to the garbage collector.
 */
class SharedFile {
  readonly #path: string;
  readonly #clock: Pick<Clock, 'after'>;
  #bytes: Promise<Buffer> | null = null;
  #readers = 0;
  #forgetting: Cancel | null = null;

  constructor(path: string, clock: Pick<Clock, 'after'>) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Each reader must leave once. @throws Error if the file cannot be read */
  async join(): Promise<Buffer> {
    this.#forgetting?.();
    this.#readers += 1;
    this.#bytes ??= readFile(this.#path);
    return await this.#bytes;
  }

  leave(): void {
    this.#readers -= 1;
    if (this.#readers > 0) return;
    this.#forgetting = this.#clock.after(KEPT_MS, () => {
      this.#bytes = null;
    });
  }
}

/** Whether a caller accepts gzip; sets `Vary` for caches in between. */
function takesPacked(request: IncomingMessage, response: ServerResponse): boolean {
  const vary = [response.getHeader('Vary'), 'Accept-Encoding'].filter(Boolean).join(', ');
  response.setHeader('Vary', vary);
  const takes = codingFor(request.headers) === 'gzip';
  if (takes) response.setHeader('Content-Encoding', 'gzip');
  return takes;
}

function isOurs(path: string): boolean {
  return path === '/api/openapi.json' || path === '/docs' || path.startsWith('/docs/');
}

function refuseMethod(request: IncomingMessage, response: ServerResponse): void {
  const allow = { Allow: 'GET, HEAD, OPTIONS' };
  if (request.method === 'OPTIONS') {
    answerNow(request, response, plainAnswer(null, 204, allow));
    return;
  }
  const given = refuse('method_not_allowed');
  answerNow(request, response, { ...given, headers: { ...given.headers, ...allow } });
}
