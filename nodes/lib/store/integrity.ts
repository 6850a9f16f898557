import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

const LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
/** The worker next to this file, compiled or not. */
const PROGRAM = new URL(`./integrity-worker${extname(import.meta.url)}`, import.meta.url);

export interface IntegrityOrder {
  readonly file: string;
  /** Somebody writes to it meanwhile, but only to its log. */
  readonly isInUse: boolean;
}

/**
 * SQLite's whole check of a database that nobody uses, on a thread of its own, as it reads all of
 * it. The file needs no other next to it afterwards.
 * @returns what is wrong with it; null where it is sound
 * @throws the error of SQLite where the file cannot even be opened
 */
export async function faultOfCopy(file: string): Promise<string | null> {
  return await faultOf({ file, isInUse: false });
}

/**
 * SQLite's quick check of a database in use, on its own thread and without a lock, so that nobody
 * waits. The result counts only if nothing was written into the file meanwhile, which the owner
 * ensures: commits go into the log alone.
 * @param signal aborts it
 * @returns what is wrong with it; null where it is sound
 * @throws the error of SQLite where the disk does not give the file; the reason of the signal
 */
export async function faultInUse(file: string, signal: AbortSignal): Promise<string | null> {
  return await faultOf({ file, isInUse: true }, signal);
}

async function faultOf(order: IntegrityOrder, signal?: AbortSignal): Promise<string | null> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const worker = new Worker(PROGRAM, { workerData: order, resourceLimits: LIMITS });
  const end = (): void => {
    void worker.terminate();
  };
  signal?.addEventListener('abort', end, { once: true });
  worker.once('message', resolve);
  worker.once('error', reject);
  worker.once('exit', () => {
    reject(
      signal?.aborted === true
        ? (signal.reason as Error)
        : new Error('The check of a database ended without a word.'),
    );
  });
  try {
    const found = await promise;
    return found === 'ok' ? null : found;
  } finally {
    signal?.removeEventListener('abort', end);
  }
}
