import { priorityOf, weightOf } from '../../../nodes/lib/cache/gdsf.ts';
import { LowestFirst } from './lowest-first.ts';
import type { Policy, Use } from './policy.ts';

interface Copy {
  readonly id: number;
  readonly sizeBytes: number;
  uses: number;
}

/**
 * Our own cache's choice, in memory: the same worth from nodes/lib/cache/gdsf.ts, the same order of
 * making room first and keeping then, the same ids between equals. test/bench/balupi-policy.test.ts
 * holds it against the rows and the room themselves.
 */
export class BaluPiPolicy implements Policy {
  readonly #limitBytes: number;
  readonly #held = new Map<number, Copy>();
  readonly #queue = new LowestFirst();
  /** Ids in the order they were given, some of them free again; the table gives newest + 1. */
  readonly #ids: number[] = [];
  readonly #usedIds = new Set<number>();
  #inflation = 0;
  heldBytes = 0;

  /** @param limitBytes what the copies are kept below */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  use({ key, sizeBytes }: Use): boolean {
    const copy = this.#held.get(key);
    if (copy !== undefined) {
      copy.uses += 1;
      this.#rank(key, copy);
      return true;
    }
    if (sizeBytes > this.#limitBytes) return false;
    while (this.heldBytes + sizeBytes > this.#limitBytes) this.#evict();
    const kept = { id: this.#newId(), sizeBytes, uses: 1 };
    this.#held.set(key, kept);
    this.heldBytes += sizeBytes;
    this.#rank(key, kept);
    return false;
  }

  #rank(key: number, copy: Copy): void {
    const priority = priorityOf(this.#inflation, copy.uses, weightOf(copy.sizeBytes));
    this.#queue.set(key, priority, copy.id);
  }

  #evict(): void {
    const victim = this.#queue.lowest();
    if (victim === null) return;
    this.#queue.delete(victim.key);
    const copy = this.#held.get(victim.key);
    if (copy === undefined) return;
    this.#held.delete(victim.key);
    this.#usedIds.delete(copy.id);
    this.heldBytes -= copy.sizeBytes;
    this.#inflation = Math.max(this.#inflation, victim.rank);
  }

  #newId(): number {
    for (;;) {
      const newest = this.#ids.at(-1);
      if (newest === undefined || this.#usedIds.has(newest)) {
        const id = (newest ?? 0) + 1;
        this.#ids.push(id);
        this.#usedIds.add(id);
        return id;
      }
      this.#ids.pop();
    }
  }
}
