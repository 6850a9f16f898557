import type { SpoolHandle } from './disk.ts';

/** Linux takes no more at a time (UIO_MAXIOV). */
const MOST_BUFFERS = 1_024;

/**
 * Writes all of it, however little the disk takes at a time.
 * @throws the disk's error
 */
export async function writeAll(handle: SpoolHandle, batch: readonly Uint8Array[]): Promise<void> {
  let left = batch.filter((bytes) => bytes.length > 0);
  while (left.length > 0) {
    const written = await handle.writev(left.slice(0, MOST_BUFFERS));
    left = without(left, written);
  }
}

function without(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (skip < buffer.length) rest.push(buffer.subarray(skip));
    skip = Math.max(0, skip - buffer.length);
  }
  return rest;
}
