import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { refuse, answerNow } from '../nodes/lib/http/http.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';
import { type ConnectionLimit, movedBytes } from './connection-limit.ts';
import { shareOf } from './remote-address.ts';

/** How often the running requests are looked at, in ms. */
const SWEEP_MS = 1_000;
/** Who sends a body without having signed in has so long for all of it (contract 1, Fair shares). */
const OPEN_BODY_MS = 3_000;
/** Who reads without having signed in may stand still for so long. */
const OPEN_READ_MS = 10_000;
/** A body that brings nothing at all for so long is ended (a phone in a lift needs some). */
const BODY_IDLE_MS = 60_000;
/**
 * Who is signed in may pause a film. While the places for connections last only a reader that is
 * surely gone is cut; where they do not, the limit takes the slowest.
 */
const READ_IDLE_MS = 3_600_000;
/** Below this mean over the window a body is not worth a place: 1 KB/s (as BaluDesk sees it, too). */
const RATE_WINDOW_MS = 30_000;
const MIN_BYTES_PER_WINDOW = 30 * 1_024;
/** What may wait in memory for readers who do not read, all together. */
const MOST_UNREAD_BYTES = 24 * 1024 * 1024;

/** The answers that one share leaves unread, by connection, the longest still first. */
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
  /** Null until it is known; then a user, or nobody: the address is open to all. */
  owner: { readonly userId: number | null } | null;
  /** Monotonic times. */
  readonly startedAtMs: number;
  movedAtMs: number;
  bodyDoneAtMs: number | null;
  windowFromMs: number;
  windowBytes: number;
  lastBytes: number;
  /** Ends a body that nobody signed in for, to the moment. */
  cancelOpenBody: Cancel;
}

/**
 * Whether a request still lives. Its signal is made when somebody wants it: one for each request
 * is what few of them need, and costs more than looking one up.
 */
export class RequestLife {
  readonly #onOwner: (userId: number | null) => void;
  #controller: AbortController | null = null;
  #ended: Error | null = null;

  /** @param onOwner told who it is that asks */
  constructor(onOwner: (userId: number | null) => void) {
    this.#onOwner = onOwner;
  }

  /** Who asks is known by now: a user, or null where nobody has to sign in. */
  belongsTo(userId: number | null): void {
    this.#onOwner(userId);
  }

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

interface Deps {
  readonly clock: Clock;
  /** From the end of the request's body to the first byte of the answer. */
  readonly answerWithinMs: number;
  readonly connections: Pick<ConnectionLimit, 'belongsTo'>;
}

/**
 * Gives each request a deadline without capping how long a slow but living transfer may take:
 * Node's own `requestTimeout` would end any upload after five minutes.
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

  /** The look around comes up to a second late, which an open address does not give. */
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
      // Where nothing waits to be read, it is for us to go on.
      if (stillMs >= OPEN_READ_MS || this.#tooSlow(watched, nowMs)) socket.destroy();
    }
  }

  /** Whoever leaves the most unread loses the one that stood still for the longest, and so on. */
  #boundUnread(nowMs: number): void {
    const unread = [...this.#watched].filter(({ response }) => response.writableLength > 0);
    let unreadBytes = sumOf(unread);
    if (unreadBytes <= MOST_UNREAD_BYTES) return;
    const still = unread
      .filter(({ movedAtMs }) => nowMs - movedAtMs >= SWEEP_MS)
      .toSorted((left, right) => left.movedAtMs - right.movedAtMs);
    // A client may ask many times before it reads: all of that goes with its connection.
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
