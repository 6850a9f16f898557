import { createHash } from 'node:crypto';
import {
  type FileVersion,
  readFaultOf,
  type RelistOutcome,
  sameVersion,
} from '../../files/files.ts';
import { failureOf } from '../../nas/nas.ts';
import type { NasDownload, NasRange } from '../../nas/nas-client.ts';

/** One file on the NAS as one caller may fetch it. */
export interface Origin {
  open(range?: NasRange): Promise<NasDownload>;
  /** The file's present version; `force` wants one asked for after this call. */
  relist(force: boolean): Promise<RelistOutcome>;
}

/** What the NAS said with the first byte. */
export interface DownloadHead {
  readonly etag: string | null;
  readonly mimeType: string | null;
}

/** Why the NAS delivered no bytes. */
export type OriginFault =
  | {
      readonly kind: 'not_found' | 'token_refused' | 'nas_busy' | 'nas_bad_answer' | 'unreachable';
    }
  /** It is not the version the listing showed. */
  | { readonly kind: 'changed' };

/** A byte read of what a listing shows: what is refused there without a reason makes no sense. */
export function faultOf(answer: Exclude<NasDownload, { kind: 'stream' }>): OriginFault {
  const failure = failureOf(answer);
  if (failure.kind === 'bad_range') return { kind: 'changed' };
  if (failure.kind === 'refused') return { kind: 'nas_bad_answer' };
  const { kind } = readFaultOf(failure);
  return { kind: kind === 'cannot_ask' ? 'unreachable' : kind };
}

type Stream = Extract<NasDownload, { kind: 'stream' }>;

/**
 * Whether an answer is of the version that is wanted, by all its head tells: size, entity tag, and
 * the time to the second where no tag is known yet.
 * @param head of an earlier answer of that version
 */
export function isOfVersion(
  answer: Stream,
  version: FileVersion,
  head: DownloadHead | null,
): boolean {
  if (answer.sizeBytes !== version.sizeBytes) return false;
  const known = head?.etag ?? version.etag;
  if (known !== null && answer.etag !== null) return known === answer.etag;
  const modifiedAtMs = Date.parse(answer.lastModified ?? '');
  // A listing that shows no time has it as 0; then there is nothing to compare.
  if (Number.isNaN(modifiedAtMs) || version.modifiedAtMs === 0) return true;
  return Math.floor(version.modifiedAtMs / 1000) === Math.floor(modifiedAtMs / 1000);
}

/** What the NAS says about a version after its bytes arrived. */
export type Comparison =
  /** The bytes are of this version and it is still there: keep them, let readers finish. */
  | 'same'
  /** Good enough for readers as far as can be told, but not to be kept. */
  | 'unknown'
  /** Not one version of the file: readers are cut off. */
  | 'changed';

/**
 * Whether a file is still the version a fetch began with. The head of a one-byte read tells size
 * and entity tag, a digest of time and size (docs/NAS.md); the folder is listed again only if they
 * differ.
 */
export async function isUnchanged(
  origin: Origin,
  version: FileVersion,
  head: DownloadHead | null,
): Promise<Comparison> {
  if (head?.etag != null && version.sizeBytes > 0) {
    const answer = await origin.open({ firstByte: 0, lastByte: 0 });
    if (answer.kind === 'stream') {
      answer.body.on('error', () => undefined).resume();
      if (answer.etag === head.etag && isOfVersion(answer, version, head)) return 'same';
    } else if (faultOf(answer).kind === 'unreachable') return 'unknown';
  }
  const now = await origin.relist(true);
  if (now.kind === 'unknown') return 'unknown';
  if (now.kind === 'gone') return 'changed';
  // The checksum may change behind an unchanged file; size and time may not.
  return sameVersion({ ...now.version, checksum: null }, version) ? 'same' : 'changed';
}

/**
 * Checks a complete file. Torn reads with a clean 200 and full length are real (docs/NAS.md), so
 * the length alone proves nothing.
 * @param head of the answer the bytes came with
 * @param sha256 of the bytes as received
 * @returns `torn`: unchanged on the NAS, but these are not its bytes
 */
export async function judge(
  origin: Origin,
  version: FileVersion,
  head: DownloadHead | null,
  sha256: string,
): Promise<Comparison | 'torn'> {
  if (version.checksum === sha256) {
    // Certainly one whole version. A newer one there makes it not worth keeping, but not wrong.
    return (await isListed(origin, version)) ? 'same' : 'unknown';
  }
  const again = await isUnchanged(origin, version, head);
  if (again === 'changed' || version.checksum === null) return again;
  // Either these bytes are torn or the NAS's checksum is old (a rename leaves one behind,
  // docs/NAS.md). Only a second read tells; two torn reads with the same bytes are not expected.
  const second = await hashAgain(origin, version.sizeBytes);
  if (second === sha256) return again;
  return again === 'same' ? 'torn' : 'changed';
}

/** Whether the folder, as it was listed within the last 10 s, still shows this version. */
async function isListed(origin: Origin, version: FileVersion): Promise<boolean> {
  const now = await origin.relist(false);
  if (now.kind !== 'version') return now.kind === 'unknown';
  return sameVersion({ ...now.version, checksum: null }, version);
}

/** Reads the file once more without keeping it; null when the read did not reach its end. */
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

/** An abandoned file is still fetched to its end when at most this much is missing. */
const WORTH_FINISHING_BYTES = 64 * 1024 * 1024;

/** Whether an abandoned download is finished: little is missing, or half is here. */
export function isWorthFinishing(sizeBytes: number, missingBytes: number): boolean {
  return missingBytes <= WORTH_FINISHING_BYTES || missingBytes <= sizeBytes - missingBytes;
}
