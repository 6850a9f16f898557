import type { Clock } from '../time/clock.ts';
import type { Leave } from './login-limits.ts';

/** The NAS's minute, and a second for what arrives there sooner or later than it was sent. */
const WINDOW_MS = 61_000;

/**
 * Who wants a call made. `known`: what the kept part is for. `proven`: they showed the password that
 * is kept, so they are answered without the NAS too and leave the last call of each part to others.
 */
export type Claimant = 'stranger' | 'proven' | 'known';

export interface ShareSize {
  /** What the NAS takes a minute from one address, which is the Pi's for all who come through it. */
  readonly perMinute: number;
  /** How much of it is anybody's. */
  readonly open: number;
  /** How much of the kept part one address may have. */
  readonly keptPerAddress: number;
}

interface Taken {
  readonly atMs: number;
  readonly address: string;
}

/**
 * One limit of the NAS, shared out: a stranger who makes up names or tokens uses the open part up
 * and nothing else.
 */
export class NasShare {
  readonly #clock: Clock;
  readonly #size: ShareSize;
  #open: readonly Taken[] = [];
  #kept: readonly Taken[] = [];

  constructor(clock: Clock, size: ShareSize) {
    this.#clock = clock;
    this.#size = size;
  }

  /** @returns whether one more call may be made now; it then counts as made */
  take(address: string, claimant: Claimant): Leave {
    const nowMs = this.#clock.monotonicMs();
    const recent = ({ atMs }: Taken): boolean => nowMs - atMs < WINDOW_MS;
    this.#open = this.#open.filter(recent);
    this.#kept = this.#kept.filter(recent);
    const taken = { atMs: nowMs, address };
    if (this.#mayHaveKept(address, claimant)) this.#kept = [...this.#kept, taken];
    else if (this.#mayHaveOpen(claimant)) this.#open = [...this.#open, taken];
    else return { kind: 'wait', retryAfterSeconds: this.#freeInSeconds(claimant, nowMs) };
    return { kind: 'go' };
  }

  /**
   * What that stranger showed was right, so their call was none of a guesser's: it moves to the kept
   * part where that has room, and a house that signs in for the first time is not held up.
   */
  wasRight(address: string): void {
    const at = this.#open.findLastIndex((taken) => taken.address === address);
    const taken = this.#open[at];
    if (taken === undefined || !this.#mayHaveKept(address, 'proven')) return;
    this.#open = this.#open.toSpliced(at, 1);
    this.#kept = [...this.#kept, taken];
  }

  #mayHaveOpen(claimant: Claimant): boolean {
    const left = this.#size.open - this.#open.length;
    return left >= (claimant === 'proven' ? 2 : 1);
  }

  #mayHaveKept(address: string, claimant: Claimant): boolean {
    const { perMinute, open, keptPerAddress } = this.#size;
    const left = perMinute - open - this.#kept.length;
    if (claimant === 'stranger' || left < (claimant === 'known' ? 1 : 2)) return false;
    return this.#kept.filter((taken) => taken.address === address).length < keptPerAddress;
  }

  #freeInSeconds(claimant: Claimant, nowMs: number): number {
    const waitedFor = claimant === 'stranger' ? this.#open : [...this.#open, ...this.#kept];
    const oldestMs = Math.min(...waitedFor.map(({ atMs }) => atMs));
    return Math.max(1, Math.ceil((oldestMs + WINDOW_MS - nowMs) / 1_000));
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
