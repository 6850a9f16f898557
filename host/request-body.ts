import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Endpoint, validateBody } from '../nodes/lib/api/api.ts';
import { type Answer, refuse } from '../nodes/lib/http/http.ts';
import { readBody, readJson } from './read-body.ts';

export type BodyOutcome =
  | { readonly kind: 'body'; readonly body: unknown }
  | { readonly kind: 'refused'; readonly answer: Answer }
  | { readonly kind: 'cut' };

/** What a tinkerer's own route may be sent. */
const UNDESCRIBED_BODY_BYTES = 1024 * 1024;

/**
 * Reads and checks a body, unless the endpoint's node streams it. A body too large by its own
 * announcement is refused unread.
 */
export async function takeBody(
  request: IncomingMessage,
  response: ServerResponse,
  endpoint: Endpoint | null,
): Promise<BodyOutcome> {
  if (isTakenByItsNode(endpoint)) {
    continueIfAsked(request, response);
    return { kind: 'body', body: undefined };
  }
  const maxBytes = endpoint?.maxBodyBytes ?? UNDESCRIBED_BODY_BYTES;
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return tooLarge(maxBytes);
  continueIfAsked(request, response);
  const read = await readBody(request, maxBytes);
  if (read.kind === 'cut') return read;
  if (read.kind === 'too_large') return tooLarge(maxBytes);
  if (endpoint === null) return { kind: 'body', body: undescribed(read.bytes, request) };
  if (endpoint.body === 'signed') return { kind: 'body', body: read.bytes };
  if (endpoint.body === 'none') return { kind: 'body', body: undefined };
  return described(endpoint, read.bytes, request.headers['content-type']);
}

function isTakenByItsNode(endpoint: Endpoint | null): boolean {
  return endpoint?.body === 'stream' || endpoint?.body === 'relay';
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
  const checked = validateBody(endpoint.bodySchema, read.value);
  if (checked.kind === 'valid') return { kind: 'body', body: checked.value };
  return { kind: 'refused', answer: refuse('invalid', { errors: checked.errors }) };
}

/** JSON where it says so and is, else the bytes: a tinkerer's flow knows what it wants. */
function undescribed(bytes: Buffer, request: IncomingMessage): unknown {
  const read = readJson(bytes, request.headers['content-type']);
  return read.kind === 'json' ? read.value : bytes;
}

function tooLarge(maxBytes: number): BodyOutcome {
  const detail = `The body is larger than the ${maxBytes} bytes this address takes.`;
  return { kind: 'refused', answer: refuse('too_large', { detail }) };
}
