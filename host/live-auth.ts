import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Target } from '../nodes/lib/api/api.ts';
import type { Answer } from '../nodes/lib/http/http.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import type { LiveOutcome, LiveSockets } from '../nodes/lib/pass/pass.ts';
import { commonHeaders, endWith } from './common-headers.ts';

type Opened = Extract<LiveOutcome, { kind: 'open' }>;

export interface LiveHooks {
  /** Opens the NAS's socket. An answer is a refusal. */
  open(
    token: string | null,
    headers: IncomingMessage['headers'],
    address: string,
  ): Promise<Opened | Answer>;
  join: LiveSockets['join'];
}

interface Deps {
  readonly hooks: LiveHooks;
  readonly ownerOf: (request: IncomingMessage) => string;
  readonly log: Log;
}

const ADDRESS = '/api/notifications/ws';

/** Auth for the websocket of the NAS's notifications, in every spelling of its address. */
export class LiveAuth {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Whose share an upgrade to that socket counts in; null if it is not upgraded here. */
  readonly takesUpgrade = (request: IncomingMessage): string | null => {
    if (request.headers.upgrade?.toLowerCase() !== 'websocket' || !isOurs(request)) return null;
    return this.#deps.ownerOf(request);
  };

  /** @returns whether the address was this socket's */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): boolean {
    if (!isOurs(request)) return false;
    // Clients may disconnect at any time.
    socket.on('error', () => socket.destroy());
    this.#open(request, socket, head).catch((problem: unknown) => {
      this.#deps.log.error(`A websocket could not be opened: ${String(problem)}`);
      socket.destroy();
    });
    return true;
  }

  async #open(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { hooks, ownerOf } = this.#deps;
    const token = new URLSearchParams(new Target(request.url ?? '').query).getAll('token').at(-1);
    const opened = await hooks.open(token ?? null, request.headers, ownerOf(request));
    if ('statusCode' in opened) {
      endWith(socket, opened);
      return;
    }
    if (socket.destroyed) {
      opened.socket.destroy();
      return;
    }
    const headers = { ...commonHeaders(), ...opened.headers };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const start = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
    socket.write([...start, ...lines, '', ''].join('\r\n'));
    if (head.length > 0) socket.unshift(head);
    hooks.join(socket, opened.socket, opened.first);
  }
}

function isOurs(request: IncomingMessage): boolean {
  const target = new Target(request.url ?? '');
  return target.isPlain && target.path === ADDRESS;
}
