import type { Clock } from '../time/clock.ts';

const WINDOW_MS = 60_000;

/** Calls a minute that no caller waits for, at the default probe interval (contract 6). */
const DEFAULT_PER_MINUTE = 3;
/** Of these at most so many are no probes: one call a minute at least tells asleep from awake. */
const OTHERS_PER_MINUTE = 2;

/** What wants to make a background call. */
export type BackgroundCall = 'probe' | 'other';

/**
 * The one budget of all calls to the NAS that no caller waits for. More than five requests a minute
 * of any kind keep the NAS from falling asleep (read in its code).
 */
export class BackgroundBudget {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #perMinute: number;
  #taken: readonly { readonly atMs: number; readonly kind: BackgroundCall }[] = [];

  /** @param probeIntervalSeconds NAS_PROBE_INTERVAL_SECONDS; a shorter one widens the budget */
  constructor(clock: Pick<Clock, 'monotonicMs'>, probeIntervalSeconds: number) {
    this.#clock = clock;
    const probesPerMinute = Math.ceil(60 / Math.max(0.1, probeIntervalSeconds));
    this.#perMinute = Math.max(DEFAULT_PER_MINUTE, probesPerMinute + 1);
  }

  /** How many calls that are no probes may be taken now. */
  get left(): number {
    const taken = this.#recent();
    const others = taken.filter(({ kind }) => kind === 'other').length;
    return Math.max(0, Math.min(this.#perMinute - taken.length, OTHERS_PER_MINUTE - others));
  }

  /** Takes one call from the budget. False: do not make it now. */
  take(kind: BackgroundCall): boolean {
    const isThere = kind === 'other' ? this.left > 0 : this.#recent().length < this.#perMinute;
    if (isThere) this.#note(kind);
    return isThere;
  }

  /** One was made that a caller waited for, and counts at the NAS as any other does. */
  made(): void {
    this.#note('other');
  }

  #note(kind: BackgroundCall): void {
    this.#taken = [...this.#recent(), { atMs: this.#clock.monotonicMs(), kind }];
  }

  #recent(): readonly { readonly atMs: number; readonly kind: BackgroundCall }[] {
    const nowMs = this.#clock.monotonicMs();
    return this.#taken.filter((call) => nowMs - call.atMs < WINDOW_MS);
  }
}
