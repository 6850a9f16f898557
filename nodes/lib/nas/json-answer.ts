import type { Readable } from 'node:stream';
import type { Clock } from '../time/clock.ts';
import { asNasCallError, NasCallError } from './nas-call-error.ts';
import type { NasJson } from './nas-client.ts';
import type { NasExchange } from './nas-request.ts';

/** The longest JSON answer taken into memory. */
const MAX_JSON_BYTES = 8 * 1024 * 1024;

/** A JSON answer that trickles for longer than this is given up, ms. */
const MAX_JSON_MS = 30_000;

/** Stands for an answer that was not even HTTP, as a gateway would say it. */
const BAD_GATEWAY = 502;

/**
 * Reads what came back as JSON. An empty body, a redirect and an answer in a content coding nobody
 * asked for count as `bad_answer`, whatever their status.
 */
export async function readNasJson(exchange: NasExchange, clock: Clock): Promise<NasJson> {
  if (exchange.kind === 'failed') {
    const { cause } = exchange;
    if (cause.code === 'protocol') return { kind: 'bad_answer', status: BAD_GATEWAY };
    return { kind: 'unreachable', cause };
  }
  const { status, body } = exchange;
  const tooLong = (exchange.lengthBytes ?? 0) > MAX_JSON_BYTES;
  if (tooLong || isRedirect(status) || isEncoded(exchange)) {
    body.destroy();
    return { kind: 'bad_answer', status };
  }
  const text = await readText(body, clock);
  if (text instanceof NasCallError) return { kind: 'unreachable', cause: text };
  if (text === null) return { kind: 'bad_answer', status };
  try {
    return { kind: 'answer', status, body: JSON.parse(text) as unknown };
  } catch (error) {
    // A SyntaxError is an HTML page; a RangeError is JSON nested deeper than any real answer.
    if (error instanceof SyntaxError || error instanceof RangeError) {
      return { kind: 'bad_answer', status };
    }
    throw error;
  }
}

/** @returns null when there is more of it than anyone may send */
async function readText(body: Readable, clock: Clock): Promise<string | null | NasCallError> {
  const stopTimer = clock.after(MAX_JSON_MS, () => body.destroy(new NasCallError('timeout')));
  const blocks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const block of body as AsyncIterable<Buffer>) {
      sizeBytes += block.length;
      if (sizeBytes > MAX_JSON_BYTES) return null;
      blocks.push(block);
    }
  } catch (error) {
    return asNasCallError(error);
  } finally {
    stopTimer();
  }
  return Buffer.concat(blocks).toString('utf8');
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

/** Whether the body is packed although the request said `Accept-Encoding: identity`. */
export function isEncoded(exchange: Extract<NasExchange, { kind: 'response' }>): boolean {
  const coding = exchange.headers['content-encoding'];
  return coding !== undefined && coding.trim() !== '' && coding.toLowerCase() !== 'identity';
}
