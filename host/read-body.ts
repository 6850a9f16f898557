import type { IncomingMessage } from 'node:http';

export type BodyRead =
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

export type JsonRead =
  | {
      readonly kind: 'json';
      readonly value: unknown;
      /** The way to a field that is given twice, of which nobody knows which is meant. */
      readonly twice: readonly (string | number)[] | null;
    }
  | { readonly kind: 'wrong_type'; readonly got: string }
  | { readonly kind: 'malformed' };

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** Reads a body as the JSON it says it is. An empty body is an empty object. */
export function readJson(bytes: Buffer, contentType: string | undefined): JsonRead {
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

/** Lists of many thousand entries are not looked through. */
const MOST_LOOKED_AT_CHARS = 1024 * 1024;
const LONGEST_NAME = 100;
const MOST_STEPS = 20;

interface Open {
  /** Of an object; null for a list. */
  readonly names: Set<string> | null;
  /** The field or entry that is being read. */
  step: string | number;
}

/** @param text JSON that was read before, so that it is well formed */
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

/** Follows a character outside of texts. @returns whether the next text is the name of a field */
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

/** Takes the name of a field. @returns whether it was there before */
function isKnown(here: Open, quoted: string): boolean {
  const name = JSON.parse(quoted) as string;
  here.step = name.slice(0, LONGEST_NAME);
  const isThere = here.names?.has(name) ?? false;
  here.names?.add(name);
  return isThere;
}

/** Behind the quotation mark that ends a text. */
function endOfText(text: string, at: number): number {
  for (let end = at + 1; end < text.length; end += 1) {
    if (text[end] === '\\') end += 1;
    else if (text[end] === '"') return end + 1;
  }
  return text.length;
}
