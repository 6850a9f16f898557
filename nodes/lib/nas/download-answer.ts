import { isEncoded, readNasJson } from './json-answer.ts';
import type { Clock } from '../time/clock.ts';
import type { NasDownload, NasRange } from './nas-client.ts';
import type { NasExchange } from './nas-request.ts';

type Response = Extract<NasExchange, { kind: 'response' }>;

/** The headers that ask for a part of a file. */
export function rangeHeaders(range: NasRange | undefined): Record<string, string> {
  if (range === undefined) return {};
  const { firstByte, lastByte, ifRange } = range;
  return {
    Range: `bytes=${firstByte}-${lastByte ?? ''}`,
    ...(ifRange === undefined ? {} : { 'If-Range': ifRange }),
  };
}

/** Reads the head of a download; the body of a file stays unread in the outcome. */
export async function readDownload(
  exchange: NasExchange,
  range: NasRange | undefined,
  clock: Clock,
): Promise<NasDownload> {
  if (exchange.kind === 'response' && (exchange.status === 200 || exchange.status === 206)) {
    return fileAnswer(exchange, range);
  }
  // The NAS answers 416 with an empty body (measured), which no other refusal has.
  if (exchange.kind === 'response' && exchange.status === 416) {
    exchange.body.destroy();
    return { kind: 'refused', status: 416 };
  }
  const json = await readNasJson(exchange, clock);
  if (json.kind !== 'answer') return json;
  return { kind: json.status >= 400 ? 'refused' : 'bad_answer', status: json.status };
}

function fileAnswer(exchange: Response, range: NasRange | undefined): NasDownload {
  const { headers, body, lengthBytes } = exchange;
  const status = exchange.status === 206 ? 206 : 200;
  const sizeBytes = status === 200 ? lengthBytes : wholeSize(exchange, range);
  // Without a length nobody could tell a whole file from a cut one.
  if (lengthBytes === null || sizeBytes === null || isEncoded(exchange)) {
    body.destroy();
    return { kind: 'bad_answer', status };
  }
  return {
    kind: 'stream',
    status,
    lengthBytes,
    sizeBytes,
    etag: headers.etag ?? null,
    lastModified: headers['last-modified'] ?? null,
    contentType: headers['content-type'] ?? null,
    body,
  };
}

/** The file's size from Content-Range; null unless the part is the one that was asked for. */
function wholeSize(exchange: Response, range: NasRange | undefined): number | null {
  const text = exchange.headers['content-range'] ?? '';
  const parts = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(text);
  if (parts === null || range === undefined) return null;
  const [first, last, size] = parts.slice(1).map(Number) as [number, number, number];
  const wantedLast = Math.min(range.lastByte ?? Infinity, size - 1);
  const fits = first === range.firstByte && last === wantedLast;
  return fits && exchange.lengthBytes === last - first + 1 ? size : null;
}
