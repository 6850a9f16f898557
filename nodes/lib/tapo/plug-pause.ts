import type { Clock } from '../time/clock.ts';
import type { PlugFailure } from './plug.ts';

/** Wrong credentials tried more often look like an attack, and the plug's maker may lock out. */
const WRONG_PASSWORD_PAUSE_MS = 300_000;
/** First wait after a session stolen right after the login, or a 429; doubled each time. */
const TAKEN_PAUSE_MS = 5_000;
const LIMITED_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 300_000;
/** This many sessions lost in this time mean another client, not a restart of the plug. */
const CONTEST_LOSSES = 2;
const CONTEST_WINDOW_MS = 300_000;

/** When a plug is to be left alone, and whether somebody else uses it too. */
export class PlugPause {
  readonly #clock: Clock;
  #until: { readonly atMs: number; readonly failure: PlugFailure } | null = null;
  #inARow = 0;
  #lossesAtMs: readonly number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What to answer without asking the plug; null when it may be asked. */
  current(): PlugFailure | null {
    if (this.#until !== null && this.#clock.monotonicMs() >= this.#until.atMs) this.#until = null;
    return this.#until?.failure ?? null;
  }

  /** Takes note of how a call that did ask the plug ended. */
  note(outcome: { readonly kind: string } | PlugFailure): void {
    const pauseMs = this.#pauseAfter(outcome);
    if (pauseMs === null) return;
    this.#until = {
      atMs: this.#clock.monotonicMs() + pauseMs,
      failure: outcome as PlugFailure,
    };
  }

  /** A session was lost before its time. */
  countLoss(): void {
    this.#lossesAtMs = [...this.#recentLosses(), this.#clock.monotonicMs()];
  }

  isContested(): boolean {
    return this.#recentLosses().length >= CONTEST_LOSSES;
  }

  #pauseAfter(outcome: { readonly kind: string; readonly cause?: string }): number | null {
    if (outcome.kind === 'wrong_password') {
      return outcome.cause === 'no_credentials' ? null : WRONG_PASSWORD_PAUSE_MS;
    }
    if (outcome.kind === 'session_taken') return this.#next(TAKEN_PAUSE_MS);
    if (outcome.cause === 'rate_limited') return this.#next(LIMITED_PAUSE_MS);
    if (outcome.kind === 'reading') this.#inARow = 0;
    return null;
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
