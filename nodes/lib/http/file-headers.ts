import type { IncomingMessage } from 'node:http';
import { attachment, inline } from './content-disposition.ts';

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
