import type { IncomingMessage } from 'node:http';
import { readParameters, TOKEN } from './admission.ts';

/** What a parser finds, reported as it is found. */
interface MultipartEvents {
  /** A part begins. `head` holds its header lines without the empty line that ends them. */
  partBegin(head: Buffer): void;
  /** The next bytes of that part: a view of the chunk they came in, or of the delimiter. */
  partData(bytes: Buffer): void;
  partEnd(): void;
}

/** The body breaks the rules; the message tells the caller which. */
export class MultipartError extends Error {
  override readonly name = 'MultipartError';
  /** Where a file's name is the fault, and nothing else: that name. */
  readonly filename: string | null;

  constructor(message: string, filename: string | null = null) {
    super(message);
    this.filename = filename;
  }
}

/** A part's headers: a name of 255 bytes percent-encoded, twice, and some slack. */
const MOST_HEAD_BYTES = 8 * 1024;
/** Preamble and epilogue carry no data. */
const MOST_AROUND_BYTES = 64 * 1024;
/** White space between a boundary and the end of its line (RFC 2046, transport padding). */
const MOST_PADDING_BYTES = 64;

const CR = 13;
const LF = 10;
const HEAD_END = Buffer.from('\r\n\r\n');

/** Skips everything up to a boundary, or collects a part's headers. */
type Between = 'preamble' | 'data' | 'epilogue' | 'head';

/** After a boundary its line ends, or two dashes end the body. */
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
 * Parses a multipart body (RFC 2046, 5.1) as its chunks arrive, however they are cut. The search
 * for the boundary is Node's native one, and the bytes it skips are passed on without a copy.
 *
 * Data is never dropped silently. Anything that begins like a boundary but does not continue like
 * one is an error, because a body may not contain its own boundary: it was cut short by its
 * sender's mistake, or made by somebody who wants two readers to read two things.
 */
export class MultipartParser {
  readonly #events: MultipartEvents;
  /** CRLF, two dashes, the boundary. The CR at its start is the only one in it. */
  readonly #delimiter: Buffer;
  /** How much of the delimiter the last chunk ended with. */
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
   * Parses the next chunk.
   * @throws MultipartError; the parser cannot be used afterwards
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.#step(chunk, at);
  }

  /**
   * The body has ended.
   * @throws MultipartError where more should have come
   */
  end(): void {
    const whole = ['last-padding', 'last-newline', 'epilogue'].includes(this.#state);
    if (!whole) throw new MultipartError('it ends before its last boundary');
  }

  /** @returns where to continue in this chunk */
  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case 'preamble':
      case 'data':
      case 'epilogue':
        return this.#search(chunk, at);
      case 'head':
        return this.#readHead(chunk, at);
      case 'boundary':
      case 'padding':
      case 'newline':
      case 'dash':
      case 'last-padding':
      case 'last-newline':
        this.#state = this.#behindBoundary(this.#state, chunk[at] ?? 0);
        return at + 1;
    }
  }

  #search(chunk: Buffer, from: number): number {
    if (this.#held > 0) return this.#goOnMatching(chunk, from);
    const delimiter = this.#delimiter;
    const found = chunk.indexOf(delimiter, from);
    if (found >= 0) {
      this.#passOver(chunk, from, found);
      return this.#onDelimiter(found + delimiter.length);
    }
    const held = endsLikeStartOf(delimiter, chunk, from);
    this.#passOver(chunk, from, chunk.length - held);
    this.#held = held;
    return chunk.length;
  }

  /**
   * The last chunk ended like the start of a delimiter. A delimiter has one CR, so no other can
   * start in it.
   */
  #goOnMatching(chunk: Buffer, from: number): number {
    const delimiter = this.#delimiter;
    const length = Math.min(delimiter.length - this.#held, chunk.length - from);
    const matched = this.#held + length;
    if (delimiter.compare(chunk, from, from + length, this.#held, matched) !== 0) {
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

  #readHead(chunk: Buffer, from: number): number {
    const before = this.#head.length;
    const most = Math.min(chunk.length, from + MOST_HEAD_BYTES - before);
    const head = Buffer.concat([this.#head, chunk.subarray(from, most)]);
    // A part without headers starts with the empty line.
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

/** How many bytes at the end of `chunk` could be the beginning of `delimiter`. */
function endsLikeStartOf(delimiter: Buffer, chunk: Buffer, from: number): number {
  const at = chunk.lastIndexOf(CR);
  const length = chunk.length - at;
  if (at < from || length >= delimiter.length) return 0;
  return delimiter.compare(chunk, at, chunk.length, 0, length) === 0 ? length : 0;
}

/** What the headers of one part say. */
export interface PartHead {
  readonly name: string;
  /** Null where the part is no file. What was not UTF-8 in it is U+FFFD. */
  readonly filename: string | null;
}

const MOST_HEADERS = 20;
/** What a part may be encoded as: nothing that would have to be decoded (RFC 7578, 4.7). */
const PLAIN_ENCODINGS = ['7bit', '8bit', 'binary'];
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/g;

const UNREADABLE = 'a header of a part cannot be read';

function controlsIn(text: string): number {
  return text.match(CONTROL)?.length ?? 0;
}

/**
 * Reads the headers of a part of a form (RFC 7578, 4.2).
 * @throws MultipartError with the reason
 */
export function readPartHead(head: Buffer): PartHead {
  const headers = readHeaders(head.toString('utf8'));
  const disposition = headers.get('content-disposition');
  if (disposition === undefined) {
    throw new MultipartError('a part has no Content-Disposition');
  }
  const encoding = headers.get('content-transfer-encoding') ?? 'binary';
  if (!PLAIN_ENCODINGS.includes(encoding.toLowerCase())) {
    throw new MultipartError(`a part has the Content-Transfer-Encoding ${encoding}`);
  }
  const read = readParameters(disposition);
  if (read?.value.toLowerCase() !== 'form-data') {
    throw new MultipartError('the Content-Disposition of a part is no form-data');
  }
  const { parameters } = read;
  refuseControls(disposition, parameters.get('filename') ?? '');
  const name = parameters.get('name');
  // If ignored, the path would be lost and the files put elsewhere (RFC 7578, 4.2).
  if (name === undefined) throw new MultipartError('a part has no name');
  return {
    name,
    filename: parameters.get('filename*') ?? parameters.get('filename') ?? null,
  };
}

/** Where only the file's own name has the fault, the refusal can name the file (contract 1). */
function refuseControls(disposition: string, filename: string): void {
  const found = controlsIn(disposition);
  if (found === 0) return;
  const inName = controlsIn(filename.slice(filename.lastIndexOf('/') + 1));
  throw new MultipartError(UNREADABLE, found === inName ? filename : null);
}

/** Names in lower case. A relevant header that comes twice is ambiguous, and so refused. */
function readHeaders(text: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  // A line that begins with a space goes on with the one before (RFC 5322, 2.2.3).
  const lines = text.replace(/\r\n(?=[ \t])/g, '').split('\r\n');
  if (lines.length > MOST_HEADERS) throw new MultipartError('a part has too many headers');
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    const value = line.slice(colon + 1).trim();
    // Those of a file's name are looked at with the name; those that were trimmed off are not.
    const mayHave = name === 'content-disposition' ? controlsIn(value) : 0;
    const isUnfit = controlsIn(line) > mayHave;
    if (!TOKEN.test(name) || isUnfit) throw new MultipartError(UNREADABLE);
    if (headers.has(name) && name.startsWith('content-')) {
      throw new MultipartError(`a part has ${name} twice`);
    }
    headers.set(name, value);
  }
  return headers;
}

/** Where a body's bytes go as they arrive. */
interface BodyTaker {
  /** Must not throw. */
  take(chunk: Buffer): void;
  /** `full`: nothing more for now. `over`: nothing more at all. */
  state(): 'ready' | 'full' | 'over';
  /** Gives the function to call whenever {@link state} may have changed. */
  onWake(wake: () => void): void;
}

/** `gone`: the sender left before the end. `over`: the consumer wants no more of it. */
type Fed = 'whole' | 'gone' | 'over';

/**
 * Feeds a request's body to its consumer chunk by chunk, as fast as that accepts it. In the end the
 * request is left paused, so that an answer can still be sent.
 */
export async function feedBody(request: IncomingMessage, taker: BodyTaker): Promise<Fed> {
  const { promise, resolve } = Promise.withResolvers<Fed>();
  const steer = (): void => {
    const state = taker.state();
    if (state === 'over') resolve('over');
    else if (state === 'full') request.pause();
    else if (request.isPaused()) request.resume();
  };
  const onData = (chunk: Buffer): void => {
    taker.take(chunk);
    steer();
  };
  const onEnd = (): void => {
    resolve('whole');
  };
  // A connection that breaks may say so by an error or by closing alone. What it had sent and
  // nobody has read is lost with it.
  const onLost = (): void => {
    resolve('gone');
  };
  taker.onWake(steer);
  request.on('data', onData);
  request.once('end', onEnd);
  request.once('error', onLost);
  request.once('close', onLost);
  steer();
  const fed = request.destroyed ? 'gone' : await promise;
  taker.onWake(() => undefined);
  request.off('data', onData);
  request.off('end', onEnd);
  request.off('error', onLost);
  request.off('close', onLost);
  request.pause();
  return fed;
}
