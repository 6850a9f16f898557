import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { ByteRange } from '../http/http.ts';
import type { AnswerPlan } from './answer-plan.ts';
import type { BufferPool } from './buffer-pool.ts';
import { readExactly, sendExtent, type Extent } from './extent.ts';
import { Outlet } from './outlet.ts';

/** Where the bytes of an answer come from. */
export interface PartSource {
  /** Sends one stretch; false where the caller is gone or must be cut off. */
  send(outlet: Outlet, range: ByteRange): Promise<boolean>;
}

/** Up to here one read and one write are the whole answer (docs/PERFORMANCE.md). */
const SMALL_BYTES = 64 * 1024;

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

/** A whole file on disk. */
export function fileSource(fd: number, sizeBytes: number, pool: BufferPool): PartSource {
  const extent: Extent = {
    fd,
    available: () => ({ kind: 'upto', bytes: sizeBytes }),
    cancel: () => undefined,
  };
  return {
    send: async (outlet, range) => {
      if (range.last - range.first < SMALL_BYTES) {
        const bytes = await readExactly(fd, range);
        return bytes !== null && (await outlet.write(bytes));
      }
      return (await sendExtent(outlet, extent, range, pool)).kind === 'sent';
    },
  };
}

/**
 * Passes a stream from the NAS on, holding no more than one chunk.
 * @returns whether exactly `lengthBytes` came and went
 */
export async function sendStream(
  outlet: Outlet,
  body: Readable,
  lengthBytes: number,
): Promise<boolean> {
  outlet.whenClosed(() => body.destroy());
  let count = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      count += chunk.length;
      if (count > lengthBytes) return false;
      if (!(await outlet.write(chunk))) return false;
    }
  } catch {
    // The NAS or the caller went away; either way the answer cannot be finished.
    return false;
  } finally {
    body.destroy();
  }
  return count === lengthBytes;
}
