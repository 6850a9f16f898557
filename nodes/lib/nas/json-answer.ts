import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../time/clock.ts';
import { BadJsonError, JsonItems, parseJson } from './json-items.ts';
import { asNasCallError, NasCallError } from './nas-call-error.ts';
import type { NasJson } from './nas-client.ts';
import type { NasExchange } from './nas-request.ts';

/** The longest JSON answer taken into memory. */
const MAX_JSON_BYTES = 8 * 1024 * 1024;

/** A JSON answer that trickles for longer than this is given up, ms. */
const MAX_JSON_MS = 30_000;

/** Stands for an answer that was not even HTTP, as a gateway would say it. */
const BAD_GATEWAY = 502;

/** A long listing takes as long as its reader, who may write it down on the way, ms. */
const MAX_ITEMS_MS = 180_000;
/** Ten times the longest listing the Pi is meant for. */
const MAX_ITEMS_BYTES = 320 * 1024 * 1024;

/** A list in an answer that is too long to be taken into memory. */
export interface JsonList {
  /** The member of the answer that holds it. */
  readonly member: string;
  /** Takes the items that came; the next block is not read before it is through. */
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

/** As {@link readNasJson}, and hands one list in it out as it comes; the answer then has it empty. */
export async function readNasItems(
  exchange: NasExchange,
  clock: Clock,
  list: JsonList,
): Promise<NasJson> {
  if (exchange.kind === 'failed' || exchange.status !== 200) return readNasJson(exchange, clock);
  if (isUnreadable(exchange)) return refused(exchange);
  const items = new JsonItems(list.member);
  return reading(exchange, clock, MAX_ITEMS_MS, async (body) => {
    for await (const block of blocksOf(body, MAX_ITEMS_BYTES)) {
      const some = items.take(block);
      if (some.length === 0) continue;
      await list.take(some);
      // Blocks that wait already would follow without a turn for anybody else.
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

/** Whether the body is packed although the request said `Accept-Encoding: identity`. */
export function isEncoded(exchange: Response): boolean {
  const coding = exchange.headers['content-encoding'];
  return coding !== undefined && coding.trim() !== '' && coding.toLowerCase() !== 'identity';
}
