import type { Clock } from '../../../../../nodes/lib/time/clock.ts';

const WINDOW_MS = 86_400_000;
/** A right password is never this unlucky in a day, and a wrong one is paused long before. */
const MOST_GUESSES = 12;

/**
 * How often a login that came to nothing may have tested a guess. Whoever plays a plug learns by
 * each login whether one guess at the password was right; it may drop the line then and be asked
 * again at the next poll. So failed logins are counted by plug, whatever became of them and wherever
 * it moved, and beyond the limit none is begun for a day.
 */
export class GuessLimit {
  readonly #clock: Clock;
  readonly #failedAtMs = new Map<string, readonly number[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isSpent(plug: string): boolean {
    return this.#recent(plug).length >= MOST_GUESSES;
  }

  failed(plug: string): void {
    this.#failedAtMs.set(plug, [...this.#recent(plug), this.#clock.monotonicMs()]);
  }

  /** It showed that it knows the password itself. */
  proven(plug: string): void {
    this.#failedAtMs.delete(plug);
  }

  #recent(plug: string): readonly number[] {
    const sinceMs = this.#clock.monotonicMs() - WINDOW_MS;
    return (this.#failedAtMs.get(plug) ?? []).filter((atMs) => atMs > sinceMs);
  }
}
