import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Endpoint, validateBody } from '../nodes/lib/api/api.ts';
import { type Answer, refuse } from '../nodes/lib/http/http.ts';
import { readBody, readJson } from './read-body.ts';

export type BodyOutcome =
  | { readonly kind: 'body'; readonly body: unknown }
  | { readonly kind: 'refused'; readonly answer: Answer }
  | { readonly kind: 'cut' };

/** What a request's address says of a path. */
export interface AskedPath {
  readonly query: unknown;
  /** Its other reading, where it has one. */
  readonly literalPath?: string | undefined;
}

/** What a tinkerer's own route may be sent. */
const UNDESCRIBED_BODY_BYTES = 1024 * 1024;

/**
 * Nothing here unpacks a body, so one that is packed is refused before it is read: its bytes would
 * be taken for the content.
 */
export function codingFault(request: IncomingMessage, endpoint: Endpoint | null): Answer | null {
  if (endpoint === null || endpoint.body === 'none') return null;
  const coding = request.headers['content-encoding'] ?? 'identity';
  if (/^\s*(?:identity)?\s*$/i.test(coding)) return null;
  const detail = `This address takes a body as it is, and got one in ${coding.slice(0, 100)}.`;
  return refuse('wrong_body_type', { detail });
}

/**
 * Reads and checks a body, unless the endpoint's node streams it. A body too large by its own
 * announcement is refused unread. What nobody described is left unread: it may be the NAS's.
 */
export async function takeBody(
  request: IncomingMessage,
  response: ServerResponse,
  endpoint: Endpoint | null,
  asked: AskedPath,
): Promise<BodyOutcome> {
  if (endpoint === null) return { kind: 'body', body: undefined };
  if (isTakenByItsNode(endpoint)) {
    continueIfAsked(request, response);
    return { kind: 'body', body: undefined };
  }
  const maxBytes = endpoint.maxBodyBytes ?? UNDESCRIBED_BODY_BYTES;
  const read = await readUpTo(request, response, maxBytes);
  return read.kind === 'bytes' ? readAs(endpoint, read.bytes, request, asked) : read;
}

/** The body of a tinkerer's own route: JSON where it says so and is, else the bytes. */
export async function takeOwnBody(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<BodyOutcome> {
  const read = await readUpTo(request, response, UNDESCRIBED_BODY_BYTES);
  if (read.kind !== 'bytes') return read;
  const json = readJson(read.bytes, request.headers['content-type']);
  return { kind: 'body', body: json.kind === 'json' ? json.value : read.bytes };
}

async function readUpTo(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes: number,
): Promise<
  { readonly kind: 'bytes'; readonly bytes: Buffer } | Exclude<BodyOutcome, { kind: 'body' }>
> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return tooLarge(maxBytes);
  continueIfAsked(request, response);
  const read = await readBody(request, maxBytes);
  if (read.kind === 'cut') return read;
  if (read.kind === 'too_large') return tooLarge(maxBytes);
  return { kind: 'bytes', bytes: read.bytes };
}

function readAs(
  endpoint: Endpoint,
  bytes: Buffer,
  request: IncomingMessage,
  asked: AskedPath,
): BodyOutcome {
  if (endpoint.body === 'bytes') return { kind: 'body', body: bytes };
  if (endpoint.body === 'none') return { kind: 'body', body: undefined };
  const body = described(endpoint, bytes, request.headers['content-type']);
  return body.kind === 'body' && differs(body.body, asked) ? TWO_PATHS : body;
}

const TWO_PATHS: BodyOutcome = {
  kind: 'refused',
  answer: refuse('invalid', {
    errors: [{ loc: ['query', 'path'], msg: 'must be the path that the body names' }],
  }),
};

/** Whether query and body name two paths; which is meant nobody can know. */
function differs(body: unknown, { query, literalPath }: AskedPath): boolean {
  const inBody = pathIn(body);
  const inQuery = pathIn(query);
  if (inBody === null || inQuery === null) return false;
  return inBody !== inQuery && inBody !== literalPath?.replace(/^\//, '');
}

/** Callers may send a leading slash (contract 1). */
function pathIn(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || !('path' in value)) return null;
  return typeof value.path === 'string' ? value.path.replace(/^\//, '') : null;
}

function isTakenByItsNode({ body }: Endpoint): boolean {
  return body === 'stream' || body === 'relay';
}

/** `Expect: 100-continue` is answered only once nothing speaks against the body. */
function continueIfAsked(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
}

function described(
  endpoint: Endpoint,
  bytes: Buffer,
  contentType: string | undefined,
): BodyOutcome {
  const read = readJson(bytes, contentType);
  if (read.kind === 'wrong_type') {
    const detail = `This address takes application/json, and got ${read.got}.`;
    return { kind: 'refused', answer: refuse('wrong_body_type', { detail }) };
  }
  if (read.kind === 'malformed') {
    return { kind: 'refused', answer: refuse('malformed', { detail: 'The body is no JSON.' }) };
  }
  if (read.twice !== null) {
    const errors = [{ loc: ['body', ...read.twice], msg: 'must be given once only' }];
    return { kind: 'refused', answer: refuse('invalid', { errors }) };
  }
  const checked = validateBody(endpoint.bodySchema, read.value);
  if (checked.kind === 'valid') return { kind: 'body', body: checked.value };
  return { kind: 'refused', answer: refuse('invalid', { errors: checked.errors }) };
}

function tooLarge(maxBytes: number): Extract<BodyOutcome, { kind: 'refused' }> {
  const detail = `The body is larger than the ${maxBytes} bytes this address takes.`;
  return { kind: 'refused', answer: refuse('too_large', { detail }) };
}
