import type { NasFileItem } from '../nas/nas-client.ts';
import type { UploadBase } from './upload-row.ts';

/**
 * How what lies at the target compares with what an upload was made from.
 * `doubtful`: the listing alone cannot tell, the content must be read.
 */
export type BaseVerdict = 'absent' | 'unchanged' | 'changed' | 'doubtful';

/**
 * Compares by the NAS's row alone. A checksum of the NAS may be stale or missing (docs/NAS.md), so
 * one that agrees while size or time moved proves nothing.
 * @param item null where the folder shows no such name
 */
export function compareBase(base: UploadBase, item: NasFileItem | null): BaseVerdict {
  if (item === null) return 'absent';
  if (item.type === 'directory' || base.source === 'none') return 'changed';
  if (base.sizeBytes !== null && base.sizeBytes !== item.size) return 'changed';
  return compareContent(base, item);
}

function compareContent(base: UploadBase, item: NasFileItem): BaseVerdict {
  const sameTime = base.modifiedAt === null ? null : isSameTime(base.modifiedAt, item.modified_at);
  if (base.checksum === null) return sameTime === true ? 'unchanged' : 'changed';
  if (item.checksum === null) return sameTime === true ? 'unchanged' : 'doubtful';
  if (item.checksum.toLowerCase() !== base.checksum) return 'changed';
  return sameTime === false ? 'doubtful' : 'unchanged';
}

/** The NAS writes one moment with `Z`, with `+00:00` and with nothing (docs/NAS.md). */
function isSameTime(a: string, b: string): boolean {
  return a === b || bareTime(a) === bareTime(b);
}

function bareTime(text: string): string {
  const bare = text.replace(' ', 'T').replace(/(Z|\+00:?00)$/, '');
  return bare.includes('.') ? bare.replace(/\.?0+$/, '') : bare;
}

/** Whether two rows of the NAS show the same version of a file. */
export function isSameItem(a: NasFileItem | null, b: NasFileItem | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.type === b.type &&
    a.size === b.size &&
    isSameTime(a.modified_at, b.modified_at) &&
    a.checksum === b.checksum
  );
}
