import type ENGLISH from '../../nodes/lib/words/en.json';

/** What of the catalogue the page is told with its document. */
type Catalogue = (typeof ENGLISH)['files'];

/** Names one of the page's words; a code of the API is one for the sentence that it stands for. */
export type Key = keyof Catalogue;

/** A thing that is counted: `found` for several, `foundOne` for one. */
type Counted = { [K in Key]: `${K}One` extends Key ? K : never }[Key];

type Values = Readonly<Record<string, string | number>>;

const words = JSON.parse(document.getElementById('words')?.textContent ?? '{}') as Readonly<
  Record<string, string>
>;

export function isKey(text: string): text is Key {
  return Object.hasOwn(words, text);
}

/** @param values what stands in braces, such as `{count}`; data, which are put in as they are */
export function say(key: Key, values: Values = {}): string {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (gap, name: string) =>
    String(values[name] ?? gap),
  );
}

/** One of a thing, or several of it. */
export function sayCount(count: number, key: Counted, values: Values = {}): string {
  const several: Key = key;
  const one = `${key}One` as Key;
  return say(count === 1 ? one : several, { ...values, count: written(count, 0) });
}

/** A number in the reader's way. */
export function written(value: number, digits: number): string {
  return window.balupi.number(value, digits);
}
