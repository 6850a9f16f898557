import type { Clock } from '../time/clock.ts';

const WINDOW_MS = 60_000;

/** How often a kind of request is made in any minute, so that the NAS's own limit stays far. */
export class Pace {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #perMinute: number;
  #takenAtMs: readonly number[] = [];

  constructor(clock: Pick<Clock, 'monotonicMs'>, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** How long to wait until `count` more fit into the minute, ms; 0 for not at all. */
  waitMs(count: number): number {
    const nowMs = this.#clock.monotonicMs();
    this.#takenAtMs = this.#takenAtMs.filter((atMs) => nowMs - atMs < WINDOW_MS);
    const over = this.#takenAtMs.length + count - this.#perMinute;
    if (over <= 0) return 0;
    const oldest = this.#takenAtMs[over - 1] ?? nowMs;
    return Math.max(1, oldest + WINDOW_MS - nowMs);
  }

  /** So many were made just now. */
  note(count: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#takenAtMs = [...this.#takenAtMs, ...Array.from({ length: count }, () => nowMs)];
  }
}
