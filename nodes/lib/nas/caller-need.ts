import type { Clock } from '../time/clock.ts';

/**
 * When somebody last needed the NAS: a caller whose request went to it, or whoever woke it. What
 * nobody waits for begins no later than some minutes after that, so that it never keeps a NAS awake
 * that nobody uses (contract 6).
 */
export class CallerNeed {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #neededAtMs: number | null = null;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** A caller needs the NAS now. Not for a call that asks to leave it asleep. */
  needed(): void {
    this.#neededAtMs = this.#clock.monotonicMs();
  }

  /** Since the last time, ms; null when nobody did since the start. */
  get idleMs(): number | null {
    return this.#neededAtMs === null ? null : this.#clock.monotonicMs() - this.#neededAtMs;
  }
}
