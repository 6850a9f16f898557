import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Endpoint, validateBody } from '../nodes/lib/api/api.ts';
import { type Answer, refuse } from '../nodes/lib/http/http.ts';

type BodyRead =
  | { readonly kind: 'body'; readonly bytes: Buffer }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'cut' };

const EMPTY: BodyRead = { kind: 'body', bytes: Buffer.alloc(0) };

/**
 * Reads a small body whole.
 * @param maxBytes the most that is read; a body known or found to be larger is left unread
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<BodyRead> {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  const announced = Number(length ?? 0);
  if (announced > maxBytes) return { kind: 'too_large' };
  if (announced === 0 && encoding === undefined) return EMPTY;
  const { promise, resolve } = Promise.withResolvers<BodyRead>();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const onData = (chunk: Buffer): void => {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      request.off('data', onData);
      request.pause();
      resolve({ kind: 'too_large' });
      return;
    }
    chunks.push(chunk);
  };
  request.on('data', onData);
  request.once('end', () => {
    resolve({ kind: 'body', bytes: Buffer.concat(chunks) });
  });
  const onCut = (): void => {
    resolve({ kind: 'cut' });
  };
  request.once('error', onCut);
  request.once('close', onCut);
  const read = await promise;
  request.off('data', onData);
  request.off('error', onCut);
  request.off('close', onCut);
  return read;
}

type JsonRead =
  | {
      readonly kind: 'json';
      readonly value: unknown;
      /** Path of a field given twice, so that its value is ambiguous; null for none. */
      readonly twice: readonly (string | number)[] | null;
    }
  | { readonly kind: 'wrong_type'; readonly got: string }
  | { readonly kind: 'malformed' };

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** Parses a body by its Content-Type. An empty body is an empty object. */
function readJson(bytes: Buffer, contentType: string | undefined): JsonRead {
  if (bytes.length === 0) return { kind: 'json', value: {}, twice: null };
  if (contentType === undefined || !JSON_TYPE.test(contentType)) {
    return { kind: 'wrong_type', got: (contentType ?? 'nothing').slice(0, 100) };
  }
  const charset = /charset\s*=\s*"?([\w-]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  if (!/^utf-?8$/i.test(charset)) return { kind: 'wrong_type', got: `charset ${charset}` };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { kind: 'json', value: JSON.parse(text) as unknown, twice: givenTwice(text) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return { kind: 'malformed' };
    throw error;
  }
}

/** Larger bodies are not checked for duplicate fields. */
const MOST_LOOKED_AT_CHARS = 1024 * 1024;
const LONGEST_NAME = 100;
const MOST_STEPS = 20;

interface Open {
  /** Field names of an object; null for a list. */
  readonly names: Set<string> | null;
  /** The field or index being read. */
  step: string | number;
}

/** @param text well-formed JSON: it was parsed before */
function givenTwice(text: string): readonly (string | number)[] | null {
  if (text.length > MOST_LOOKED_AT_CHARS) return null;
  const open: Open[] = [];
  let isName = false;
  for (let at = 0; at < text.length; at += 1) {
    const mark = text[at];
    if (mark !== '"') {
      isName = isNameBehind(mark, open, isName);
      continue;
    }
    const end = endOfText(text, at);
    const here = open.at(-1);
    if (isName && here !== undefined && isKnown(here, text.slice(at, end))) {
      return open.slice(0, MOST_STEPS).map(({ step }) => step);
    }
    isName = false;
    at = end - 1;
  }
  return null;
}

/** Handles a character outside of strings. @returns whether the next string is a field name */
function isNameBehind(mark: string | undefined, open: Open[], isName: boolean): boolean {
  switch (mark) {
    case '{':
      open.push({ names: new Set(), step: '' });
      return true;
    case '[':
      open.push({ names: null, step: 0 });
      return false;
    case '}':
    case ']':
      open.pop();
      return false;
    case ',': {
      const here = open.at(-1);
      if (typeof here?.step === 'number') here.step += 1;
      return here?.names !== null;
    }
    case undefined:
    default:
      return isName;
  }
}

/** Adds a field name. @returns whether it was there before */
function isKnown(here: Open, quoted: string): boolean {
  const name = JSON.parse(quoted) as string;
  here.step = name.slice(0, LONGEST_NAME);
  const isThere = here.names?.has(name) ?? false;
  here.names?.add(name);
  return isThere;
}

/** @returns the index after a string's closing quote */
function endOfText(text: string, at: number): number {
  for (let end = at + 1; end < text.length; end += 1) {
    if (text[end] === '\\') end += 1;
    else if (text[end] === '"') return end + 1;
  }
  return text.length;
}

type BodyOutcome =
  | { readonly kind: 'body'; readonly body: unknown }
  | { readonly kind: 'refused'; readonly answer: Answer }
  | { readonly kind: 'cut' };

/** The path in a request's query. */
interface AskedPath {
  readonly query: unknown;
  /** Its other reading, where it has one. */
  readonly literalPath?: string | undefined;
}

/** Body limit of a tinkerer's own route. */
const UNDESCRIBED_BODY_BYTES = 1024 * 1024;

/**
 * Refuses a body with a Content-Encoding before it is read: nothing here decompresses it, so the
 * compressed bytes would be taken for the content.
 */
export function codingFault(request: IncomingMessage, endpoint: Endpoint | null): Answer | null {
  if (endpoint === null || endpoint.body === 'none') return null;
  const coding = request.headers['content-encoding'] ?? 'identity';
  if (/^\s*(?:identity)?\s*$/i.test(coding)) return null;
  const detail = `This address takes a body as it is, and got one in ${coding.slice(0, 100)}.`;
  return refuse('wrong_body_type', { detail });
}

/**
 * Reads and checks a body, unless the endpoint's node streams it. A body whose Content-Length is too
 * large is refused unread. One without a description is left unread: it may be for the NAS.
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

/** The body of a tinkerer's own route: parsed if it is valid JSON by its type, else the bytes. */
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

/** Whether query and body name different paths, so that neither can be trusted. */
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

/** Answers `Expect: 100-continue` once the body is accepted. */
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
