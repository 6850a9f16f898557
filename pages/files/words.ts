import type ENGLISH from './words/en.json';

/** Names one of the page's words; a code of the API is one for the sentence that it stands for. */
export type Key = keyof typeof ENGLISH;

/** A thing that is counted: `found` for several, `foundOne` for one. */
type Counted = { [K in Key]: `${K}One` extends Key ? K : never }[Key];

type Values = Readonly<Record<string, string | number>>;

let words: Readonly<Record<string, string>> = {};

/**
 * Fetches what the page says; what a language lacks is English.
 *
 * @param language as the document says it
 */
export async function loadWords(language: string): Promise<void> {
  const [english, own] = await Promise.all(['en', language].map(catalogue));
  words = { ...english, ...own };
}

async function catalogue(language: string): Promise<Readonly<Record<string, string>>> {
  const answered = await fetch(new URL(`./words/${language}.json`, import.meta.url));
  return answered.ok ? ((await answered.json()) as Readonly<Record<string, string>>) : {};
}

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
