import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import type { Caller } from '../nodes/lib/accounts/caller.ts';
import { type Answer, answerNow, preconditionOf, refuse } from '../nodes/lib/http/http.ts';
import { type Thumbnail, WIDTHS_PX } from '../nodes/lib/thumbnails/thumbnails.ts';
import { type Language, WORDS } from '../nodes/lib/words/words.ts';
import { filesIn, HEAD_OF_ALL } from './dashboard-files.ts';
import { escaped } from './dashboard-pages.ts';
import { cookieOf } from './dashboard-request.ts';

/** The page may use its own scripts and styles, and request this origin only. */
const FILES_CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** The codings that a build may have made, smallest first. */
const CODINGS = [
  { coding: 'br', ending: '.br' },
  { coding: 'gzip', ending: '.gz' },
] as const;

const INDEX = 'index.html';
/** The tag whose attributes carry the page's settings. */
const HTML_TAG = /<html\b[^>]*>/;

/** The page's reader and their preferences. */
interface FilesReader {
  readonly language: Language;
  readonly username: string;
  readonly isAdmin: boolean;
  readonly mayWake: boolean;
}

interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Serves the page Files as its build made it: one document and its assets. */
export class FilesPage {
  readonly #folders: { readonly built: string; readonly packed: string };
  readonly #timeZone: string;
  readonly #names: ReadonlySet<string>;
  readonly #index: string | null;

  /**
   * @param folders `built`: where `index.html` and `assets/` lie; `packed`: the same names with `.br`
   *   or `.gz` behind them
   * @param timeZone IANA name of the zone that all pages show times in
   */
  constructor(folders: { readonly built: string; readonly packed: string }, timeZone: string) {
    this.#folders = folders;
    this.#timeZone = timeZone;
    const { built } = folders;
    this.#names = new Set(existsSync(built) ? filesIn(built) : []);
    this.#index = this.#names.has(INDEX) ? readFileSync(join(built, INDEX), 'utf8') : null;
  }

  /** @returns false if no page was built */
  sendIndex({ request, response }: Visit, reader: FilesReader): boolean {
    if (this.#index === null) return false;
    const html = this.#index
      .replace(HTML_TAG, () => this.#htmlTag(request, reader))
      .replace('</head>', () => `${HEAD_OF_ALL}\n${wordsOf(reader.language)}\n</head>`);
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.setHeader('Content-Length', Buffer.byteLength(html));
    response.setHeader('Content-Security-Policy', FILES_CONTENT_SECURITY_POLICY);
    response.setHeader('Referrer-Policy', 'same-origin');
    response.end(request.method === 'HEAD' ? undefined : html);
    return true;
  }

  /**
   * @param name what follows `/dashboard/files/assets/`; with a content hash, so it never changes
   * @returns false if there is no such file
   */
  sendAsset({ request, response }: Visit, name: string): boolean {
    const file = `assets/${name}`;
    if (!this.#names.has(file)) return false;
    const packed = this.#packed(request, file);
    const path = packed?.path ?? join(this.#folders.built, file);
    if (packed !== null) response.setHeader('Content-Encoding', packed.coding);
    response.setHeader('Vary', 'Accept-Encoding');
    response.setHeader('Content-Type', TYPES[extname(name)] ?? 'application/octet-stream');
    response.setHeader('Content-Length', statSync(path).size);
    response.setHeader('Cache-Control', 'private, max-age=31536000, immutable');
    if (request.method === 'HEAD') {
      response.end();
      return true;
    }
    const stream = createReadStream(path);
    stream.on('error', () => response.destroy());
    stream.pipe(response);
    return true;
  }

  #packed(
    { headers }: IncomingMessage,
    file: string,
  ): { readonly coding: string; readonly path: string } | null {
    const taken = String(headers['accept-encoding'] ?? '');
    for (const { coding, ending } of CODINGS) {
      const path = join(this.#folders.packed, `${file}${ending}`);
      if (new RegExp(`\\b${coding}\\b`).test(taken) && existsSync(path)) return { coding, path };
    }
    return null;
  }

  /** Settings as attributes, as the document must not contain a script. */
  #htmlTag(request: IncomingMessage, reader: FilesReader): string {
    const look = cookieOf(request, 'balupi_look');
    const told: Readonly<Record<string, string>> = {
      lang: reader.language,
      'data-look': look === 'dark' || look === 'light' ? look : '',
      'data-time-zone': this.#timeZone,
      'data-username': reader.username,
      'data-is-admin': String(reader.isAdmin),
      'data-may-wake': String(reader.mayWake),
    };
    const words = Object.entries(told).map(([name, value]) => `${name}="${escaped(value)}"`);
    return `<html ${words.join(' ')}>`;
  }
}

/** The page's words as data: a script of this type does not run, and nothing in it can close it. */
function wordsOf(language: Language): string {
  const words = JSON.stringify(WORDS.of(language).files).replaceAll('<', '\\u003c');
  return `<script type="application/json" id="words">${words}</script>`;
}

type WidthPx = (typeof WIDTHS_PX)[number];

/** The thumbnail of a file that the caller may read, made or not. */
interface FoundPicture {
  /** Of the cache entry that it is made from. */
  readonly version: string;
  make(widthPx: WidthPx, signal: AbortSignal): Promise<Thumbnail>;
}

/**
 * What the services do for it.
 * @param path as it was sent, undecoded
 */
export type ThumbnailHook = (caller: Caller, path: string) => Promise<FoundPicture | Answer>;

interface ThumbnailVisit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: string;
  readonly signal: () => AbortSignal;
}

const USUAL_WIDTH: WidthPx = 320;
const WRONG_WIDTH = refuse('invalid', {
  errors: [{ loc: ['query', 'width'], msg: `One of ${WIDTHS_PX.join(', ')}.`, type: 'enum' }],
});

/** `GET /dashboard/files/thumbnail?path=&width=`: a WebP, or the reason for none. */
export async function sendThumbnail(
  { request, response, query, signal }: ThumbnailVisit,
  caller: Caller,
  hooks: ThumbnailHook,
): Promise<void> {
  const say = (given: Answer): void => {
    answerNow(request, response, given);
  };
  const { method } = request;
  if (method !== 'GET' && method !== 'HEAD') {
    say(refuse('not_found'));
    return;
  }
  const width = widthIn(query);
  if (width === null) {
    say(WRONG_WIDTH);
    return;
  }
  const found = await hooks(caller, rawPathIn(query));
  if ('statusCode' in found) {
    say(found);
    return;
  }
  const etag = `"${found.version.slice(0, 16)}-${width}"`;
  // Revalidated each time and varied by cookie, so that the next user of the same browser does not
  // see it.
  response.setHeader('Cache-Control', 'private, no-cache');
  response.setHeader('Vary', 'Cookie');
  if (preconditionOf(request.headers, { etag, lastModifiedMs: Infinity }) === 'not_modified') {
    response.writeHead(304, { ETag: etag }).end();
    return;
  }
  const made = await found.make(width, signal());
  if (response.headersSent || response.destroyed) return;
  if (made.kind === 'image') sendImage({ request, response }, made.bytes, etag);
  else {
    response.setHeader('Cache-Control', 'no-store');
    say(made.kind === 'none' ? refuse('no_thumbnail') : refuse('busy', { retryAfterSeconds: 5 }));
  }
}

function sendImage(
  { request, response }: Pick<ThumbnailVisit, 'request' | 'response'>,
  bytes: Buffer,
  etag: string,
): void {
  response.writeHead(200, {
    'Content-Type': 'image/webp',
    'Content-Length': bytes.length,
    'Content-Security-Policy': "default-src 'none'; sandbox",
    'Cross-Origin-Resource-Policy': 'same-origin',
    ETag: etag,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

/** The undecoded path, which the files module decodes itself, as for a download. */
function rawPathIn(query: string): string {
  const pair = query.split('&').find((part) => part.startsWith('path='));
  return pair?.slice('path='.length) ?? '';
}

function widthIn(query: string): WidthPx | null {
  const wanted = new URLSearchParams(query).get('width');
  if (wanted === null) return USUAL_WIDTH;
  return WIDTHS_PX.find((width) => String(width) === wanted) ?? null;
}
