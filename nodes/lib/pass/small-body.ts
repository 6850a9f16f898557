import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';

export type SmallBody =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'too_large' }
  /** It broke off. */
  | { readonly kind: 'cut' };

/** What the NAS takes for JSON: what says so, and what says nothing (BaluHost 1.38's framework). */
export function mayBeJson({ 'content-type': type }: IncomingHttpHeaders): boolean {
  return type === undefined || /^application\/(?:[\w.+-]+\+)?json\b/i.test(type.trim());
}

/** Reads a stream to its end, as long as it brings no more than that; more is left unread. */
export async function readSmallBody(stream: Readable, maxBytes: number): Promise<SmallBody> {
  const { promise, resolve } = Promise.withResolvers<SmallBody>();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const onData = (chunk: Buffer): void => {
    sizeBytes += chunk.length;
    chunks.push(chunk);
    if (sizeBytes > maxBytes) resolve({ kind: 'too_large' });
  };
  const onEnd = (): void => {
    resolve({ kind: 'bytes', bytes: Buffer.concat(chunks) });
  };
  const onCut = (): void => {
    resolve({ kind: 'cut' });
  };
  stream.on('data', onData);
  stream.once('end', onEnd);
  stream.once('error', onCut);
  stream.once('close', onCut);
  const read = await promise;
  stream.off('data', onData);
  stream.off('end', onEnd);
  stream.off('error', onCut);
  stream.off('close', onCut);
  if (read.kind === 'too_large') stream.destroy();
  return read;
}

/** @returns undefined for what is no JSON */
export function parsedJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
