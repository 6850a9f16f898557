import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { PlugFailure } from './plug.ts';

/**
 * A wrong password is tried twice more within the hour, then once a day: plugs lock after about 15
 * wrong ones, for everybody in the household.
 */
const WRONG_PASSWORD_PAUSES_MS = [1_800_000, 1_800_000];
const LATER_PASSWORD_PAUSE_MS = 86_400_000;
/** From here on the last attempts are left to the people of the household. */
const FEW_ATTEMPTS = 5;
/** First wait after a session stolen right after the login, or a 429; doubled each time. */
const TAKEN_PAUSE_MS = 5_000;
const LIMITED_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 300_000;
/** This many sessions lost in this time mean another client, not a restart of the plug. */
const CONTEST_LOSSES = 2;
const CONTEST_WINDOW_MS = 300_000;

/** How a call ended, as far as it matters here. */
interface Ended {
  readonly kind: string;
  readonly cause?: string;
  readonly attemptsLeft?: number;
  readonly lockedMinutes?: number;
}

/** When a plug is to be left alone, and whether somebody else uses it too. */
export class PlugPause {
  readonly #clock: Clock;
  #until: { readonly atMs: number; readonly failure: PlugFailure } | null = null;
  #inARow = 0;
  #wrongPasswords = 0;
  #lossesAtMs: readonly number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What to answer without asking the plug; null when it may be asked. */
  current(): PlugFailure | null {
    if (this.#until !== null && this.#clock.monotonicMs() >= this.#until.atMs) this.#until = null;
    return this.#until?.failure ?? null;
  }

  /**
   * Takes note of how a call that did ask the plug ended.
   * @returns the outcome, with the time a lock ends
   */
  note<T extends { readonly kind: string }>(outcome: T | PlugFailure): T | PlugFailure {
    const pauseMs = this.#pauseAfter(outcome);
    if (pauseMs === null) return outcome;
    const until = outcome.kind === 'locked' ? { untilMs: this.#clock.nowMs() + pauseMs } : {};
    const failure = { ...(outcome as PlugFailure), ...until };
    this.#until = { atMs: this.#clock.monotonicMs() + pauseMs, failure };
    return failure;
  }

  /** A session was lost before its time. */
  countLoss(): void {
    this.#lossesAtMs = [...this.#recentLosses(), this.#clock.monotonicMs()];
  }

  isContested(): boolean {
    return this.#recentLosses().length >= CONTEST_LOSSES;
  }

  #pauseAfter(outcome: Ended): number | null {
    if (outcome.kind === 'wrong_password') return this.#afterWrongPassword(outcome);
    if (outcome.kind === 'locked') return (outcome.lockedMinutes ?? 0) * 60_000;
    if (outcome.kind === 'session_taken') return this.#next(TAKEN_PAUSE_MS);
    if (outcome.cause === 'rate_limited') return this.#next(LIMITED_PAUSE_MS);
    if (outcome.kind === 'reading') {
      this.#inARow = 0;
      this.#wrongPasswords = 0;
    }
    return null;
  }

  #afterWrongPassword({ cause, attemptsLeft }: Ended): number | null {
    if (cause === 'no_credentials') return null;
    if ((attemptsLeft ?? Number.POSITIVE_INFINITY) <= FEW_ATTEMPTS) return Number.POSITIVE_INFINITY;
    this.#wrongPasswords += 1;
    return WRONG_PASSWORD_PAUSES_MS[this.#wrongPasswords - 1] ?? LATER_PASSWORD_PAUSE_MS;
  }

  #next(firstMs: number): number {
    const pauseMs = Math.min(firstMs * 2 ** this.#inARow, LONGEST_PAUSE_MS);
    this.#inARow = Math.min(this.#inARow + 1, 10);
    return pauseMs;
  }

  #recentLosses(): readonly number[] {
    const sinceMs = this.#clock.monotonicMs() - CONTEST_WINDOW_MS;
    return this.#lossesAtMs.filter((atMs) => atMs > sinceMs);
  }
}
