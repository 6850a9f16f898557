import type { ByteRange } from '../http/http.ts';
import type { BufferPool } from './buffer-pool.ts';
import { readLater } from './open-blobs.ts';
import type { Outlet } from './outlet.ts';
import { sendWhole } from './send-whole.ts';
import type { ReadAt } from './warm-reads.ts';

/** How far a file may be read now. */
export type Availability =
  | { readonly kind: 'upto'; readonly bytes: number }
  /** The bytes will never be whole: whoever reads must be cut off. */
  | { readonly kind: 'cut' }
  /** The disk took no more of it; the rest has to come from the NAS. */
  | { readonly kind: 'unstored' };

/** A file that is there, or is becoming there. */
export interface Extent {
  readonly fd: number;
  /** How a file that is all there is read. Missing for one that still grows. */
  readonly read?: ReadAt;
  /** Answers once more than `position` bytes may be read, or never will. */
  available(position: number): Availability | Promise<Availability>;
  /** Wakes a call of `available` that waits: its reader is gone. */
  cancel(): void;
}

export type SendOutcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'cut' }
  /** The caller has everything below `position`. */
  | { readonly kind: 'unstored'; readonly position: number };

const CUT: SendOutcome = { kind: 'cut' };

/** Sends part of a file: one that is all there, or one that still grows. */
export async function sendExtent(
  outlet: Outlet,
  extent: Extent,
  range: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  outlet.whenClosed(() => {
    extent.cancel();
  });
  if (extent.read === undefined) return sendGrowing(outlet, extent, range, pool);
  return (await sendWhole(outlet, extent.read, range, pool)) ? { kind: 'sent' } : CUT;
}

/**
 * With two buffers in turn: one is read into while the other is on its way (measured: seven times
 * the work per CPU second of a pipe for small files, half more for large).
 */
async function sendGrowing(
  outlet: Outlet,
  extent: Extent,
  range: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  const [front, back] = [pool.take(), pool.take()];
  let writing: Promise<boolean> = Promise.resolve(true);
  try {
    let position = range.first;
    for (let turn = 0; position <= range.last; turn += 1) {
      const upto = await extent.available(position);
      if (upto.kind === 'unstored') return (await writing) ? { ...upto, position } : CUT;
      if (upto.kind === 'cut' || !outlet.isOpen) return CUT;
      const buffer = turn % 2 === 0 ? front : back;
      const wanted = Math.min(buffer.length, range.last + 1 - position, upto.bytes - position);
      const count = await readLater(extent.fd, buffer, wanted, position);
      // A file shorter than its row: what is missing must not look like the end.
      if (count === 0 || !(await writing)) return CUT;
      writing = outlet.write(count === buffer.length ? buffer : buffer.subarray(0, count));
      position += count;
    }
    return (await writing) ? { kind: 'sent' } : CUT;
  } finally {
    await writing;
    pool.giveBack(front);
    pool.giveBack(back);
  }
}

/** Fills a buffer from `first` on; null where the file has less. */
export async function readExactly(
  read: ReadAt,
  first: number,
  buffer: Buffer,
): Promise<Buffer | null> {
  let done = 0;
  while (done < buffer.length) {
    const into = done === 0 ? buffer : buffer.subarray(done);
    const reading = read(into, into.length, first + done);
    const count = typeof reading === 'number' ? reading : await reading;
    if (count === 0) return null;
    done += count;
  }
  return buffer;
}
