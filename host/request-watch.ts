import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { refuse, answerNow } from '../nodes/lib/http/http.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';
import { type ConnectionLimit, movedBytes } from './connection-limit.ts';
import { shareOf } from './remote-address.ts';

/** How often running requests are checked. */
const SWEEP_MS = 1_000;
/** Time for the whole body of a request without a sign-in (contract 1, Fair shares). */
const OPEN_BODY_MS = 3_000;
/** How long a reader without a sign-in may pause. */
const OPEN_READ_MS = 10_000;
/** How long a body may pause (a phone in a lift needs some time). */
const BODY_IDLE_MS = 60_000;
/**
 * A signed-in reader may pause a film. While there are places for connections, only a reader that is
 * certainly gone is cut; else the connection limit takes the slowest.
 */
const READ_IDLE_MS = 3_600_000;
/** A body below this mean rate over the window is cut: 1 KB/s (BaluDesk's limit, too). */
const RATE_WINDOW_MS = 30_000;
const MIN_BYTES_PER_WINDOW = 30 * 1_024;
/** Most bytes in memory for readers that do not read, in total. */
const MOST_UNREAD_BYTES = 24 * 1024 * 1024;

/** One share's unread answers, by connection, the longest idle first. */
interface Unread {
  bytes: number;
  readonly lines: (readonly [Socket, readonly Watched[]])[];
}

const NOBODY: Unread = { bytes: 0, lines: [] };

interface Watched {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly life: RequestLife;
  /** Null until authenticated; then a user, or a null id on an address open to all. */
  owner: { readonly userId: number | null } | null;
  /** Monotonic times. */
  readonly startedAtMs: number;
  movedAtMs: number;
  bodyDoneAtMs: number | null;
  windowFromMs: number;
  windowBytes: number;
  lastBytes: number;
  /** Cancels the exact timer for a body without a sign-in. */
  cancelOpenBody: Cancel;
}

/**
 * Whether a request is still alive. The signal is made on demand: few requests need one, and making
 * one for each costs more.
 */
export class RequestLife {
  readonly #onOwner: (userId: number | null) => void;
  #controller: AbortController | null = null;
  #ended: Error | null = null;

  /** @param onOwner called with the owner once known */
  constructor(onOwner: (userId: number | null) => void) {
    this.#onOwner = onOwner;
  }

  /** Sets the owner: a user, or null where no sign-in is needed. */
  belongsTo(userId: number | null): void {
    this.#onOwner(userId);
  }

  /** Aborts when the request ends early. */
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

interface Deps {
  readonly clock: Clock;
  /** From the end of the request's body to the first byte of the answer. */
  readonly answerWithinMs: number;
  readonly connections: Pick<ConnectionLimit, 'belongsTo'>;
}

/**
 * Gives each request a deadline without capping slow but active transfers: Node's own
 * `requestTimeout` would end any upload after five minutes.
 */
export class RequestWatch {
  readonly #clock: Clock;
  readonly #answerWithinMs: number;
  readonly #connections: Deps['connections'];
  readonly #watched = new Set<Watched>();
  #cancel: Cancel | null = null;

  constructor({ clock, answerWithinMs, connections }: Deps) {
    this.#clock = clock;
    this.#answerWithinMs = answerWithinMs;
    this.#connections = connections;
  }

  start(): void {
    this.#cancel = this.#clock.after(SWEEP_MS, () => {
      this.start();
      this.#sweep();
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
      life: new RequestLife((userId) => {
        this.#learnOwner(watched, userId);
      }),
      owner: null,
      startedAtMs: nowMs,
      movedAtMs: nowMs,
      bodyDoneAtMs: null,
      windowFromMs: nowMs,
      windowBytes: 0,
      lastBytes: movedBytes(request.socket),
      cancelOpenBody: () => undefined,
    };
    this.#watched.add(watched);
    response.once('close', () => {
      this.#watched.delete(watched);
      watched.cancelOpenBody();
      if (!response.writableFinished) watched.life.end('The caller went away.');
    });
    return watched.life;
  }

  #learnOwner(watched: Watched, userId: number | null): void {
    watched.owner = { userId };
    if (userId !== null) this.#connections.belongsTo(watched.socket, userShare(userId));
    else if (!watched.request.complete) this.#boundOpenBody(watched);
  }

  /** An exact timer, as the sweep comes up to a second late. */
  #boundOpenBody(watched: Watched): void {
    const leftMs = watched.startedAtMs + OPEN_BODY_MS - this.#clock.monotonicMs();
    watched.cancelOpenBody = this.#clock.after(Math.max(0, leftMs), () => {
      this.#look(watched, this.#clock.monotonicMs());
    });
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const watched of [...this.#watched]) this.#look(watched, nowMs);
    this.#boundUnread(nowMs);
  }

  #look(watched: Watched, nowMs: number): void {
    const bytes = movedBytes(watched.socket);
    const moved = bytes - watched.lastBytes;
    watched.lastBytes = bytes;
    watched.windowBytes += moved;
    if (moved > 0) watched.movedAtMs = nowMs;
    if (watched.request.complete) watched.bodyDoneAtMs ??= nowMs;
    if (watched.bodyDoneAtMs === null) this.#lookAtBody(watched, nowMs);
    else if (watched.response.headersSent) this.#lookAtReader(watched, nowMs);
    else if (nowMs - watched.bodyDoneAtMs >= this.#answerWithinMs) this.#end(watched, 'deadline');
  }

  #lookAtBody(watched: Watched, nowMs: number): void {
    const isOpen = watched.owner !== null && watched.owner.userId === null;
    if (isOpen && nowMs - watched.startedAtMs >= OPEN_BODY_MS) {
      if (watched.response.headersSent) watched.socket.destroy();
      else this.#end(watched, 'too_slow');
    } else if (this.#tooSlow(watched, nowMs)) this.#end(watched, 'too_slow');
    else if (nowMs - watched.movedAtMs >= BODY_IDLE_MS) watched.socket.destroy();
  }

  #lookAtReader(watched: Watched, nowMs: number): void {
    const { owner, response, socket, movedAtMs } = watched;
    const stillMs = nowMs - movedAtMs;
    if (typeof owner?.userId === 'number') {
      if (stillMs >= READ_IDLE_MS) socket.destroy();
    } else if (response.writableLength > 0) {
      // If nothing waits to be read, the delay is ours.
      if (stillMs >= OPEN_READ_MS || this.#tooSlow(watched, nowMs)) socket.destroy();
    }
  }

  /** Above the limit, cuts the longest idle answer of whoever leaves the most unread, repeatedly. */
  #boundUnread(nowMs: number): void {
    const unread = [...this.#watched].filter(({ response }) => response.writableLength > 0);
    let unreadBytes = sumOf(unread);
    if (unreadBytes <= MOST_UNREAD_BYTES) return;
    const still = unread
      .filter(({ movedAtMs }) => nowMs - movedAtMs >= SWEEP_MS)
      .toSorted((left, right) => left.movedAtMs - right.movedAtMs);
    // A client may pipeline many requests before it reads: all of them go with its connection.
    const owners: readonly Unread[] = [...Map.groupBy(still, ownerOf).values()].map((theirs) => ({
      bytes: sumOf(theirs),
      lines: [...Map.groupBy(theirs, ({ socket }) => socket)],
    }));
    while (unreadBytes > MOST_UNREAD_BYTES) {
      const most = owners.reduce((one, other) => (other.bytes > one.bytes ? other : one), NOBODY);
      const [socket, answers] = most.lines.shift() ?? [];
      if (socket === undefined || answers === undefined) return;
      const bytes = sumOf(answers);
      most.bytes -= bytes;
      unreadBytes -= bytes;
      socket.destroy();
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

/** The name of a user's share, where others count by address. */
export function userShare(userId: number): string {
  return `user ${String(userId)}`;
}

function ownerOf({ owner, socket }: Watched): string {
  if (typeof owner?.userId === 'number') return userShare(owner.userId);
  return shareOf(socket.remoteAddress ?? '');
}

function sumOf(watched: readonly Watched[]): number {
  return watched.reduce((sum, { response }) => sum + response.writableLength, 0);
}
