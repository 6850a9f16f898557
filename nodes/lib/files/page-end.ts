import type { ItemCursor } from './item-rows.ts';

/** Where a page ended: behind an item, or behind one of the queued uploads that come after them. */
export type PageEnd =
  | { readonly part: 'items'; readonly item: ItemCursor }
  | { readonly part: 'queued'; readonly path: string };
