import { LowestFirst } from '../../../nodes/lib/cache/policy/simulated-cache.ts';
import type { Policy, Use } from './policy.ts';

/** Knows the future: evicts what is used again last, and never keeps what is not used again. */
export class Belady implements Policy {
  readonly #capacityBytes: number;
  readonly #held = new Map<number, number>();
  readonly #queue = new LowestFirst();
  heldBytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  use({ key, sizeBytes, nextUse }: Use): boolean {
    const isHit = this.#held.has(key);
    if (isHit) this.#drop(key);
    if (nextUse === Infinity || sizeBytes > this.#capacityBytes) return isHit;
    this.#held.set(key, sizeBytes);
    this.heldBytes += sizeBytes;
    this.#queue.set(key, -nextUse, key);
    while (this.heldBytes > this.#capacityBytes) this.#drop(this.#queue.lowest()?.key ?? key);
    return isHit;
  }

  #drop(key: number): void {
    this.heldBytes -= this.#held.get(key) ?? 0;
    this.#held.delete(key);
    this.#queue.delete(key);
  }
}

const SAMPLE = 64;

/**
 * Also knows the future, and weighs size: of a sample it evicts what has the most bytes times the
 * longest wait. The true optimum for different sizes is NP-hard to find; this is the usual
 * approximation.
 */
export class BeladySize implements Policy {
  readonly #capacityBytes: number;
  readonly #held = new Map<number, { sizeBytes: number; nextUse: number; at: number }>();
  readonly #keys: number[] = [];
  #now = 0;
  #seed = 1;
  heldBytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  use({ key, sizeBytes, nextUse }: Use): boolean {
    this.#now += 1;
    const isHit = this.#held.has(key);
    if (isHit) this.#drop(key);
    if (nextUse === Infinity || sizeBytes > this.#capacityBytes) return isHit;
    this.#held.set(key, { sizeBytes, nextUse, at: this.#keys.length });
    this.#keys.push(key);
    this.heldBytes += sizeBytes;
    while (this.heldBytes > this.#capacityBytes) this.#drop(this.#victim());
    return isHit;
  }

  #victim(): number {
    const all = this.#keys.length <= SAMPLE;
    let [victim, worst] = [0, -1];
    for (let index = 0; index < Math.min(SAMPLE, this.#keys.length); index += 1) {
      const key = this.#keys[all ? index : this.#random(this.#keys.length)] ?? 0;
      const held = this.#held.get(key);
      const cost = held === undefined ? -1 : held.sizeBytes * (held.nextUse - this.#now + 1);
      if (cost > worst) [victim, worst] = [key, cost];
    }
    return victim;
  }

  #drop(key: number): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.heldBytes -= held.sizeBytes;
    this.#held.delete(key);
    const last = this.#keys.pop();
    if (last === undefined || last === key) return;
    this.#keys[held.at] = last;
    const moved = this.#held.get(last);
    if (moved !== undefined) moved.at = held.at;
  }

  /** Park and Miller's generator: the same trace gives the same bound. */
  #random(below: number): number {
    this.#seed = (this.#seed * 48_271) % 2_147_483_647;
    return this.#seed % below;
  }
}
