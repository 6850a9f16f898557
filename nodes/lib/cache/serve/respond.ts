import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { FileVersion, LocatedFile } from '../../files/files.ts';
import {
  type ByteRange,
  fileHeaders,
  type FileHeaders,
  type FileRequest,
  httpDate,
  parseRange,
  preconditionOf,
  rangeApplies,
  type RefusalCode,
  refuse,
  type Validators,
} from '../../http/http.ts';
import type { NasRange } from '../../nas/nas-client.ts';
import {
  faultOf,
  type DownloadHead,
  isOfVersion,
  type Origin,
  type OriginFault,
  isUnchanged,
} from '../download/origin.ts';
import { SMALL_FILE_BYTES } from '../entries/blob-store.ts';
import { etagOf } from '../entries/entry-rows.ts';
import { type ReadAt, readLater } from '../entries/open-blobs.ts';
import {
  type BufferPool,
  type ByteSource,
  ResponseWriter,
  readExactly,
  sendSource,
} from './byte-source.ts';

/** Where the bytes of an answer come from. */
export interface PartSource {
  /** Sends one stretch; false where the caller is gone or must be cut off. */
  send(writer: ResponseWriter, range: ByteRange): Promise<boolean>;
  /** Reads a short range; null where it is missing. Undefined where bytes come as a stream. */
  readonly small?: (range: ByteRange) => Buffer | null | Promise<Buffer | null>;
}

/**
 * Writes a planned answer. What cannot be finished is cut, never ended.
 * @returns whether all of it was handed over
 */
export async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  plan: AnswerPlan,
  source: PartSource,
): Promise<boolean> {
  const only = plan.parts.length === 1 ? plan.parts[0] : undefined;
  if (only !== undefined && source.small !== undefined && plan.fileBytes <= SMALL_FILE_BYTES) {
    return await respondAtOnce(response, plan, source.small(only.range));
  }
  const writer = new ResponseWriter(response);
  response.writeHead(plan.statusCode, plan.headers);
  if (request.method === 'HEAD') {
    response.end();
    return true;
  }
  try {
    for (const part of plan.parts) {
      if (part.preamble !== '' && !(await writer.write(part.preamble))) return false;
      if (!(await source.send(writer, part.range))) {
        response.destroy();
        return false;
      }
    }
  } catch (error) {
    // Cut, so that a partial answer can never be taken for the whole.
    response.destroy();
    throw error;
  }
  response.end(plan.epilogue === '' ? undefined : plan.epilogue);
  return true;
}

/** One read and one write, head and bytes together: the cheapest way for a short answer. */
async function respondAtOnce(
  response: ServerResponse,
  plan: AnswerPlan,
  reading: Buffer | null | Promise<Buffer | null>,
): Promise<boolean> {
  const bytes = reading instanceof Promise ? await reading : reading;
  if (response.destroyed) return false;
  if (bytes === null) {
    response.destroy();
    return false;
  }
  // A reset connection is told by 'close' as well.
  response.on('error', () => undefined);
  response.writeHead(plan.statusCode, plan.headers);
  response.end(bytes);
  return true;
}

/** An open file that is always read by way of the thread pool. */
export function plainFile(fd: number): { readonly fd: number; readonly read: ReadAt } {
  return { fd, read: (into, length, position) => readLater(fd, into, length, position) };
}

/** A whole file on disk. */
export function fileSource(
  file: { readonly fd: number; readonly read: ReadAt },
  sizeBytes: number,
  pool: BufferPool,
): PartSource {
  const source: ByteSource = {
    ...file,
    available: () => ({ kind: 'upto', bytes: sizeBytes }),
    cancel: () => undefined,
  };
  return {
    send: async (writer, range) => (await sendSource(writer, source, range, pool)).kind === 'sent',
    small: ({ first, last }) => readExactly(file.read, first, Buffer.allocUnsafe(last - first + 1)),
  };
}

/**
 * Passes a stream from the NAS on, holding no more than one chunk.
 * @param mayEnd asked before the last byte goes out, which makes the answer complete
 * @returns whether exactly `lengthBytes` came and went
 */
async function sendStream(
  writer: ResponseWriter,
  body: Readable,
  lengthBytes: number,
  mayEnd: () => Promise<boolean>,
): Promise<boolean> {
  writer.whenClosed(() => body.destroy());
  let count = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      count += chunk.length;
      if (count > lengthBytes) return false;
      const isLast = count === lengthBytes;
      if (!(await writer.write(isLast ? chunk.subarray(0, -1) : chunk))) return false;
      if (isLast && !((await mayEnd()) && (await writer.write(chunk.subarray(-1))))) return false;
    }
  } catch {
    // The NAS or the caller disconnected; either way the answer cannot be finished.
    return false;
  } finally {
    body.destroy();
  }
  return count === lengthBytes;
}

/** How a file came to the caller (contract 1). */
export type CacheLabel = 'hit' | 'miss' | 'stale' | 'bypass' | 'queued';

/** All that is said of a file before its first byte. */
export interface FileHead extends Validators {
  readonly name: string;
  readonly sizeBytes: number;
  readonly mimeType: string | null;
  readonly label: CacheLabel;
  /** Age of the entry; null where none is served. */
  readonly ageSeconds: number | null;
}

/** One stretch of the file in the answer, with what is written before it. */
interface PlannedPart {
  readonly preamble: string;
  readonly range: ByteRange;
}

export interface AnswerPlan {
  readonly statusCode: number;
  readonly headers: OutgoingHttpHeaders;
  /** Empty for an answer without file bytes. */
  readonly parts: readonly PlannedPart[];
  /** Ends the body after the parts, or is all of it. */
  readonly epilogue: string;
  /** File bytes the answer carries. */
  readonly fileBytes: number;
}

/** A file that is going to be sent, wholly or in part. */
interface PlannedFile {
  readonly said: FileHeaders;
  readonly headers: OutgoingHttpHeaders;
  readonly sizeBytes: number;
}

/** Decides status, headers and parts of an answer that sends a file (RFC 9110, 13 to 15). */
export function planAnswer(request: FileRequest, head: FileHead): AnswerPlan {
  const base = baseHeaders(head);
  const precondition = preconditionOf(request.headers, head);
  if (precondition === 'failed') return refusal(base, 'precondition_failed');
  if (precondition === 'not_modified') return bodyless(304, base);
  const isHead = request.method === 'HEAD';
  const header = rangeApplies(request.headers, head) ? request.headers.range : undefined;
  const wanted = parseRange(isHead ? undefined : header, head.sizeBytes);
  if (wanted.kind === 'unsatisfiable') return unsatisfiable(base, head);
  const said = fileHeaders(request, head);
  const file: PlannedFile = {
    ...{ said, sizeBytes: head.sizeBytes },
    headers: { ...base, ...said.headers, 'Content-Type': said.type },
  };
  switch (wanted.kind) {
    case 'ranges':
      return wanted.ranges.length === 1
        ? onePart(file, wanted.ranges[0])
        : manyParts(file, wanted.ranges);
    case 'whole':
      return isHead ? headOnly(file) : whole(file);
  }
}

/** The range a request most likely wants, before its entity tag is known. */
export function likelyRange(request: FileRequest, sizeBytes: number): ByteRange | null {
  if (request.method === 'HEAD') return null;
  const wanted = parseRange(request.headers.range, sizeBytes);
  return wanted.kind === 'ranges' ? wanted.ranges[0] : null;
}

function baseHeaders(head: FileHead): OutgoingHttpHeaders {
  return {
    ...(head.etag === null ? {} : { ETag: head.etag }),
    'Last-Modified': httpDate(head.lastModifiedMs),
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'private, no-store',
    'X-Balupi-Cache': head.label,
    ...(head.ageSeconds === null ? {} : { Age: String(head.ageSeconds) }),
  };
}

function bodyless(statusCode: number, headers: OutgoingHttpHeaders): AnswerPlan {
  return { statusCode, headers, parts: [], epilogue: '', fileBytes: 0 };
}

function headOnly({ headers, sizeBytes }: PlannedFile): AnswerPlan {
  return bodyless(200, { ...headers, 'Content-Length': sizeBytes });
}

function whole({ headers, sizeBytes }: PlannedFile): AnswerPlan {
  const range = { first: 0, last: sizeBytes - 1 };
  return {
    statusCode: 200,
    headers: { ...headers, 'Content-Length': sizeBytes },
    parts: sizeBytes === 0 ? [] : [{ preamble: '', range }],
    epilogue: '',
    fileBytes: sizeBytes,
  };
}

function onePart({ headers, sizeBytes }: PlannedFile, range: ByteRange): AnswerPlan {
  const fileBytes = range.last - range.first + 1;
  return {
    statusCode: 206,
    headers: {
      ...headers,
      'Content-Range': `bytes ${range.first}-${range.last}/${sizeBytes}`,
      'Content-Length': fileBytes,
    },
    parts: [{ preamble: '', range }],
    epilogue: '',
    fileBytes,
  };
}

function manyParts(file: PlannedFile, ranges: readonly ByteRange[]): AnswerPlan {
  const boundary = randomBytes(12).toString('hex');
  const parts = ranges.map((range, index) => ({
    preamble:
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${file.said.type}\r\n` +
      `Content-Range: bytes ${range.first}-${range.last}/${file.sizeBytes}\r\n\r\n`,
    range,
  }));
  const epilogue = `\r\n--${boundary}--\r\n`;
  const fileBytes = ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0);
  const frameBytes = parts.reduce((sum, part) => sum + part.preamble.length, epilogue.length);
  return {
    statusCode: 206,
    headers: {
      ...file.headers,
      'Content-Type': `multipart/byteranges; boundary=${boundary}`,
      'Content-Length': fileBytes + frameBytes,
    },
    parts,
    epilogue,
    fileBytes,
  };
}

function unsatisfiable(base: OutgoingHttpHeaders, head: FileHead): AnswerPlan {
  const range = { 'Content-Range': `bytes */${head.sizeBytes}` };
  return refusal({ ...base, ...range }, 'range_not_satisfiable');
}

function refusal(base: OutgoingHttpHeaders, code: RefusalCode): AnswerPlan {
  const { statusCode, payload } = refuse(code);
  const epilogue = JSON.stringify(payload);
  const headers = {
    ...base,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(epilogue),
  };
  return { statusCode, headers, parts: [], epilogue, fileBytes: 0 };
}

/** How an answer went, once its head was sent; or why there was none to send. */
export type Answered =
  | { readonly kind: 'answered'; readonly plan: AnswerPlan; readonly whole: boolean }
  | OriginFault;

type Stretch =
  | {
      readonly kind: 'stretch';
      readonly body: Readable;
      readonly etag: string | null;
      readonly mimeType: string | null;
    }
  | OriginFault;

/**
 * Serves straight from the NAS, bypassing the cache: files too large to keep, and ranges far ahead
 * of what is here. The first stream is opened before the head is sent, so that a refusal can still
 * be reported.
 * @param headOf builds the head from what the NAS said
 */
export async function servePast(
  request: IncomingMessage,
  response: ServerResponse,
  origin: Origin,
  version: FileVersion,
  headOf: (etag: string | null, mimeType: string | null) => FileHead,
): Promise<Answered> {
  const likely = firstStretch(request, version.sizeBytes);
  const first = likely === null ? null : await openStretch(origin, likely, version, null);
  if (first !== null && first.kind !== 'stretch') return first;
  const head = headOf(first?.etag ?? null, first?.mimeType ?? null);
  const plan = planAnswer(request, head);
  let opened = first?.body ?? null;
  try {
    const whole = await respond(request, response, plan, {
      send: async (writer, range) => {
        const isThere = opened !== null && likely !== null && isSame(range, likely);
        const body = isThere ? opened : null;
        opened = isThere ? null : opened;
        const etag = first?.etag ?? null;
        if (body === null) return sendFromOrigin(writer, origin, range, version, etag);
        return sendStream(writer, body, lengthOf(range), () => stands(origin, version, etag));
      },
    });
    return { kind: 'answered', plan, whole };
  } finally {
    opened?.destroy();
  }
}

/** Sends one stretch by an own request to the NAS. */
export async function sendFromOrigin(
  writer: ResponseWriter,
  origin: Origin,
  range: ByteRange,
  version: FileVersion,
  etag: string | null,
): Promise<boolean> {
  const opened = await openStretch(origin, range, version, etag);
  if (opened.kind !== 'stretch') return false;
  const mayEnd = (): Promise<boolean> => stands(origin, version, etag ?? opened.etag);
  return sendStream(writer, opened.body, lengthOf(range), mayEnd);
}

/** Whether the bytes read are of one version, as far as the NAS can still be asked. */
async function stands(origin: Origin, version: FileVersion, etag: string | null): Promise<boolean> {
  const head = { etag, mimeType: null };
  return (await isUnchanged(origin, version, head)) !== 'changed';
}

/** The stretch to open before anything is decided; null for an empty file, which has none. */
function firstStretch(request: IncomingMessage, sizeBytes: number): ByteRange | null {
  if (sizeBytes === 0) return null;
  // The NAS knows no HEAD (405, measured); one byte tells the same.
  if (request.method === 'HEAD') return { first: 0, last: 0 };
  return likelyRange(request, sizeBytes) ?? { first: 0, last: sizeBytes - 1 };
}

async function openStretch(
  origin: Origin,
  range: ByteRange,
  version: FileVersion,
  etag: string | null,
): Promise<Stretch> {
  const isWhole = range.first === 0 && range.last === version.sizeBytes - 1;
  const answer = await origin.open(isWhole ? undefined : nasRange(range, etag));
  if (answer.kind !== 'stream') return faultOf(answer);
  const { body } = answer;
  body.on('error', () => undefined);
  const head = etag === null ? null : { etag, mimeType: null };
  if (!isOfVersion(answer, version, head) || answer.lengthBytes !== lengthOf(range)) {
    body.destroy();
    return { kind: 'changed' };
  }
  return { kind: 'stretch', body, etag: answer.etag, mimeType: answer.contentType };
}

function nasRange(range: ByteRange, etag: string | null): NasRange {
  const stretch = { firstByte: range.first, lastByte: range.last };
  return etag === null ? stretch : { ...stretch, ifRange: etag };
}

function lengthOf(range: ByteRange): number {
  return range.last - range.first + 1;
}

function isSame(a: ByteRange, b: ByteRange): boolean {
  return a.first === b.first && a.last === b.last;
}

/**
 * The validators of a version. `Last-Modified` is never later than now (RFC 9110, 8.8.2.1), even if
 * a camera's clock says so; the tag derived from a listing is accepted too.
 */
export function validatorsOf(
  version: FileVersion,
  nasEtag: string | null,
  nowMs: number,
): Validators {
  return {
    etag: etagOf(version, nasEtag),
    otherTag: () => etagOf(version, null),
    lastModifiedMs: Math.min(version.modifiedAtMs, nowMs),
  };
}

/** The head of an answer whose bytes come from the NAS. */
export function headOf(
  file: LocatedFile,
  version: FileVersion,
  said: DownloadHead,
  label: CacheLabel,
  nowMs: number,
): FileHead {
  return {
    ...validatorsOf(version, said.etag ?? version.etag, nowMs),
    name: file.name,
    sizeBytes: version.sizeBytes,
    mimeType: file.mimeType ?? said.mimeType,
    label,
    ageSeconds: null,
  };
}
