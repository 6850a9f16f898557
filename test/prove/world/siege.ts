import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** One way to hold connections. */
export interface Attack {
  readonly name: string;
  /** What each connection sends first. */
  readonly words: string;
  /** What each sends every second after that. */
  readonly drip?: string;
  /** Whether it reads the answer, and then requests nothing more. */
  readonly reads?: boolean;
  /** How many connections it holds; by default more than BaluPi has places for. */
  readonly held?: number;
}

const HELD = 450;
/** Opened at once, and how often: closed ones are reopened right away. */
const TOGETHER = 100;
const EVERY_MS = 100;
const DRIP_MS = 1_000;
/** Whoever does not read does not notice being cut, so each is given up after this. */
const UNREAD_MS = 8_000;

/** An attacker at one address who opens connections, and another for each that is closed. */
export class Siege {
  readonly #port: number;
  readonly #address: string;
  readonly #attack: Attack;
  readonly #sockets = new Set<Socket>();
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #opened = 0;
  #most = 0;

  constructor(port: number, address: string, attack: Attack) {
    this.#port = port;
    this.#address = address;
    this.#attack = attack;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** @returns how many connections it opened, and how many it held at once */
  async stop(): Promise<{ opened: number; most: number }> {
    this.#stop.abort();
    await this.#running;
    for (const socket of this.#sockets) socket.destroy();
    return { opened: this.#opened, most: this.#most };
  }

  async #run(): Promise<void> {
    const { held = HELD } = this.#attack;
    let dripAtMs = performance.now() + DRIP_MS;
    while (!this.#stop.signal.aborted) {
      const missing = Math.min(TOGETHER, held - this.#sockets.size);
      for (let count = 0; count < missing; count += 1) this.#open();
      const nowMs = performance.now();
      if (nowMs >= dripAtMs) {
        dripAtMs = nowMs + DRIP_MS;
        const { drip } = this.#attack;
        for (const socket of this.#sockets) if (drip !== undefined) socket.write(drip);
      }
      await pause(EVERY_MS);
    }
  }

  #open(): void {
    const socket = connect({ port: this.#port, host: '127.0.0.1', localAddress: this.#address });
    this.#opened += 1;
    this.#sockets.add(socket);
    if (this.#attack.reads === true) socket.resume();
    else socket.pause().setTimeout(UNREAD_MS, () => socket.destroy());
    socket.once('connect', () => {
      this.#most = Math.max(this.#most, this.#sockets.size);
      socket.write(this.#attack.words);
    });
    // BaluPi is expected to cut it; 'close' follows.
    socket.on('error', () => {
      socket.destroy();
    });
    socket.once('close', () => {
      this.#sockets.delete(socket);
    });
  }
}
