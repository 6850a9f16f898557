/** The NAS's own snapshot nests five levels; a body of nothing but brackets must not cost a stack. */
const MOST_LEVELS = 64;

const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const BARE = /[^\s,\]}:]+/y;
const SPACE = /[ \t\r\n]*/y;

class TooDeep extends Error {}

/**
 * JSON as the NAS signs it (`json.dumps` with sorted keys, no spaces and ASCII escapes, read in its
 * code), made from whatever form came over the wire. Numbers and strings keep the very letters they
 * came in: `16.0` and 9007199254740993 would not survive being read as numbers. Only what is not
 * printable ASCII becomes an escape.
 * @returns null for text that is no JSON, or nested deeper than 64 levels
 */
export function canonicalJson(text: string): string | null {
  try {
    JSON.parse(text);
    return new Scanner(text).value(0);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TooDeep) return null;
    throw error;
  }
}

/** Walks through text that is known to be JSON. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(level: number): string {
    if (level > MOST_LEVELS) throw new TooDeep();
    this.#take(SPACE);
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(level);
    if (first === '[') return this.#array(level);
    return first === '"' ? escaped(this.#take(STRING)) : this.#take(BARE);
  }

  #array(level: number): string {
    const items: string[] = [];
    this.#at += 1;
    while (!this.#ends(']')) items.push(this.value(level + 1));
    return `[${items.join(',')}]`;
  }

  #object(level: number): string {
    const fields: { readonly name: string; readonly text: string }[] = [];
    this.#at += 1;
    while (!this.#ends('}')) {
      const name = this.#take(STRING);
      this.#take(SPACE);
      this.#at += 1;
      const text = `${escaped(name)}:${this.value(level + 1)}`;
      fields.push({ name: JSON.parse(name) as string, text });
    }
    fields.sort((left, right) => byCodePoint(left.name, right.name));
    return `{${fields.map((field) => field.text).join(',')}}`;
  }

  /** Steps over a comma to what follows it, or over the end. */
  #ends(bracket: string): boolean {
    this.#take(SPACE);
    const next = this.#text[this.#at];
    if (next === ',') {
      this.#at += 1;
      this.#take(SPACE);
      return false;
    }
    if (next !== bracket) return false;
    this.#at += 1;
    return true;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }
}

function escaped(lexeme: string): string {
  return lexeme.replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** JavaScript compares UTF-16 units, which puts U+10000 and above before U+E000. */
function byCodePoint(left: string, right: string): number {
  for (let at = 0; at < left.length && at < right.length; at += 1) {
    const [one, other] = [left.codePointAt(at) ?? 0, right.codePointAt(at) ?? 0];
    if (one !== other) return one - other;
  }
  return left.length - right.length;
}
