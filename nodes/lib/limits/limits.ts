import type { Clock } from '../time/clock.ts';

/** A map that forgets the least recently used entry, so that no caller can bloat it. */
export class LruMap<K, V> {
  readonly #capacity: number;
  readonly #entries = new Map<K, V>();

  /** @param capacity entries, at least 1 */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** As {@link get}, without counting as a use. */
  peek(key: K): V | undefined {
    return this.#entries.get(key);
  }

  /** @returns what was forgotten for it, if anything was */
  set(key: K, value: V): readonly [K, V] | undefined {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#capacity) return undefined;
    // A Map walks in the order of insertion, so its first entry is the one longest not touched.
    const [oldest] = this.#entries;
    if (oldest !== undefined) this.#entries.delete(oldest[0]);
    return oldest;
  }

  /** @returns whether it was there */
  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** The longest untouched first. */
  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#entries[Symbol.iterator]();
  }
}

const MINUTE_MS = 60_000;

/** One event of a {@link SlidingLog}. */
interface LoggedEvent<T> {
  readonly atMs: number;
  readonly of: T;
}

/** The events of the last minute or so, on the monotonic clock, each with its subject. */
export class SlidingLog<T> {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #windowMs: number;
  #events: readonly LoggedEvent<T>[] = [];

  constructor(clock: Pick<Clock, 'monotonicMs'>, windowMs = MINUTE_MS) {
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  /** The subjects of the events within the window, oldest first. */
  get recent(): readonly T[] {
    return this.#within().map(({ of }) => of);
  }

  /** @param count how many such events happened just now */
  add(of: T, count = 1): void {
    const event = { atMs: this.#clock.monotonicMs(), of };
    this.#events = [...this.#within(), ...Array.from({ length: count }, () => event)];
  }

  /** Removes the newest event of `of`, and adds it to another log if one is named. */
  withdraw(of: T, into?: SlidingLog<T>): void {
    const at = this.#events.findLastIndex((event) => event.of === of);
    const event = this.#events[at];
    if (event === undefined) return;
    this.#events = this.#events.toSpliced(at, 1);
    if (into === undefined) return;
    into.#events = [...into.#events, event].sort((one, other) => one.atMs - other.atMs);
  }

  /** After how many ms the oldest event leaves the window; the whole window where there is none. */
  get oldestLeavesInMs(): number {
    return this.waitMs(this.#within().length);
  }

  /**
   * @param most events allowed within any window
   * @returns after how many ms `more` may happen; 0 for now
   */
  waitMs(most: number, more = 1): number {
    const events = this.#within();
    const over = events.length + more - most;
    if (over <= 0) return 0;
    const nowMs = this.#clock.monotonicMs();
    // Waiting longer than the whole window gains nothing.
    const leaving = events[Math.min(over, events.length) - 1];
    return Math.max(1, (leaving?.atMs ?? nowMs) + this.#windowMs - nowMs);
  }

  #within(): readonly LoggedEvent<T>[] {
    const sinceMs = this.#clock.monotonicMs() - this.#windowMs;
    const [oldest] = this.#events;
    if (oldest !== undefined && oldest.atMs <= sinceMs) {
      this.#events = this.#events.filter(({ atMs }) => atMs > sinceMs);
    }
    return this.#events;
  }
}

/** Whether one more is allowed now. */
export type Leave =
  | { readonly kind: 'go' }
  | { readonly kind: 'wait'; readonly retryAfterSeconds: number };

/** A caller's `Retry-After`: whole seconds, at least one. */
export function leaveIn(waitMs: number): Leave {
  if (waitMs <= 0) return { kind: 'go' };
  return { kind: 'wait', retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) };
}

/** How often a {@link RateLimiter} allows something. */
interface Rate {
  /** Within any window, for each key. */
  readonly most: number;
  /** A minute where none is given. */
  readonly windowMs?: number;
}

/** An attacker with more addresses than this gets fresh counts, but none of the Pi's memory. */
const MOST_KEYS = 10_000;

/** A limit of n per window for each key, on the monotonic clock. */
export class RateLimiter {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #rate: Rate;
  readonly #logs = new LruMap<string, SlidingLog<null>>(MOST_KEYS);

  constructor(clock: Pick<Clock, 'monotonicMs'>, rate: Rate) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** @returns after how many ms `more` are allowed; 0 for now */
  waitMs(key = '', more = 1): number {
    return this.#logs.get(key)?.waitMs(this.#rate.most, more) ?? 0;
  }

  /** Counts what is done, allowed or not. */
  add(key = '', count = 1): void {
    const log = this.#logs.get(key) ?? new SlidingLog(this.#clock, this.#rate.windowMs);
    log.add(null, count);
    this.#logs.set(key, log);
  }

  /** @returns whether one more is allowed now; it then counts */
  take(key = ''): Leave {
    const waitMs = this.waitMs(key);
    if (waitMs === 0) this.add(key);
    return leaveIn(waitMs);
  }

  /** The newest of a key no longer counts. */
  withdraw(key = ''): void {
    this.#logs.get(key)?.withdraw(null);
  }

  /** Resets a key. */
  forget(key = ''): void {
    this.#logs.delete(key);
  }
}
