import type { Clock } from '../time/clock.ts';
import { NasAgent, IDLE_SOCKET_MS } from './nas-agent.ts';
import { asNasCallError, NasCallError } from './nas-call-error.ts';
import { Exchange } from './nas-exchange.ts';
import type { NasExchange, NasRequest } from './nas-request.ts';
import { type NasSocket, openNasSocket } from './nas-upgrade.ts';
import type { IdentityCheck } from './neighbour-table.ts';

export interface NasTransportOptions {
  readonly url: URL;
  readonly clock: Clock;
  /** SHA-256 of the NAS's certificate in hex, with or without colons; null for none. */
  readonly fingerprint: string | null;
  /** Consulted before anything is sent; null where there is nothing to compare with. */
  readonly identityOf: IdentityCheck | null;
  /** Told the `Date` of every answer. */
  readonly heardDate?: ((date: string) => void) | undefined;
  /** 1 makes every call go over one keep-alive connection, one after the other. */
  readonly maxSockets?: number;
  /** How long an unused connection is kept, ms. */
  readonly idleSocketMs?: number;
}

/** Times from the fault study: a NAS that is there connects in ms, one that sleeps never does. */
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

  constructor(options: NasTransportOptions) {
    const { url, clock, fingerprint, identityOf } = options;
    this.#clock = clock;
    this.#identityOf = identityOf;
    this.#basePath = url.pathname.replace(/\/+$/, '');
    this.#host = url.host;
    this.#heardDate = options.heardDate ?? null;
    this.#agent = new NasAgent({
      url,
      clock,
      fingerprint: fingerprint?.replaceAll(':', '').toLowerCase() ?? null,
      identityOf,
      connectMs: CONNECT_MS,
      maxSockets: options.maxSockets ?? Infinity,
      idleMs: options.idleSocketMs ?? IDLE_SOCKET_MS,
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

  /** Closes every connection; what runs on them fails as `cut`. */
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
