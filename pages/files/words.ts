import type ENGLISH from '../../nodes/lib/words/en.json';

/** The part of the catalogue that comes with the document. */
type Catalogue = (typeof ENGLISH)['files'];

/** Key of a text; the API's error codes are keys of their sentences. */
export type Key = keyof Catalogue;

/** Keys with a plural: `found` for several, `foundOne` for one. */
type Counted = { [K in Key]: `${K}One` extends Key ? K : never }[Key];

type Values = Readonly<Record<string, string | number>>;

const words = JSON.parse(document.getElementById('words')?.textContent ?? '{}') as Readonly<
  Record<string, string>
>;

export function isKey(text: string): text is Key {
  return Object.hasOwn(words, text);
}

/** @param values for the placeholders, such as `{count}`; inserted verbatim */
export function say(key: Key, values: Values = {}): string {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (gap, name: string) =>
    String(values[name] ?? gap),
  );
}

/** Singular or plural. */
export function sayCount(count: number, key: Counted, values: Values = {}): string {
  const several: Key = key;
  const one = `${key}One` as Key;
  return say(count === 1 ? one : several, { ...values, count: written(count, 0) });
}

/** A number in the reader's format. */
export function written(value: number, digits: number): string {
  return window.balupi.number(value, digits);
}
