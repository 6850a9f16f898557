import type { NasFileItem } from '../nas/nas-client.ts';
import { normaliseTime, type FileVersion } from './file-version.ts';

/** One entry of a folder as one user was shown it. */
export interface StoredItem {
  /** The Pi's own stable id. */
  readonly piId: number;
  readonly name: string;
  /** As the NAS wrote it, byte for byte. */
  readonly path: string;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  readonly modifiedAtText: string;
  readonly modifiedAtMs: number;
  readonly ownerId: string | null;
  readonly ownerName: string | null;
  readonly mimeType: string | null;
  readonly nasFileId: number | null;
  readonly checksum: string | null;
  readonly canRead: boolean | null;
  readonly canWrite: boolean | null;
  readonly canDelete: boolean | null;
  /** Where the NAS has it, where its user moved it to `path` and the NAS did not yet. */
  readonly nasPath?: string;
}

/** An entry before the Pi gave it an id. */
export type ListedItem = Omit<StoredItem, 'piId' | 'nasPath'>;

export function listedItem(item: NasFileItem): ListedItem {
  const modified = normaliseTime(item.modified_at);
  return {
    name: item.name,
    path: item.path,
    isDirectory: item.type === 'directory',
    sizeBytes: item.size,
    modifiedAtText: modified.text,
    modifiedAtMs: modified.atMs,
    ownerId: item.owner_id,
    ownerName: item.owner_name,
    mimeType: item.mime_type,
    nasFileId: item.file_id,
    checksum: item.checksum?.toLowerCase() ?? null,
    canRead: item.can_read,
    canWrite: item.can_write,
    canDelete: item.can_delete,
  };
}

export function versionOf(item: ListedItem): FileVersion {
  return {
    sizeBytes: item.sizeBytes,
    modifiedAtText: item.modifiedAtText,
    modifiedAtMs: item.modifiedAtMs,
    checksum: item.checksum,
    etag: null,
  };
}
