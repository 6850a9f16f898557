import type {
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  ServerResponse,
} from 'node:http';
import type { Transform } from 'node:stream';
import { promisify } from 'node:util';
import {
  brotliCompress,
  constants,
  createBrotliCompress,
  createGzip,
  gzip,
  type BrotliOptions,
} from 'node:zlib';

/** A JSON answer ready for Node-RED's `http response` node, or for a plain `ServerResponse`. */
export interface Answer {
  readonly statusCode: number;
  readonly payload: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

interface RefusalDetails {
  /** Replaces the table's sentence. One English sentence a person can act on. */
  readonly detail?: string;
  /** Adds `Retry-After` (whole seconds) and, for 429, `retry_after` in the body. */
  readonly retryAfterSeconds?: number;
  /** Gives 503 and 504 the object form of `detail` that the apps read (contract 1, Errors). */
  readonly sleep?: { readonly sleepState: string; readonly nextWakeAt: string | null };
  /** The place of each fault, for 422. */
  readonly errors?: readonly unknown[];
}

/** `Retry-After` for callers of a sleeping NAS when nothing better is known, in seconds. */
const DEFAULT_RETRY_SECONDS = 30;

/**
 * An answer without a description that types it: a text, bytes, nothing, or the NAS's own JSON.
 * What an endpoint describes is answered by `answerTo` of the module `api`.
 */
export function plainAnswer(
  payload: unknown,
  statusCode = 200,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { statusCode, payload, headers };
}

/** A refusal in the contract's shape. */
export function refuse(code: RefusalCode, details: RefusalDetails = {}): Answer {
  const { status, detail: sentence } = REFUSALS[code];
  const message = details.detail ?? sentence;
  const retrySeconds = retryAfter(code, details);
  const payload = {
    detail:
      details.sleep === undefined ? message : sleepDetail(message, details.sleep, retrySeconds),
    code,
    ...(details.errors === undefined ? {} : { errors: details.errors }),
    ...(status === 429 ? { retry_after: retrySeconds } : {}),
  };
  const headers: Record<string, string> =
    retrySeconds === undefined ? {} : { 'Retry-After': String(retrySeconds) };
  return { statusCode: status, payload, headers };
}

function retryAfter(code: RefusalCode, details: RefusalDetails): number | undefined {
  if (details.retryAfterSeconds !== undefined) {
    return Math.max(1, Math.ceil(details.retryAfterSeconds));
  }
  const { status } = REFUSALS[code];
  const isPassing = status === 429 || status === 503;
  const wantsOne = isPassing || details.sleep !== undefined;
  return wantsOne ? DEFAULT_RETRY_SECONDS : undefined;
}

function sleepDetail(
  message: string,
  sleep: { readonly sleepState: string; readonly nextWakeAt: string | null },
  retrySeconds: number | undefined,
): Record<string, unknown> {
  return {
    message,
    sleep_state: sleep.sleepState,
    next_wake_at: sleep.nextWakeAt,
    retry_after_seconds: retrySeconds ?? DEFAULT_RETRY_SECONDS,
  };
}

/** How long the rest of a refused body is read and discarded (contract 1, Errors). */
const DISCARD_MS = 2_000;
const NO_CONTENT = 204;

/**
 * Writes an answer bypassing Node-RED. If the request body is still arriving, the answer is sent at
 * once, but up to 2 s of the rest are read and discarded before the connection closes, so that a
 * client that keeps sending reads the refusal instead of a reset.
 */
export function answerNow(request: IncomingMessage, response: ServerResponse, given: Answer): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const bodyWaits = !request.complete && hasBody(request);
  const isBare = given.statusCode === NO_CONTENT;
  const text = isBare ? '' : JSON.stringify(given.payload);
  response.writeHead(given.statusCode, {
    ...given.headers,
    ...(bodyWaits ? { Connection: 'close' } : {}),
    ...(isBare ? {} : bodyHeaders(text)),
  });
  if (!isBare && request.method !== 'HEAD') response.write(text);
  else response.flushHeaders();
  if (bodyWaits) discardRest(request, response);
  else response.end();
}

function bodyHeaders(text: string): Record<string, string | number> {
  return {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  };
}

/** Whether a request has a body, by its head (RFC 9112, 6). */
export function hasBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = headers;
  return coding !== undefined || (length !== undefined && Number(length) > 0);
}

/** Node closes the connection as soon as the answer ends, so the end waits for the body's. */
function discardRest(request: IncomingMessage, response: ServerResponse): void {
  const finish = (): void => {
    clearTimeout(timer);
    response.end();
  };
  // A plain timer: it bounds what a stranger may send, whatever the services' clock does.
  const timer = setTimeout(finish, DISCARD_MS);
  timer.unref();
  request.once('end', finish);
  request.once('error', finish);
  response.once('close', () => {
    clearTimeout(timer);
  });
  request.on('data', (chunk: Buffer) => {
    if (request.listenerCount('data') === 1) giveBack(chunk);
  });
  request.resume();
}

/**
 * Frees the memory of a body chunk now; nobody may use it afterwards. Left to the garbage
 * collector, the chunks of a fast body pile up to 30 MB, and each new one is written to memory that
 * no cache holds any longer (measured on Node 24: a fifth of an upload's CPU time). A chunk that is
 * a view of a larger buffer is left alone.
 */
export function giveBack(chunk: Uint8Array): void {
  const { buffer } = chunk;
  const isItsOwn = chunk.byteLength === buffer.byteLength;
  if (isItsOwn && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/**
 * Every way the API says no: its stable code, its HTTP status and its default sentence (contract 1,
 * Errors). A code is never renamed and never given a second status.
 */
const REFUSALS = {
  malformed: { status: 400, detail: 'The request could not be read.' },
  bad_path: { status: 400, detail: 'The path is not one a NAS file can have.' },
  no_mac: {
    status: 400,
    detail: 'No MAC address of the NAS is known. Set BALUPI_NAS_MAC_ADDRESS.',
  },
  no_token: { status: 401, detail: 'Sign in first: send Authorization: Bearer <token>.' },
  bad_token: { status: 401, detail: 'This token is not valid. Sign in again.' },
  bad_signature: { status: 401, detail: 'This call is not signed by the NAS.' },
  bad_credentials: { status: 401, detail: 'Invalid credentials' },
  refresh_token_now: {
    status: 401,
    detail: 'The NAS is awake again and wants a token of its own. Refresh and repeat the call.',
  },
  admin_only: { status: 403, detail: 'Only an admin may do this.' },
  not_allowed: { status: 403, detail: 'You may not do this.' },
  not_yours: { status: 403, detail: 'You cannot write to this place.' },
  not_through_the_pi: {
    status: 403,
    detail: 'BaluPi never passes this on. Do it at the NAS itself; files go to /api/files/upload.',
  },
  not_found: { status: 404, detail: 'There is nothing at this address.' },
  no_thumbnail: { status: 404, detail: 'There is no small picture of this file.' },
  method_not_allowed: { status: 405, detail: 'This address does not take this method.' },
  too_slow: { status: 408, detail: 'The request came in too slowly and was ended.' },
  already_awake: { status: 409, detail: 'The NAS is awake already.' },
  nas_plug_guard: {
    status: 409,
    detail: 'This plug feeds the NAS, which is not off. Send {"force": true} to switch it anyway.',
  },
  conflict: { status: 409, detail: 'This does not fit the present state.' },
  precondition_failed: { status: 412, detail: 'The file is not the version you asked for.' },
  too_large: { status: 413, detail: 'The request is larger than this address takes.' },
  wrong_body_type: { status: 415, detail: 'This address does not take a body of this type.' },
  range_not_satisfiable: { status: 416, detail: 'The file has no such range.' },
  invalid: { status: 422, detail: 'Some values are not valid.' },
  too_many_tries: { status: 429, detail: 'Too many tries. Wait a little.' },
  nas_busy: { status: 429, detail: 'The NAS is busy. Try again shortly.' },
  failed: { status: 500, detail: 'Something went wrong here. It was logged.' },
  nas_failed: { status: 500, detail: 'The NAS failed at this.' },
  nas_bad_answer: { status: 502, detail: 'The NAS gave an answer that makes no sense.' },
  push_failed: { status: 502, detail: 'The push service of this browser did not take it.' },
  plug_unreachable: { status: 503, detail: 'The plug does not answer.' },
  restarting: { status: 503, detail: 'BaluPi is starting its flows. Try again in a moment.' },
  busy: { status: 503, detail: 'The Pi is short of memory for a moment. Try again shortly.' },
  flow_missing: {
    status: 503,
    detail: 'The flow of this address was taken out or leads to no reply. The editor has it.',
  },
  nas_asleep: { status: 503, detail: 'The NAS sleeps and this cannot be answered without it.' },
  nas_left_alone: {
    status: 503,
    detail: 'The NAS is asked for this only now and then, so that it can fall asleep.',
  },
  nas_never_seen: {
    status: 503,
    detail: 'The NAS was never seen. Wake it by hand or run `npm run wake` on the Pi.',
  },
  nas_storage_missing: {
    status: 503,
    detail: 'The NAS shows nothing of its storage. Look whether its disk is mounted.',
  },
  uploads_waiting: {
    status: 503,
    detail: 'Uploads of yours are not on the NAS yet. Sync again when they have arrived.',
  },
  clock_unsynced: { status: 503, detail: 'The clock of the Pi is not set yet. Try again shortly.' },
  handshake_off: {
    status: 503,
    detail: 'The Pi and the NAS share no secret. Set BALUPI_HANDSHAKE_SECRET.',
  },
  disk_failing: {
    status: 503,
    detail: 'The disk of the Pi refused to write. Nothing was accepted.',
  },
  deadline: { status: 504, detail: 'This took too long and was ended.' },
  gateway_timeout: { status: 504, detail: 'The NAS cannot be asked right now. Keep your tokens.' },
  pin_too_large: { status: 507, detail: 'This folder is larger than your share of the cache.' },
  share_used: { status: 507, detail: 'Your share of the room on the Pi is used up.' },
  no_room: { status: 507, detail: 'There is no room for this on the Pi.' },
} as const satisfies Record<string, { status: number; detail: string }>;

export type RefusalCode = keyof typeof REFUSALS;

/** `2026-02-22T14:30:00Z`, the contract's form of a time. */
export function isoSeconds(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}

type Coding = 'gzip' | 'br';

/** A listing's JSON shrinks to a tenth at this level; more work would gain a Pi's reader little. */
const GZIP = { level: 2 };
const BROTLI: BrotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } };
/** Anything that fits into one packet gains nothing. */
const WORTH_PACKING_BYTES = 1_400;

const gzipText = promisify(gzip);
const brotliText = promisify<Buffer, BrotliOptions, Buffer>(brotliCompress);

/** The coding a caller prefers, gzip on a tie; null for none (RFC 9110, 12.5.3). */
export function codingFor(headers: IncomingHttpHeaders): Coding | null {
  const wanted = headers['accept-encoding'];
  if (typeof wanted !== 'string') return null;
  const weights = new Map<string, number>();
  for (const entry of wanted.split(',')) {
    const [name = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)));
  }
  const weightOf = (name: string): number => weights.get(name) ?? weights.get('*') ?? 0;
  const [gz, br] = [weightOf('gzip'), weightOf('br')];
  if (gz > 0 && gz >= br) return 'gzip';
  return br > 0 ? 'br' : null;
}

/** A whole text compressed; null where that gains nothing. */
export async function packed(text: string, coding: Coding | null): Promise<Buffer | null> {
  const bytes = Buffer.from(text);
  if (coding === null || bytes.length < WORTH_PACKING_BYTES) return null;
  return coding === 'gzip' ? gzipText(bytes, GZIP) : brotliText(bytes, BROTLI);
}

/** A text sent in chunks, compressed if the caller wants it, as fast as it is read. */
export class TextAnswer {
  readonly #response: ServerResponse;
  readonly #packer: Transform | null;
  #goOn: () => void = () => undefined;

  constructor(response: ServerResponse, headers: OutgoingHttpHeaders, coding: Coding | null) {
    this.#response = response;
    this.#packer = coding === null ? null : packerFor(coding);
    response.writeHead(200, headers);
    // A reset connection is told by 'close' as well.
    response.on('error', () => undefined);
    response.once('close', () => {
      this.#packer?.destroy();
      this.#goOn();
    });
    this.#packer?.once('error', () => {
      this.cut();
    });
    this.#packer?.pipe(response);
  }

  /** @returns whether the caller is still there, once there is space for more */
  async write(text: string): Promise<boolean> {
    if (this.#response.destroyed) return false;
    const sink = this.#packer ?? this.#response;
    if (sink.write(text)) return true;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#goOn = () => {
      resolve(undefined);
    };
    sink.once('drain', this.#goOn);
    await promise;
    return !this.#response.destroyed;
  }

  end(): void {
    (this.#packer ?? this.#response).end();
  }

  /** Breaks the connection, so that what was sent can never be taken for complete. */
  cut(): void {
    this.#response.destroy();
  }
}

function packerFor(coding: Coding): Transform {
  return coding === 'gzip' ? createGzip(GZIP) : createBrotliCompress(BROTLI);
}

/** A request for a file. */
export interface FileRequest extends IncomingMessage {
  /** Whether a page of the Pi asks with its cookie, so that no foreign content may run there. */
  isForPage?: boolean;
}

/** How a file is described: its type, and whether it is shown or saved. */
export interface FileHeaders {
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
}

const MIME_TYPE = /^[\w.+-]{1,64}\/[\w.+-]{1,96}(?:; ?charset=[\w-]{1,32})?$/;
const BYTES = 'application/octet-stream';

/**
 * What a browser shows without running anything of it, by the end of its name: pictures of pixels,
 * sound and video. SVG is a document.
 */
const SHOWN: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'image/jpeg': 'jpg jpeg jpe jfif',
    'image/png': 'png',
    'image/gif': 'gif',
    'image/webp': 'webp',
    'image/avif': 'avif',
    'image/heic': 'heic heif',
    'image/bmp': 'bmp',
    'image/tiff': 'tif tiff',
    'audio/mpeg': 'mp3',
    'audio/mp4': 'm4a m4b',
    'audio/aac': 'aac',
    'audio/ogg': 'ogg oga opus',
    'audio/flac': 'flac',
    'audio/wav': 'wav',
    'video/mp4': 'mp4 m4v',
    'video/webm': 'webm',
    'video/ogg': 'ogv',
    'video/quicktime': 'mov qt',
    'video/x-matroska': 'mkv',
    'video/3gpp': '3gp',
    'video/x-msvideo': 'avi',
    'video/mp2t': 'mts m2ts',
  }).flatMap(([type, ends]) => ends.split(' ').map((end) => [end, type] as const)),
);

/**
 * For everything that opens in a tab of its own: no script, no form, no origin, and nothing fetched
 * for it.
 */
const SANDBOX = [
  "default-src 'none'",
  "img-src 'self'",
  "media-src 'self'",
  "style-src 'unsafe-inline'",
  "frame-ancestors 'none'",
  'sandbox',
].join('; ');

/**
 * The headers that say what a file is and what may be done with it (contracts 3 and 7). An app gets
 * the type from the NAS, to save the file; a page gets one of ours, by the name alone, and anything
 * not surely harmless never opens inline.
 * @param said the type as somebody told it; null where nobody did
 */
export function fileHeaders(
  request: FileRequest,
  { name, mimeType: said }: { readonly name: string; readonly mimeType: string | null },
): FileHeaders {
  if (request.isForPage !== true) {
    const type = said !== null && MIME_TYPE.test(said) ? said : BYTES;
    return { type, headers: headersOf(attachment(name)) };
  }
  const shown = SHOWN.get(name.slice(name.lastIndexOf('.') + 1).toLowerCase());
  const disposition = shown === undefined ? attachment(name) : inline(name);
  return {
    type: shown ?? BYTES,
    headers: {
      ...headersOf(disposition),
      'Content-Security-Policy': SANDBOX,
      'Cross-Origin-Resource-Policy': 'same-origin',
    },
  };
}

/** A page stored on the NAS must not run as one from this address. */
function headersOf(disposition: string): Record<string, string> {
  return { 'Content-Disposition': disposition, 'X-Content-Type-Options': 'nosniff' };
}

/** Characters RFC 8187 lets stand unescaped, less those `encodeURIComponent` leaves alone. */
const STILL_TO_ESCAPE = /['()*!]/g;

/** Everything that could end the quoted string, be decoded again, or is not plain ASCII. */
const NOT_PLAIN = /[^\x20-\x7e]|["\\%/]/gu;

/**
 * `Content-Disposition` for saving a file under a name of any bytes (RFC 6266): an ASCII form for
 * old readers and, where it differs, the exact one in UTF-8. No name can break out of the header.
 */
function attachment(filename: string): string {
  return named('attachment', filename);
}

/** The same for a file that is shown, and keeps its name when saved. */
function inline(filename: string): string {
  return named('inline', filename);
}

function named(how: 'attachment' | 'inline', filename: string): string {
  const name = filename.toWellFormed();
  const plain = name.replace(NOT_PLAIN, '_');
  const quoted = `${how}; filename="${plain}"`;
  return plain === name ? quoted : `${quoted}; filename*=UTF-8''${extendedValue(name)}`;
}

function extendedValue(name: string): string {
  return encodeURIComponent(name).replace(
    STILL_TO_ESCAPE,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Bytes `first` to `last` of a file, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** `whole`: no range was asked for, or the header does not count (RFC 9110, 14.2). */
export type RangeRequest =
  | { readonly kind: 'whole' }
  | { readonly kind: 'ranges'; readonly ranges: readonly [ByteRange, ...ByteRange[]] }
  | { readonly kind: 'unsatisfiable' };

/** No reader asks for more parts than this; the whole file is sent instead (RFC 9110, 17.15). */
const MOST_RANGES = 16;

const WHOLE: RangeRequest = { kind: 'whole' };

/**
 * Reads a `Range` header. Never throws.
 * @param header the header's value, undefined when it was not sent
 * @param sizeBytes size of the file
 */
export function parseRange(header: string | undefined, sizeBytes: number): RangeRequest {
  const unit = /^\s*bytes\s*=(.*)$/i.exec(header ?? '');
  if (unit?.[1] === undefined) return WHOLE;
  const specs = unit[1].split(',').map((spec) => spec.trim());
  const wanted = specs.filter((spec) => spec !== '');
  if (wanted.length === 0 || wanted.length > MOST_RANGES) return WHOLE;
  const ranges: ByteRange[] = [];
  for (const spec of wanted) {
    const range = parseSpec(spec, sizeBytes);
    if (range === 'malformed') return WHOLE;
    if (range !== 'outside') ranges.push(range);
  }
  const [head, ...rest] = ranges;
  if (head === undefined) return { kind: 'unsatisfiable' };
  const wantedBytes = ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0);
  // Overlapping parts that add up to more than the file are meant to waste, not to read.
  if (rest.length > 0 && wantedBytes > sizeBytes) return WHOLE;
  return { kind: 'ranges', ranges: [head, ...rest] };
}

function parseSpec(spec: string, sizeBytes: number): ByteRange | 'malformed' | 'outside' {
  const match = /^(\d*)\s*-\s*(\d*)$/.exec(spec);
  if (match === null) return 'malformed';
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return 'malformed';
  if (from === '') return suffix(Number(to), sizeBytes);
  const first = Number(from);
  if (to !== '' && Number(to) < first) return 'malformed';
  if (first >= sizeBytes) return 'outside';
  return { first, last: to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1) };
}

function suffix(count: number, sizeBytes: number): ByteRange | 'outside' {
  if (count === 0 || sizeBytes === 0) return 'outside';
  return { first: Math.max(0, sizeBytes - count), last: sizeBytes - 1 };
}

/** What identifies the version that a server would send now. */
export interface Validators {
  /** A strong entity tag with its quotes; null where it is not known yet. */
  readonly etag: string | null;
  /** Another tag of the same version, computed only where a caller sends one. */
  readonly otherTag?: (() => string) | undefined;
  /** Epoch ms; only its whole seconds count, as HTTP dates carry no more. */
  readonly lastModifiedMs: number;
}

/** `failed`: 412. `not_modified`: 304, what the caller has is still good. */
type Precondition = 'go' | 'failed' | 'not_modified';

/**
 * The caller's conditions, in the order of RFC 9110, 13.2.2: `If-Match`, or `If-Unmodified-Since`
 * without it; then `If-None-Match`, or `If-Modified-Since` without it.
 */
export function preconditionOf(headers: IncomingHttpHeaders, now: Validators): Precondition {
  const match = headers['if-match'];
  if (match !== undefined) {
    if (!listsTag(match, now, 'strongly')) return 'failed';
  } else {
    const unmodified = httpDateMs(headers['if-unmodified-since']);
    if (unmodified !== null && isNewer(now, unmodified)) return 'failed';
  }
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) return listsTag(noneMatch, now, 'weakly') ? 'not_modified' : 'go';
  const since = httpDateMs(headers['if-modified-since']);
  return since !== null && !isNewer(now, since) ? 'not_modified' : 'go';
}

/**
 * Whether a `Range` may be honoured: always without `If-Range`, else only when it names exactly
 * this version. Tags compare strongly, dates must be equal (RFC 9110, 13.1.5).
 */
export function rangeApplies(headers: IncomingHttpHeaders, now: Validators): boolean {
  const ifRange = headers['if-range'];
  if (typeof ifRange !== 'string') return true;
  const value = ifRange.trim();
  if (value.startsWith('W/')) return false;
  if (value.startsWith('"')) return isTagOf(now, value);
  const date = httpDateMs(value);
  return date !== null && wholeSeconds(date) === wholeSeconds(now.lastModifiedMs);
}

/** An HTTP date (IMF-fixdate) for a `Last-Modified`. */
export function httpDate(atMs: number): string {
  return new Date(wholeSeconds(atMs) * 1000).toUTCString();
}

function wholeSeconds(atMs: number): number {
  return Math.floor(atMs / 1000);
}

function httpDateMs(value: string | undefined): number | null {
  if (value === undefined || !/ GMT$/.test(value.trim())) return null;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? null : atMs;
}

function isNewer(now: Validators, thanMs: number): boolean {
  return wholeSeconds(now.lastModifiedMs) > wholeSeconds(thanMs);
}

/** Whether a header names the version. A comma may stand inside a quoted tag. */
function listsTag(header: string, now: Validators, how: 'strongly' | 'weakly'): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => isTagOf(now, how === 'weakly' ? tag.replace(/^W\//, '') : tag));
}

function isTagOf(now: Validators, tag: string): boolean {
  return tag === now.etag || tag === now.otherTag?.();
}
