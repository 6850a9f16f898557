import type { FileVersion, LocatedFile } from '../files/files.ts';
import type { Validators } from '../http/http.ts';
import type { CacheLabel, FileHead } from './answer-plan.ts';
import { etagOf } from './cached-copy.ts';
import type { FillHead } from './origin.ts';

/**
 * The validators of a version. `Last-Modified` is never later than now (RFC 9110, 8.8.2.1), though
 * a camera's clock may have said so; the tag that a listing alone would give names it as well.
 */
export function validatorsOf(
  version: FileVersion,
  nasEtag: string | null,
  nowMs: number,
): Validators {
  return {
    etag: etagOf(version, nasEtag),
    otherTag: () => etagOf(version, null),
    lastModifiedMs: Math.min(version.modifiedAtMs, nowMs),
  };
}

/** The head of an answer whose bytes come from the NAS. */
export function headOf(
  file: LocatedFile,
  version: FileVersion,
  said: FillHead,
  label: CacheLabel,
  nowMs: number,
): FileHead {
  return {
    ...validatorsOf(version, said.etag ?? version.etag, nowMs),
    name: file.name,
    sizeBytes: version.sizeBytes,
    mimeType: file.mimeType ?? said.mimeType,
    label,
    ageSeconds: null,
  };
}
