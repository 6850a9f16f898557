import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { FaultSwitches } from './faults.ts';
import type { Listeners, Via } from './listeners.ts';
import { nginxPage, type Nginx } from './nginx.ts';
import type { RequestLog, RequestRecord } from './request-log.ts';
import type { Sender } from './sending.ts';
import type { Sleep } from './sleep.ts';
import { Exchange, INTERNAL, type Answer } from './wire.ts';
import type { WorkerPool } from './workers.ts';

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // Invalid UTF-8 or a lone percent sign: the router sees it undecoded.
    return path;
  }
}

function page(status: number): Answer {
  return { kind: 'text', status, type: 'text/html', body: nginxPage(status) };
}

interface GateParts {
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly log: RequestLog;
  readonly faults: FaultSwitches;
  readonly workers: WorkerPool;
  readonly nginx: Nginx;
  readonly sender: Sender;
  readonly nas: Dispatcher;
  readonly control: Dispatcher | null;
  readonly surprises: unknown[];
}

/** What a request passes before the NAS itself: control routes, sleep, faults, the proxy. */
export class Gate {
  readonly #parts: GateParts;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  take(
    request: IncomingMessage,
    response: ServerResponse,
    via: Via,
    listeners: Listeners,
  ): 'control' | 'nas' {
    const { sleep, log, faults, control, workers } = this.#parts;
    const [rawPath = '/', ...rest] = (request.url ?? '/').split('?');
    const path = decoded(rawPath);
    const method = request.method ?? 'GET';
    const forControl = control?.knows(method, path) === true;
    const silent = sleep.state === 'true_suspend' && !forControl;
    const record = this.#record(request, path, via, listeners);
    const exchange = new Exchange({
      request,
      response,
      path,
      query: new URLSearchParams(rest.join('?')),
      worker: via === 'proxy' ? workers.anyone() : workers.ofConnection(request.socket),
      record,
      effect: forControl || silent ? {} : faults.take(method, path),
      log,
      thawed: () => (forControl ? Promise.resolve() : listeners.thawed()),
    });
    if (forControl) {
      this.#watch(control.handle(exchange, false));
      return 'control';
    }
    log.add(record);
    if (silent) listeners.ignore(request.socket);
    else this.#watch(this.#pass(exchange));
    return 'nas';
  }

  async #pass(exchange: Exchange): Promise<void> {
    const { clock, nas, sender } = this.#parts;
    const { effect, request } = exchange;
    if (effect.refuse === true) {
      request.socket.resetAndDestroy();
      return;
    }
    if (effect.blackhole === true) return;
    if (effect.latencyMs !== undefined) await clock.sleep(effect.latencyMs);
    const instead = this.#instead(exchange);
    if (instead === null) await nas.handle(exchange, true);
    else await sender.answer(exchange, instead);
  }

  /** The answer given without asking the NAS, or null. */
  #instead(exchange: Exchange): Answer | null {
    const { status, html } = exchange.effect;
    if (status !== undefined) {
      if (html === true) return page(status);
      return { kind: 'json', status, body: { detail: status >= 500 ? INTERNAL : 'Fault' } };
    }
    if (exchange.record.via === 'direct') return null;
    const length = Number(exchange.header('content-length') ?? 0);
    const refusal = this.#parts.nginx.refuses(exchange.path, exchange.remoteAddress, length);
    return refusal === null ? null : page(refusal);
  }

  #record(request: IncomingMessage, path: string, via: Via, listeners: Listeners): RequestRecord {
    return {
      atMs: this.#parts.clock.nowMs(),
      method: request.method ?? 'GET',
      url: request.url ?? '/',
      path,
      headers: Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      ),
      via,
      connection: listeners.connectionOf(request.socket),
      user: null,
      status: null,
    };
  }

  #watch(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#parts.surprises.push(error);
    });
  }
}
