/** A token of RFC 9110, 5.6.2. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** `form-data; name="file"; filename="a.txt"`, taken apart. */
export interface HeaderWithParameters {
  readonly value: string;
  /** By name in lower case; `filename*` is decoded. */
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads a header's value and its parameters. A quoted text may hold `\"` and `\\`; any other
 * backslash is itself, as browsers send it. A file name may have a quote that its sender should have
 * escaped and did not, as long as nothing behind it looks like the end of the name. A parameter may
 * be empty (RFC 9110, 5.6.6): some clients end the list with a semicolon.
 * @returns null where it cannot be read, or says one thing twice
 */
export function readParameters(text: string): HeaderWithParameters | null {
  const semicolon = text.indexOf(';');
  const value = (semicolon < 0 ? text : text.slice(0, semicolon)).trim();
  const parameters = new Map<string, string>();
  let rest = semicolon < 0 ? '' : text.slice(semicolon);
  for (;;) {
    rest = rest.replace(EMPTY, '');
    if (rest === '') break;
    const read = readOne(rest);
    if (read === null || parameters.has(read.name)) return null;
    parameters.set(read.name, read.value);
    rest = read.rest;
  }
  return { value, parameters };
}

interface Parameter {
  readonly name: string;
  readonly value: string;
  /** Begins with the next `;`, or is empty. */
  readonly rest: string;
}

/** Semicolons with nothing between them, or behind the last. */
const EMPTY = /^(?:[ \t]*;(?=[ \t]*(?:;|$)))+[ \t]*/;
const START = /^[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=/;
const PLAIN = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*(?=;|$)/;
/** What stands behind the quote that ends a text. */
const AFTER_QUOTE = /^[ \t]*(?:;|$)/;

/** @param text begins with a semicolon */
function readOne(text: string): Parameter | null {
  const start = START.exec(text);
  if (start === null) return null;
  const name = (start[1] ?? '').toLowerCase();
  const behind = text.slice(start[0].length);
  if (behind.startsWith('"')) return name.endsWith('*') ? null : readQuoted(name, behind);
  const plain = PLAIN.exec(behind);
  if (plain === null) return null;
  const said = plain[1] ?? '';
  const value = name.endsWith('*') ? decodeExtended(said) : said;
  return value === null ? null : { name, value, rest: behind.slice(plain[0].length).trimEnd() };
}

/** @param text begins with the opening quote */
function readQuoted(name: string, text: string): Parameter | null {
  let value = '';
  for (let at = 1; at < text.length; at += 1) {
    const letter = text[at] ?? '';
    const next = text[at + 1] ?? '';
    if (letter === '\\' && (next === '"' || next === '\\')) {
      value += next;
      at += 1;
    } else if (letter === '"' && AFTER_QUOTE.test(text.slice(at + 1))) {
      return { name, value, rest: text.slice(at + 1).trim() };
    } else if (letter === '"' && name !== 'filename') {
      return null;
    } else {
      value += letter;
    }
  }
  return null;
}

/**
 * `UTF-8''gr%C3%BC%C3%9Fe.txt` (RFC 8187, 3.2).
 * @returns null where it is not in that form; bytes that are not UTF-8 become U+FFFD
 */
function decodeExtended(text: string): string | null {
  const form = /^(UTF-8|ISO-8859-1)'[A-Za-z0-9-]*'(.*)$/i.exec(text);
  if (form === null) return null;
  const coded = form[2] ?? '';
  if (/%(?![0-9a-fA-F]{2})/.test(coded)) return null;
  const bytes = coded.replace(/%(..)/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const isUtf8 = (form[1] ?? '').length === 'UTF-8'.length;
  return isUtf8 ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** RFC 2046, 5.1.1: 1 to 70 of these, no space at the end. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/**
 * The boundary of a `multipart/form-data` body.
 * @returns null where there is none that one may have
 */
export function boundaryOf(contentType: string): string | null {
  const read = readParameters(contentType);
  if (read?.value.toLowerCase() !== 'multipart/form-data') return null;
  const boundary = read.parameters.get('boundary') ?? '';
  return BOUNDARY.test(boundary) ? boundary : null;
}
