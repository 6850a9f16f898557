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
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'wrong_type'; readonly got: string }
  | { readonly kind: 'malformed' };

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** Reads a body as the JSON it says it is. An empty body is an empty object. */
export function readJson(bytes: Buffer, contentType: string | undefined): JsonRead {
  if (bytes.length === 0) return { kind: 'json', value: {} };
  if (contentType === undefined || !JSON_TYPE.test(contentType)) {
    return { kind: 'wrong_type', got: (contentType ?? 'nothing').slice(0, 100) };
  }
  const charset = /charset\s*=\s*"?([\w-]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  if (!/^utf-?8$/i.test(charset)) return { kind: 'wrong_type', got: `charset ${charset}` };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { kind: 'json', value: JSON.parse(text) as unknown };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return { kind: 'malformed' };
    throw error;
  }
}
