import { createHash } from 'node:crypto';
import { sameVersion, type FileVersion } from '../files/files.ts';
import { standsStill, type FillHead, type Origin } from './origin.ts';

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
 * @param head of the answer they came with
 * @param sha256 of the bytes as they came
 */
export async function judge(
  origin: Origin,
  version: FileVersion,
  head: FillHead | null,
  sha256: string,
): Promise<Verdict> {
  if (version.checksum === sha256) {
    // One whole version for certain. A newer one there makes it not worth keeping, not wrong.
    return (await isListed(origin, version)) ? 'keep' : 'let_go';
  }
  const again = await standsStill(origin, version, head);
  if (again === 'changed') return 'cut';
  if (version.checksum === null) return again === 'same' ? 'keep' : 'let_go';
  // Either these bytes are torn or the NAS's checksum is old (a rename leaves one behind,
  // docs/NAS.md): only a second read tells, and torn twice to the same bytes is not to be expected.
  const second = await hashAgain(origin, version.sizeBytes);
  if (second !== sha256) return 'cut';
  return again === 'same' ? 'keep' : 'let_go';
}

/** Whether the folder, as it was listed within the last 10 s, still shows this version. */
async function isListed(origin: Origin, version: FileVersion): Promise<boolean> {
  const now = await origin.relist(false);
  if (now.kind !== 'version') return now.kind === 'unknown';
  return sameVersion({ ...now.version, checksum: null }, version);
}

/** Reads the file once more without keeping it; null when that did not come to its end. */
export async function hashAgain(origin: Origin, sizeBytes: number): Promise<string | null> {
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
