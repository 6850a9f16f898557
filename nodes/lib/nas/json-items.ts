/** Deeper than any answer of the NAS by far, and shallow enough for whatever reads it. */
const DEEPEST = 64;
/** The longest single item: two paths of 4 KB, each character escaped, and the rest. */
const LONGEST_ITEM_BYTES = 64 * 1024;
/** What stands around the items. */
const LONGEST_REST_CHARACTERS = 64 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
/** By byte, whether it opens, closes or divides, or begins a text. */
const MATTERS = new Uint8Array(256);
for (const character of '"[]{},') MATTERS[character.charCodeAt(0)] = 1;

/** What came is no JSON of the wanted form. */
export class BadJsonError extends Error {
  override readonly name = 'BadJsonError';
}

/** The brackets and commas of a JSON text that comes in blocks; what is in quotes is passed over. */
class Brackets {
  depth = 0;
  #inText = false;
  #isEscaped = false;

  /** The place of the next bracket or comma, `block.length` where there is none. */
  next(block: Buffer, from: number): number {
    let at = from;
    while (at < block.length) {
      if (this.#inText) {
        at = this.#behindText(block, at);
        continue;
      }
      const byte = block[at] as number;
      if (MATTERS[byte] === 1) {
        if (byte !== QUOTE) return at;
        this.#inText = true;
      }
      at += 1;
    }
    return at;
  }

  /** @throws BadJsonError where it is nested too deeply */
  open(): void {
    this.depth += 1;
    if (this.depth > DEEPEST) throw new BadJsonError('It is nested too deeply.');
  }

  #behindText(block: Buffer, from: number): number {
    for (let at = from; at < block.length; at += 1) {
      const byte = block[at] as number;
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) {
        this.#inText = false;
        return at + 1;
      }
    }
    return block.length;
  }
}

/**
 * Reads `{"<member>": [item, item, …]}` as its bytes come, and hands the items out block by block:
 * an answer of any length costs the memory of one block. Where an item ends is found by brackets
 * and commas alone; what lies between is left to `JSON.parse`, which is quicker than anything
 * written in JavaScript and finds what is no JSON (ADR 0023).
 */
export class JsonItems {
  readonly #member: RegExp;
  readonly #brackets = new Brackets();
  /** What stands before and behind the items, which must be JSON without them. */
  #rest = '';
  /** Bytes of an item that the next block goes on with. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #where: 'before' | 'within' | 'behind' = 'before';
  #hasItems = false;

  /** @param member the name of the list, of letters alone */
  constructor(member: string) {
    this.#member = new RegExp(`^\\s*\\{(?:.*,)?\\s*"${member}"\\s*:\\s*$`, 's');
  }

  /**
   * The items that are whole by now.
   * @throws BadJsonError
   */
  take(block: Buffer): unknown[] {
    const brackets = this.#brackets;
    let from = 0;
    let comma = -1;
    let items: unknown[] = [];
    for (let at = brackets.next(block, 0); at < block.length; at = brackets.next(block, at + 1)) {
      const byte = block[at];
      if (byte === COMMA) {
        if (this.#isBetweenItems) comma = at;
      } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
        brackets.open();
        if (byte === OPEN_ARRAY && this.#begins(block.subarray(from, at))) from = at + 1;
      } else {
        if (this.#isBetweenItems) {
          items = this.#whole(block.subarray(from, at), true);
          [from, comma, this.#where] = [at, -1, 'behind'];
        }
        brackets.depth -= 1;
      }
    }
    if (comma >= 0) {
      items = this.#whole(block.subarray(from, comma), false);
      from = comma + 1;
    }
    this.#keep(block.subarray(from));
    return items;
  }

  /**
   * To be called behind the last block.
   * @returns what stood around the items, the list itself empty
   * @throws BadJsonError
   */
  end(): unknown {
    if (this.#where === 'within') throw new BadJsonError('It ends in the middle.');
    return parsed(this.#rest);
  }

  get #isBetweenItems(): boolean {
    return this.#where === 'within' && this.#brackets.depth === 2;
  }

  /** Whether the array that opens here is the list. */
  #begins(before: Buffer): boolean {
    if (this.#where !== 'before' || this.#brackets.depth !== 2) return false;
    const text = before.toString('utf8');
    if (!this.#member.test(this.#rest + text)) return false;
    this.#addRest(`${text}[`);
    this.#where = 'within';
    return true;
  }

  #whole(tail: Buffer, isLast: boolean): unknown[] {
    const bytes = this.#begun.length === 0 ? tail : Buffer.concat([...this.#begun, tail]);
    [this.#begun, this.#begunBytes] = [[], 0];
    const text = bytes.toString('utf8');
    if (/^\s*$/.test(text)) {
      if (isLast && !this.#hasItems) return [];
      throw new BadJsonError('An item is missing.');
    }
    this.#hasItems = true;
    return parsed(`[${text}]`) as unknown[];
  }

  #keep(tail: Buffer): void {
    if (this.#where !== 'within') {
      this.#addRest(tail.toString('utf8'));
      return;
    }
    this.#begun.push(tail);
    this.#begunBytes += tail.length;
    if (this.#begunBytes > LONGEST_ITEM_BYTES) throw new BadJsonError('An item is too long.');
  }

  #addRest(text: string): void {
    this.#rest += text;
    if (this.#rest.length > LONGEST_REST_CHARACTERS) throw new BadJsonError('It is too long.');
  }
}

/**
 * Reads a whole JSON text.
 * @throws BadJsonError also where it is nested deeper than anybody reads
 */
export function parseJson(bytes: Buffer): unknown {
  const brackets = new Brackets();
  for (let at = brackets.next(bytes, 0); at < bytes.length; at = brackets.next(bytes, at + 1)) {
    const byte = bytes[at];
    if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) brackets.open();
    else if (byte !== COMMA) brackets.depth -= 1;
  }
  return parsed(bytes.toString('utf8'));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) throw new BadJsonError('It is no JSON.', { cause: error });
    throw error;
  }
}
