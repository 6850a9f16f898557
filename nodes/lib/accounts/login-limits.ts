import { createHash } from 'node:crypto';
import type { Clock } from '../time/clock.ts';
import { LruMap } from './lru-map.ts';

/** Whether one more try may be made. */
export type Leave =
  { readonly kind: 'go' } | { readonly kind: 'wait'; readonly retryAfterSeconds: number };

const WINDOW_MS = 60_000;

/** Contract 2: at most 5 tries a minute per address and user. */
const TRIES = 5;

/** Contract 2: at most 2 forwarded tries a minute for a name the NAS has refused. */
const FORWARDED_TRIES = 2;

/** A name stays "refused" this long after the last refusal, so that a slow guesser gains nothing. */
const REFUSED_FOR_MS = 3_600_000;

const MAX_KEYS = 10_000;

interface Name {
  /** The newest {@link FORWARDED_TRIES} only; no decision needs more. */
  readonly forwardedAtMs: readonly number[];
  /** Shown to the NAS and not answered yet: each may still be refused. */
  readonly pending: number;
  readonly refusedAtMs: number | null;
}

const FRESH_NAME: Name = { forwardedAtMs: [], pending: 0, refusedAtMs: null };

/**
 * The Pi's own brake on guessing. The NAS counts all who come through the Pi as one address with 5
 * logins a minute (docs/NAS.md), so a guesser must not use those up, and must not lock out the person
 * whose name is guessed: tries are counted per address and name, on the monotonic clock.
 */
export class LoginLimits {
  readonly #clock: Clock;
  readonly #tries = new LruMap<string, readonly number[]>(MAX_KEYS);
  readonly #names = new LruMap<string, Name>(MAX_KEYS);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Addresses with names it remembers, at most 10,000. */
  get size(): number {
    return this.#tries.size;
  }

  /** Counts one try of `address` at `name`. */
  tryAt(address: string, name: string): Leave {
    const key = keyOf(address, name);
    const nowMs = this.#clock.monotonicMs();
    const tries = within(this.#tries.get(key) ?? [], nowMs);
    if (tries.length >= TRIES) return waitFor(tries, TRIES, nowMs);
    this.#tries.set(key, [...tries, nowMs]);
    return { kind: 'go' };
  }

  /** The password was right: that address starts afresh, and the name is no longer guarded. */
  succeeded(address: string, name: string): void {
    this.#tries.delete(keyOf(address, name));
    this.#names.delete(keyOf('', name));
  }

  /** Counts one try that is about to be shown to the NAS; {@link answered} must follow a `go`. */
  forward(name: string): Leave {
    const key = keyOf('', name);
    const nowMs = this.#clock.monotonicMs();
    const known = this.#names.get(key) ?? FRESH_NAME;
    const forwarded = within(known.forwardedAtMs, nowMs);
    const guarded = known.refusedAtMs !== null && nowMs - known.refusedAtMs < REFUSED_FOR_MS;
    if (guarded && forwarded.length >= FORWARDED_TRIES) {
      return waitFor(forwarded, FORWARDED_TRIES, nowMs);
    }
    // A burst of guesses must not slip through before the first of them is refused.
    if (known.pending >= FORWARDED_TRIES) return { kind: 'wait', retryAfterSeconds: 1 };
    const forwardedAtMs = [...forwarded, nowMs].slice(-FORWARDED_TRIES);
    this.#names.set(key, { ...known, forwardedAtMs, pending: known.pending + 1 });
    return { kind: 'go' };
  }

  /** What became of a forwarded try. */
  answered(name: string, how: 'refused' | 'otherwise'): void {
    const key = keyOf('', name);
    const known = this.#names.get(key) ?? FRESH_NAME;
    const refusedAtMs = how === 'refused' ? this.#clock.monotonicMs() : known.refusedAtMs;
    this.#names.set(key, { ...known, pending: Math.max(0, known.pending - 1), refusedAtMs });
  }
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
