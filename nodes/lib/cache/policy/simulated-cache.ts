import {
  type Displaced,
  mayEnter,
  type Memory,
  mostRemembered,
  type PolicyVariant,
  unreadWorthOf,
  usesOnReturn,
  weightOf,
  worthOf,
} from './worth.ts';

interface Held {
  readonly sizeBytes: number;
  readonly weight: number;
  /** When it came in; breaks ties. */
  readonly turn: number;
  uses: number;
  floor: number;
}

interface Ghost extends Memory {
  readonly number: number;
}

/**
 * A cache of keys and sizes without bytes: what the real one would do under a variant. The
 * tournament runs a few on a sample of the keys, the bench one on all.
 */
export class SimulatedCache {
  variant: PolicyVariant;
  readonly #held = new Map<number, Held>();
  readonly #ghosts = new Map<number, Ghost>();
  readonly #queue = new LowestFirst();
  #limitBytes: number;
  #floor = 0;
  #turn = 0;
  #ghostNumber = 0;
  #heldBytes = 0;

  /** @param limitBytes what it is kept below */
  constructor(variant: PolicyVariant, limitBytes: number) {
    this.variant = variant;
    this.#limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get heldCount(): number {
    return this.#held.size;
  }

  /** Takes one use of a file. @returns whether it was there */
  use(key: number, sizeBytes: number): boolean {
    const held = this.#held.get(key);
    if (held !== undefined) {
      held.uses += 1;
      this.#rank(key, held);
      return true;
    }
    if (sizeBytes <= this.#limitBytes) this.#offer(key, sizeBytes);
    return false;
  }

  has(key: number): boolean {
    return this.#held.has(key);
  }

  /**
   * Admits a file nobody has read yet, a little below a first use above the floor, or above the
   * next victim where the floor lags; the prefetcher judged its worth. @returns whether it fit
   */
  keepAhead(key: number, sizeBytes: number): boolean {
    if (sizeBytes > this.#limitBytes) return false;
    this.#evictDownTo(this.#limitBytes - sizeBytes);
    const held = this.#keep(key, sizeBytes);
    this.#queue.delete(key);
    const lowest = this.variant.ages < 1 ? (this.#queue.lowest()?.rank ?? 0) : 0;
    const base = Math.max(held.floor, lowest);
    const worth = unreadWorthOf(this.variant, base, held.uses, held.weight);
    held.uses = Math.max(0, held.uses - 1);
    this.#queue.set(key, worth, held.turn);
    return true;
  }

  /** Goes on with fewer keys, or with another limit. */
  resize(limitBytes: number, stays: (key: number) => boolean): void {
    this.#limitBytes = limitBytes;
    for (const key of this.#held.keys()) if (!stays(key)) this.#drop(key);
    for (const key of this.#ghosts.keys()) if (!stays(key)) this.#ghosts.delete(key);
    this.#evictDownTo(limitBytes);
  }

  #offer(key: number, sizeBytes: number): void {
    const weight = weightOf(sizeBytes);
    const neededBytes = this.#heldBytes + sizeBytes - this.#limitBytes;
    if (neededBytes > 0) {
      const uses = this.#usesOf(key);
      const worth = worthOf(this.variant, this.#floor, uses, weight);
      if (!this.#mayEnter({ sizeBytes, worth, neededBytes, limitBytes: this.#limitBytes })) {
        this.#raiseFloor(worth);
        this.#remember(key, { uses, floor: this.#floor, weight });
        return;
      }
      this.#evictDownTo(this.#limitBytes - sizeBytes);
    }
    this.#keep(key, sizeBytes);
  }

  #keep(key: number, sizeBytes: number): Held {
    const [uses, weight] = [this.#usesOf(key), weightOf(sizeBytes)];
    this.#ghosts.delete(key);
    this.#turn += 1;
    const held = { sizeBytes, weight, uses, turn: this.#turn, floor: this.#floor };
    this.#held.set(key, held);
    this.#heldBytes += sizeBytes;
    this.#rank(key, held);
    return held;
  }

  #usesOf(key: number): number {
    return usesOnReturn(this.variant, this.#floor, this.#ghosts.get(key) ?? null);
  }

  /** Pops the would-be victims one by one, then puts them back. */
  #mayEnter(newcomer: Parameters<typeof mayEnter>[1]): boolean {
    const seen: { readonly key: number; readonly rank: number }[] = [];
    const next = (): Displaced | null => {
      const lowest = this.#queue.lowest();
      if (lowest === null) return null;
      this.#queue.delete(lowest.key);
      seen.push(lowest);
      return { worth: lowest.rank, sizeBytes: this.#held.get(lowest.key)?.sizeBytes ?? 0 };
    };
    const may = mayEnter(this.variant, newcomer, next);
    for (const { key, rank } of seen) this.#queue.set(key, rank, this.#held.get(key)?.turn ?? 0);
    return may;
  }

  #evictDownTo(bytes: number): void {
    while (this.#heldBytes > bytes) {
      const victim = this.#queue.lowest();
      const held = victim === null ? undefined : this.#held.get(victim.key);
      if (victim === null || held === undefined) return;
      this.#drop(victim.key);
      this.#remember(victim.key, held);
      this.#raiseFloor(victim.rank);
    }
  }

  #raiseFloor(worth: number): void {
    this.#floor += this.variant.ages * Math.max(0, worth - this.#floor);
  }

  #remember(key: number, { uses, floor, weight }: Memory): void {
    this.#ghosts.delete(key);
    this.#ghostNumber += 1;
    this.#ghosts.set(key, { uses, floor, weight, number: this.#ghostNumber });
    const oldest = this.#ghostNumber - mostRemembered(this.#held.size);
    for (const [old, { number }] of this.#ghosts) {
      if (number > oldest) return;
      this.#ghosts.delete(old);
    }
  }

  #drop(key: number): void {
    this.#heldBytes -= this.#held.get(key)?.sizeBytes ?? 0;
    this.#held.delete(key);
    this.#queue.delete(key);
  }

  #rank(key: number, held: Held): void {
    held.floor = this.#floor;
    this.#queue.set(key, worthOf(this.variant, held.floor, held.uses, held.weight), held.turn);
  }
}

interface Entry {
  readonly rank: number;
  readonly order: number;
  readonly key: number;
}

const COMPACT_ABOVE = 64;

/**
 * Keys by rank, lowest first; of equal ranks the lowest order. A binary heap that leaves outdated
 * entries in until they come up or are most of it.
 */
export class LowestFirst {
  #heap: Entry[] = [];
  readonly #current = new Map<number, Entry>();

  /** How many entries stand in the heap, with the outdated ones. */
  get entries(): number {
    return this.#heap.length;
  }

  set(key: number, rank: number, order: number): void {
    const entry = { rank, order, key };
    this.#current.set(key, entry);
    if (this.entries > COMPACT_ABOVE + 2 * this.#current.size) this.#compact();
    else this.#push(entry);
  }

  delete(key: number): void {
    this.#current.delete(key);
  }

  /** @returns null when nothing is held */
  lowest(): { readonly key: number; readonly rank: number } | null {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return null;
      if (this.#current.get(top.key) === top) return top;
      this.#pop();
    }
  }

  /** A sorted array is a heap. */
  #compact(): void {
    this.#heap = [...this.#current.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(entry, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [one, two] = [heap[left], heap[left + 1]];
      if (one === undefined) break;
      const isRight = two !== undefined && isBefore(two, one);
      const child = isRight ? two : one;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = isRight ? left + 1 : left;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.order < b.order);
}
