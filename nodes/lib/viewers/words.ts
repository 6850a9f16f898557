import { GERMAN } from './german.ts';

export type Language = 'en' | 'de';

/** Words that a page shows in its reader's language: `[[Power now]]`. */
const MARKED = /\[\[([^[\]]+)\]\]/g;

/** A number, or a sum of money, that is written in the reader's way: `[[#1.5]]`, `[[#1.50 €]]`. */
const NUMBER = /^#(-?)(\d+(?:\.\d+)?)( €)?$/;

/** @param preferred what the reader chose; else the browser's `Accept-Language` decides */
export function languageOf(
  preferred: string | undefined,
  acceptLanguage: string | undefined,
): Language {
  if (preferred === 'de' || preferred === 'en') return preferred;
  return /^de\b/i.test(acceptLanguage ?? '') ? 'de' : 'en';
}

/**
 * Copies a message or a configuration with every marked word in the reader's language. Marked words
 * that nobody translated, such as in a plug's name, stay as they are.
 */
export function inWordsOf(language: Language, value: unknown): unknown {
  if (typeof value === 'string') return text(language, value);
  if (Array.isArray(value)) return value.map((item) => inWordsOf(language, item));
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, held]) => [name, inWordsOf(language, held)]),
  );
}

function text(language: Language, marked: string): string {
  if (!marked.includes('[[')) return marked;
  return marked.replace(MARKED, (whole, words: string) => {
    const number = NUMBER.exec(words);
    if (number !== null) return numberIn(language, number);
    const german = GERMAN.get(words);
    if (german === undefined) return whole;
    return language === 'de' ? german : words;
  });
}

function numberIn(
  language: Language,
  [, sign = '', digits = '', euro = '']: RegExpExecArray,
): string {
  if (language === 'de') return `${sign}${digits.replace('.', ',')}${euro}`;
  return `${sign}${euro.trim()}${digits}`;
}

/** Pictures and other bytes, dates, and functions go through as they are. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
