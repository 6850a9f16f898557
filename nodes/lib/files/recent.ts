import type { Clock } from '../time/clock.ts';

/**
 * When something was last asked, by key, in monotonic time. Holds a bounded number of keys: the
 * one set longest ago is forgotten, which costs one question too many and nothing else.
 */
export class Recent<T> {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #most: number;
  readonly #seen = new Map<string, { readonly atMs: number; readonly value: T }>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  set(key: string, value: T): void {
    this.#seen.delete(key);
    this.#seen.set(key, { atMs: this.#clock.monotonicMs(), value });
    if (this.#seen.size <= this.#most) return;
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest);
      return;
    }
  }

  /** What was set for `key` less than `withinMs` ago. */
  get(key: string, withinMs: number): T | undefined {
    const found = this.#seen.get(key);
    if (found === undefined) return undefined;
    return this.#clock.monotonicMs() - found.atMs < withinMs ? found.value : undefined;
  }

  /** Forgets every key that `matches`. */
  forget(matches: (key: string, value: T) => boolean): void {
    for (const [key, { value }] of this.#seen) {
      if (matches(key, value)) this.#seen.delete(key);
    }
  }
}
