import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../time/clock.ts';

/** An owner's own query on a database that BaluPi keeps writing to. */
export interface Question {
  /** The database's file. */
  readonly file: string;
  readonly sql: string;
  /** Values of the query by name, such as `$days`; never part of its text. */
  readonly params: Readonly<Record<string, unknown>>;
  /** No more rows than this are read. */
  readonly mostRows: number;
  /** How long it may take, ms. */
  readonly withinMs: number;
}

export type QueryOutcome =
  | {
      readonly kind: 'rows';
      readonly rows: readonly Readonly<Record<string, unknown>>[];
      /** There were more rows. */
      readonly isCut: boolean;
    }
  /** SQLite's own words. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'too_long' }
  /** The rows did not fit into the memory of a query. */
  | { readonly kind: 'too_large' };

/** The memory limit of a query, MB. */
const LIMITS = { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 4, stackSizeMb: 1 };
/** The worker next to this file, compiled or not. */
const PROGRAM = new URL(`./read-only-worker${extname(import.meta.url)}`, import.meta.url);

/**
 * Runs on its own thread, which ends with the answer: SQLite is synchronous, and a query over a
 * year would block every other caller for as long.
 * @param signal aborts it, as `too_long`
 */
export async function askReadOnly(
  clock: Pick<Clock, 'after'>,
  question: Question,
  signal: AbortSignal,
): Promise<QueryOutcome> {
  const { promise, resolve } = Promise.withResolvers<QueryOutcome>();
  const worker = new Worker(PROGRAM, {
    workerData: question,
    resourceLimits: LIMITS,
    name: 'read-only-query',
  });
  worker.unref();
  const tooLong = (): void => {
    resolve({ kind: 'too_long' });
  };
  const cancel = clock.after(question.withinMs, tooLong);
  signal.addEventListener('abort', tooLong, { once: true });
  worker.on('message', resolve);
  worker.on('error', (error: Error) => {
    const isMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    resolve(isMemory ? { kind: 'too_large' } : { kind: 'refused', reason: error.message });
  });
  try {
    return await promise;
  } finally {
    cancel();
    signal.removeEventListener('abort', tooLong);
    await worker.terminate();
  }
}
