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
