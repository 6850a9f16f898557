import type { Clock } from '../time/clock.ts';

/** Who did not ask for so long does not wait for its turn any more: no app polls more slowly. */
const WAITS_MS = 90_000;
/** Addresses asked for the first time, a minute: what one screen of an app shows. */
const FIRST_PER_MINUTE = 20;
const MINUTE_MS = 60_000;
/** Of all callers together; who comes beyond is answered by what is kept. */
const MOST_WAITING = 500;
/** A NAS that nobody needed for longer is on its way to sleep (contract 6). */
const NEEDED_MS = 5 * 60_000;

export interface PollsDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly budget: {
    /** Takes one call from the budget of those that no caller waits for. */
    take(kind: 'other'): boolean;
    /** One was made, whatever is left. */
    made(): void;
    /** How many may be taken now. */
    readonly left: number;
  };
  /** Since a caller last needed the NAS, ms; null when none did. */
  readonly idleMs: () => number | null;
}

/**
 * Whose turn it is among what machines ask all the time: a NAS counts every request, and more than
 * five a minute keep it awake for ever (docs/NAS.md). The one whose answer is oldest goes first,
 * among those that ask; the others are answered by what is kept.
 */
export class Polls {
  readonly #deps: PollsDeps;
  /** By address: how old its answer is, and when it was last asked for. */
  readonly #waiting = new Map<string, { readonly toldAtMs: number; readonly askedAtMs: number }>();
  #firsts: readonly number[] = [];

  constructor(deps: PollsDeps) {
    this.#deps = deps;
  }

  /**
   * @param toldAtMs when the NAS last answered that; null where nothing is kept
   * @returns whether the NAS may be asked now
   */
  take(key: string, toldAtMs: number | null): boolean {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const [other, { askedAtMs }] of this.#waiting) {
      if (nowMs - askedAtMs >= WAITS_MS) this.#waiting.delete(other);
    }
    if (this.#waiting.size >= MOST_WAITING && !this.#waiting.has(key)) return false;
    this.#waiting.set(key, { toldAtMs: toldAtMs ?? -Infinity, askedAtMs: nowMs });
    const isTaken = this.#isAmongOldest(key) && this.#deps.budget.take('other');
    const isGoing = isTaken || (toldAtMs === null && this.#isFirst(nowMs));
    if (isGoing) this.#waiting.delete(key);
    return isGoing;
  }

  #isAmongOldest(key: string): boolean {
    const mine = this.#waiting.get(key)?.toldAtMs ?? 0;
    let older = 0;
    for (const { toldAtMs } of this.#waiting.values()) if (toldAtMs < mine) older += 1;
    return older < this.#deps.budget.left;
  }

  /**
   * Nothing is kept of it yet: asked along with what callers need the NAS for anyway, and counted
   * with the rest, which waits so much longer.
   */
  #isFirst(nowMs: number): boolean {
    const idleMs = this.#deps.idleMs();
    if (idleMs === null || idleMs >= NEEDED_MS) return false;
    this.#firsts = this.#firsts.filter((atMs) => nowMs - atMs < MINUTE_MS);
    if (this.#firsts.length >= FIRST_PER_MINUTE) return false;
    this.#firsts = [...this.#firsts, nowMs];
    this.#deps.budget.made();
    return true;
  }
}
