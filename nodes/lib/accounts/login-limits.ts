import { createHash } from 'node:crypto';
import type { Clock } from '../time/clock.ts';
import { LruMap } from './lru-map.ts';

/** Whether one more try may be made. */
export type Leave =
  { readonly kind: 'go' } | { readonly kind: 'wait'; readonly retryAfterSeconds: number };

const WINDOW_MS = 60_000;

/** Contract 2: at most 5 tries a minute per address and user, ... */
const TRIES = 5;
/** ... and 10 per address over all users. */
const TRIES_OF_ADDRESS = 10;

const MAX_KEYS = 10_000;

const GO: Leave = { kind: 'go' };

/**
 * The Pi's own brake on guessing, on the monotonic clock. Tries are counted where they come from and
 * nowhere else, so that nobody's guesses lock out whoever they guess at.
 */
export class LoginLimits {
  readonly #clock: Clock;
  readonly #tries = new LruMap<string, readonly number[]>(MAX_KEYS);
  readonly #ofAddress = new LruMap<string, readonly number[]>(MAX_KEYS);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one try of `address` at `name`; a refused one does not count. */
  tryAt(address: string, name: string): Leave {
    const key = keyOf(address, name);
    const nowMs = this.#clock.monotonicMs();
    const tries = within(this.#tries.get(key) ?? [], nowMs);
    if (tries.length >= TRIES) return waitFor(tries, TRIES, nowMs);
    const all = within(this.#ofAddress.get(address) ?? [], nowMs);
    if (all.length >= TRIES_OF_ADDRESS) return waitFor(all, TRIES_OF_ADDRESS, nowMs);
    this.#tries.set(key, [...tries, nowMs]);
    this.#ofAddress.set(address, [...all, nowMs]);
    return GO;
  }

  /** The password was right: that address starts afresh with that name, and this try was no guess. */
  succeeded(address: string, name: string): void {
    this.#tries.delete(keyOf(address, name));
    this.#ofAddress.set(address, (this.#ofAddress.get(address) ?? []).slice(0, -1));
  }
}

/** Whether one more is allowed after those, of which `count` may be made in a minute. */
export function leaveAfter(
  timesMs: readonly number[],
  count: number,
  nowMs: number,
): { readonly leave: Leave; readonly recentMs: readonly number[] } {
  const recentMs = within(timesMs, nowMs);
  return { leave: recentMs.length < count ? GO : waitFor(recentMs, count, nowMs), recentMs };
}

/** Hashed, so that a key has the same small size whatever a guesser sends. */
function keyOf(address: string, name: string): string {
  const hash = createHash('sha256').update(address).update('\0').update(name.toLowerCase());
  return hash.digest('base64');
}

function within(timesMs: readonly number[], nowMs: number): readonly number[] {
  return timesMs.filter((atMs) => nowMs - atMs < WINDOW_MS);
}

/** The next try is free once the oldest of the last `count` has left the window. */
function waitFor(timesMs: readonly number[], count: number, nowMs: number): Leave {
  const oldestMs = timesMs.at(-count) ?? nowMs;
  const retryAfterSeconds = Math.max(1, Math.ceil((oldestMs + WINDOW_MS - nowMs) / 1_000));
  return { kind: 'wait', retryAfterSeconds };
}
