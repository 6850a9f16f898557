import type { Socket } from 'node:net';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import type { ChunkSession } from './chunk-session.ts';
import { RateLimits, type LimitMode } from './rate-limits.ts';

/** One worker process of the NAS, with memory of its own. */
export class Worker {
  readonly index: number;
  readonly limits: RateLimits;
  readonly sessions = new Map<string, ChunkSession>();

  constructor(index: number, limits: RateLimits) {
    this.index = index;
    this.limits = limits;
  }
}

/**
 * The workers and their distribution. On the direct port a connection stays with the worker that
 * accepted it, round robin so that tests can rely on it; behind the proxy, which re-pools, every
 * request may reach another.
 */
export class WorkerPool {
  readonly #size: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  #mode: LimitMode;
  #workers: Worker[];
  #turn = 0;
  #bySocket = new WeakMap<Socket, Worker>();

  constructor(size: number, mode: LimitMode, clock: Clock, random: () => number) {
    this.#size = size;
    this.#mode = mode;
    this.#clock = clock;
    this.#random = random;
    this.#workers = this.#fresh();
  }

  set mode(mode: LimitMode) {
    this.#mode = mode;
    this.restart();
  }

  ofConnection(socket: Socket): Worker {
    const known = this.#bySocket.get(socket);
    if (known !== undefined) return known;
    const worker = this.#at(this.#turn % this.#size);
    this.#turn += 1;
    this.#bySocket.set(socket, worker);
    return worker;
  }

  anyone(): Worker {
    return this.#at(Math.floor(this.#random() * this.#size));
  }

  /** New processes: upload sessions and rate limits are gone. */
  restart(): void {
    this.#workers = this.#fresh();
    this.#bySocket = new WeakMap();
    this.#turn = 0;
  }

  #fresh(): Worker[] {
    return Array.from(
      { length: this.#size },
      (_unused, index) => new Worker(index, new RateLimits(this.#mode, this.#clock)),
    );
  }

  #at(index: number): Worker {
    const worker = this.#workers[index];
    if (worker === undefined) throw new RangeError(`there is no worker ${String(index)}`);
    return worker;
  }
}
