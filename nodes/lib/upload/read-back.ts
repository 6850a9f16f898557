import { createHash } from 'node:crypto';
import type { NasClient, NasFileItem } from '../nas/nas-client.ts';
import { interruptionOf, type Interruption } from './interruption.ts';

export type ReadBack =
  | { readonly kind: 'hash'; readonly sha256: string }
  /** It is not the length its listing says: it changes while it is read. */
  | { readonly kind: 'unsteady' }
  | Interruption;

/** Reads a file of the NAS once, keeping nothing but its SHA-256 (hex). */
export async function readBack(
  nas: NasClient,
  token: string,
  item: Pick<NasFileItem, 'path' | 'size'>,
  signal: AbortSignal,
): Promise<ReadBack> {
  const download = await nas.download(token, item.path, undefined, { signal });
  if (download.kind !== 'stream') {
    // A file that is listed and cannot be found is being moved right now.
    if (download.kind === 'refused' && download.status === 404) return { kind: 'unsteady' };
    return interruptionOf(download) ?? { kind: 'gone' };
  }
  if (download.lengthBytes !== item.size) {
    download.body.destroy();
    return { kind: 'unsteady' };
  }
  const hash = createHash('sha256');
  let readBytes = 0;
  try {
    for await (const chunk of download.body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      readBytes += chunk.length;
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { kind: 'gone' };
  }
  return readBytes === item.size
    ? { kind: 'hash', sha256: hash.digest('hex') }
    : { kind: 'unsteady' };
}
