import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { refuse } from '../nodes/lib/http/http.ts';

/** Headers must be here within 10 s; a slow-header attack holds nothing for long. */
const HEADERS_TIMEOUT_MS = 10_000;
/** The apps keep pooled connections for five minutes; Node's own 5 s made them fail on reuse. */
const KEEP_ALIVE_MS = 305_000;
const MAX_CONNECTIONS = 400;
const MAX_HEADERS = 100;

export interface ListenerOptions {
  readonly host: string;
  readonly ports: readonly number[];
  /** Gets every request, also those that ask `Expect: 100-continue` first. */
  readonly onRequest: RequestListener;
  /**
   * Decides on an upgrade and closes what it does not take. Null where no socket is spoken: a
   * client that offers one, as some offer HTTP/2 with each request, is answered as if it had not.
   */
  readonly onUpgrade:
    ((request: Parameters<RequestListener>[0], socket: Socket, head: Buffer) => void) | null;
}

/** The open ports of one app. */
export class Listeners {
  readonly #options: ListenerOptions;
  readonly #servers: Server[] = [];

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** The first port that was opened, as the system gave it. */
  get firstPort(): number {
    return (this.#servers[0]?.address() as AddressInfo | null)?.port ?? 0;
  }

  get ports(): readonly number[] {
    return this.#servers.map((server) => (server.address() as AddressInfo).port);
  }

  /** @throws Error naming the port that could not be opened */
  async open(): Promise<void> {
    for (const port of this.#options.ports) {
      const server = this.#server();
      try {
        await listen(server, port, this.#options.host);
      } catch (error) {
        throw new Error(`Port ${port} could not be opened.`, { cause: error });
      }
      this.#servers.push(server);
    }
  }

  /** Takes no new connections; idle ones are closed, running ones finish or are cut by the caller. */
  async close(): Promise<void> {
    await Promise.all(
      this.#servers.map(async (server) => {
        const closed = Promise.withResolvers<undefined>();
        server.close(() => {
          closed.resolve(undefined);
        });
        server.closeIdleConnections();
        await closed.promise;
      }),
    );
  }

  /** Cuts what still runs, so that {@link close} comes to its end. */
  cut(): void {
    for (const server of this.#servers) server.closeAllConnections();
  }

  #server(): Server {
    const server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 2_000,
    });
    server.maxHeadersCount = MAX_HEADERS;
    server.maxConnections = MAX_CONNECTIONS;
    server.on('request', this.#options.onRequest);
    // Node would answer 100 by itself; ours says no before a body is sent.
    server.on('checkContinue', this.#options.onRequest);
    server.on('checkExpectation', this.#options.onRequest);
    const { onUpgrade } = this.#options;
    if (onUpgrade !== null) {
      server.on('upgrade', (request, socket, head) => {
        onUpgrade(request, socket as Socket, head);
      });
    }
    server.on('clientError', (error, socket) => {
      answerMalformed(error, socket as Socket);
    });
    return server;
  }
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

/** Node answers an unreadable request with an empty 400; ours is JSON like every other refusal. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const { statusCode, payload } = refuse(slow ? 'too_slow' : 'malformed');
  const text = JSON.stringify(payload);
  const reason = slow ? 'Request Timeout' : 'Bad Request';
  socket.end(
    `HTTP/1.1 ${statusCode} ${reason}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}
