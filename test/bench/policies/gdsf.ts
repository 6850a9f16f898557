import { LowestFirst } from '../../../nodes/lib/cache/policy/simulated-cache.ts';
import type { Policy, Use } from './policy.ts';

/**
 * Textbook Greedy-Dual-Size with frequency (Cherkasova, 1998): worth L + uses / size, where L is
 * the worth of the last victim; among equals the least recently used goes.
 */
export class Gdsf implements Policy {
  readonly #capacityBytes: number;
  readonly #held = new Map<number, { readonly sizeBytes: number; uses: number }>();
  readonly #queue = new LowestFirst();
  #inflation = 0;
  #turn = 0;
  heldBytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  use({ key, sizeBytes }: Use): boolean {
    this.#turn += 1;
    const held = this.#held.get(key);
    if (held !== undefined) {
      held.uses += 1;
      this.#rank(key, held.uses, sizeBytes);
      return true;
    }
    if (sizeBytes > this.#capacityBytes) return false;
    while (this.heldBytes + sizeBytes > this.#capacityBytes) this.#evict();
    this.#held.set(key, { sizeBytes, uses: 1 });
    this.heldBytes += sizeBytes;
    this.#rank(key, 1, sizeBytes);
    return false;
  }

  #rank(key: number, uses: number, sizeBytes: number): void {
    this.#queue.set(key, this.#inflation + uses / Math.max(1, sizeBytes), this.#turn);
  }

  #evict(): void {
    const victim = this.#queue.lowest();
    if (victim === null) return;
    this.#queue.delete(victim.key);
    this.heldBytes -= this.#held.get(victim.key)?.sizeBytes ?? 0;
    this.#held.delete(victim.key);
    this.#inflation = victim.rank;
  }
}
