import type { FileVersion, LocatedFile } from '../files/files.ts';
import type { CacheLabel, FileHead } from './answer-plan.ts';
import { etagOf } from './cached-copy.ts';
import type { FillHead } from './origin.ts';

/** The head of an answer whose bytes come from the NAS. */
export function headOf(
  file: LocatedFile,
  version: FileVersion,
  said: FillHead,
  label: CacheLabel,
): FileHead {
  return {
    name: file.name,
    sizeBytes: version.sizeBytes,
    etag: etagOf(version, said.etag ?? version.etag),
    lastModifiedMs: version.modifiedAtMs,
    mimeType: file.mimeType ?? said.mimeType,
    label,
    ageSeconds: null,
  };
}
