import type { ItemCursor } from './item-rows.ts';
import type { QueuedItem } from './outcomes.ts';
import type { PageEnd } from './page-end.ts';
import type { StoredItem } from './stored-item.ts';

export interface PageWish {
  /** Most entries of the page, at least 1. */
  readonly limit: number;
  /** Null for the first page. */
  readonly after: PageEnd | null;
}

export interface FolderPage {
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
 * One page of a folder: folders first, then files by name, then what the caller has queued for it,
 * so that all pages together are what the whole answer would be.
 * @param itemsAfter what the caller may see behind a place, read no further than it is taken
 */
export function pageOf(
  wish: PageWish,
  itemsAfter: (item: ItemCursor | null) => Iterable<StoredItem>,
  queued: readonly QueuedItem[],
): FolderPage {
  const { limit, after } = wish;
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
