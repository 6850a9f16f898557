import type { Clock } from '../time/clock.ts';
import { type JsonList, readNasItems, readNasJson } from './json-answer.ts';
import { asRecord, asText } from './json-value.ts';
import { NasCallError } from './nas-call-error.ts';
import type { NasJson } from './nas-client.ts';
import type { NasExchange, NasRequest } from './nas-request.ts';
import type { NasPresence } from './presence-port.ts';

/** What sends a request; `NasTransport` in BaluPi. */
export interface NasSender {
  send(wanted: NasRequest): Promise<NasExchange>;
}

/** Sends to one address of the NAS and lets presence know what that showed. */
export class NasCalls {
  readonly #sender: NasSender;
  readonly #presence: Pick<NasPresence, 'heard' | 'silent'>;
  readonly #clock: Clock;
  readonly #speaksForNas: boolean;
  #heardAtMs = -Infinity;

  /**
   * @param speaksForNas false for a second address, such as the direct one: its answers prove life,
   *   its silence proves nothing
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
    else this.#answered(result.status, result.kind === 'answer' ? result.body : undefined);
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
    // A proxy's 502 or 504 says that the NAS behind it does not answer.
    if (exchange.status !== 502 && exchange.status !== 504) this.#heard({});
    exchange.body.once('error', (error) => {
      // A cut may be one worker's death; the next call finds out. Only silence is the NAS's.
      const silent = error instanceof NasCallError && error.code === 'timeout';
      if (silent) this.#failed(error, this.#clock.monotonicMs());
    });
    return exchange;
  }

  /** Tells presence of a failed call that began at `startedAtMs` (monotonic). */
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
        // One slow answer among quick ones does not make the NAS gone.
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

  /** JSON, and the refusals of the proxy in front of a living NAS, prove life; other pages do not. */
  #answered(status: number, body: unknown): void {
    if (body === undefined && status !== 429 && status !== 503) return;
    this.#heard(status === 200 ? newsIn(body) : {});
  }

  #heard(news: Parameters<NasPresence['heard']>[0]): void {
    this.#heardAtMs = this.#clock.monotonicMs();
    this.#presence.heard(news);
  }
}

/** What an answer tells beside its purpose: preflight the sleep, health the version (recorded). */
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
