import type { Clock } from '../../time/clock.ts';

/** Contract 4: backoff with jitter, 5 s to 1 h. */
const SHORTEST_MS = 5_000;
const LONGEST_MS = 3_600_000;

/** @returns a number from 0 up to but not including 1 */
export type Random = () => number;

/**
 * How long to wait after a failed attempt: a random time between 5 s and a bound that doubles with
 * each attempt, so that simultaneous failures do not retry together.
 * @param attempt 1 for the first failure
 * @returns milliseconds
 */
export function backoffMs(attempt: number, random: Random): number {
  const doublings = Math.min(Math.max(1, attempt), 20);
  const bound = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** doublings);
  return Math.round(SHORTEST_MS + random() * (bound - SHORTEST_MS));
}

type Reason = 'gone' | 'busy' | 'full' | 'no_storage' | 'broken';

/** While the NAS counts as awake, a backoff is at most this long. */
const LONGEST_HOLD_MS: Readonly<Partial<Record<Reason, number>>> = {
  gone: 30_000,
  // Checking costs the NAS a listing or two.
  no_storage: 2 * 60_000,
};

/** Leaves the whole NAS alone for a while, longer after each failure in a row. */
export class Hold {
  readonly #clock: Clock;
  readonly #random: Random;
  #inARow = 0;
  #untilTickMs = 0;
  /** What the NAS itself asked for. */
  #askedUntilTickMs = 0;

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

  begin(reason: Reason, atLeastMs: number): void {
    this.#inARow += 1;
    const delayMs = backoffMs(this.#inARow, this.#random);
    const holdMs = Math.min(delayMs, LONGEST_HOLD_MS[reason] ?? delayMs);
    const nowMs = this.#clock.monotonicMs();
    this.#askedUntilTickMs = nowMs + atLeastMs;
    this.#untilTickMs = nowMs + Math.max(holdMs, atLeastMs);
  }

  /** Something went through. */
  succeeded(): void {
    this.#inARow = 0;
  }

  /** A person wants it tried now; a pause the NAS asked for is still kept. */
  lift(): void {
    this.#untilTickMs = Math.min(this.#untilTickMs, this.#askedUntilTickMs);
  }

  /** The NAS came back, so the reason for the backoff is gone. */
  end(): void {
    this.#inARow = 0;
    this.#untilTickMs = this.#askedUntilTickMs = 0;
  }
}
