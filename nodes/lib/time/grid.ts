import type { Clock } from './clock.ts';

/**
 * Absolute points in time, one every interval of the monotonic clock. A tick that comes late is
 * still the turn of its point, and never shifts the points behind it.
 */
export class Grid {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #startMs: number;
  #lastPoint = -1;

  /** The first point is now. */
  constructor(clock: Clock, intervalSeconds: number) {
    this.#clock = clock;
    this.#intervalMs = intervalSeconds * 1_000;
    this.#startMs = clock.monotonicMs();
  }

  /** True once for each point that has come; points that were missed count as one. */
  due(): boolean {
    const point = Math.floor((this.#clock.monotonicMs() - this.#startMs) / this.#intervalMs);
    if (point <= this.#lastPoint) return false;
    this.#lastPoint = point;
    return true;
  }
}
