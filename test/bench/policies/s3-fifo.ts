import type { Policy, Use } from './policy.ts';

interface Entry {
  readonly sizeBytes: number;
  uses: number;
}

/** A first-in-first-out queue that tracks its size. */
class Fifo {
  readonly entries = new Map<number, Entry>();
  bytes = 0;

  add(key: number, entry: Entry): void {
    this.entries.set(key, entry);
    this.bytes += entry.sizeBytes;
  }

  delete(key: number): boolean {
    const entry = this.entries.get(key);
    if (entry === undefined) return false;
    this.entries.delete(key);
    this.bytes -= entry.sizeBytes;
    return true;
  }

  shift(): [number, Entry] | null {
    for (const first of this.entries) {
      this.delete(first[0]);
      return first;
    }
    return null;
  }
}

const SMALL_SHARE = 0.1;
const MOST_USES = 3;
/** An object used this often in the small queue moves on to the main one. */
const MOVES_ON_AT = 2;

/**
 * S3-FIFO (Yang and others, SOSP 2023): a small queue that most objects pass through once, a main
 * queue with second chances, and ghost entries of what left the small one, up to the bytes of the
 * main queue.
 */
export class S3Fifo implements Policy {
  readonly #capacityBytes: number;
  readonly #small = new Fifo();
  readonly #main = new Fifo();
  readonly #ghosts = new Fifo();

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  get heldBytes(): number {
    return this.#small.bytes + this.#main.bytes;
  }

  use({ key, sizeBytes }: Use): boolean {
    const held = this.#small.entries.get(key) ?? this.#main.entries.get(key);
    if (held !== undefined) {
      held.uses = Math.min(MOST_USES, held.uses + 1);
      return true;
    }
    if (sizeBytes > this.#capacityBytes) return false;
    const isKnown = this.#ghosts.delete(key);
    while (this.heldBytes + sizeBytes > this.#capacityBytes) this.#evict();
    (isKnown ? this.#main : this.#small).add(key, { sizeBytes, uses: 0 });
    return false;
  }

  #evict(): void {
    const smallIsFull = this.#small.bytes > SMALL_SHARE * this.#capacityBytes;
    if (smallIsFull || this.#main.entries.size === 0) this.#evictSmall();
    else this.#evictMain();
  }

  #evictSmall(): void {
    for (;;) {
      const first = this.#small.shift();
      if (first === null) return;
      const [key, entry] = first;
      if (entry.uses < MOVES_ON_AT) return this.#remember(key, entry);
      this.#main.add(key, { sizeBytes: entry.sizeBytes, uses: 0 });
    }
  }

  #evictMain(): void {
    for (;;) {
      const first = this.#main.shift();
      if (first === null) return;
      const [key, entry] = first;
      if (entry.uses === 0) return;
      entry.uses -= 1;
      this.#main.add(key, entry);
    }
  }

  #remember(key: number, entry: Entry): void {
    this.#ghosts.add(key, entry);
    while (this.#ghosts.bytes > (1 - SMALL_SHARE) * this.#capacityBytes) this.#ghosts.shift();
  }
}
