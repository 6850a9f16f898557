import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import {
  attachment,
  httpDate,
  parseRange,
  preconditionOf,
  rangeApplies,
  refuse,
  type ByteRange,
  type RefusalCode,
  type Validators,
} from '../http/http.ts';

/** How a file came to the caller (contract 1). */
export type CacheLabel = 'hit' | 'miss' | 'stale' | 'bypass' | 'queued';

/** All that is said of a file before its first byte. */
export interface FileHead extends Validators {
  readonly name: string;
  readonly sizeBytes: number;
  readonly mimeType: string | null;
  readonly label: CacheLabel;
  /** Age of the copy; null where none is served. */
  readonly ageSeconds: number | null;
}

/** One stretch of the file in the answer, with what is written before it. */
export interface PlannedPart {
  readonly preamble: string;
  readonly range: ByteRange;
}

export interface AnswerPlan {
  readonly statusCode: number;
  readonly headers: OutgoingHttpHeaders;
  /** Empty for an answer without file bytes. */
  readonly parts: readonly PlannedPart[];
  /** What ends the body after the parts, or is all of it. */
  readonly epilogue: string;
  /** File bytes the answer carries. */
  readonly fileBytes: number;
}

const MIME_TYPE = /^[\w.+-]{1,64}\/[\w.+-]{1,96}(?:; ?charset=[\w-]{1,32})?$/;

/** Decides status, headers and parts of an answer that sends a file (RFC 9110, 13 to 15). */
export function planAnswer(request: IncomingMessage, head: FileHead): AnswerPlan {
  const base = baseHeaders(head);
  const precondition = preconditionOf(request.headers, head);
  if (precondition === 'failed') return refusal(base, 'precondition_failed');
  if (precondition === 'not_modified') return bodyless(304, base);
  const isHead = request.method === 'HEAD';
  const header = rangeApplies(request.headers, head) ? request.headers.range : undefined;
  const wanted = parseRange(isHead ? undefined : header, head.sizeBytes);
  switch (wanted.kind) {
    case 'unsatisfiable':
      return unsatisfiable(base, head);
    case 'ranges':
      return wanted.ranges.length === 1
        ? onePart(base, head, wanted.ranges[0])
        : manyParts(base, head, wanted.ranges);
    case 'whole':
      return isHead ? headOnly(base, head) : whole(base, head);
  }
}

/** The part of a file a request most likely wants, before its entity tag is known. */
export function likelyRange(request: IncomingMessage, sizeBytes: number): ByteRange | null {
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

function fileHeaders(base: OutgoingHttpHeaders, head: FileHead): OutgoingHttpHeaders {
  return {
    ...base,
    'Content-Type': mimeOf(head),
    'Content-Disposition': attachment(head.name),
    // A page stored on the NAS must not run as one from this address.
    'X-Content-Type-Options': 'nosniff',
  };
}

function mimeOf(head: FileHead): string {
  const { mimeType } = head;
  return mimeType !== null && MIME_TYPE.test(mimeType) ? mimeType : 'application/octet-stream';
}

function bodyless(statusCode: number, headers: OutgoingHttpHeaders): AnswerPlan {
  return { statusCode, headers, parts: [], epilogue: '', fileBytes: 0 };
}

function headOnly(base: OutgoingHttpHeaders, head: FileHead): AnswerPlan {
  return bodyless(200, { ...fileHeaders(base, head), 'Content-Length': head.sizeBytes });
}

function whole(base: OutgoingHttpHeaders, head: FileHead): AnswerPlan {
  const range = { first: 0, last: head.sizeBytes - 1 };
  return {
    statusCode: 200,
    headers: { ...fileHeaders(base, head), 'Content-Length': head.sizeBytes },
    parts: head.sizeBytes === 0 ? [] : [{ preamble: '', range }],
    epilogue: '',
    fileBytes: head.sizeBytes,
  };
}

function onePart(base: OutgoingHttpHeaders, head: FileHead, range: ByteRange): AnswerPlan {
  const fileBytes = range.last - range.first + 1;
  return {
    statusCode: 206,
    headers: {
      ...fileHeaders(base, head),
      'Content-Range': `bytes ${range.first}-${range.last}/${head.sizeBytes}`,
      'Content-Length': fileBytes,
    },
    parts: [{ preamble: '', range }],
    epilogue: '',
    fileBytes,
  };
}

function manyParts(
  base: OutgoingHttpHeaders,
  head: FileHead,
  ranges: readonly ByteRange[],
): AnswerPlan {
  const boundary = randomBytes(12).toString('hex');
  const parts = ranges.map((range, index) => ({
    preamble:
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${mimeOf(head)}\r\n` +
      `Content-Range: bytes ${range.first}-${range.last}/${head.sizeBytes}\r\n\r\n`,
    range,
  }));
  const epilogue = `\r\n--${boundary}--\r\n`;
  const fileBytes = ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0);
  const frameBytes = parts.reduce((sum, part) => sum + part.preamble.length, epilogue.length);
  return {
    statusCode: 206,
    headers: {
      ...fileHeaders(base, head),
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
