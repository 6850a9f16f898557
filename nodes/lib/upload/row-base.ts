import { NO_BASE, type UploadBase, type UploadRow } from './upload-row.ts';
import type { UploadRows } from './upload-rows.ts';

/**
 * What the NAS must still show for nothing to be lost by a row. A version that never arrived passes
 * on its own base.
 */
export function baseOf(row: UploadRow, uploads: UploadRows): UploadBase {
  let { base } = row;
  while (base.source === 'queue' && base.uploadId !== null) {
    const before = uploads.byId(base.uploadId);
    if (before === null) return NO_BASE;
    if (before.state === 'synced' || before.state === 'conflict') {
      return { ...NO_BASE, source: 'own', sizeBytes: before.sizeBytes, checksum: before.sha256 };
    }
    base = before.base;
  }
  return base;
}
