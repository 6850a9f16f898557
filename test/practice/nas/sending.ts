import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import type { Answer, Exchange, Headers } from './wire.ts';

/** Small enough that a pace of some KB/s has several steps. */
const PACED_STEP_BYTES = 16 * 1024;

async function drained(response: ServerResponse): Promise<void> {
  const settled = new AbortController();
  try {
    await Promise.race([
      once(response, 'drain', { signal: settled.signal }),
      once(response, 'close', { signal: settled.signal }),
    ]);
  } finally {
    settled.abort();
  }
}

function* steps(chunk: Uint8Array, paced: boolean): Generator<Uint8Array> {
  if (!paced) {
    yield chunk;
    return;
  }
  for (let at = 0; at < chunk.length; at += PACED_STEP_BYTES) {
    yield chunk.subarray(at, at + PACED_STEP_BYTES);
  }
}

/** Waits as long as that many bytes take at a fault's pace. */
export async function pace(exchange: Exchange, bytes: number, clock: Clock): Promise<void> {
  const { bytesPerSecond } = exchange.effect;
  if (bytesPerSecond !== undefined) await clock.sleep((bytes / bytesPerSecond) * 1000);
}

/** Writes answers, and applies the faults that concern them. */
export class Sender {
  readonly #clock: Clock;
  readonly #common: Headers;

  /** @param common headers of every answer */
  constructor(clock: Clock, common: Headers) {
    this.#clock = clock;
    this.#common = common;
  }

  async answer(exchange: Exchange, answer: Answer): Promise<void> {
    switch (answer.kind) {
      case 'sent':
        return;
      case 'empty':
        await this.stream(exchange, answer.status, answer.headers ?? {}, []);
        return;
      case 'text':
        await this.#text(exchange, answer.status, answer.type, answer.body, answer.headers);
        return;
      case 'json': {
        const text = JSON.stringify(answer.body);
        await this.#text(exchange, answer.status, 'application/json', text, answer.headers);
      }
    }
  }

  /** A body in chunks with a declared length. Cuts the connection if the body is shorter. */
  async stream(
    exchange: Exchange,
    status: number,
    headers: Headers,
    source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { response, effect } = exchange;
    await exchange.thawed();
    if (response.destroyed || response.headersSent) return;
    if (effect.cutAfterBytes === 0) {
      exchange.request.socket.resetAndDestroy();
      return;
    }
    this.#begin(exchange, status, headers);
    const complete = await this.#write(exchange, source);
    if (complete) response.end();
    else exchange.request.socket.destroySoon();
  }

  #begin(exchange: Exchange, status: number, headers: Headers): void {
    const { response } = exchange;
    const limits = status < 400 ? exchange.limitHeaders : {};
    exchange.record.status = status;
    response.removeHeader('connection');
    for (const [name, value] of Object.entries({ ...this.#common, ...limits, ...headers })) {
      response.setHeader(name, value);
    }
    response.writeHead(status);
  }

  /** @returns whether all of it was written */
  async #write(
    exchange: Exchange,
    source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<boolean> {
    const { response, effect } = exchange;
    let left = effect.cutAfterBytes ?? Number.POSITIVE_INFINITY;
    const length = response.getHeader('content-length');
    let promised = Number(length ?? 0);
    for await (const chunk of source) {
      for (const step of steps(chunk, effect.bytesPerSecond !== undefined)) {
        await exchange.thawed();
        if (response.destroyed) return true;
        const part = step.subarray(0, Math.min(step.length, left));
        const flowing = response.write(part);
        exchange.countSent(part.length);
        left -= part.length;
        promised -= part.length;
        if (left <= 0) return false;
        if (!flowing) await drained(response);
        await pace(exchange, part.length, this.#clock);
      }
    }
    return length === undefined || promised === 0 || exchange.method === 'HEAD';
  }

  async #text(
    exchange: Exchange,
    status: number,
    type: string,
    text: string,
    headers: Headers = {},
  ): Promise<void> {
    const bytes = Buffer.from(text);
    const all = { 'content-length': String(bytes.length), 'content-type': type, ...headers };
    await this.stream(exchange, status, all, exchange.method === 'HEAD' ? [] : [bytes]);
  }
}
