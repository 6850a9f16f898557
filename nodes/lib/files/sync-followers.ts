import type { Caller } from '../accounts/caller.ts';
import type { Clock } from '../time/clock.ts';

/** A desktop asks for its delta every 30 s, and tries what that named for a minute more. */
const FOLLOWS_MS = 100_000;
const MOST_CALLERS = 200;

interface Follower {
  readonly askedAtMs: number;
  /** When a delta last told it something that the one before did not. */
  readonly newsAtMs: number;
}

/**
 * Programs that ask for the delta of a sync over and over. What they do next follows from it by
 * itself: nobody waits for it, and what was listed since the last news is as new as it can tell.
 */
export class SyncFollowers {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #followers = new Map<string, Follower>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** @param isNews the answer told something new */
  asked(caller: Caller, isNews: boolean): void {
    const key = keyOf(caller);
    const nowMs = this.#clock.monotonicMs();
    const before = this.#followers.get(key);
    const newsAtMs = isNews || before === undefined ? nowMs : before.newsAtMs;
    this.#followers.delete(key);
    this.#followers.set(key, { askedAtMs: nowMs, newsAtMs });
    const [oldest] = this.#followers.keys();
    if (this.#followers.size > MOST_CALLERS && oldest !== undefined) this.#followers.delete(oldest);
  }

  /** Since when the caller's delta told nothing new, monotonic ms; null for one who follows none. */
  sinceMs(caller: Caller): number | null {
    const found = this.#followers.get(keyOf(caller));
    if (found === undefined) return null;
    const isOver = this.#clock.monotonicMs() - found.askedAtMs >= FOLLOWS_MS;
    return isOver ? null : found.newsAtMs;
  }
}

/** By program, not by device: who browses on the same desktop follows nothing. */
function keyOf({ user, agent, device }: Caller): string {
  return `${user.id} ${agent ?? device ?? ''}`;
}
