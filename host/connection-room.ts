import type { Socket } from 'node:net';

/**
 * Keeps the number of connections within bounds. When one too many comes, whoever has asked for
 * nothing the longest goes: a connection that never sends its headers, or a pooled one of an app,
 * which opens another when it needs one. Refusing the newcomer instead would let a single machine
 * with slow headers shut everybody out.
 */
export class ConnectionRoom {
  readonly #most: number;
  /** The longest idle first. */
  readonly #idle = new Set<Socket>();
  /** How many answers each is owed; a client may ask again before it was answered. */
  readonly #served = new Map<Socket, number>();
  /** No longer HTTP; they end when they like, or when all do. */
  readonly #upgraded = new Set<Socket>();
  #closing = false;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#idle.size + this.#served.size + this.#upgraded.size;
  }

  add(socket: Socket): void {
    this.#idle.add(socket);
    socket.once('close', () => {
      this.#idle.delete(socket);
      this.#served.delete(socket);
      this.#upgraded.delete(socket);
    });
    if (this.size > this.#most) this.#closeIdlest();
  }

  /** A request came in on it: it stays until that was answered. */
  serve(socket: Socket): void {
    this.#idle.delete(socket);
    this.#served.set(socket, (this.#served.get(socket) ?? 0) + 1);
  }

  rest(socket: Socket): void {
    const owed = (this.#served.get(socket) ?? 0) - 1;
    if (owed > 0) this.#served.set(socket, owed);
    else if (this.#served.delete(socket)) this.#restWholly(socket);
  }

  upgrade(socket: Socket): void {
    this.#idle.delete(socket);
    this.#upgraded.add(socket);
  }

  /** Closes all that are owed no answer, now and as soon as they have theirs. */
  close(): void {
    this.#closing = true;
    for (const socket of [...this.#idle, ...this.#upgraded]) socket.destroy();
  }

  cut(): void {
    for (const socket of this.#served.keys()) socket.destroy();
  }

  #restWholly(socket: Socket): void {
    if (this.#closing) socket.destroySoon();
    else if (!socket.destroyed) this.#idle.add(socket);
  }

  #closeIdlest(): void {
    const [idlest] = this.#idle;
    if (idlest === undefined) return;
    this.#idle.delete(idlest);
    idlest.destroy();
  }
}
