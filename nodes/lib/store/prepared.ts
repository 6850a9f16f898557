import type { StatementSync } from 'node:sqlite';
import type { Store } from './store.ts';

/** Prepares statements under the names they have. */
export function prepareAll<const T extends Readonly<Record<string, string>>>(
  store: Store,
  texts: T,
): { readonly [Name in keyof T]: StatementSync } {
  const prepared = Object.entries(texts).map(([name, text]) => [name, store.prepare(text)]);
  return Object.fromEntries(prepared) as { readonly [Name in keyof T]: StatementSync };
}
