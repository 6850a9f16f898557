import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../time/clock.ts';
import { failureOf, failureOfStatus, goodBodyOf } from './failure.ts';
import {
  asNasCallError,
  asRecord,
  asText,
  NasCallError,
  type NasExchange,
  type NasJson,
  type NasRequest,
} from './nas-client.ts';
import type { NasPresence } from './presence.ts';

/** Sends requests; `NasTransport` in BaluPi. */
interface NasSender {
  send(wanted: NasRequest): Promise<NasExchange>;
}

/** Sends to one address of the NAS, and reports to presence what that showed. */
export class NasCalls {
  readonly #sender: NasSender;
  readonly #presence: Pick<NasPresence, 'heard' | 'silent'>;
  readonly #clock: Clock;
  readonly #speaksForNas: boolean;
  #heardAtMs = -Infinity;

  /**
   * @param speaksForNas false for a second address, such as the direct one: its answers prove that
   * the NAS is up, its silence proves nothing
   */
  constructor(
    sender: NasSender,
    presence: Pick<NasPresence, 'heard' | 'silent'>,
    clock: Clock,
    speaksForNas = true,
  ) {
    this.#sender = sender;
    this.#presence = presence;
    this.#clock = clock;
    this.#speaksForNas = speaksForNas;
  }

  json(wanted: NasRequest): Promise<NasJson> {
    return this.#told(wanted, (exchange) => readNasJson(exchange, this.#clock));
  }

  /** As {@link json} for an answer with a list that is too long for memory. */
  items(wanted: NasRequest, list: JsonList): Promise<NasJson> {
    return this.#told(wanted, (exchange) => readNasItems(exchange, this.#clock, list));
  }

  async #told(
    wanted: NasRequest,
    read: (exchange: NasExchange) => Promise<NasJson>,
  ): Promise<NasJson> {
    const startedAtMs = this.#clock.monotonicMs();
    const exchange = await this.#sender.send(wanted);
    const result = await read(exchange);
    if (result.kind === 'unreachable') this.#failed(result.cause, startedAtMs);
    else this.#answered(result);
    return result;
  }

  /** A request whose answer the caller reads; presence learns from its head and from a silence. */
  async raw(wanted: NasRequest): Promise<NasExchange> {
    const startedAtMs = this.#clock.monotonicMs();
    const exchange = await this.#sender.send(wanted);
    if (exchange.kind === 'failed') {
      this.#failed(exchange.cause, startedAtMs);
      return exchange;
    }
    if (failureOfStatus(exchange.status)?.kind !== 'gateway') this.#heard({});
    exchange.body.once('error', (error) => {
      // A cut may be one worker's death, which the next call finds out. Only silence is the NAS's.
      const silent = error instanceof NasCallError && error.code === 'timeout';
      if (silent) this.#failed(error, this.#clock.monotonicMs());
    });
    return exchange;
  }

  /** Reports a failed call that began at `startedAtMs` (monotonic) to presence. */
  #failed(cause: Error, startedAtMs: number): void {
    if (!this.#speaksForNas || !(cause instanceof NasCallError)) return;
    switch (cause.code) {
      case 'tls':
        this.#presence.silent('nas_tls');
        return;
      case 'mismatch':
        this.#presence.silent('nas_mismatch');
        return;
      case 'timeout':
        // One slow answer among quick ones does not mean the NAS is gone.
        if (this.#heardAtMs <= startedAtMs) this.#presence.silent();
        return;
      case 'refused':
      case 'cut':
        this.#presence.silent();
        return;
      case 'aborted':
      case 'body':
      case 'protocol':
        return;
    }
  }

  /**
   * JSON, and refusals of the proxy in front of a running NAS, prove that it is up; other pages do
   * not.
   */
  #answered(answer: NasJson): void {
    const kind = failureOf(answer)?.kind;
    if (answer.kind !== 'answer' && kind !== 'throttled' && kind !== 'unavailable') return;
    this.#heard(newsIn(goodBodyOf(answer)));
  }

  #heard(news: Parameters<NasPresence['heard']>[0]): void {
    this.#heardAtMs = this.#clock.monotonicMs();
    this.#presence.heard(news);
  }
}

/**
 * What an answer tells besides its purpose: preflight the sleep state, health the version
 * (recorded).
 */
function newsIn(body: unknown): NonNullable<Parameters<NasPresence['heard']>[0]> {
  const answer = asRecord(body);
  if (answer === null) return {};
  const sleepState = asText(answer['current_sleep_state'], 64);
  if (sleepState !== null) {
    return {
      sleepState,
      nextWakeAt: asText(answer['next_wake_at'], 64),
      sleepSchedule: answer['sleep_schedule'] ?? null,
    };
  }
  const version = 'api_version' in answer ? asText(answer['version'], 64) : null;
  return version === null ? {} : { version };
}

/** The longest JSON answer taken into memory. */
const MAX_JSON_BYTES = 8 * 1024 * 1024;

/** A JSON answer that trickles for longer than this is given up, ms. */
const MAX_JSON_MS = 30_000;

/** Stands for an answer that was not even HTTP, as a gateway would report it. */
const BAD_GATEWAY = 502;

/** A long listing takes as long as its reader, who may write it down on the way, ms. */
const MAX_ITEMS_MS = 180_000;
/** Ten times the longest listing the Pi is meant for. */
const MAX_ITEMS_BYTES = 320 * 1024 * 1024;

/** A list in an answer that is too long to be held in memory. */
interface JsonList {
  /** The member of the answer that contains it. */
  readonly member: string;
  /** Consumes the items that arrived; the next block is only read afterwards. */
  readonly take: (items: readonly unknown[]) => void | Promise<void>;
}

/**
 * Reads what came back as JSON. An empty body, a redirect and an answer in a content coding nobody
 * asked for count as `bad_answer`, whatever their status; so does JSON that is too long or nested
 * too deeply.
 */
export async function readNasJson(exchange: NasExchange, clock: Clock): Promise<NasJson> {
  if (exchange.kind === 'failed') return failed(exchange.cause);
  const tooLong = (exchange.lengthBytes ?? 0) > MAX_JSON_BYTES;
  if (tooLong || isUnreadable(exchange)) return refused(exchange);
  return reading(exchange, clock, MAX_JSON_MS, async (body) => {
    const blocks: Buffer[] = [];
    for await (const block of blocksOf(body, MAX_JSON_BYTES)) blocks.push(block);
    return parseJson(Buffer.concat(blocks));
  });
}

/**
 * As {@link readNasJson}, and passes on one list in it as it arrives; in the answer that list is
 * empty.
 */
async function readNasItems(exchange: NasExchange, clock: Clock, list: JsonList): Promise<NasJson> {
  if (exchange.kind === 'failed' || exchange.status !== 200) return readNasJson(exchange, clock);
  if (isUnreadable(exchange)) return refused(exchange);
  const items = new JsonItems(list.member);
  return reading(exchange, clock, MAX_ITEMS_MS, async (body) => {
    for await (const block of blocksOf(body, MAX_ITEMS_BYTES)) {
      const some = items.take(block);
      if (some.length === 0) continue;
      await list.take(some);
      // Otherwise blocks already waiting would follow without yielding.
      await setImmediate();
    }
    return items.end();
  });
}

type Response = Extract<NasExchange, { kind: 'response' }>;

async function reading(
  { status, body }: Response,
  clock: Clock,
  maxMs: number,
  read: (body: Readable) => Promise<unknown>,
): Promise<NasJson> {
  const stopTimer = clock.after(maxMs, () => body.destroy(new NasCallError('timeout')));
  try {
    return { kind: 'answer', status, body: await read(body) };
  } catch (error) {
    if (error instanceof BadJsonError) return { kind: 'bad_answer', status };
    if (error instanceof NasCallError) return { kind: 'unreachable', cause: error };
    throw error;
  } finally {
    stopTimer();
    body.destroy();
  }
}

/** @throws NasCallError and, where there is more of it than anyone may send, BadJsonError */
async function* blocksOf(body: Readable, maxBytes: number): AsyncGenerator<Buffer> {
  const blocks = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  let sizeBytes = 0;
  for (;;) {
    const next = await blocks.next().catch((error: unknown) => {
      throw asNasCallError(error);
    });
    if (next.done === true) return;
    sizeBytes += next.value.length;
    if (sizeBytes > maxBytes) throw new BadJsonError('It is too long.');
    yield next.value;
  }
}

function failed(cause: NasCallError): NasJson {
  if (cause.code === 'protocol') return { kind: 'bad_answer', status: BAD_GATEWAY };
  return { kind: 'unreachable', cause };
}

function refused({ status, body }: Response): NasJson {
  body.destroy();
  return { kind: 'bad_answer', status };
}

function isUnreadable(exchange: Response): boolean {
  return isRedirect(exchange.status) || isEncoded(exchange);
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

/** Whether the body is compressed although the request said `Accept-Encoding: identity`. */
export function isEncoded(exchange: Response): boolean {
  const coding = exchange.headers['content-encoding'];
  return coding !== undefined && coding.trim() !== '' && coding.toLowerCase() !== 'identity';
}

/** Far deeper than any answer of the NAS, and shallow enough for whatever reads it. */
const DEEPEST = 64;
/** The longest single item: two paths of 4 KB, each character escaped, and the rest. */
const LONGEST_ITEM_BYTES = 64 * 1024;
/** The JSON around the items. */
const LONGEST_REST_CHARACTERS = 64 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
/** By byte: whether it opens, closes or separates, or starts a string. */
const MATTERS = new Uint8Array(256);
for (const character of '"[]{},') MATTERS[character.charCodeAt(0)] = 1;

/** The answer is not JSON of the expected form. */
class BadJsonError extends Error {
  override readonly name = 'BadJsonError';
}

/** Finds brackets and commas in a JSON text that arrives in blocks; quoted text is skipped. */
class Brackets {
  depth = 0;
  #inText = false;
  #isEscaped = false;

  /** The position of the next bracket or comma, `block.length` where there is none. */
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
 * Reads `{"<member>": [item, item, …]}` as its bytes arrive, and hands the items out block by
 * block: an answer of any length costs the memory of one block. Item ends are found by brackets and
 * commas alone; the text between is left to `JSON.parse`, which is quicker than anything written in
 * JavaScript and detects invalid JSON (ADR 0023).
 */
class JsonItems {
  readonly #member: RegExp;
  readonly #brackets = new Brackets();
  /** The text before and after the items, which must be JSON without them. */
  #rest = '';
  /** Bytes of an item that continues in the next block. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #where: 'before' | 'within' | 'behind' = 'before';
  #hasItems = false;

  /** @param member the name of the list, letters only */
  constructor(member: string) {
    this.#member = new RegExp(`^\\s*\\{(?:.*,)?\\s*"${member}"\\s*:\\s*$`, 's');
  }

  /**
   * The items that are complete so far.
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
   * To be called after the last block.
   * @returns the JSON around the items, with the list empty
   * @throws BadJsonError
   */
  end(): unknown {
    if (this.#where === 'within') throw new BadJsonError('It ends in the middle.');
    return parsed(this.#rest);
  }

  get #isBetweenItems(): boolean {
    return this.#where === 'within' && this.#brackets.depth === 2;
  }

  /** Whether the array that starts here is the list. */
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
 * Parses a whole JSON text.
 * @throws BadJsonError also where it is nested too deeply
 */
function parseJson(bytes: Buffer): unknown {
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
