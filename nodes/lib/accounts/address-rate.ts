import type { Clock } from '../time/clock.ts';
import { type Leave, leaveAfter } from './login-limits.ts';
import { LruMap } from './lru-map.ts';

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
