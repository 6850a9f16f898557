import type { NasFileItem } from '../nas/nas-client.ts';

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

/** Which bytes a path held, as far as the NAS tells without reading them. */
export interface FileVersion {
  readonly sizeBytes: number;
  /** As the NAS writes it, to the microsecond, ending in Z. */
  readonly modifiedAtText: string;
  readonly modifiedAtMs: number;
  /** SHA-256 in hex; null where the NAS has none. May be stale (docs/NAS.md). */
  readonly checksum: string | null;
  /**
   * The NAS's entity tag, a digest of time and size. Known where the version was learnt by a
   * one-byte read, as for a single shared file, whose listing shows another clock (docs/NAS.md).
   */
  readonly etag: string | null;
}

/**
 * Whether two readings mean the same bytes. Tags decide where both have one; else size, time to
 * the microsecond and checksum, of which an unknown one proves nothing.
 */
export function sameVersion(a: FileVersion, b: FileVersion): boolean {
  if (a.sizeBytes !== b.sizeBytes) return false;
  if (a.etag !== null && b.etag !== null) return a.etag === b.etag;
  if (a.modifiedAtText !== b.modifiedAtText) return false;
  return a.checksum === null || b.checksum === null || a.checksum === b.checksum;
}

/** What a time the NAS left out or garbled counts as: `modified_at` is never null on the wire. */
const NO_TIME = '1970-01-01T00:00:00Z';

/**
 * The NAS's time in one form. It mixes `…Z` with microseconds, naive UTC and `+00:00` (docs/NAS.md);
 * the apps parse nothing but the first.
 */
export function normaliseTime(text: string): { readonly text: string; readonly atMs: number } {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?$/.exec(text);
  if (match === null) return { text: NO_TIME, atMs: 0 };
  const [, day = '', time = '', fraction = '', zone = 'Z'] = match;
  const atMs = Date.parse(`${day}T${time}${zone}`);
  if (Number.isNaN(atMs)) return { text: NO_TIME, atMs: 0 };
  const seconds = new Date(atMs).toISOString().slice(0, 19);
  const millis = Math.floor(Number(`0${fraction}`) * 1000);
  return { text: `${seconds}${fraction}Z`, atMs: atMs + millis };
}
