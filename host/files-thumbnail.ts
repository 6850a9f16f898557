import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../nodes/lib/accounts/caller.ts';
import { type Answer, answerNow, preconditionOf, refuse } from '../nodes/lib/http/http.ts';
import { type Thumbnail, WIDTHS_PX } from '../nodes/lib/thumbnails/thumbnails.ts';

type WidthPx = (typeof WIDTHS_PX)[number];

/** The small picture of a file that its asker may read, made or not. */
interface FoundPicture {
  /** Of the copy that it is made of. */
  readonly version: string;
  make(widthPx: WidthPx, signal: AbortSignal): Promise<Thumbnail>;
}

/**
 * The rooms' part in it.
 * @param path as it was sent, undecoded
 */
export type ThumbnailKeeper = (caller: Caller, path: string) => Promise<FoundPicture | Answer>;

interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: string;
  readonly signal: () => AbortSignal;
}

const USUAL_WIDTH: WidthPx = 320;
const WRONG_WIDTH = refuse('invalid', {
  errors: [{ loc: ['query', 'width'], msg: `One of ${WIDTHS_PX.join(', ')}.`, type: 'enum' }],
});

/** `GET /dashboard/files/thumbnail?path=&width=`: a WebP, or why there is none. */
export async function sendThumbnail(
  { request, response, query, signal }: Visit,
  caller: Caller,
  keeper: ThumbnailKeeper,
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
  const found = await keeper(caller, rawPathIn(query));
  if ('statusCode' in found) {
    say(found);
    return;
  }
  const etag = `"${found.version.slice(0, 16)}-${width}"`;
  // Asked for again each time, and kept apart by whose cookie it was, so that nobody else who sits
  // at the same browser is shown it.
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
  { request, response }: Pick<Visit, 'request' | 'response'>,
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

/** The words a file is asked by, which the files room decodes by itself, as for a download. */
function rawPathIn(query: string): string {
  const pair = query.split('&').find((part) => part.startsWith('path='));
  return pair?.slice('path='.length) ?? '';
}

function widthIn(query: string): WidthPx | null {
  const wanted = new URLSearchParams(query).get('width');
  if (wanted === null) return USUAL_WIDTH;
  return WIDTHS_PX.find((width) => String(width) === wanted) ?? null;
}
