import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** A request for a file. */
export interface FileRequest extends IncomingMessage {
  /** Whether a page of the Pi asks with its cookie, beside which nothing foreign may ever run. */
  isForPage?: boolean;
}

/** What is said of a file: its type, and how it is handed over. */
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

/** Of whatever is opened by itself: no script, no form, no origin, and nothing fetched for it. */
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
 * the type the NAS tells, to save it; a page gets one of ours, by the name alone, and what is not
 * surely harmless never opens beside it.
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

/** The same for a file that is shown, and keeps its name where it is saved. */
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

/** `whole`: no range is wanted, or what was sent does not count (RFC 9110, 14.2). */
export type RangeRequest =
  | { readonly kind: 'whole' }
  | { readonly kind: 'ranges'; readonly ranges: readonly [ByteRange, ...ByteRange[]] }
  | { readonly kind: 'unsatisfiable' };

/** More parts than this are no reader's wish; the whole file is sent instead (RFC 9110, 17.15). */
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
  // Overlapping parts that add up to more than the file are asked for to waste, not to read.
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

/** What identifies the version a server would send now. */
export interface Validators {
  /** A strong entity tag with its quotes; null where it is not known yet. */
  readonly etag: string | null;
  /** Another tag that the same version was given, asked for only where a caller sends one. */
  readonly otherTag?: (() => string) | undefined;
  /** Epoch ms; only its whole seconds count, as HTTP dates carry no more. */
  readonly lastModifiedMs: number;
}

/** `failed`: 412. `not_modified`: 304, what the caller has is still good. */
type Precondition = 'go' | 'failed' | 'not_modified';

/**
 * What the caller made the answer depend on, in the order of RFC 9110, 13.2.2: `If-Match`, or
 * `If-Unmodified-Since` without it; then `If-None-Match`, or `If-Modified-Since` without it.
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
