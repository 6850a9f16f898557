import type { Clock } from '../time/clock.ts';
import { backoffMs, type Random } from './backoff.ts';

/** While the NAS counts as awake, silence of one address is tried again at least this often. */
const LONGEST_SILENCE_MS = 30_000;

/** Leaves the whole NAS alone for a while, longer each time in a row. */
export class Hold {
  readonly #clock: Clock;
  readonly #random: Random;
  #inARow = 0;
  #untilTickMs = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Monotonic ms until which nothing is sent. */
  get untilTickMs(): number {
    return this.#untilTickMs;
  }

  get isOn(): boolean {
    return this.#clock.monotonicMs() < this.#untilTickMs;
  }

  begin(reason: 'gone' | 'busy' | 'full' | 'broken', atLeastMs: number): void {
    this.#inARow += 1;
    const delayMs = backoffMs(this.#inARow, this.#random);
    const holdMs = reason === 'gone' ? Math.min(delayMs, LONGEST_SILENCE_MS) : delayMs;
    this.#untilTickMs = this.#clock.monotonicMs() + Math.max(holdMs, atLeastMs);
  }

  /** Something went through. */
  succeeded(): void {
    this.#inARow = 0;
  }

  /** The NAS came back: whatever it was, it is over. */
  end(): void {
    this.#inARow = 0;
    this.#untilTickMs = 0;
  }
}
