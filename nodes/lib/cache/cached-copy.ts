import { hash } from 'node:crypto';
import { sameVersion, type FileVersion } from '../files/files.ts';

/** A kept copy: which version of which path, and the blob that holds it. */
export interface CachedCopy {
  readonly id: number;
  readonly path: string;
  readonly version: FileVersion;
  /** Of the bytes kept, which is not the NAS's checksum where that one is stale. */
  readonly sha256: string;
  readonly mimeType: string | null;
  readonly ownerId: string | null;
  /** Random hex, never a client's name. */
  readonly blob: string;
  readonly validatedAtMs: number;
}

/** Which version is kept, and what its bytes hash to where that is known. */
export interface HeldVersion {
  readonly version: FileVersion;
  readonly sha256: string | null;
}

/** A whole copy as a file of the Pi's own, for what is made of it. */
export interface KeptCopy {
  readonly id: number;
  readonly blob: string;
  /** Where it lies. */
  readonly file: string;
  readonly sizeBytes: number;
}

/** A copy about to be kept. */
export type NewCopy = Omit<CachedCopy, 'id'>;

/** A strong tag as RFC 9110 spells it; anything else is not passed on. */
const STRONG_TAG = /^"[\x21\x23-\x7e]{1,128}"$/;

/**
 * The tag a version is served under, the same on a miss and on every later hit: the NAS's own where
 * it is known, so that a download begun at either side can be resumed at the other.
 */
export function etagOf(version: FileVersion, nasEtag: string | null): string {
  if (nasEtag !== null && STRONG_TAG.test(nasEtag)) return nasEtag;
  const text = `${version.sizeBytes} ${version.modifiedAtText} ${version.checksum ?? ''}`;
  // In one go: an object for each hash made the collector the largest cost of a small answer.
  return `"${hash('sha256', text, 'hex').slice(0, 32)}"`;
}

/**
 * Whether a copy holds this version. The NAS may have learnt or mended its checksum since: then it
 * tells what the bytes were all along.
 */
export function holds(copy: HeldVersion, version: FileVersion): boolean {
  if (sameVersion(copy.version, version)) return true;
  return (
    copy.sha256 !== null &&
    version.checksum === copy.sha256 &&
    sameVersion({ ...copy.version, checksum: copy.sha256 }, version)
  );
}
