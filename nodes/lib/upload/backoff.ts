/** Contract 4: backoff with jitter, 5 s to 1 h. */
const SHORTEST_MS = 5_000;
const LONGEST_MS = 3_600_000;

/** @returns a number from 0 up to but not including 1 */
export type Random = () => number;

/**
 * How long to wait after a failed attempt: anywhere between 5 s and a bound that doubles with each
 * attempt, so that many that failed together do not come back together.
 * @param attempt 1 for the first failure
 * @returns milliseconds
 */
export function backoffMs(attempt: number, random: Random): number {
  const doublings = Math.min(Math.max(1, attempt), 20);
  const bound = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** doublings);
  return Math.round(SHORTEST_MS + random() * (bound - SHORTEST_MS));
}
