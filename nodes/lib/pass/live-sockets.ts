import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { RateLimiter } from '../limits/limits.ts';
import type { NasPresence, NasSocket } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';

interface LiveSocketsDeps {
  readonly clock: Clock;
  readonly presence: NasPresence;
  readonly openSocket: (
    path: string,
    headers: Readonly<Record<string, string>>,
  ) => Promise<NasSocket>;
}

export type LiveOutcome =
  | { readonly kind: 'asleep' | 'nas_bad_answer' }
  | { readonly kind: 'no_token' }
  | { readonly kind: 'too_many_tries'; readonly retryAfterSeconds: number }
  /** The NAS refused: it does not know the token, or no longer. */
  | { readonly kind: 'refused'; readonly status: number }
  | {
      readonly kind: 'open';
      /** What the NAS agreed to; to be sent to the client before {@link LiveSockets.join}. */
      readonly headers: Readonly<Record<string, string>>;
      readonly socket: Duplex;
      readonly first: Buffer;
    };

/** An app tries again five times, three seconds and more apart. */
const OPENED_PER_MINUTE = 20;
/** As the NAS issues it, a JWT. */
const TOKEN = /^[\w.-]{1,4096}$/;
/** What a client and a server agree on (RFC 6455, 4.1 and 4.2.2). */
const ASKED = [
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
];
const AGREED = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions'];
/** A close frame, 1001 "going away". The app tries again after any code but 1000 (read in BaluApp). */
const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9]);

interface Line {
  readonly client: Duplex;
  readonly nas: Duplex;
  /** Of what the NAS says. */
  readonly edge: FrameEdge;
}

/**
 * The websocket of the NAS's notifications. It comes with a token of the NAS's own that lives for a
 * minute and no other; only the NAS can check it. An open socket does not count as a need of the
 * NAS, and ends when the NAS goes to sleep.
 */
export class LiveSockets {
  readonly #deps: LiveSocketsDeps;
  readonly #rate: RateLimiter;
  readonly #lines = new Set<Line>();
  #unlisten: () => void = () => undefined;

  constructor(deps: LiveSocketsDeps) {
    this.#deps = deps;
    this.#rate = new RateLimiter(deps.clock, { most: OPENED_PER_MINUTE });
  }

  start(): void {
    this.#unlisten = this.#deps.presence.onChange(({ awake }) => {
      if (!awake) this.#closeAll();
    });
  }

  stop(): void {
    this.#unlisten();
    this.#closeAll();
  }

  /** @param token from the address; null where there is none */
  async open(
    token: string | null,
    headers: IncomingHttpHeaders,
    address: string,
  ): Promise<LiveOutcome> {
    const { presence, openSocket } = this.#deps;
    if (!presence.state.awake) return { kind: 'asleep' };
    if (token === null || !TOKEN.test(token)) return { kind: 'no_token' };
    const leave = this.#rate.take(address);
    if (leave.kind === 'wait') {
      return { kind: 'too_many_tries', retryAfterSeconds: leave.retryAfterSeconds };
    }
    const path = `/api/notifications/ws?token=${encodeURIComponent(token)}`;
    const opened = await openSocket(path, named(headers, ASKED));
    switch (opened.kind) {
      case 'failed':
        return { kind: 'asleep' };
      case 'refused': {
        const { status } = opened;
        return status >= 400 && status < 500
          ? { kind: 'refused', status }
          : { kind: 'nas_bad_answer' };
      }
      case 'open':
        // It may have fallen asleep in the meantime.
        if (presence.state.awake) {
          const { socket, first } = opened;
          return { kind: 'open', headers: named(opened.headers, AGREED), socket, first };
        }
        opened.socket.destroy();
        return { kind: 'asleep' };
    }
  }

  /** Connects the two from now on. */
  join(client: Duplex, nas: Duplex, first: Buffer): void {
    const line: Line = { client, nas, edge: new FrameEdge() };
    this.#lines.add(line);
    const over = (): void => {
      this.#lines.delete(line);
      client.destroy();
      nas.destroy();
    };
    for (const end of [client, nas]) {
      end.on('error', over);
      end.once('close', over);
    }
    client.pipe(nas);
    const pass = (block: Buffer): void => {
      line.edge.follow(block);
      if (!client.write(block)) nas.pause();
    };
    client.on('drain', () => nas.resume());
    if (first.length > 0) pass(first);
    nas.on('data', pass);
    nas.once('end', () => client.end());
  }

  #closeAll(): void {
    for (const { client, nas, edge } of [...this.#lines]) {
      nas.destroy();
      // No frame may be sent in the middle of another, so the connection is cut.
      if (edge.isBetween && client.writable) client.end(GOING_AWAY);
      else client.destroy();
    }
  }
}

function named(headers: IncomingHttpHeaders, names: readonly string[]): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    if (typeof value === 'string') kept[name] = value;
  }
  return kept;
}

/**
 * Follows the frames of a websocket (RFC 6455, 5.2) in one direction, to know where one ends: only
 * there may another be inserted.
 */
export class FrameEdge {
  /** The part of a frame's head received so far, at most 14 bytes. */
  #head: number[] = [];
  /** How much of a frame's content is still to come. */
  #leftBytes = 0;

  /** Whether what was followed so far ends at a frame boundary. */
  get isBetween(): boolean {
    return this.#head.length === 0 && this.#leftBytes === 0;
  }

  follow(block: Uint8Array): void {
    let at = 0;
    while (at < block.length) {
      if (this.#leftBytes > 0) {
        const taken = Math.min(this.#leftBytes, block.length - at);
        this.#leftBytes -= taken;
        at += taken;
        continue;
      }
      this.#head.push(block[at] ?? 0);
      at += 1;
      const contentBytes = contentOf(this.#head);
      if (contentBytes === null) continue;
      this.#leftBytes = contentBytes;
      this.#head = [];
    }
  }
}

/** The length of the content after a head, in bytes; null while the head is incomplete. */
function contentOf(head: readonly number[]): number | null {
  const [, second] = head;
  if (second === undefined) return null;
  const short = second & 0x7f;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const maskBytes = (second & 0x80) === 0 ? 0 : 4;
  if (head.length < 2 + lengthBytes + maskBytes) return null;
  if (lengthBytes === 0) return short;
  return head.slice(2, 2 + lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0);
}
