import type { Policy, Use } from './policy.ts';

/** Evicts the least recently used object. */
export class Lru implements Policy {
  readonly #capacityBytes: number;
  readonly #held = new Map<number, number>();
  heldBytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  use({ key, sizeBytes }: Use): boolean {
    if (this.#held.delete(key)) {
      this.#held.set(key, sizeBytes);
      return true;
    }
    if (sizeBytes > this.#capacityBytes) return false;
    while (this.heldBytes + sizeBytes > this.#capacityBytes) this.#evict();
    this.#held.set(key, sizeBytes);
    this.heldBytes += sizeBytes;
    return false;
  }

  #evict(): void {
    for (const [key, sizeBytes] of this.#held) {
      this.#held.delete(key);
      this.heldBytes -= sizeBytes;
      return;
    }
  }
}
