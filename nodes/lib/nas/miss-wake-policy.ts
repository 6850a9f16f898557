import { GOODBYE_MS } from './presence.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const FIRST_REFUSAL_MS = 10 * MINUTE_MS;
const LONGEST_REFUSAL_MS = 2 * HOUR_MS;
const WAKES_AN_HOUR = 6;

/** What bears on whether a miss may wake the NAS. Times are monotonic ms. */
export interface MissWakeHistory {
  /** Wakes by misses within the last hour, oldest first. */
  readonly wokenAtMs: readonly number[];
  /** Failed wakes in a row, whoever asked for them. */
  readonly failures: number;
  readonly failedAtMs: number | null;
}

export type MissWakeDecision =
  { readonly kind: 'allowed' } | { readonly kind: 'held_back'; readonly retryAfterMs: number };

export const NO_MISS_WAKES: MissWakeHistory = { wokenAtMs: [], failures: 0, failedAtMs: null };

/**
 * The contract's rules for misses (contract 3): none in the 2 minutes after a goodbye, none for 10
 * minutes after a failed wake (doubling to 2 h), at most 6 an hour.
 * @param sinceGoodbyeMs null when the NAS said none
 */
export function decideMissWake(
  history: MissWakeHistory,
  sinceGoodbyeMs: number | null,
  nowMs: number,
): MissWakeDecision {
  const waits = [
    sinceGoodbyeMs === null ? 0 : GOODBYE_MS - sinceGoodbyeMs,
    history.failedAtMs === null ? 0 : history.failedAtMs + refusalMs(history.failures) - nowMs,
    hourlyWait(history.wokenAtMs, nowMs),
  ];
  const retryAfterMs = Math.max(...waits);
  return retryAfterMs > 0 ? { kind: 'held_back', retryAfterMs } : { kind: 'allowed' };
}

export function afterMissWake(history: MissWakeHistory, nowMs: number): MissWakeHistory {
  const recent = history.wokenAtMs.filter((atMs) => nowMs - atMs < HOUR_MS);
  return { ...history, wokenAtMs: [...recent, nowMs] };
}

export function afterFailedWake(history: MissWakeHistory, nowMs: number): MissWakeHistory {
  return { ...history, failures: history.failures + 1, failedAtMs: nowMs };
}

/** The NAS was seen awake, by a wake or on its own. */
export function afterSeenAwake(history: MissWakeHistory): MissWakeHistory {
  return { ...history, failures: 0, failedAtMs: null };
}

function refusalMs(failures: number): number {
  return Math.min(FIRST_REFUSAL_MS * 2 ** (failures - 1), LONGEST_REFUSAL_MS);
}

function hourlyWait(wokenAtMs: readonly number[], nowMs: number): number {
  const recent = wokenAtMs.filter((atMs) => nowMs - atMs < HOUR_MS);
  const oldestThatCounts = recent.at(-WAKES_AN_HOUR);
  return oldestThatCounts === undefined ? 0 : oldestThatCounts + HOUR_MS - nowMs;
}
