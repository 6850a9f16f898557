import type { Clock } from '../time/clock.ts';

/** How fast one kind of call may go. */
export interface Pace {
  /** Calls that may go at once after a rest. */
  readonly burst: number;
  readonly perMinute: number;
}

/**
 * Spaces calls out below a limit of the NAS. Each refusal for haste (429) halves the pace, each
 * minute without one wins a quarter of the full pace back.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #pace: Pace;
  #tokens: number;
  #factor = 1;
  #filledAtMs: number;
  #slowedAtMs = 0;

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock;
    this.#pace = pace;
    this.#tokens = pace.burst;
    this.#filledAtMs = clock.monotonicMs();
  }

  /**
   * Waits until the next call may go.
   * @throws the signal's reason when it aborts first
   */
  async turn(signal: AbortSignal): Promise<void> {
    this.#fill();
    this.#tokens -= 1;
    if (this.#tokens >= 0) return;
    await this.#clock.sleep(-this.#tokens / this.#perMs(), signal);
  }

  /** The NAS said that it was too fast. */
  slowDown(): void {
    this.#fill();
    this.#factor = Math.max(1 / 16, this.#factor / 2);
    this.#tokens = Math.min(this.#tokens, 0);
    this.#slowedAtMs = this.#clock.monotonicMs();
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs();
    const minutesCalm = (nowMs - this.#slowedAtMs) / 60_000;
    if (this.#factor < 1 && minutesCalm >= 1) {
      this.#factor = Math.min(1, this.#factor + 0.25 * Math.floor(minutesCalm));
      this.#slowedAtMs = nowMs;
    }
    const won = (nowMs - this.#filledAtMs) * this.#perMs();
    this.#tokens = Math.min(this.#pace.burst, this.#tokens + won);
    this.#filledAtMs = nowMs;
  }

  #perMs(): number {
    return (this.#pace.perMinute * this.#factor) / 60_000;
  }
}
