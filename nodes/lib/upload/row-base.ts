import { liesBeside, NO_BASE, type UploadBase, type UploadRow } from './upload-row.ts';
import type { UploadRows } from './upload-rows.ts';

/** What a version stands on. */
export interface Standing {
  /** What the NAS must still show for nothing to be lost by it. */
  readonly base: UploadBase;
  /** The conflict copy its branch lies in, which it replaces; null for the file's own place. */
  readonly copyPath: string | null;
}

/** A version that never arrived passes on its own base, and a conflict copy its place. */
export function standingOf(row: UploadRow, uploads: UploadRows): Standing {
  let { base } = row;
  while (base.source === 'queue' && base.uploadId !== null) {
    const before = uploads.byId(base.uploadId);
    if (before === null) return { base: NO_BASE, copyPath: null };
    if (before.state === 'synced' || before.state === 'conflict') {
      const { sizeBytes, sha256: checksum } = before;
      return {
        base: { ...NO_BASE, source: 'own', sizeBytes, checksum },
        copyPath: liesBeside(before) ? before.deliveredPath : null,
      };
    }
    base = before.base;
  }
  return { base, copyPath: null };
}
