import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Answer, answerNow, refuse } from '../nodes/lib/http/http.ts';
import { endWith, setCommonHeaders } from './common-headers.ts';
import { ConnectionLimit } from './connection-limit.ts';

/** Limits what a slow-header attack can hold. */
const HEADERS_TIMEOUT_MS = 10_000;
/** The apps pool connections for five minutes; with Node's default of 5 s they failed on reuse. */
const KEEP_ALIVE_MS = 305_000;
/** How often Node checks for late headers. */
const CHECK_MS = 2_000;
const MAX_HEADERS = 100;

type Upgrade = (request: Parameters<RequestListener>[0], socket: Socket, head: Buffer) => void;

export interface ListenerDeps {
  readonly host: string;
  readonly ports: readonly number[];
  /** Gets every request, including those with `Expect: 100-continue`. */
  readonly onRequest: RequestListener;
  /**
   * Handles upgrades and closes those it does not take. Null for none: a client that offers one
   * (Java's offers HTTP/2 each time) is answered as if it had not.
   */
  readonly onUpgrade: Upgrade | null;
  /**
   * The share an upgrade for {@link onUpgrade} counts in; null to treat it as a request. Node before
   * 24.9 cannot ask; nothing is upgraded then, and the Dashboard's socket keeps polling.
   */
  readonly takesUpgrade?: (request: IncomingMessage) => string | null;
  /** Shared by all ports. */
  readonly connections: ConnectionLimit;
  /** Whose share a request counts in before it is authenticated. */
  readonly ownerOf: (request: IncomingMessage) => string;
}

/** A port could not be opened; the message is for whoever starts BaluPi. */
export class PortError extends Error {
  override readonly name = 'PortError';
}

/** The open ports of one app. */
export class Listeners {
  readonly #deps: ListenerDeps;
  readonly #servers: Server[] = [];
  readonly #connections: ConnectionLimit;
  readonly #answering = new WeakMap<Socket, ServerResponse>();

  constructor(deps: ListenerDeps) {
    this.#deps = deps;
    this.#connections = deps.connections;
  }

  /** The first open port, as the system assigned it. */
  get firstPort(): number {
    return (this.#servers[0]?.address() as AddressInfo | null)?.port ?? 0;
  }

  /** @throws PortError naming the port that could not be opened; the others are closed again then */
  async open(): Promise<void> {
    for (const port of this.#deps.ports) {
      const server = this.#server();
      try {
        await listen(server, port, this.#deps.host);
      } catch (error) {
        await this.close();
        const { code = '', message } = error as NodeJS.ErrnoException;
        const why = PORT_WORDS[code] ?? message;
        throw new PortError(`Port ${port} could not be opened: ${why}.`, { cause: error });
      }
      this.#servers.push(server);
    }
  }

  /** Accepts no new connections and closes idle ones; running ones finish, or the caller cuts them. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      server.close(() => {
        resolve(undefined);
      });
      return promise;
    });
    this.#connections.close();
    await Promise.all(closed);
  }

  /** Cuts what still runs, so that {@link close} can finish. */
  cut(): void {
    this.#connections.cut();
  }

  #server(): Server {
    const { onUpgrade, takesUpgrade } = this.#deps;
    const server = createServer({
      ...this.#asking(),
      headersTimeout: HEADERS_TIMEOUT_MS,
      // Node's 300 s would cut any longer upload; the request watch has better limits.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
      // Node would answer an empty 400 for a missing Host; see {@link headerFault}.
      requireHostHeader: false,
    });
    server.maxHeadersCount = MAX_HEADERS;
    server.on('connection', (socket) => {
      this.#connections.add(socket);
    });
    const serve: RequestListener = (request, response) => {
      this.#serve(request, response);
    };
    server.on('request', serve);
    // Node would answer 100 by itself; ours can refuse before a body is sent.
    server.on('checkContinue', serve);
    server.on('checkExpectation', serve);
    // Node would close without an answer.
    server.on('connect', (_request, socket) => {
      socket.on('error', () => socket.destroy());
      endWith(socket as Socket, refuse('method_not_allowed'));
    });
    if (onUpgrade !== null && (takesUpgrade === undefined || canAsk(server))) {
      server.on('upgrade', (request, socket, head) => {
        const isCounted = takesUpgrade !== undefined;
        if (
          isCounted ||
          this.#connections.takeSocket(socket as Socket, this.#deps.ownerOf(request))
        )
          onUpgrade(request, socket as Socket, head);
        else socket.destroy();
      });
    }
    server.on('clientError', (error, socket) => {
      answerMalformed(error, socket as Socket, this.#answering.get(socket as Socket));
    });
    return server;
  }

  #asking(): AskingOptions {
    const { takesUpgrade } = this.#deps;
    if (takesUpgrade === undefined) return {};
    return {
      shouldUpgradeCallback: (request) => {
        const owner = takesUpgrade(request);
        return owner !== null && this.#connections.takeSocket(request.socket, owner);
      },
    };
  }

  #serve(...[request, response]: Parameters<RequestListener>): void {
    const { socket } = request;
    if (!this.#connections.serve(request, response, this.#deps.ownerOf(request))) return;
    this.#answering.set(socket, response);
    response.once('close', () => {
      if (this.#answering.get(socket) === response) this.#answering.delete(socket);
      this.#connections.rest(socket);
    });
    const fault = headerFault(request);
    if (fault === null) {
      this.#deps.onRequest(request, response);
      return;
    }
    setCommonHeaders(response);
    answerNow(request, response, fault);
  }
}

const WRONG_HOST = refuse('malformed', {
  detail: 'A request in HTTP/1.1 names its host once: send exactly one Host header.',
});

const TWO_CALLERS = refuse('malformed', {
  detail: 'A request says once who sends it: send one Authorization header.',
});

/**
 * Programs disagree on which of two Host or Authorization headers counts, so two are refused; only
 * HTTP/1.0 may omit Host (RFC 9112, 3.2).
 */
function headerFault({ rawHeaders, httpVersion }: IncomingMessage): Answer | null {
  let hosts = 0;
  let callers = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase();
    if (name === 'host') hosts += 1;
    else if (name === 'authorization') callers += 1;
  }
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return WRONG_HOST;
  return callers > 1 ? TWO_CALLERS : null;
}

/** Since Node 24.9, not in its published types yet. */
interface AskingOptions {
  readonly shouldUpgradeCallback?: (request: IncomingMessage) => boolean;
}

function canAsk(server: Server): boolean {
  return typeof (server as Server & AskingOptions).shouldUpgradeCallback === 'function';
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  const listening = Promise.withResolvers<undefined>();
  server.once('error', listening.reject);
  server.listen(port, host, () => {
    listening.resolve(undefined);
  });
  await listening.promise;
  server.off('error', listening.reject);
}

const PORT_WORDS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is in use by another program',
  EACCES: 'this user may not open it (below 1024 that takes a right of its own)',
  EADDRNOTAVAIL: 'this machine does not have the address it is to be opened at',
  ENOTFOUND: 'the address it is to be opened at is not known',
};

/** Node answers an unreadable request with an empty 400; ours is JSON like all refusals. */
function answerMalformed(
  error: NodeJS.ErrnoException,
  socket: Socket,
  running: ServerResponse | undefined,
): void {
  // Half an answer is out already, or nobody reads it any more: just cut.
  if (!socket.writable || running?.headersSent === true || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  endWith(socket, refuse(slow ? 'too_slow' : 'malformed'));
}
