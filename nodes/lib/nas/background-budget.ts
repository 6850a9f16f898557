import type { Clock } from '../time/clock.ts';

const WINDOW_MS = 60_000;

/** Calls a minute that no caller waits for, at the default probe interval (contract 6). */
const DEFAULT_PER_MINUTE = 3;

/** What wants to make a background call. Probes come first: nothing else tells asleep from awake. */
export type BackgroundCall = 'probe' | 'other';

/**
 * The one budget of all calls to the NAS that no caller waits for. More than five requests a minute
 * of any kind keep the NAS from falling asleep (read in its code).
 */
export class BackgroundBudget {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #probesPerMinute: number;
  #taken: readonly { readonly atMs: number; readonly kind: BackgroundCall }[] = [];

  /** @param probeIntervalSeconds NAS_PROBE_INTERVAL_SECONDS; a shorter one widens the budget */
  constructor(clock: Clock, probeIntervalSeconds: number) {
    this.#clock = clock;
    this.#probesPerMinute = Math.ceil(60 / Math.max(0.1, probeIntervalSeconds));
    this.#perMinute = Math.max(DEFAULT_PER_MINUTE, this.#probesPerMinute + 1);
  }

  /** Takes one call from the budget. False: do not make it now. */
  take(kind: BackgroundCall): boolean {
    const nowMs = this.#clock.monotonicMs();
    this.#taken = this.#taken.filter((call) => nowMs - call.atMs < WINDOW_MS);
    if (this.#taken.length >= this.#perMinute) return false;
    const others = this.#taken.filter((call) => call.kind === 'other').length;
    if (kind === 'other' && others >= this.#perMinute - this.#probesPerMinute) return false;
    this.#taken = [...this.#taken, { atMs: nowMs, kind }];
    return true;
  }
}
