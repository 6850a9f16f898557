import type { FileVersion, LocatedFile } from '../files/files.ts';
import type { Origin, OriginFault } from './origin.ts';
import type { PieceCache } from './piece-cache.ts';
import type { PieceReader } from './piece-reader.ts';
import type { PiecedFill } from './pieced-fill.ts';

/** What came of fetching all pieces of a file that no caller waits for. */
export type PiecesAhead =
  | { readonly kind: 'came' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'no_storage' }
  | OriginFault;

/**
 * Fetches what is missing of a file held in pieces, beside those who read it.
 * @param signal aborted when it is to end; what was proved until then stays
 */
export async function fetchPieces(
  pieces: PieceCache,
  file: LocatedFile,
  version: FileVersion,
  origin: (hasReaders: () => boolean) => Origin,
  signal: AbortSignal,
): Promise<PiecesAhead> {
  const hasReaders = (): boolean => joined.fill.readerCount > 1;
  const joined = pieces.joinAll(file, version, origin(hasReaders));
  const { fill, reader } = joined;
  const end = (): void => {
    if (!hasReaders()) fill.stop();
    else fill.here.arrivals.cancel(reader);
  };
  signal.addEventListener('abort', end, { once: true });
  try {
    return await readThrough(fill, reader, signal);
  } finally {
    signal.removeEventListener('abort', end);
    fill.leave(reader);
  }
}

async function readThrough(
  fill: PiecedFill,
  reader: PieceReader,
  signal: AbortSignal,
): Promise<PiecesAhead> {
  const opened = await fill.begin(reader);
  if (opened.kind !== 'open') return opened;
  while (reader.position <= reader.last) {
    const arrival = await fill.whenThere(reader, reader.position);
    if (arrival === 'unstored') return { kind: 'no_storage' };
    if (arrival === 'cut' || signal.aborted) return { kind: 'cut' };
    reader.position = fill.here.arrivals.present.endFrom(reader.position);
  }
  await fill.proofs.prove();
  await fill.proofs.settled();
  return { kind: 'came' };
}
