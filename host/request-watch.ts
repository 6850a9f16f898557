import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { refuse, answerNow } from '../nodes/lib/http/http.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';

/** How often the running requests are looked at, in ms. */
const SWEEP_MS = 1_000;
/** A connection that moves nothing at all for so long is ended (a phone in a lift needs some). */
const IDLE_MS = 60_000;
/** Below this mean over the window a body is not worth a place: 1 KB/s (as BaluDesk sees it, too). */
const RATE_WINDOW_MS = 30_000;
const MIN_BYTES_PER_WINDOW = 30 * 1_024;

interface Watched {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly life: RequestLife;
  /** Monotonic times. */
  movedAtMs: number;
  bodyDoneAtMs: number | null;
  windowFromMs: number;
  windowBytes: number;
  lastBytes: number;
}

/**
 * Whether a request still lives. Its signal is made when somebody wants it: one for each request
 * is what few of them need, and costs more than looking one up.
 */
export class RequestLife {
  #controller: AbortController | null = null;
  #ended: Error | null = null;

  /** Aborts when the request was ended early. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#ended !== null) this.#controller.abort(this.#ended);
    return this.#controller.signal;
  }

  end(reason: string): void {
    if (this.#ended !== null) return;
    this.#ended = new Error(reason);
    this.#controller?.abort(this.#ended);
  }
}

/**
 * Gives each request a deadline without capping how long a slow but living transfer may take:
 * Node's own `requestTimeout` would end any upload after five minutes.
 */
export class RequestWatch {
  readonly #clock: Clock;
  readonly #answerWithinMs: number;
  readonly #watched = new Set<Watched>();
  #cancel: Cancel | null = null;

  /** @param answerWithinMs from the end of the request's body to the first byte of the answer */
  constructor(clock: Clock, answerWithinMs: number) {
    this.#clock = clock;
    this.#answerWithinMs = answerWithinMs;
  }

  get running(): number {
    return this.#watched.size;
  }

  start(): void {
    this.#cancel = this.#clock.after(SWEEP_MS, () => {
      this.#sweep();
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** Watches a request until its response closes. */
  watch(request: IncomingMessage, response: ServerResponse): RequestLife {
    const nowMs = this.#clock.monotonicMs();
    const watched: Watched = {
      request,
      response,
      socket: request.socket,
      life: new RequestLife(),
      movedAtMs: nowMs,
      bodyDoneAtMs: null,
      windowFromMs: nowMs,
      windowBytes: 0,
      lastBytes: movedBytes(request.socket),
    };
    this.#watched.add(watched);
    response.once('close', () => {
      this.#watched.delete(watched);
      if (!response.writableFinished) watched.life.end('The caller went away.');
    });
    return watched.life;
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const watched of [...this.#watched]) this.#look(watched, nowMs);
  }

  #look(watched: Watched, nowMs: number): void {
    const bytes = movedBytes(watched.socket);
    const moved = bytes - watched.lastBytes;
    watched.lastBytes = bytes;
    watched.windowBytes += moved;
    if (moved > 0) watched.movedAtMs = nowMs;
    if (watched.request.complete) watched.bodyDoneAtMs ??= nowMs;
    const receiving = watched.bodyDoneAtMs === null;
    if (receiving && this.#tooSlow(watched, nowMs)) {
      this.#end(watched, 'too_slow');
    } else if (!receiving && !watched.response.headersSent) {
      if (nowMs - (watched.bodyDoneAtMs ?? nowMs) >= this.#answerWithinMs) {
        this.#end(watched, 'deadline');
      }
    } else if (nowMs - watched.movedAtMs >= IDLE_MS) {
      watched.socket.destroy();
    }
  }

  #tooSlow(watched: Watched, nowMs: number): boolean {
    if (nowMs - watched.windowFromMs < RATE_WINDOW_MS) return false;
    const tooSlow = watched.windowBytes < MIN_BYTES_PER_WINDOW;
    watched.windowFromMs = nowMs;
    watched.windowBytes = 0;
    return tooSlow;
  }

  #end(watched: Watched, code: 'too_slow' | 'deadline'): void {
    watched.life.end('The request ran into its deadline.');
    answerNow(watched.request, watched.response, refuse(code));
  }
}

function movedBytes(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten;
}
