import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { ByteRange } from '../http/http.ts';
import type { AnswerPlan } from './answer-plan.ts';
import type { BufferPool } from './buffer-pool.ts';
import { readExactly, sendExtent, type Extent } from './extent.ts';
import { readLater } from './open-blobs.ts';
import { Outlet } from './outlet.ts';
import { SMALL_FILE_BYTES } from './small-files.ts';
import type { ReadAt } from './warm-reads.ts';

/** Where the bytes of an answer come from. */
export interface PartSource {
  /** Sends one stretch; false where the caller is gone or must be cut off. */
  send(outlet: Outlet, range: ByteRange): Promise<boolean>;
  /** Reads a short stretch; null where it is not there. Missing where bytes come as a stream. */
  readonly small?: (range: ByteRange) => Buffer | null | Promise<Buffer | null>;
}

/**
 * Writes a planned answer. What cannot be finished is cut, never ended.
 * @returns whether all of it was handed over
 */
export async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  plan: AnswerPlan,
  source: PartSource,
): Promise<boolean> {
  const only = plan.parts.length === 1 ? plan.parts[0] : undefined;
  if (only !== undefined && source.small !== undefined && plan.fileBytes <= SMALL_FILE_BYTES) {
    return await respondAtOnce(response, plan, source.small(only.range));
  }
  const outlet = new Outlet(response);
  response.writeHead(plan.statusCode, plan.headers);
  if (request.method === 'HEAD') {
    outlet.end();
    return true;
  }
  try {
    for (const part of plan.parts) {
      if (part.preamble !== '' && !(await outlet.write(part.preamble))) return false;
      if (!(await source.send(outlet, part.range))) {
        outlet.cut();
        return false;
      }
    }
  } catch (error) {
    outlet.cut();
    throw error;
  }
  outlet.end(plan.epilogue === '' ? undefined : plan.epilogue);
  return true;
}

/** One read and one write, head and bytes together: what a short answer costs least. */
async function respondAtOnce(
  response: ServerResponse,
  plan: AnswerPlan,
  reading: Buffer | null | Promise<Buffer | null>,
): Promise<boolean> {
  const bytes = reading instanceof Promise ? await reading : reading;
  if (response.destroyed) return false;
  if (bytes === null) {
    response.destroy();
    return false;
  }
  // A reset connection is told by 'close' as well.
  response.on('error', () => undefined);
  response.writeHead(plan.statusCode, plan.headers);
  response.end(bytes);
  return true;
}

/** An open file that is always read by way of the thread pool. */
export function plainFile(fd: number): { readonly fd: number; readonly read: ReadAt } {
  return { fd, read: (into, length, position) => readLater(fd, into, length, position) };
}

/** A whole file on disk. */
export function fileSource(
  file: { readonly fd: number; readonly read: ReadAt },
  sizeBytes: number,
  pool: BufferPool,
): PartSource {
  const extent: Extent = {
    ...file,
    available: () => ({ kind: 'upto', bytes: sizeBytes }),
    cancel: () => undefined,
  };
  return {
    send: async (outlet, range) => (await sendExtent(outlet, extent, range, pool)).kind === 'sent',
    small: ({ first, last }) => readExactly(file.read, first, Buffer.allocUnsafe(last - first + 1)),
  };
}

/** A whole file in memory. */
export function memorySource(bytes: Buffer): PartSource {
  const stretch = ({ first, last }: ByteRange): Buffer =>
    first === 0 && last === bytes.length - 1 ? bytes : bytes.subarray(first, last + 1);
  return { send: (outlet, range) => outlet.write(stretch(range)), small: stretch };
}

/**
 * Passes a stream from the NAS on, holding no more than one chunk.
 * @param mayEnd asked before the last byte goes out, which is what makes the answer count
 * @returns whether exactly `lengthBytes` came and went
 */
export async function sendStream(
  outlet: Outlet,
  body: Readable,
  lengthBytes: number,
  mayEnd: () => Promise<boolean>,
): Promise<boolean> {
  outlet.whenClosed(() => body.destroy());
  let count = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      count += chunk.length;
      if (count > lengthBytes) return false;
      const isLast = count === lengthBytes;
      if (!(await outlet.write(isLast ? chunk.subarray(0, -1) : chunk))) return false;
      if (isLast && !((await mayEnd()) && (await outlet.write(chunk.subarray(-1))))) return false;
    }
  } catch {
    // The NAS or the caller went away; either way the answer cannot be finished.
    return false;
  } finally {
    body.destroy();
  }
  return count === lengthBytes;
}
