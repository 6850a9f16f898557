/** What a parser finds, told as it is found. */
export interface MultipartEvents {
  /** A part begins. `head` holds its header lines without the empty line that ends them. */
  partBegin(head: Buffer): void;
  /** The next bytes of that part: a view of the piece they came in, or of the delimiter. */
  partData(bytes: Buffer): void;
  partEnd(): void;
}

/** The body breaks the rules; the message says which, in words for the caller. */
export class MultipartError extends Error {
  override readonly name = 'MultipartError';
  /** Where a file's name is the fault, and nothing else: that name. */
  readonly filename: string | null;

  constructor(message: string, filename: string | null = null) {
    super(message);
    this.filename = filename;
  }
}

/** A part's headers: a name of 255 bytes percent-encoded, twice, and room. */
const MOST_HEAD_BYTES = 8 * 1024;
/** What stands before the first boundary and after the last is nobody's data. */
const MOST_AROUND_BYTES = 64 * 1024;
/** White space between a boundary and the end of its line (RFC 2046, transport padding). */
const MOST_PADDING_BYTES = 64;

const CR = 13;
const LF = 10;
const HEAD_END = Buffer.from('\r\n\r\n');

/** What passes until a boundary comes, or a part's headers. */
type Between = 'preamble' | 'data' | 'epilogue' | 'head';

/** Behind a boundary its line ends, or behind two dashes the body does. */
type Behind = 'boundary' | 'padding' | 'newline' | 'dash' | 'last-padding' | 'last-newline';

type Sign = 'space' | 'cr' | 'lf' | 'dash';

const SIGNS: Readonly<Record<number, Sign>> = {
  9: 'space',
  10: 'lf',
  13: 'cr',
  32: 'space',
  45: 'dash',
};

const BEHIND: Readonly<Record<Behind, Partial<Record<Sign, Between | Behind>>>> = {
  boundary: { space: 'padding', cr: 'newline', dash: 'dash' },
  padding: { space: 'padding', cr: 'newline' },
  newline: { lf: 'head' },
  dash: { dash: 'last-padding' },
  'last-padding': { space: 'last-padding', cr: 'last-newline' },
  'last-newline': { lf: 'epilogue' },
};

/**
 * Takes a multipart body apart (RFC 2046, 5.1) as its pieces come, however they are cut. The search
 * for the boundary is Node's native one, and what it passes over is handed on without a copy.
 *
 * Data is never dropped in silence. Whatever begins like a boundary and does not go on like one is
 * an error, because a body may not hold its own boundary: it was cut short by its sender's mistake
 * or made by somebody who wants two readers to read two things.
 */
export class MultipartParser {
  readonly #events: MultipartEvents;
  /** CRLF, two dashes, the boundary. The CR at its start is the only one in it. */
  readonly #delimiter: Buffer;
  /** How much of the delimiter the last piece ended with. */
  #held = 2;
  /**
   * How much of that is no data: the line break before a delimiter may be missing at the start of
   * the body, and that of an empty part may be the one that ends its headers.
   */
  #lent = 2;
  #state: Between | Behind = 'preamble';
  #head = Buffer.alloc(0);
  #aroundBytes = 0;
  #paddingBytes = 0;

  /** @param boundary as the Content-Type says it, without dashes before it */
  constructor(boundary: string, events: MultipartEvents) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
    this.#events = events;
  }

  /**
   * Takes the next piece.
   * @throws MultipartError; the parser is of no use afterwards
   */
  push(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) at = this.#step(piece, at);
  }

  /**
   * The body has ended.
   * @throws MultipartError where it should have gone on
   */
  end(): void {
    const whole = ['last-padding', 'last-newline', 'epilogue'].includes(this.#state);
    if (!whole) throw new MultipartError('it ends before its last boundary');
  }

  /** @returns where to go on in this piece */
  #step(piece: Buffer, at: number): number {
    switch (this.#state) {
      case 'preamble':
      case 'data':
      case 'epilogue':
        return this.#search(piece, at);
      case 'head':
        return this.#readHead(piece, at);
      case 'boundary':
      case 'padding':
      case 'newline':
      case 'dash':
      case 'last-padding':
      case 'last-newline':
        this.#state = this.#behindBoundary(this.#state, piece[at] ?? 0);
        return at + 1;
    }
  }

  #search(piece: Buffer, from: number): number {
    if (this.#held > 0) return this.#goOnMatching(piece, from);
    const delimiter = this.#delimiter;
    const found = piece.indexOf(delimiter, from);
    if (found >= 0) {
      this.#passOver(piece, from, found);
      return this.#onDelimiter(found + delimiter.length);
    }
    const held = endsLikeStartOf(delimiter, piece, from);
    this.#passOver(piece, from, piece.length - held);
    this.#held = held;
    return piece.length;
  }

  /** The last piece ended like a delimiter begins. It has one CR, so nothing else begins in it. */
  #goOnMatching(piece: Buffer, from: number): number {
    const delimiter = this.#delimiter;
    const length = Math.min(delimiter.length - this.#held, piece.length - from);
    const matched = this.#held + length;
    if (delimiter.compare(piece, from, from + length, this.#held, matched) !== 0) {
      this.#passOver(delimiter, this.#lent, this.#held);
      this.#held = 0;
      this.#lent = 0;
      return from;
    }
    if (matched === delimiter.length) return this.#onDelimiter(from + length);
    this.#held = matched;
    return from + length;
  }

  #passOver(bytes: Buffer, from: number, to: number): void {
    if (to <= from) return;
    if (this.#state === 'data') {
      this.#events.partData(bytes.subarray(from, to));
      return;
    }
    this.#aroundBytes += to - from;
    if (this.#aroundBytes > MOST_AROUND_BYTES) {
      throw new MultipartError('it has too much before or after its parts');
    }
  }

  #onDelimiter(next: number): number {
    if (this.#state === 'epilogue') throw new MultipartError('it goes on after its last boundary');
    if (this.#state === 'data') this.#events.partEnd();
    this.#held = 0;
    this.#lent = 0;
    this.#paddingBytes = 0;
    this.#state = 'boundary';
    return next;
  }

  #behindBoundary(state: Behind, byte: number): Between | Behind {
    const sign = SIGNS[byte];
    if (sign === 'space') this.#paddingBytes += 1;
    const next = sign === undefined ? undefined : BEHIND[state][sign];
    if (next === undefined || this.#paddingBytes > MOST_PADDING_BYTES) {
      throw new MultipartError('a line in it begins like its boundary and goes on otherwise');
    }
    return next;
  }

  #readHead(piece: Buffer, from: number): number {
    const before = this.#head.length;
    const most = Math.min(piece.length, from + MOST_HEAD_BYTES - before);
    const head = Buffer.concat([this.#head, piece.subarray(from, most)]);
    // A part without headers has the empty line at once.
    const end = head.subarray(0, 2).equals(HEAD_END.subarray(2))
      ? 0
      : head.indexOf(HEAD_END, Math.max(0, before - HEAD_END.length));
    if (end < 0) {
      if (head.length >= MOST_HEAD_BYTES) {
        throw new MultipartError('the headers of a part are too long');
      }
      this.#head = head;
      return most;
    }
    // Dashes may begin a header's name, but not these.
    const line = head.indexOf(this.#delimiter.subarray(2));
    if (line === 0 || (line > 0 && line < end && head[line - 1] === LF)) {
      throw new MultipartError('the headers of a part break off at a boundary');
    }
    const next = end === 0 ? 2 : end + HEAD_END.length;
    this.#head = Buffer.alloc(0);
    this.#state = 'data';
    this.#held = 2;
    this.#lent = 2;
    this.#events.partBegin(head.subarray(0, end));
    return from + next - before;
  }
}

/** How many bytes at the end of `piece` could be the beginning of `delimiter`. */
function endsLikeStartOf(delimiter: Buffer, piece: Buffer, from: number): number {
  const at = piece.lastIndexOf(CR);
  const length = piece.length - at;
  if (at < from || length >= delimiter.length) return 0;
  return delimiter.compare(piece, at, piece.length, 0, length) === 0 ? length : 0;
}
