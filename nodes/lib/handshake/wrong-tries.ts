import type { Clock } from '../time/clock.ts';

const PER_MINUTE = 20;
const MINUTE_MS = 60_000;
/** A home has fewer addresses; an attacker with more of them gains a fresh count, no memory. */
const MOST_ADDRESSES = 256;

/** Wrong signatures per address: each may cost the hashing and sorting of a whole body. */
export class WrongTries {
  readonly #clock: Clock;
  readonly #counts = new Map<string, { readonly sinceMs: number; readonly count: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns ms until that address may try again; 0 when it may now */
  waitMs(address: string): number {
    const known = this.#counts.get(address);
    if (known === undefined || known.count < PER_MINUTE) return 0;
    return Math.max(0, known.sinceMs + MINUTE_MS - this.#clock.monotonicMs());
  }

  add(address: string): void {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#counts.get(address);
    const isFresh = known === undefined || nowMs - known.sinceMs >= MINUTE_MS;
    this.#counts.delete(address);
    this.#counts.set(
      address,
      isFresh ? { sinceMs: nowMs, count: 1 } : { ...known, count: known.count + 1 },
    );
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > MOST_ADDRESSES && oldest !== undefined) this.#counts.delete(oldest);
  }
}
