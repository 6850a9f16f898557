import { readdirSync, readFileSync } from 'node:fs';
import type { Hints } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type ENGLISH from './en.json';

/** A language with a catalogue, as `Accept-Language` names it: `en`, `de`. */
export type Language = string;

/**
 * All words of one language, by section: `pages` for `[[key]]` in templates, `answers` for sentences
 * of the API, `files` for the page Files, `events`, `notices` and `hints` for messages, `csv` for how
 * spreadsheets read it, the others for the pages in front of the Dashboard.
 */
export type Catalogue = typeof ENGLISH;

/** The language that has every key, shown where another lacks a word. */
const FALLBACK = 'en';

/** A word in a template. */
const MARKED = /\[\[([A-Za-z][A-Za-z0-9]*)\]\]/g;
/**
 * In a prefix. Each costs a look through all sentences with a value, and a name is up to its sender:
 * one of 4 KB of colons took 20 ms of the event loop for each row of a list (x64, measured).
 */
const MOST_COLONS = 8;
/** A word in a sentence that is filled in. */
const GAP = /\{(\w+)\}/g;

interface SentenceKey {
  readonly section: 'pages' | 'answers';
  readonly key: string;
}

interface SentencePattern {
  readonly key: string;
  readonly pattern: RegExp;
}

/**
 * Everything people read, in every language with a file here.
 *
 * Templates are ours: their marked words are shown in the reader's language. A message is data: a
 * plug or a file may be called `[[energy]]`, so in messages only {@link said} produces words.
 */
export class Words {
  readonly #catalogues: ReadonlyMap<Language, Catalogue>;
  /** The key of each sentence that the API says in English. */
  readonly #keys: ReadonlyMap<string, SentenceKey>;
  /** The sentences with gaps among them, those with the most words of their own first. */
  readonly #patterns: readonly SentencePattern[];

  private constructor(catalogues: ReadonlyMap<Language, Catalogue>) {
    this.#catalogues = catalogues;
    const { pages, answers } = this.of(FALLBACK);
    this.#keys = new Map(
      Object.entries({ pages, answers }).flatMap(([section, words]) =>
        Object.entries(words).map(
          ([key, text]) => [text, { section: section as 'pages' | 'answers', key }] as const,
        ),
      ),
    );
    this.#patterns = Object.entries(answers)
      .filter(([, text]) => text.search(GAP) >= 0)
      .sort(([, a], [, b]) => b.replace(GAP, '').length - a.replace(GAP, '').length)
      .map(([key, text]) => ({ key, pattern: patternOf(text) }));
  }

  /**
   * @param folder with a file for each language, `en.json` among them
   * @throws Error naming a file that is no catalogue
   */
  static read(folder: URL): Words {
    const files = readdirSync(folder).filter((name) => /^[a-z]{2,3}\.json$/.test(name));
    const read = new Map(files.map((name) => [name.slice(0, -5), readCatalogue(folder, name)]));
    const english = read.get(FALLBACK);
    if (english === undefined) throw new Error('There is no catalogue en.json.');
    return new Words(new Map([...read].map(([id, own]) => [id, over(english, own)])));
  }

  /** Every language with the name it gives itself, English first. */
  get languages(): readonly { readonly id: Language; readonly name: string }[] {
    return [...this.#catalogues]
      .map(([id, { language }]) => ({ id, name: language }))
      .sort(
        (a, b) => Number(b.id === FALLBACK) - Number(a.id === FALLBACK) || (a.id < b.id ? -1 : 1),
      );
  }

  /** @param language where it has no catalogue, English */
  of(language: Language): Catalogue {
    return this.#catalogues.get(language) ?? (this.#catalogues.get(FALLBACK) as Catalogue);
  }

  /** @param preferred what the reader chose; else the browser's `Accept-Language` decides */
  languageOf(preferred: string | undefined, acceptLanguage: string | undefined): Language {
    if (preferred !== undefined && this.#catalogues.has(preferred)) return preferred;
    const wanted = (acceptLanguage ?? '')
      .split(',')
      .map((tag) => /^\s*([A-Za-z]{2,3})\b/.exec(tag));
    const known = wanted.map((tag) => tag?.[1]?.toLowerCase() ?? '');
    return known.find((id) => this.#catalogues.has(id)) ?? FALLBACK;
  }

  /** Copies a template or a configuration with every marked word in the reader's language. */
  inTemplate(language: Language, value: unknown): unknown {
    const { pages } = this.of(language);
    return mapped(value, (text) => inWords(pages, text));
  }

  /**
   * Copies a message with what {@link said} made as text. Every other text stays as it is, whatever
   * stands in it.
   */
  spoken(language: Language, value: unknown): unknown {
    return mapped(value, undefined, (one) => this.#text(language, one));
  }

  /** One text that is marked, such as a node's own setting. */
  text(language: Language, marked: string): string {
    return inWords(this.of(language).pages, marked);
  }

  /**
   * A sentence the API says in English. Values in it, such as a name, stay as they are, and so does
   * a prefix before a colon, such as a path; a sentence unknown to the catalogue stays whole.
   */
  told(language: Language, sentence: string): string {
    const whole = this.#toldWhole(language, sentence);
    if (whole !== null) return whole;
    let at = sentence.indexOf(': ');
    for (
      let look = 0;
      at > 0 && look < MOST_COLONS;
      look += 1, at = sentence.indexOf(': ', at + 1)
    ) {
      const told = this.#toldWhole(language, sentence.slice(at + 2));
      if (told !== null) return sentence.slice(0, at + 2) + told;
    }
    return sentence;
  }

  #toldWhole(language: Language, sentence: string): string | null {
    const known = this.#keys.get(sentence);
    if (known !== undefined) return this.#inSection(language, known);
    for (const { key, pattern } of this.#patterns) {
      const values = pattern.exec(sentence)?.groups;
      if (values === undefined) continue;
      const { reason } = values;
      const told = reason === undefined ? {} : { reason: this.told(language, reason) };
      return filled(this.#inSection(language, { section: 'answers', key }), { ...values, ...told });
    }
    return null;
  }

  #inSection(language: Language, { section, key }: SentenceKey): string {
    const words: Readonly<Record<string, string>> = this.of(language)[section];
    return words[key] ?? '';
  }

  #text(language: Language, { $said: parts }: Said): string {
    const { pages } = this.of(language);
    return parts
      .map((part) => {
        if (typeof part === 'string') return part;
        if (isSaid(part)) return this.#text(language, part);
        if ('words' in part) return inWords(pages, part.words);
        return numberIn(language, part);
      })
      .join('');
  }
}

/** Matches a sentence whatever is in its gaps; a gap `reason` holds a sentence itself. */
function patternOf(text: string): RegExp {
  const parts = text.split(GAP);
  // Split by a pattern with a group, every other part is the name of a gap.
  const source = parts.map((part, at) =>
    at % 2 === 1 ? `(?<${part}>.+)` : part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`),
  );
  return new RegExp(`^${source.join('')}$`, 's');
}

/** A sentence with its gaps filled: `{name}` by `values.name`. */
export function filled(
  sentence: string,
  values: Readonly<Record<string, string | number>>,
): string {
  return sentence.replace(GAP, (gap, name: string) => String(values[name] ?? gap));
}

function inWords(pages: Readonly<Record<string, string>>, text: string): string {
  if (!text.includes('[[')) return text;
  return text.replace(MARKED, (whole, key: string) =>
    Object.hasOwn(pages, key) ? (pages[key] ?? whole) : whole,
  );
}

function numberIn(
  language: Language,
  { number, digits }: { readonly number: number; readonly digits: number },
): string {
  return new Intl.NumberFormat(language, {
    ...{ minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false },
  }).format(number);
}

/** Pictures and other bytes, dates, and functions go through as they are. */
function mapped(
  value: unknown,
  text: ((one: string) => string) | undefined,
  words?: (one: Said) => string,
): unknown {
  if (typeof value === 'string') return text === undefined ? value : text(value);
  if (Array.isArray(value)) return value.map((item) => mapped(item, text, words));
  if (!isPlain(value)) return value;
  if (words !== undefined && isSaid(value)) return words(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, held]) => [name, mapped(held, text, words)]),
  );
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

type Sections = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

function readCatalogue(folder: URL, name: string): Sections {
  const read: unknown = JSON.parse(
    readFileSync(new URL(name, folder.href.replace(/\/*$/, '/')), 'utf8'),
  );
  const isText = (value: unknown): boolean => typeof value === 'string';
  const isSection = (value: unknown): boolean =>
    isPlain(value) && Object.values(value).every(isText);
  const isWhole =
    isPlain(read) &&
    isText((read as Sections)['language']) &&
    Object.values(read).every((value) => isText(value) || isSection(value));
  if (!isWhole) throw new Error(`The words in ${name} are no catalogue: see en.json for its form.`);
  return read as Sections;
}

/** A catalogue that lacks nothing: what is not in it comes from the English one. */
function over(english: Sections, own: Sections): Catalogue {
  const sections = Object.entries(english).map(([section, words]) => {
    const theirs = own[section];
    if (typeof words === 'string') return [section, theirs ?? words] as const;
    return [section, { ...words, ...(typeof theirs === 'object' ? theirs : {}) }] as const;
  });
  return Object.fromEntries(sections) as unknown as Catalogue;
}

/** The languages of this program. */
export const WORDS = Words.read(new URL('.', import.meta.url));

/** In the words of BaluPi's pages and settings; a language they are not written in gets English. */
export const plugHint: Hints = (topic, language, until = '–') =>
  topic === 'ok' ? '' : filled(WORDS.of(language).hints[topic], { until });

/**
 * Words in a message, built by {@link said}: pages of every language get the same message, and each
 * reads it in its own.
 */
export interface Said {
  readonly $said: readonly SaidPart[];
}

type SaidPart =
  | string
  | Said
  /** A text of ours, with marked words. */
  | { readonly words: string }
  /** A number that is written in the reader's way. */
  | { readonly number: number; readonly digits: number };

/**
 * A text in our words with data in it: ``said`${device}, [[anSdCard]]` ``. Only the template itself
 * is words; inserted values are data, or were made here before.
 */
export function said(texts: TemplateStringsArray, ...data: readonly (string | Said)[]): Said {
  const parts = texts.flatMap((text, at): SaidPart[] => {
    const next = data[at];
    return [...(text === '' ? [] : [{ words: text }]), ...(next === undefined ? [] : [next])];
  });
  return { $said: parts };
}

/** A number that is written in the reader's way, with that many digits behind the mark. */
export function saidNumber(number: number, digits: number): Said {
  return { $said: [{ number, digits }] };
}

function isSaid(value: unknown): value is Said {
  return (
    typeof value === 'object' && value !== null && Array.isArray((value as Partial<Said>).$said)
  );
}
