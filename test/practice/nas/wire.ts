import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform, type Readable } from 'node:stream';
import type { Effect } from './faults.ts';
import type { RequestLog, RequestRecord } from './request-log.ts';
import type { Worker } from './workers.ts';

export type Headers = Readonly<Record<string, string>>;

/** A handler's result. `sent`: it wrote the response itself. */
export type Answer =
  | {
      readonly kind: 'json';
      readonly status: number;
      readonly body: unknown;
      readonly headers?: Headers;
    }
  | {
      readonly kind: 'text';
      readonly status: number;
      readonly type: string;
      readonly body: string;
      readonly headers?: Headers;
    }
  | { readonly kind: 'empty'; readonly status: number; readonly headers?: Headers }
  | { readonly kind: 'sent' };

export function json(body: unknown, status = 200): Answer {
  return { kind: 'json', status, body };
}

/**
 * Ends a request, as the exceptions of BaluHost's framework do; thrown anywhere below a handler and
 * turned into the answer in one place.
 */
export class Refusal extends Error {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;

  constructor(status: number, body: unknown, headers: Headers = {}) {
    super(`refused with ${String(status)}`);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** A refusal with `{"detail": …}`. In production every 5xx has the same text (docs/NAS.md). */
export function refused(status: number, detail: string, headers: Headers = {}): Refusal {
  return new Refusal(status, { detail: status >= 500 ? INTERNAL : detail }, headers);
}

export const INTERNAL = 'Internal server error';

/** One request on its way through the NAS. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Percent-decoded, as the NAS's router sees it: `%2F` has become a slash. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly worker: Worker;
  readonly record: RequestRecord;
  readonly effect: Effect;
  /** Resolves at once, or when a frozen NAS comes back. */
  readonly thawed: () => Promise<void>;
  readonly #log: RequestLog;
  params: Readonly<Record<string, string>> = {};
  /** Sent with successful answers only. */
  limitHeaders: Headers = {};

  constructor(parts: {
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
    readonly path: string;
    readonly query: URLSearchParams;
    readonly worker: Worker;
    readonly record: RequestRecord;
    readonly effect: Effect;
    readonly log: RequestLog;
    readonly thawed: () => Promise<void>;
  }) {
    this.request = parts.request;
    this.response = parts.response;
    this.method = parts.request.method ?? 'GET';
    this.path = parts.path;
    this.query = parts.query;
    this.worker = parts.worker;
    this.record = parts.record;
    this.effect = parts.effect;
    this.thawed = parts.thawed;
    this.#log = parts.log;
  }

  get remoteAddress(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  param(name: string): string {
    return this.params[name] ?? '';
  }

  countSent(bytes: number): void {
    this.#log.bytesSent += bytes;
  }

  /** The request's body, counted, and cut if a fault says so. Call it once. */
  body(): Readable {
    const { cutBodyAfterBytes } = this.effect;
    let received = 0;
    const counter = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        received += chunk.length;
        this.#log.bytesReceived += chunk.length;
        if (cutBodyAfterBytes !== undefined && received >= cutBodyAfterBytes) {
          this.request.socket.resetAndDestroy();
        }
        done(null, chunk);
      },
    });
    this.request.once('aborted', () => {
      counter.destroy(new Error('the client went away'));
    });
    this.request.once('error', (error) => {
      counter.destroy(error);
    });
    return this.request.pipe(counter);
  }
}
