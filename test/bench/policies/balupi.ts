import { Tournament } from '../../../nodes/lib/cache/policy/policy.ts';
import { SimulatedCache } from '../../../nodes/lib/cache/policy/simulated-cache.ts';
import { keyOf, VARIANTS } from '../../../nodes/lib/cache/policy/worth.ts';
import type { Policy, Use } from './policy.ts';

/**
 * Our own cache's decisions, in memory: the cache's own tournament, and a simulated cache of all
 * keys in place of the rows. test/bench/balupi-policy.test.ts compares it with the rows and the
 * space themselves.
 */
export class BaluPiPolicy implements Policy {
  readonly #cache: SimulatedCache;
  readonly #tournament: Tournament;

  /** @param limitBytes the cache's limit */
  constructor(limitBytes: number) {
    this.#cache = new SimulatedCache(VARIANTS.even, limitBytes);
    this.#tournament = new Tournament('even', limitBytes);
  }

  get heldBytes(): number {
    return this.#cache.heldBytes;
  }

  has(key: number): boolean {
    return this.#cache.has(keyOf(String(key)));
  }

  /** Prefetched. @returns whether there was space */
  keepAhead({ key, sizeBytes }: Omit<Use, 'nextUse'>): boolean {
    return this.#cache.keepAhead(keyOf(String(key)), sizeBytes);
  }

  use({ key, sizeBytes }: Pick<Use, 'key' | 'sizeBytes'>): boolean {
    const number = keyOf(String(key));
    if (this.#tournament.see(number, sizeBytes)) this.#cache.variant = this.#tournament.variant;
    return this.#cache.use(number, sizeBytes);
  }
}
