import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { giveBack } from '../http/http.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import { AnswerBody } from './answer-body.ts';
import type { NasAgent } from './nas-agent.ts';
import { asNasCallError, NasCallError } from './nas-call-error.ts';
import type { NasExchange, NasRequest, NasRequestStream } from './nas-request.ts';

/** The NAS's longest head is under 2 KB (recorded); more than this is not the NAS. */
const MAX_HEAD_BYTES = 16 * 1024;

export interface ExchangeLimits {
  /** From the request's last byte to the answer's first, ms. */
  readonly firstByteMs: number;
  /** Longest silence while bytes are under way, either way, ms. */
  readonly idleMs: number;
}

/** One request and its answer on a given agent. Used once. */
export class Exchange {
  readonly #clock: Clock;
  readonly #limits: ExchangeLimits;
  readonly #wanted: NasRequest;
  readonly #outcome = Promise.withResolvers<NasExchange>();
  readonly #request: ClientRequest;
  #stopTimer: Cancel = () => undefined;
  #answer: AnswerBody | null = null;
  #settled = false;

  /** @throws TypeError when the path or a header cannot be written in HTTP */
  constructor(
    agent: NasAgent,
    path: string,
    headers: Readonly<Record<string, string>>,
    wanted: NasRequest,
    clock: Clock,
    limits: ExchangeLimits,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#wanted = wanted;
    const { method } = wanted;
    this.#request = httpRequest({ agent, method, path, headers, maxHeaderSize: MAX_HEAD_BYTES });
  }

  /** Whether it went out on a connection that had served before. */
  get reusedSocket(): boolean {
    return this.#request.reusedSocket;
  }

  run(): Promise<NasExchange> {
    const request = this.#request;
    request.once('socket', (socket) => {
      this.#arm(this.#limits.idleMs);
      // Behind Node's parser, which copied what it wanted: 64 KB of each block wait for the
      // collector otherwise (40 MB in an answer of 200, measured on Node 24).
      socket.on('data', giveBack);
      request.once('close', () => socket.off('data', giveBack));
    });
    request.once('finish', () => {
      if (!this.#settled) this.#arm(this.#limits.firstByteMs);
    });
    request.once('response', (response) => {
      this.#onResponse(response);
    });
    request.on('error', (error) => {
      this.#fail(asNasCallError(error));
    });
    request.once('close', () => {
      this.#fail(new NasCallError('cut'));
    });
    this.#followSignal();
    this.#sendBody();
    return this.#outcome.promise;
  }

  #followSignal(): void {
    const signal = this.#wanted.signal;
    if (signal === undefined) return;
    const onAbort = (): void => {
      const error = new NasCallError('aborted', signal.reason);
      this.#fail(error);
      this.#answer?.destroy(error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#request.once('close', () => {
      signal.removeEventListener('abort', onAbort);
    });
  }

  #sendBody(): void {
    const body = this.#wanted.body;
    if (body === undefined) this.#request.end();
    else if (Buffer.isBuffer(body)) this.#request.end(body);
    else this.#pump(body);
  }

  /** Sends exactly `sizeBytes` (null: whatever comes); each block that goes out restarts the timer. */
  #pump({ stream, sizeBytes, isForNobodyElse = false }: NasRequestStream): void {
    const request = this.#request;
    let sentBytes = 0;
    const broken = (cause?: unknown): void => {
      this.#fail(new NasCallError('body', cause));
    };
    if (stream.destroyed) {
      broken(stream.errored ?? undefined);
      return;
    }
    stream.on('data', (block: Buffer) => {
      sentBytes += block.length;
      if (sizeBytes !== null && sentBytes > sizeBytes) {
        broken();
        return;
      }
      if (!this.#settled) this.#arm(this.#limits.idleMs);
      const sent = isForNobodyElse ? () => giveBack(block) : undefined;
      if (!request.write(block, sent)) stream.pause();
    });
    request.on('drain', () => {
      if (!this.#settled) this.#arm(this.#limits.idleMs);
      stream.resume();
    });
    stream.once('end', () => {
      if (sizeBytes === null || sentBytes === sizeBytes) request.end();
      else broken();
    });
    stream.on('error', broken);
    stream.once('close', () => {
      if (!stream.readableEnded) broken();
    });
    request.once('close', () => stream.destroy());
  }

  #onResponse(response: IncomingMessage): void {
    if (this.#settled) {
      response.destroy();
      return;
    }
    // Where a handler of the NAS broke, uvicorn closes the connection without saying so (measured).
    if (response.statusCode === 500) this.#request.shouldKeepAlive = false;
    const announced = announcedBytes(response);
    this.#answer = new AnswerBody(response, this.#clock, this.#limits.idleMs, announced);
    // An answer may come before the whole request was sent; what is left need not go out.
    if (!this.#request.writableEnded) this.#answer.once('close', () => this.#request.destroy());
    this.#settle({
      kind: 'response',
      status: response.statusCode ?? 0,
      headers: response.headers,
      lengthBytes: announced,
      body: this.#answer,
    });
  }

  #arm(ms: number): void {
    this.#stopTimer();
    this.#stopTimer = this.#clock.after(ms, () => {
      this.#fail(new NasCallError('timeout'));
    });
  }

  #fail(cause: NasCallError): void {
    if (this.#settled) return;
    this.#settle({ kind: 'failed', cause });
    this.#request.destroy();
    const body = this.#wanted.body;
    if (body !== undefined && !Buffer.isBuffer(body)) body.stream.destroy();
  }

  #settle(outcome: NasExchange): void {
    this.#settled = true;
    this.#stopTimer();
    this.#outcome.resolve(outcome);
  }
}

function announcedBytes(response: IncomingMessage): number | null {
  const text = response.headers['content-length'];
  if (text === undefined || !/^\d{1,15}$/.test(text)) return null;
  return Number(text);
}
