/** Differences up to here are drift or a small correction and are followed slowly. */
const SMALL_STEP_MS = 60_000;
/** 500 ppm: at most 0.05 % of the energy, less than any plug's own error. */
const SLEW_PER_MS = 0.000_5;
/** How long a clock must insist on a large forward step before it is believed. */
const INSISTS_MS = 24 * 3_600_000;

/** Two proofs of the time differ by no more (contract 1, Time). */
const PROOF_MS = 300_000;

/** What was placed from here on lies ahead by so much, or behind where that is below 0. */
export interface Misplaced {
  readonly fromMs: number;
  readonly byMs: number;
}

export type Placed =
  { readonly kind: 'placed'; readonly atMs: number } | { readonly kind: 'untrusted' };

/**
 * Ties the monotonic clock to the wall clock once, when the wall clock is first trusted, so that a
 * later step of the wall clock neither makes nor loses energy. Small differences are followed at
 * 500 ppm. A large one is a clock somebody broke or repaired: it is left alone, and only when it
 * stays for a day a forward one is taken over (the meter then sees a gap and covers it from the
 * plug's counter) and a backward one followed slowly, for time must not run twice.
 */
export class WallAnchor {
  readonly #isTrusted: () => boolean;
  #offsetMs: number | null = null;
  /** Before the first reading of this run. */
  #firstTickMs: number | null = null;
  #lastMonotonicMs = 0;
  #largeSinceMs: number | null = null;

  /** @param isTrusted whether the wall clock may be believed at this moment */
  constructor(isTrusted: () => boolean) {
    this.#isTrusted = isTrusted;
  }

  get isSettled(): boolean {
    return this.#offsetMs !== null;
  }

  /**
   * Looks at both clocks; called now and then, at least once per round of readings.
   * @returns whether this call settled the anchor
   */
  observe(nowMs: number, monotonicMs: number): boolean {
    this.#firstTickMs ??= monotonicMs;
    if (this.#offsetMs === null) {
      if (!this.#isTrusted()) return false;
      this.#settle(nowMs, monotonicMs);
      return true;
    }
    const difference = nowMs - monotonicMs - this.#offsetMs;
    const elapsedMs = Math.max(0, monotonicMs - this.#lastMonotonicMs);
    this.#lastMonotonicMs = Math.max(this.#lastMonotonicMs, monotonicMs);
    if (Math.abs(difference) <= SMALL_STEP_MS) this.#largeSinceMs = null;
    else this.#largeSinceMs ??= monotonicMs;
    this.#offsetMs += this.#correction(difference, elapsedMs, monotonicMs);
    return false;
  }

  /**
   * By how much it differs from a time that is proved.
   * @returns null when that is no more than a clock is ever put right by
   */
  misplacedBy(provedMs: number, monotonicMs: number): Misplaced | null {
    if (this.#offsetMs === null || this.#firstTickMs === null) return null;
    const byMs = monotonicMs + this.#offsetMs - provedMs;
    return Math.abs(byMs) > PROOF_MS ? { fromMs: this.#firstTickMs + this.#offsetMs, byMs } : null;
  }

  /** Goes by a time that is proved, at once. */
  settleAnew(provedMs: number, monotonicMs: number): void {
    this.#settle(provedMs, monotonicMs);
    this.#largeSinceMs = null;
  }

  /** The wall-clock time of a monotonic reading. */
  place(monotonicMs: number): Placed {
    if (this.#offsetMs === null) return { kind: 'untrusted' };
    return { kind: 'placed', atMs: monotonicMs + this.#offsetMs };
  }

  #settle(nowMs: number, monotonicMs: number): void {
    this.#offsetMs = nowMs - monotonicMs;
    this.#lastMonotonicMs = monotonicMs;
  }

  #correction(differenceMs: number, elapsedMs: number, monotonicMs: number): number {
    if (this.#largeSinceMs !== null) {
      if (monotonicMs - this.#largeSinceMs < INSISTS_MS) return 0;
      if (differenceMs > 0) return differenceMs;
    }
    const mostMs = elapsedMs * SLEW_PER_MS;
    return Math.max(-mostMs, Math.min(mostMs, differenceMs));
  }
}
