import type { NasFileItem } from '../nas/nas-client.ts';
import { fieldOf } from './interruption.ts';

/**
 * Reads the answer of `POST /api/files/check-exists`: files alone, with what an upload must know.
 * @returns null when it is not of that form
 */
export function readExisting(body: unknown, folder: string): readonly NasFileItem[] | null {
  const found = fieldOf(body, 'duplicates');
  if (!Array.isArray(found)) return null;
  const items: NasFileItem[] = [];
  for (const raw of found as readonly unknown[]) {
    const item = toItem(raw, folder);
    if (item === null) return null;
    items.push(item);
  }
  return items;
}

function toItem(raw: unknown, folder: string): NasFileItem | null {
  const [name, size, modifiedAt, checksum] = [
    fieldOf(raw, 'filename'),
    fieldOf(raw, 'size_bytes'),
    fieldOf(raw, 'modified_at'),
    fieldOf(raw, 'checksum'),
  ];
  if (typeof name !== 'string' || typeof size !== 'number') return null;
  if (typeof modifiedAt !== 'string') return null;
  return {
    name,
    path: folder === '' ? name : `${folder}/${name}`,
    size,
    type: 'file',
    // Its listings end in Z.
    modified_at: modifiedAt.replace(/\+00:?00$/, 'Z'),
    owner_id: null,
    owner_name: null,
    mime_type: null,
    file_id: null,
    checksum: typeof checksum === 'string' ? checksum : null,
    can_read: null,
    can_write: null,
    can_delete: null,
  };
}
