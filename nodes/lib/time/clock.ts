/** Stops a pending call made with {@link Clock.after}. Calling it twice is harmless. */
export type Cancel = () => void;

/**
 * Time as the services see it. Backoff, leases, holds and sampling use the monotonic reading,
 * because a Pi without a clock battery may see its wall clock jump by decades (contract 1, Time).
 */
export interface Clock {
  /** Wall clock, epoch milliseconds. May jump. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start. Never goes back. */
  monotonicMs(): number;
  /**
   * Calls `fn` once after `delayMs` of monotonic time. The timer alone does not keep the process
   * alive. What `fn` throws is a surprise and goes to the clock's owner.
   */
  after(delayMs: number, fn: () => void): Cancel;
  /**
   * Resolves after `delayMs` of monotonic time.
   * @throws the signal's reason when `signal` aborts first
   */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

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

  /** True once for each point that has come; missed points count as one. */
  due(): boolean {
    const point = Math.floor((this.#clock.monotonicMs() - this.#startMs) / this.#intervalMs);
    if (point <= this.#lastPoint) return false;
    this.#lastPoint = point;
    return true;
  }
}
