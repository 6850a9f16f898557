import { randomBytes } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import {
  fileHeaders,
  httpDate,
  parseRange,
  preconditionOf,
  rangeApplies,
  refuse,
  type ByteRange,
  type FileHeaders,
  type FileRequest,
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

/** The part of a file a request most likely wants, before its entity tag is known. */
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
