import { createHash } from 'node:crypto';
import { sameVersion, type FileVersion } from '../files/files.ts';
import type { Origin } from './origin.ts';

/** What may be done with a file fetched whole. */
export type Verdict =
  /** Keep it, and let its readers have the end. */
  | 'keep'
  /** Good enough for its readers, as far as can be told, but not to be kept. */
  | 'let_go'
  /** Not one version of the file: cut its readers off. */
  | 'cut';

/**
 * Judges a fetched file. Torn reads with a clean 200 and full length are real (docs/NAS.md), so the
 * length alone proves nothing.
 * @param sha256 of the bytes as they came
 */
export async function judge(
  origin: Origin,
  version: FileVersion,
  sha256: string,
): Promise<Verdict> {
  if (version.checksum === sha256) {
    // One whole version for certain. A newer one there makes it not worth keeping, not wrong.
    return (await stands(origin, version, false)) === 'changed' ? 'let_go' : 'keep';
  }
  const again = await stands(origin, version, true);
  if (again === 'changed') return 'cut';
  if (version.checksum === null) return again === 'same' ? 'keep' : 'let_go';
  // Either these bytes are torn or the NAS's checksum is old (a rename leaves one behind,
  // docs/NAS.md): only a second read tells, and torn twice to the same bytes is not to be expected.
  const second = await hashAgain(origin, version.sizeBytes);
  if (second !== sha256) return 'cut';
  return again === 'same' ? 'keep' : 'let_go';
}

async function stands(
  origin: Origin,
  version: FileVersion,
  force: boolean,
): Promise<'same' | 'changed' | 'unknown'> {
  const now = await origin.relist(force);
  if (now.kind === 'unknown') return 'unknown';
  if (now.kind === 'gone') return 'changed';
  // The checksum may come or change behind a file that stands still; size and time may not.
  const bare = { ...now.version, checksum: null };
  return sameVersion(bare, version) ? 'same' : 'changed';
}

/** Reads the file once more without keeping it; null when that did not come to its end. */
async function hashAgain(origin: Origin, sizeBytes: number): Promise<string | null> {
  const answer = await origin.open();
  if (answer.kind !== 'stream') return null;
  const hash = createHash('sha256');
  let count = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      count += chunk.length;
      if (count > sizeBytes) return null;
      hash.update(chunk);
    }
  } catch {
    // The NAS went away in the middle: that is the answer "could not tell".
    return null;
  }
  return count === sizeBytes ? hash.digest('hex') : null;
}
