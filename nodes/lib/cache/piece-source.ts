import type { ByteRange } from '../http/http.ts';
import type { BufferPool } from './buffer-pool.ts';
import { sendExtent, type Availability, type Extent, type SendOutcome } from './extent.ts';
import type { Outlet } from './outlet.ts';
import type { OpenPiece, PieceReader } from './piece-reader.ts';
import type { PiecedFill } from './pieced-fill.ts';
import { pieceAt } from './pieces.ts';
import type { PartSource } from './respond.ts';

/** What a piece is opened with; null where it is gone. */
export type OpenKept = (number: number) => Promise<OpenPiece | null>;

/** A file whose wanted pieces are all kept. One that is gone meanwhile cuts its reader off. */
export function keptSource(open: OpenKept, pool: BufferPool): PartSource {
  return {
    send: async (outlet, range) => {
      let position = range.first;
      while (position <= range.last) {
        const piece = await open(pieceAt(position));
        if (piece === null) return false;
        const stretch = { first: position, last: Math.min(range.last, piece.end - 1) };
        const outcome = await sendPiece(outlet, piece, wholePiece(piece), stretch, pool);
        if (outcome.kind !== 'sent') return false;
        position = piece.end;
      }
      return true;
    },
  };
}

/**
 * A file that is being fetched. The last byte of each stretch waits until the NAS has shown that
 * all of the stretch is of one version, so that bytes that turn out torn never end cleanly.
 * @param past sends the rest of a stretch from the NAS, where the disk took no more
 */
export function growingSource(
  fill: PiecedFill,
  reader: PieceReader,
  pool: BufferPool,
  used: (pieceId: number) => void,
  past: (outlet: Outlet, rest: ByteRange) => Promise<boolean>,
): PartSource {
  const send = async (outlet: Outlet, range: ByteRange): Promise<boolean> => {
    const outcome = await follow(outlet, fill, reader, range, pool, used);
    if (outcome.kind === 'sent') return true;
    return outcome.kind === 'unstored' && past(outlet, { ...range, first: outcome.position });
  };
  return {
    send: async (outlet, range) => {
      reader.position = range.first;
      reader.last = range.last;
      if (fill.here.isKept(range.first, range.last)) return send(outlet, range);
      const { first, last } = range;
      if (last > first && !(await send(outlet, { first, last: last - 1 }))) return false;
      if (
        (await fill.whenThere(reader, last)) === 'there' &&
        (await fill.proofs.prove()) === 'changed'
      ) {
        return false;
      }
      return send(outlet, { first: last, last });
    },
  };
}

async function follow(
  outlet: Outlet,
  fill: PiecedFill,
  reader: PieceReader,
  range: ByteRange,
  pool: BufferPool,
  used: (pieceId: number) => void,
): Promise<SendOutcome> {
  let position = range.first;
  while (position <= range.last) {
    reader.position = position;
    outlet.whenClosed(() => {
      fill.here.arrivals.cancel(reader);
    });
    const piece = await fill.open(reader, position);
    if (piece === 'cut') return { kind: 'cut' };
    if (piece === 'unstored') return { kind: 'unstored', position };
    if (piece.id !== null) used(piece.id);
    const stretch = { first: position, last: Math.min(range.last, piece.end - 1) };
    const extent = piece.id === null ? growingPiece(fill, reader, piece) : wholePiece(piece);
    const outcome = await sendPiece(outlet, piece, extent, stretch, pool);
    if (outcome.kind !== 'sent') return outcome;
    position = stretch.last + 1;
  }
  return { kind: 'sent' };
}

/** Sends part of a piece and closes it. @param stretch in positions of the file, as the outcome */
async function sendPiece(
  outlet: Outlet,
  piece: OpenPiece,
  extent: Extent,
  stretch: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  try {
    const within = { first: stretch.first - piece.start, last: stretch.last - piece.start };
    const outcome = await sendExtent(outlet, extent, within, pool);
    if (outcome.kind !== 'unstored') return outcome;
    return { ...outcome, position: outcome.position + piece.start };
  } finally {
    await piece.close();
  }
}

function wholePiece(piece: OpenPiece): Extent {
  return {
    fd: piece.fd,
    ...(piece.read === undefined ? {} : { read: piece.read }),
    available: () => ({ kind: 'upto', bytes: piece.end - piece.start }),
    cancel: () => undefined,
  };
}

/** A piece on its way, in positions of its own. */
function growingPiece(fill: PiecedFill, reader: PieceReader, piece: OpenPiece): Extent {
  const upto = (position: number): Availability => ({
    kind: 'upto',
    bytes: Math.min(fill.here.arrivals.present.endFrom(position), piece.end) - piece.start,
  });
  return {
    fd: piece.fd,
    available: (within) => {
      const position = within + piece.start;
      reader.position = position;
      const arrival = fill.whenThere(reader, position);
      if (arrival === 'there') return upto(position);
      return Promise.resolve(arrival).then((how) =>
        how === 'there' ? upto(position) : { kind: how },
      );
    },
    cancel: () => {
      fill.here.arrivals.cancel(reader);
    },
  };
}
