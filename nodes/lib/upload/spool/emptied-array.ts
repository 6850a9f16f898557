import { Transform, type TransformCallback } from 'node:stream';

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];
/** Space, tab, line feed, carriage return. */
const BLANKS = [0x20, 0x09, 0x0a, 0x0d];
const EMPTY = Buffer.from('[]');
/** A longer name cannot be the one searched for. */
const LONGEST_NAME_BYTES = 256;

/**
 * Streams a JSON object, replacing one of its own fields with `[]` wherever it appears. Buffers
 * nothing, so answers of any length need no memory. Anything but an object passes unchanged.
 */
export class EmptiedArray extends Transform {
  readonly #name: string;
  /** Open containers; inside the emptied value they are counted from 0. */
  #depth = 0;
  #isObject = false;
  #inString = false;
  #isEscaped = false;
  /** The bytes of the member's name that is coming in; null outside one. */
  #nameBytes: number[] | null = null;
  #awaitsName = false;
  #isNamed = false;
  #isEmptying = false;
  #sawElement = false;
  #removed = 0;

  constructor(name: string) {
    super();
    this.#name = name;
  }

  /** How many elements were taken out so far. */
  get removed(): number {
    return this.#removed;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      const wasEmptying = this.#isEmptying;
      if (this.#inString) this.#inside(byte);
      else this.#outside(byte);
      if (this.#isEmptying === wasEmptying) continue;
      if (this.#isEmptying) {
        this.push(Buffer.concat([chunk.subarray(from, at + 1), EMPTY]));
      }
      from = at;
    }
    if (!this.#isEmptying) this.push(chunk.subarray(from));
    done();
  }

  #inside(byte: number): void {
    const isEnd = byte === QUOTE && !this.#isEscaped;
    this.#isEscaped = byte === BACKSLASH && !this.#isEscaped;
    if (!isEnd) {
      if (this.#nameBytes !== null && this.#nameBytes.length < LONGEST_NAME_BYTES) {
        this.#nameBytes.push(byte);
      }
      return;
    }
    this.#inString = false;
    if (this.#nameBytes === null) return;
    this.#isNamed = decoded(this.#nameBytes) === this.#name;
    this.#nameBytes = null;
  }

  #outside(byte: number): void {
    if (this.#isEmptying) {
      this.#empty(byte);
      return;
    }
    if (byte === QUOTE) {
      this.#inString = true;
      if (this.#awaitsName) this.#nameBytes = [];
      this.#awaitsName = false;
    } else if (byte === COLON && this.#isNamed && this.#depth === 1) {
      this.#isEmptying = true;
      this.#depth = 0;
      this.#sawElement = false;
    } else this.#step(byte);
  }

  #step(byte: number): void {
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (this.#depth === 0) this.#isObject = byte === OPEN_OBJECT;
      this.#depth += 1;
      this.#awaitsName = this.#depth === 1 && this.#isObject;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      this.#depth -= 1;
      this.#awaitsName = false;
    } else if (byte === COMMA) {
      this.#isNamed = false;
      this.#awaitsName = this.#depth === 1 && this.#isObject;
    }
  }

  /** Inside the value that is left out, up to the comma or brace behind it. */
  #empty(byte: number): void {
    const closes = byte === CLOSE_OBJECT || byte === CLOSE_ARRAY;
    if (this.#depth === 0 && (closes || byte === COMMA)) {
      this.#isEmptying = false;
      this.#isNamed = false;
      this.#depth = 1;
      this.#step(byte);
      return;
    }
    if (this.#depth === 1 && !closes && !BLANKS.includes(byte)) this.#count(byte);
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#depth += 1;
    else if (closes) this.#depth -= 1;
  }

  #count(byte: number): void {
    if (byte === COMMA || !this.#sawElement) this.#removed += 1;
    this.#sawElement = true;
  }
}

function decoded(name: readonly number[]): string {
  const text = Buffer.from(name).toString();
  return text.includes('\\') ? unescaped(text) : text;
}

function unescaped(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\(.)/g, (_, hex?: string, plain?: string) =>
    hex === undefined ? (plain ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
