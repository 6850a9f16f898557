import { isoSeconds } from '../http/http.ts';
import type { ItemCursor } from './item-rows.ts';
import { nameOf } from './nas-path.ts';
import type { Listing, PageEnd, QueuedItem } from './outcomes.ts';
import type { StoredItem } from './stored-item.ts';

/** One entry of `GET /api/files/list`, in BaluHost's vocabulary and in the Pi's (contract 3). */
export interface WireItem {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly type: 'file' | 'directory';
  readonly modified_at: string;
  readonly owner_id?: string;
  readonly owner_name?: string;
  /** Null for a folder, as the NAS says it. */
  readonly mime_type: string | null;
  readonly file_id: number | null;
  readonly checksum: string | null;
  readonly id: number;
  readonly filename: string;
  readonly relative_path: string;
  readonly size_bytes: number;
  readonly is_directory: boolean;
  readonly is_cached: boolean;
  readonly sync_state?: 'queued';
  readonly can_read?: boolean;
  readonly can_write?: boolean;
  readonly can_delete?: boolean;
}

interface WireListing {
  readonly path: string;
  readonly files: readonly WireItem[];
  readonly next_cursor?: string | null;
  /** The same under a shorter name. */
  readonly next?: string | null;
}

/**
 * A listing as the apps read it. A queued upload replaces the NAS's version. Checksums are shown
 * only if every file has one: BaluApp compares all by hash as soon as one item has it, and would
 * see a conflict in each item without.
 */
export function wireListing(listing: Listing, isCached: (path: string) => boolean): WireListing {
  const queuedPaths = new Set(listing.queued.map(({ path }) => path));
  const kept = listing.items.filter((item) => !queuedPaths.has(item.path));
  const { page } = listing;
  const moved = listing.queued.flatMap((item) => item.moved ?? []);
  const hasAll = (page?.hasAllChecksums ?? kept.every(isHashed)) && moved.every(isHashed);
  const files = [
    ...kept.map((item) => wireItem(item, hasAll, isCached)),
    ...listing.queued.map((item) => wireQueued(item, hasAll, isCached)),
  ];
  if (page === undefined) return { path: listing.path, files };
  const next = page.end === null ? null : cursorOf(page.end);
  return { path: listing.path, files, next_cursor: next, next };
}

/** The headers that say that a listing is a kept one, or cannot be kept. */
export function listingHeaders(listing: Listing): Readonly<Record<string, string>> {
  if (listing.isPastCache === true) return { 'X-Balupi-Cache': 'bypass' };
  if (listing.source === 'fresh') return {};
  return { 'X-Balupi-Cache': 'stale', Age: String(listing.ageSeconds) };
}

function wireItem(
  item: StoredItem,
  showChecksum: boolean,
  isCached: (path: string) => boolean,
): WireItem {
  return {
    name: item.name,
    path: item.path,
    size: item.sizeBytes,
    type: item.isDirectory ? 'directory' : 'file',
    modified_at: isoSeconds(item.modifiedAtMs),
    ...present('owner_id', item.ownerId),
    ...present('owner_name', item.ownerName),
    mime_type: item.mimeType,
    file_id: item.nasFileId,
    checksum: showChecksum ? item.checksum : null,
    id: item.piId,
    filename: item.name,
    relative_path: item.path,
    size_bytes: item.sizeBytes,
    is_directory: item.isDirectory,
    is_cached: !item.isDirectory && isCached(item.nasPath ?? item.path),
    ...present('can_read', item.canRead),
    ...present('can_write', item.canWrite),
    ...present('can_delete', item.canDelete),
  };
}

function wireQueued(
  item: QueuedItem,
  showChecksum: boolean,
  isCached: (path: string) => boolean,
): WireItem {
  const { path, upload, piId, moved } = item;
  if (moved !== undefined) {
    return { ...wireItem(moved, showChecksum, isCached), sync_state: 'queued' };
  }
  const name = nameOf(path);
  const sizeBytes = upload?.sizeBytes ?? 0;
  return {
    name,
    path,
    size: sizeBytes,
    type: upload === null ? 'directory' : 'file',
    modified_at: isoSeconds(item.acceptedAtMs),
    mime_type: upload?.mimeType ?? null,
    file_id: null,
    checksum: showChecksum ? (upload?.sha256 ?? null) : null,
    id: piId,
    filename: name,
    relative_path: path,
    size_bytes: sizeBytes,
    is_directory: upload === null,
    is_cached: upload !== null,
    sync_state: 'queued',
  };
}

function isHashed({ isDirectory, checksum }: StoredItem): boolean {
  return isDirectory || checksum !== null;
}

/** The apps' parsers take a missing key, but several throw on a null one. */
function present<K extends string, V>(key: K, value: V | null): Partial<Record<K, V>> {
  return value === null ? {} : ({ [key]: value } as Record<K, V>);
}

export interface PageQuery {
  /** Most entries of the page, at least 1. */
  readonly limit: number;
  /** Null for the first page. */
  readonly after: PageEnd | null;
}

interface FolderPage {
  readonly items: readonly StoredItem[];
  readonly queued: readonly QueuedItem[];
  /** Null at the end of the folder. */
  readonly end: PageEnd | null;
}

const LONGEST_CURSOR = 12_000;

/** An opaque text that {@link readCursor} takes back. */
export function cursorOf(end: PageEnd): string {
  const fields =
    end.part === 'queued'
      ? ['q', end.path]
      : ['i', end.item.isDirectory ? 0 : 1, end.item.name, end.item.path];
  return Buffer.from(JSON.stringify(fields)).toString('base64url');
}

/** @returns null for what no page was ever ended with */
export function readCursor(text: string): PageEnd | null {
  if (text.length > LONGEST_CURSOR || !/^[\w-]+$/.test(text)) return null;
  const fields = parsed(Buffer.from(text, 'base64url').toString('utf8'));
  if (!Array.isArray(fields)) return null;
  const [part, ...rest] = fields as unknown[];
  if (part === 'i') return itemEnd(rest);
  const [path] = rest;
  const isQueued = part === 'q' && rest.length === 1 && typeof path === 'string';
  return isQueued ? { part: 'queued', path } : null;
}

function itemEnd(rest: readonly unknown[]): PageEnd | null {
  const [kind, name, path] = rest;
  if (rest.length !== 3 || (kind !== 0 && kind !== 1)) return null;
  if (typeof name !== 'string' || typeof path !== 'string') return null;
  return { part: 'items', item: { isDirectory: kind === 0, name, path } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * One page of a folder: folders first, then files by name, then the caller's queued items, so that
 * all pages together equal the whole answer.
 * @param itemsAfter what the caller may see after a position, read only as far as needed
 */
export function pageOf(
  query: PageQuery,
  itemsAfter: (item: ItemCursor | null) => Iterable<StoredItem>,
  queued: readonly QueuedItem[],
): FolderPage {
  const { limit, after } = query;
  const replaced = new Set(queued.map(({ path }) => path));
  const items =
    after?.part === 'queued' ? [] : taken(itemsAfter(after?.item ?? null), replaced, limit + 1);
  if (items.length > limit) {
    const page = items.slice(0, limit);
    const last = page.at(-1);
    if (last !== undefined) return { items: page, queued: [], end: { part: 'items', item: last } };
  }
  const from = after?.part === 'queued' ? after.path : '';
  const left = queued.filter(({ path }) => path > from).sort((a, b) => (a.path < b.path ? -1 : 1));
  const now = left.slice(0, limit - items.length);
  const end: PageEnd = { part: 'queued', path: now.at(-1)?.path ?? from };
  return { items, queued: now, end: now.length < left.length ? end : null };
}

/** Up to `most` items, those left out that something queued stands in the place of. */
function taken(
  items: Iterable<StoredItem>,
  leftOut: ReadonlySet<string>,
  most: number,
): StoredItem[] {
  const found: StoredItem[] = [];
  for (const item of items) {
    if (leftOut.has(item.path)) continue;
    found.push(item);
    if (found.length === most) break;
  }
  return found;
}
