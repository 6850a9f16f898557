import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

const LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
/** The worker beside this file, compiled or not. */
const PROGRAM = new URL(`./integrity-worker${extname(import.meta.url)}`, import.meta.url);

/**
 * SQLite's whole check of a database that nobody uses, on a thread of its own, as it reads all of
 * it. The file needs no other beside it afterwards.
 * @returns what is wrong with it; null where it is sound
 * @throws the error of SQLite where the file cannot even be opened
 */
export async function faultOfCopy(file: string): Promise<string | null> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const worker = new Worker(PROGRAM, { workerData: file, resourceLimits: LIMITS });
  worker.once('message', resolve);
  worker.once('error', reject);
  worker.once('exit', () => {
    reject(new Error('The check of a database ended without a word.'));
  });
  const found = await promise;
  return found === 'ok' ? null : found;
}
