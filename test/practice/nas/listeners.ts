import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SleepState } from './sleep.ts';
import type { Silence } from './options.ts';

export type Via = 'direct' | 'proxy';

/** Receives each request. @returns whether it was for the control routes */
export type OnRequest = (
  request: IncomingMessage,
  response: ServerResponse,
  via: Via,
) => 'control' | 'nas';

/** Upgrades of connections on these ports. */
interface Upgrades {
  takes(request: IncomingMessage): boolean;
  open(request: IncomingMessage, socket: Duplex): void;
}

interface Listener {
  readonly server: Server;
  readonly via: Via;
  port: number;
}

/** The NAS's ports: its connections, and how they fall silent when it sleeps. */
export class Listeners {
  readonly #silence: Silence;
  readonly #keepAliveMs: number;
  readonly #onRequest: OnRequest;
  readonly #onConnection: () => void;
  readonly #upgrades: Upgrades;
  readonly #listeners: Listener[] = [];
  readonly #sockets = new Map<Socket, number>();
  /** Sockets whose current request is for the control routes. */
  readonly #control = new Set<Socket>();
  #host = '';
  #connections = 0;
  #thaw = Promise.withResolvers<undefined>();
  #frozen = false;

  constructor(
    silence: Silence,
    keepAliveMs: number,
    onRequest: OnRequest,
    onConnection: () => void,
    upgrades: Upgrades,
  ) {
    this.#upgrades = upgrades;
    this.#silence = silence;
    this.#keepAliveMs = keepAliveMs;
    this.#onRequest = onRequest;
    this.#onConnection = onConnection;
  }

  /** @returns the URL without a trailing slash */
  async open(via: Via, port: number, host: string): Promise<string> {
    const takesUpgrade = (request: IncomingMessage): boolean => this.#upgrades.takes(request);
    const asking = { shouldUpgradeCallback: takesUpgrade } as object;
    const server = createServer(asking, (request, response) => {
      this.#take(request, response, via);
    });
    server.on('upgrade', (request, socket) => {
      this.#upgrades.open(request, socket);
    });
    server.requestTimeout = 0;
    server.keepAliveTimeout = this.#keepAliveMs;
    server.on('connection', (socket) => {
      this.#track(socket);
    });
    this.#host = host;
    const listener = { server, via, port };
    await this.#listen(listener);
    listener.port = (server.address() as AddressInfo).port;
    this.#listeners.push(listener);
    return `http://${host}:${String(listener.port)}`;
  }

  async close(): Promise<void> {
    this.#thaw.resolve(undefined);
    this.cut();
    for (const socket of this.#sockets.keys()) socket.destroy();
    await Promise.all(
      this.#listeners.splice(0).map(async ({ server }) => {
        if (!server.listening) return;
        server.close();
        await once(server, 'close');
      }),
    );
  }

  connectionOf(socket: Socket): number {
    return this.#sockets.get(socket) ?? 0;
  }

  /** Cuts all connections except those to the control routes. */
  cut(): void {
    for (const socket of this.#sockets.keys()) {
      if (!this.#control.has(socket)) socket.resetAndDestroy();
    }
  }

  /** Resolves at once unless the NAS is frozen. */
  async thawed(): Promise<void> {
    if (this.#frozen) await this.#thaw.promise;
  }

  /** Leaves a request unanswered, in this NAS's way. */
  ignore(socket: Socket): void {
    if (this.#silence !== 'blackholed') socket.resetAndDestroy();
  }

  async become(state: SleepState): Promise<void> {
    if (state === 'true_suspend') {
      if (this.#silence === 'blackholed') this.#freeze();
      else this.cut();
      if (this.#silence === 'refused') this.#shut();
      return;
    }
    this.#frozen = false;
    this.#thaw.resolve(undefined);
    for (const listener of this.#listeners) {
      if (!listener.server.listening) await this.#listen(listener);
    }
  }

  #freeze(): void {
    this.#frozen = true;
    this.#thaw = Promise.withResolvers<undefined>();
  }

  #shut(): void {
    for (const { server } of this.#listeners) server.close();
  }

  async #listen({ server, port }: Listener): Promise<void> {
    server.listen(port, this.#host);
    await once(server, 'listening');
  }

  #track(socket: Socket): void {
    this.#connections += 1;
    this.#onConnection();
    this.#sockets.set(socket, this.#connections);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#control.delete(socket);
    });
  }

  #take(request: IncomingMessage, response: ServerResponse, via: Via): void {
    const { socket } = request;
    // A client that breaks off is expected; dependants learn of it by 'close'.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    this.#control.add(socket);
    const whose = this.#onRequest(request, response, via);
    if (whose === 'nas') {
      this.#control.delete(socket);
      return;
    }
    response.once('close', () => {
      this.#control.delete(socket);
    });
  }
}
