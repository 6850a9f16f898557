import { createHash } from 'node:crypto';
import { type Leave, leaveIn, RateLimiter, SlidingLog } from '../limits/limits.ts';
import type { Clock } from '../time/clock.ts';

/** Contract 2: at most 5 tries a minute per address and user, ... */
const TRIES = 5;
/** ... and 10 per address over all users. */
const TRIES_OF_ADDRESS = 10;

/**
 * The Pi's own limit on password guessing, on the monotonic clock. Tries are counted by their
 * origin alone, so that nobody's guesses lock out the user they target.
 */
export class LoginLimits {
  readonly #tries: RateLimiter;
  readonly #ofAddress: RateLimiter;

  constructor(clock: Clock) {
    this.#tries = new RateLimiter(clock, { most: TRIES });
    this.#ofAddress = new RateLimiter(clock, { most: TRIES_OF_ADDRESS });
  }

  /** Counts one try of `address` at `name`; a refused one does not count. */
  tryAt(address: string, name: string): Leave {
    const key = keyOf(address, name);
    const waitMs = this.#tries.waitMs(key) || this.#ofAddress.waitMs(address);
    if (waitMs === 0) {
      this.#tries.add(key);
      this.#ofAddress.add(address);
    }
    return leaveIn(waitMs);
  }

  /** The password was right: that address starts afresh with that name, and this try was no guess. */
  succeeded(address: string, name: string): void {
    this.#tries.forget(keyOf(address, name));
    this.#ofAddress.withdraw(address);
  }
}

/** Hashed, so that a key stays small whatever a guesser sends. */
function keyOf(address: string, name: string): string {
  const hash = createHash('sha256').update(address).update('\0').update(name.toLowerCase());
  return hash.digest('base64');
}

/** The NAS's minute, plus a second because calls arrive sooner or later than they were sent. */
const SHARE_WINDOW_MS = 61_000;

/**
 * Who wants a call made. `known`: served by the reserved share. `proven`: they gave the kept
 * password, so they can be answered without the NAS and leave the last call of each share to
 * others.
 */
export type Claimant = 'stranger' | 'proven' | 'known';

interface ShareSize {
  /** What the NAS takes a minute from one address, which is the Pi's for all who come through it. */
  readonly perMinute: number;
  /** The part of it open to anybody. */
  readonly open: number;
  /** The part of the reserve that one address may use. */
  readonly keptPerAddress: number;
}

/**
 * One rate limit of the NAS, divided so that strangers with made-up names or tokens use up nothing
 * but the open share.
 */
export class NasShare {
  readonly #size: ShareSize;
  /** By address, as what follows. */
  readonly #open: SlidingLog<string>;
  readonly #kept: SlidingLog<string>;

  constructor(clock: Clock, size: ShareSize) {
    this.#size = size;
    this.#open = new SlidingLog(clock, SHARE_WINDOW_MS);
    this.#kept = new SlidingLog(clock, SHARE_WINDOW_MS);
  }

  /** @returns whether one more call may be made now; it then counts as made */
  take(address: string, claimant: Claimant): Leave {
    if (this.#mayHaveKept(address, claimant)) this.#kept.add(address);
    else if (this.#mayHaveOpen(claimant)) this.#open.add(address);
    else return leaveIn(this.#freeInMs(claimant));
    return leaveIn(0);
  }

  /**
   * That stranger's password or token was right, so the call moves to the reserved share if it has
   * capacity. A household signing in for the first time is not held up.
   */
  wasRight(address: string): void {
    if (!this.#mayHaveKept(address, 'proven')) return;
    this.#open.withdraw(address, this.#kept);
  }

  #mayHaveOpen(claimant: Claimant): boolean {
    const left = this.#size.open - this.#open.recent.length;
    return left >= (claimant === 'proven' ? 2 : 1);
  }

  #mayHaveKept(address: string, claimant: Claimant): boolean {
    const { perMinute, open, keptPerAddress } = this.#size;
    const kept = this.#kept.recent;
    const left = perMinute - open - kept.length;
    if (claimant === 'stranger' || left < (claimant === 'known' ? 1 : 2)) return false;
    return kept.filter((of) => of === address).length < keptPerAddress;
  }

  #freeInMs(claimant: Claimant): number {
    const openMs = this.#open.oldestLeavesInMs;
    return claimant === 'stranger' ? openMs : Math.min(openMs, this.#kept.oldestLeavesInMs);
  }
}

/** The NAS's limits on signing in (docs/NAS.md) as contract 2 shares them out. */
export class NasShares {
  readonly logins: NasShare;
  readonly secondFactors: NasShare;
  /** The Pi's own, for its deliveries, are among the known ones. */
  readonly refreshes: NasShare;

  constructor(clock: Clock) {
    this.logins = new NasShare(clock, { perMinute: 5, open: 2, keptPerAddress: 2 });
    this.secondFactors = new NasShare(clock, { perMinute: 5, open: 2, keptPerAddress: 2 });
    this.refreshes = new NasShare(clock, { perMinute: 10, open: 4, keptPerAddress: 6 });
  }
}

/** The background budget: calls per minute that no caller waits for (contract 6). */
export interface CallBudget {
  /** @returns whether one more such call may be made now; it then counts as made */
  take(kind: 'other'): boolean;
  /** A call was made that a caller waited for; the NAS counts it too. */
  made(): void;
}
