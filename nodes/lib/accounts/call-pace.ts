import type { Clock } from '../time/clock.ts';

const MINUTE_MS = 60_000;

/** Keeps one kind of call below a limit the NAS has per minute, without anybody waiting. */
export class CallPace {
  readonly #clock: Clock;
  readonly #perMinute: number;
  #taken: readonly number[] = [];

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** @returns whether one more call may go now; it then counts as made */
  take(): boolean {
    if (this.freeInMs() > 0) return false;
    this.#taken = [...this.#taken, this.#clock.monotonicMs()];
    return true;
  }

  /** @returns after how many ms {@link take} may succeed; 0 where it does now */
  freeInMs(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#taken = this.#taken.filter((atMs) => nowMs - atMs < MINUTE_MS);
    const [oldest] = this.#taken;
    if (oldest === undefined || this.#taken.length < this.#perMinute) return 0;
    return oldest + MINUTE_MS - nowMs;
  }
}
