import { createHash } from 'node:crypto';
import type { Clock } from '../time/clock.ts';

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
function leaveAfter(
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

const MAX_ADDRESSES = 10_000;

/** So many calls a minute from one address, on the monotonic clock. */
export class AddressRate {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #taken = new LruMap<string, readonly number[]>(MAX_ADDRESSES);

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** @returns whether one more call may be made now; it then counts as made */
  take(address: string): Leave {
    const nowMs = this.#clock.monotonicMs();
    const { leave, recentMs } = leaveAfter(this.#taken.get(address) ?? [], this.#perMinute, nowMs);
    if (leave.kind === 'go') this.#taken.set(address, [...recentMs, nowMs]);
    return leave;
  }
}

/** A map that forgets what was longest not touched, so that no caller can make it grow for ever. */
export class LruMap<K, V> {
  readonly #capacity: number;
  readonly #entries = new Map<K, V>();

  /** @param capacity entries, at least 1 */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#capacity) return;
    // A Map walks in the order of insertion, so its first key is the one longest not touched.
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** The NAS's minute, and a second for what arrives there sooner or later than it was sent. */
const SHARE_WINDOW_MS = 61_000;

/**
 * Who wants a call made. `known`: what the kept part is for. `proven`: they showed the password that
 * is kept, so they are answered without the NAS too and leave the last call of each part to others.
 */
export type Claimant = 'stranger' | 'proven' | 'known';

interface ShareSize {
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
    const recent = ({ atMs }: Taken): boolean => nowMs - atMs < SHARE_WINDOW_MS;
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
    return Math.max(1, Math.ceil((oldestMs + SHARE_WINDOW_MS - nowMs) / 1_000));
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

const MINUTE_MS = 60_000;

/** Keeps one kind of call below a limit the NAS has per minute, without anybody waiting. */
export class CallPace {
  readonly #clock: Clock;
  readonly #perMinute: number;
  #taken: readonly number[] = [];

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** @returns whether one more call may go now; it then counts as made */
  take(): boolean {
    if (this.freeInMs() > 0) return false;
    this.#taken = [...this.#taken, this.#clock.monotonicMs()];
    return true;
  }

  /** @returns after how many ms {@link take} may succeed; 0 where it does now */
  freeInMs(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#taken = this.#taken.filter((atMs) => nowMs - atMs < MINUTE_MS);
    const [oldest] = this.#taken;
    if (oldest === undefined || this.#taken.length < this.#perMinute) return 0;
    return oldest + MINUTE_MS - nowMs;
  }
}

/** The few calls a minute that may reach the NAS although no caller waits for them (contract 6). */
export interface CallBudget {
  /** @returns whether one more such call may be made now; it then counts as made */
  take(kind: 'other'): boolean;
  /** One was made that a caller waited for; the NAS counts it as well. */
  made(): void;
}
