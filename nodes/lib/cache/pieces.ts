import type { ByteRange } from '../http/http.ts';

/** Files above this size are held in pieces, so that one video never flushes the cache. */
export const PIECED_ABOVE_BYTES = 64 * 1024 * 1024;
/** A piece: small enough to be fetched for a seek, large enough to keep the rows few. */
export const PIECE_BYTES = 4 * 1024 * 1024;

export function isPieced(sizeBytes: number): boolean {
  return sizeBytes > PIECED_ABOVE_BYTES;
}

/** The number of the piece a position lies in, from 0. */
export function pieceAt(position: number): number {
  return Math.floor(position / PIECE_BYTES);
}

export function pieceCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / PIECE_BYTES);
}

/** Where a piece begins in its file, in bytes. */
export function pieceStart(number: number): number {
  return number * PIECE_BYTES;
}

/** The position after a piece's last byte. */
export function pieceEnd(number: number, sizeBytes: number): number {
  return Math.min(pieceStart(number) + PIECE_BYTES, sizeBytes);
}

export function pieceSize(number: number, sizeBytes: number): number {
  return pieceEnd(number, sizeBytes) - pieceStart(number);
}

/** First and last piece of a stretch. */
export function piecesOf(range: ByteRange): { readonly first: number; readonly last: number } {
  return { first: pieceAt(range.first), last: pieceAt(range.last) };
}
