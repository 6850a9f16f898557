import { asRecord, asText } from './json-value.ts';
import type { NasFileItem } from './nas-client.ts';

const MAX_PATH_BYTES = 4_096;
const MAX_NAME_BYTES = 1_024;
const MAX_WORD_LENGTH = 255;

/** The member of the answer of `GET /api/files/list` that holds its rows. */
export const LISTED = 'files';

/**
 * Reads rows of `GET /api/files/list`. A row without a usable name, path, size, type or time is
 * left out. Paths and names stay byte for byte; times get the `Z` that the NAS leaves out in
 * "Shared with me" (recorded).
 */
export function readItems(rows: readonly unknown[]): readonly NasFileItem[] {
  return rows.map(readItem).filter((item) => item !== null);
}

/** Whether what stood around the rows is a listing. */
export function isListing(body: unknown): boolean {
  return Array.isArray(asRecord(body)?.[LISTED]);
}

function readItem(value: unknown): NasFileItem | null {
  const row = asRecord(value);
  if (row === null) return null;
  const name = asName(row['name']);
  const path = asPath(row['path']);
  const size = row['size'];
  const type = row['type'];
  const modifiedAt = asUtcTime(row['modified_at']);
  if (name === null || path === null || modifiedAt === null) return null;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return null;
  if (type !== 'file' && type !== 'directory') return null;
  return { name, path, size, type, modified_at: modifiedAt, ...readDetails(row) };
}

type Details = Omit<NasFileItem, 'name' | 'path' | 'size' | 'type' | 'modified_at'>;

function readDetails(row: Readonly<Record<string, unknown>>): Details {
  const fileId = row['file_id'];
  const checksum = asText(row['checksum'], 64);
  return {
    owner_id: asId(row['owner_id']),
    owner_name: asText(row['owner_name'], MAX_WORD_LENGTH),
    mime_type: asText(row['mime_type'], MAX_WORD_LENGTH),
    file_id: Number.isSafeInteger(fileId) ? (fileId as number) : null,
    checksum: checksum !== null && /^[0-9a-f]{64}$/i.test(checksum) ? checksum.toLowerCase() : null,
    can_read: asFlag(row['can_read']),
    can_write: asFlag(row['can_write']),
    can_delete: asFlag(row['can_delete']),
  };
}

function asName(value: unknown): string | null {
  const name = asText(value, MAX_NAME_BYTES);
  return name === null || name === '' || name.includes('\0') ? null : name;
}

/** Only what a caller could ask for again: relative, no `..`, no empty segment, no NUL. */
function asPath(value: unknown): string | null {
  const path = asText(value, MAX_PATH_BYTES);
  if (path === null || path.includes('\0') || Buffer.byteLength(path) > MAX_PATH_BYTES) return null;
  const odd = path.split('/').some((part) => part === '' || part === '.' || part === '..');
  return odd ? null : path;
}

const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+-]\d\d:?\d\d)?$/;

function asUtcTime(value: unknown): string | null {
  const parts = TIME.exec(asText(value, 40) ?? '');
  if (parts === null) return null;
  const [, day, time, zone = 'Z'] = parts;
  const atMs = Date.parse(`${day}T${time}${zone}`);
  if (Number.isNaN(atMs)) return null;
  return /^(Z|[+-]00:?00)$/.test(zone) ? `${day}T${time}Z` : new Date(atMs).toISOString();
}

function asId(value: unknown): string | null {
  return typeof value === 'number' ? String(value) : asText(value, MAX_WORD_LENGTH);
}

function asFlag(value: unknown): boolean | null {
  return typeof value === 'boolean' ? value : null;
}
