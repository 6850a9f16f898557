import {
  Agent,
  type ClientRequest,
  type ClientRequestArgs,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { giveBack } from '../http/http.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import {
  asNasCallError,
  NasCallError,
  type NasExchange,
  type NasRequest,
  type NasRequestStream,
} from './nas-client.ts';
import type { IdentityCheck } from './server-profile.ts';

interface NasTransportDeps {
  readonly url: URL;
  readonly clock: Clock;
  /** SHA-256 of the NAS's certificate in hex, with or without colons; null for none. */
  readonly fingerprint: string | null;
  /** Consulted before anything is sent; null where there is nothing to compare with. */
  readonly identityOf: IdentityCheck | null;
  /** Called with the `Date` of every answer. */
  readonly heardDate?: ((date: string) => void) | undefined;
  /** 1 makes every call go over one keep-alive connection, one after the other. */
  readonly maxSockets?: number;
  /** How long an unused connection is kept, ms. */
  readonly idleSocketMs?: number;
}

/** Times from the fault study: an awake NAS connects in ms, a sleeping one never does. */
const CONNECT_MS = 2_000;
const FIRST_BYTE_MS = 10_000;
const IDLE_MS = 15_000;

/** HTTP to one address of the NAS, over its own keep-alive connections. */
export class NasTransport {
  readonly #agent: NasAgent;
  readonly #clock: Clock;
  readonly #identityOf: IdentityCheck | null;
  readonly #basePath: string;
  readonly #host: string;
  readonly #heardDate: ((date: string) => void) | null;

  constructor(deps: NasTransportDeps) {
    const { url, clock, fingerprint, identityOf } = deps;
    this.#clock = clock;
    this.#identityOf = identityOf;
    this.#basePath = url.pathname.replace(/\/+$/, '');
    this.#host = url.host;
    this.#heardDate = deps.heardDate ?? null;
    this.#agent = new NasAgent({
      url,
      clock,
      fingerprint: fingerprint?.replaceAll(':', '').toLowerCase() ?? null,
      identityOf,
      connectMs: CONNECT_MS,
      maxSockets: deps.maxSockets ?? Infinity,
      idleMs: deps.idleSocketMs ?? IDLE_SOCKET_MS,
    });
  }

  /** The IP address the last connection went to; null before the first. */
  get address(): string | null {
    return this.#agent.address;
  }

  /**
   * Sends one request. Everything the NAS, the network or the caller's signal may do is an outcome.
   * A GET that met a connection which the NAS was just closing is sent once more on a fresh one.
   */
  async send(wanted: NasRequest): Promise<NasExchange> {
    const refusal = this.#refusal(wanted);
    if (refusal !== null) {
      if (wanted.body !== undefined && !Buffer.isBuffer(wanted.body)) wanted.body.stream.destroy();
      return { kind: 'failed', cause: refusal };
    }
    const first = await this.#attempt(wanted);
    const raced = first.outcome.kind === 'failed' && first.outcome.cause.code === 'cut';
    const repeatable = wanted.method === 'GET' && wanted.body === undefined;
    if (!raced || !first.reused || !repeatable) return first.outcome;
    this.#agent.dropIdle();
    return (await this.#attempt(wanted)).outcome;
  }

  /**
   * Opens a websocket. Everything the NAS or the network may do is an outcome.
   * @param path and query, percent-encoded
   */
  async upgrade(path: string, headers: Readonly<Record<string, string>>): Promise<NasSocket> {
    const refusal = this.#refusal({ method: 'GET', path });
    if (refusal !== null) return { kind: 'failed', cause: refusal };
    const sent = { ...headers, Host: this.#host, Connection: 'Upgrade', Upgrade: 'websocket' };
    const limits = { clock: this.#clock, withinMs: FIRST_BYTE_MS };
    try {
      return await openNasSocket(this.#agent, this.#basePath + path, sent, limits);
    } catch (error) {
      return { kind: 'failed', cause: asNasCallError(error) };
    }
  }

  /** Closes every connection; whatever runs on them fails as `cut`. */
  close(): void {
    this.#agent.destroy();
  }

  #refusal(wanted: NasRequest): NasCallError | null {
    if (wanted.signal?.aborted === true) return new NasCallError('aborted', wanted.signal.reason);
    const address = this.#agent.address;
    if (address === null || this.#identityOf === null) return null;
    return this.#identityOf(address) === 'mismatch' ? new NasCallError('mismatch') : null;
  }

  async #attempt(wanted: NasRequest): Promise<{ outcome: NasExchange; reused: boolean }> {
    let exchange: Exchange;
    try {
      const path = this.#basePath + wanted.path;
      exchange = new Exchange(this.#agent, path, this.#headers(wanted), wanted, this.#clock, {
        firstByteMs: wanted.firstByteMs ?? FIRST_BYTE_MS,
        idleMs: wanted.idleMs ?? IDLE_MS,
      });
    } catch (error) {
      return { outcome: { kind: 'failed', cause: asNasCallError(error) }, reused: false };
    }
    const outcome = await exchange.run();
    if (outcome.kind !== 'failed' && outcome.headers.date !== undefined) {
      this.#heardDate?.(outcome.headers.date);
    }
    return { outcome, reused: exchange.reusedSocket };
  }

  #headers(wanted: NasRequest): Record<string, string> {
    const headers: Record<string, string> = {
      Host: this.#host,
      'Accept-Encoding': 'identity',
      ...wanted.headers,
    };
    const body = wanted.body;
    if (body === undefined) return headers;
    const sizeBytes = Buffer.isBuffer(body) ? body.length : body.sizeBytes;
    if (sizeBytes !== null) headers['Content-Length'] = String(sizeBytes);
    return headers;
  }
}

/** The NAS's longest head is under 2 KB (recorded); more than this is not the NAS. */
const MAX_HEAD_BYTES = 16 * 1024;

interface ExchangeLimits {
  /** From the request's last byte to the answer's first, ms. */
  readonly firstByteMs: number;
  /** Longest silence while bytes are under way, either way, ms. */
  readonly idleMs: number;
}

/** One request and its answer on a given agent. Used once. */
class Exchange {
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

  /** Whether it was sent on a connection that had served before. */
  get reusedSocket(): boolean {
    return this.#request.reusedSocket;
  }

  run(): Promise<NasExchange> {
    const request = this.#request;
    request.once('socket', (socket) => {
      this.#arm(this.#limits.idleMs);
      // Node's parser has copied what it needs. Unless freed, 64 KB of each block wait for the
      // collector (40 MB in an answer of 200 MB, measured on Node 24).
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

  /** Sends exactly `sizeBytes` (null: whatever comes); each block sent restarts the timer. */
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
    // Where a handler of the NAS failed, uvicorn closes the connection without announcing it
    // (measured).
    if (response.statusCode === 500) this.#request.shouldKeepAlive = false;
    const announced = announcedBytes(response);
    this.#answer = new AnswerBody(response, this.#clock, this.#limits.idleMs, announced);
    // An answer may come before the whole request was sent; the rest need not be sent.
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

const NOTHING_TO_CANCEL: Cancel = () => undefined;

/**
 * The body of an answer, which never ends cleanly unless it is complete: a cut, a silence while the
 * reader waits, or a length other than announced is an error (`NasCallError`). Silence only counts
 * while the reader wants more; a slow reader is not the NAS's fault.
 */
class AnswerBody extends Readable {
  readonly #source: IncomingMessage;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #announcedBytes: number | null;
  #receivedBytes = 0;
  #stopTimer: Cancel = NOTHING_TO_CANCEL;

  /** @param announcedBytes the Content-Length, null when the answer is chunked */
  constructor(
    source: IncomingMessage,
    clock: Clock,
    idleMs: number,
    announcedBytes: number | null,
  ) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#announcedBytes = announcedBytes;
    source.on('data', (chunk: Buffer) => {
      this.#take(chunk);
    });
    source.once('end', () => {
      this.#end();
    });
    source.once('error', (error) => this.destroy(asNasCallError(error)));
    source.once('close', () => {
      if (!source.complete) this.destroy(new NasCallError('cut'));
    });
    source.pause();
  }

  override _read(): void {
    this.#watch();
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stopTimer();
    // Abandoning an answer closes its connection.
    if (!this.#source.readableEnded) this.#source.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    this.#stopTimer();
    if (this.push(chunk)) this.#watch();
    else this.#source.pause();
  }

  #end(): void {
    this.#stopTimer();
    const whole =
      this.#source.complete &&
      (this.#announcedBytes === null || this.#announcedBytes === this.#receivedBytes);
    if (whole) this.push(null);
    else this.destroy(new NasCallError('cut'));
  }

  #watch(): void {
    this.#stopTimer();
    this.#stopTimer = this.#clock.after(this.#idleMs, () => {
      this.destroy(new NasCallError('timeout'));
    });
  }
}

/**
 * An idle connection is dropped after this. Uvicorn drops its side after 5 s; being earlier keeps
 * requests from racing into a connection that is just being closed.
 */
const IDLE_SOCKET_MS = 4_000;

interface NasAgentDeps {
  readonly url: URL;
  readonly clock: Clock;
  /** SHA-256 of the certificate, 64 hex digits in lower case; null trusts the system's CAs. */
  readonly fingerprint: string | null;
  readonly identityOf: IdentityCheck | null;
  readonly connectMs: number;
  readonly maxSockets: number;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
}

type Connected = (error: Error | null, socket: Duplex) => void;

/**
 * The connections to one address of the NAS. A socket is handed to HTTP only after the certificate
 * (https) and the machine behind the address (http) were checked, so a wrong one gets no byte.
 */
class NasAgent extends Agent {
  readonly #deps: NasAgentDeps;
  readonly #idle = new WeakMap<Duplex, Cancel>();
  #address: string | null = null;

  constructor(deps: NasAgentDeps) {
    super({ keepAlive: true, maxSockets: deps.maxSockets, maxFreeSockets: 4 });
    this.#deps = deps;
  }

  /** The IP address the last connection went to. */
  get address(): string | null {
    return this.#address;
  }

  override createConnection(_args: ClientRequestArgs, connected?: Connected): undefined {
    const socket = this.#open();
    const report = connected ?? ((): void => undefined);
    let settled = false;
    const settle = (error: Error | null): void => {
      if (settled) return;
      settled = true;
      stopTimer();
      if (error !== null) socket.destroy();
      report(error, socket);
    };
    const stopTimer = this.#deps.clock.after(this.#deps.connectMs, () => {
      settle(new NasCallError('timeout'));
    });
    socket.on('error', settle);
    socket.once('close', () => {
      settle(new NasCallError('refused'));
    });
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      settle(this.#fault(socket));
    });
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const kept: unknown = super.keepSocketAlive(socket);
    if (kept !== true) return false;
    const { clock, idleMs } = this.#deps;
    const cancel = clock.after(idleMs, () => {
      socket.destroy();
    });
    this.#idle.set(socket, cancel);
    socket.once('close', cancel);
    return true;
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    const cancel = this.#idle.get(socket);
    cancel?.();
    if (cancel !== undefined) socket.removeListener('close', cancel);
    super.reuseSocket(socket, request);
  }

  /** Closes the idle connections. */
  dropIdle(): void {
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  #open(): Socket {
    const { url, fingerprint } = this.#deps;
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    if (url.protocol !== 'https:') {
      return connectTcp({ host, port: Number(url.port || 80), noDelay: true });
    }
    return connectTls({
      host,
      port: Number(url.port || 443),
      ALPNProtocols: ['http/1.1'],
      ...(isIP(host) === 0 ? { servername: host } : {}),
      // With a pin the pin is the check, made in #fault before any byte of HTTP; a self-signed
      // certificate has no chain that could be checked instead.
      rejectUnauthorized: fingerprint === null,
    });
  }

  #fault(socket: Socket): NasCallError | null {
    const { fingerprint, identityOf } = this.#deps;
    if (socket instanceof TLSSocket && fingerprint !== null) {
      const shown = socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '');
      if (shown?.toLowerCase() !== fingerprint) return new NasCallError('tls');
    }
    this.#address = socket.remoteAddress ?? null;
    if (this.#address === null || identityOf === null) return null;
    return identityOf(this.#address) === 'mismatch' ? new NasCallError('mismatch') : null;
  }
}

/** The outcome of asking the NAS for a websocket. */
export type NasSocket =
  | {
      readonly kind: 'open';
      readonly headers: IncomingHttpHeaders;
      /** Frames as they are on the wire. Must be destroyed in the end. */
      readonly socket: Duplex;
      /** Bytes that arrived together with the head. */
      readonly first: Buffer;
    }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'failed'; readonly cause: NasCallError };

/** Asks for a websocket over a connection of its own of that agent. */
function openNasSocket(
  agent: NasAgent,
  path: string,
  headers: Readonly<Record<string, string>>,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
): Promise<NasSocket> {
  const { promise, resolve } = Promise.withResolvers<NasSocket>();
  const asked = httpRequest({ agent, method: 'GET', path, headers });
  const stopTimer = clock.after(withinMs, () => asked.destroy(new NasCallError('timeout')));
  asked.once('upgrade', (answer, socket, first) => {
    resolve({ kind: 'open', headers: answer.headers, socket, first });
  });
  asked.once('response', (answer) => {
    answer.destroy();
    resolve({ kind: 'refused', status: answer.statusCode ?? 502 });
  });
  asked.on('error', (error) => {
    resolve({ kind: 'failed', cause: asNasCallError(error) });
  });
  asked.once('close', () => {
    resolve({ kind: 'failed', cause: new NasCallError('cut') });
  });
  asked.end();
  return promise.finally(stopTimer);
}
