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
