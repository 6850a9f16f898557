import type { NasFileItem } from '../nas/nas-client.ts';
import { compareBase } from './base.ts';
import type { SeenEntry } from './change-row.ts';
import { NO_BASE } from './upload-row.ts';

/** `doubtful`: the listing alone cannot tell, the content must be read. */
export type EntryVerdict = 'same' | 'changed' | 'doubtful';

/**
 * Holds what the NAS lists now against what its user saw. A checksum of the NAS may be stale, so one
 * that agrees proves nothing where the time is not known.
 * @param isForGood what is lost by the change is lost, so that no doubt is left
 */
export function judgeEntry(seen: SeenEntry, item: NasFileItem, isForGood: boolean): EntryVerdict {
  if (seen.isFolder || item.type === 'directory') {
    return seen.isFolder && item.type === 'directory' ? 'same' : 'changed';
  }
  const { sizeBytes, modifiedAt, checksum } = seen;
  const verdict = compareBase(
    { ...NO_BASE, source: 'listing', sizeBytes, modifiedAt, checksum },
    item,
  );
  if (verdict === 'doubtful') return 'doubtful';
  if (verdict !== 'unchanged') return 'changed';
  return isForGood && modifiedAt === null ? 'doubtful' : 'same';
}

/** What lies at a place, as it will be held against the NAS if it is wanted all the same. */
export function entryOf(path: string, item: NasFileItem): SeenEntry {
  return {
    path,
    isFolder: item.type === 'directory',
    sizeBytes: item.size,
    modifiedAt: item.modified_at,
    checksum: item.checksum?.toLowerCase() ?? null,
  };
}
