import type { Availability, Extent } from './extent.ts';

/**
 * `whole`: all is there and judged good. `unstored`: the disk took no more. `failed`: what is there
 * is good for nothing.
 */
export type GrowthState = 'opening' | 'running' | 'whole' | 'unstored' | 'failed';

interface Waiter {
  readonly position: number;
  readonly resolve: (availability: Availability) => void;
}

/** How much of a file is there, and who waits for more. */
export class Growth {
  readonly #sizeBytes: number;
  readonly #waiters = new Set<Waiter>();
  #state: GrowthState = 'opening';
  #writtenBytes = 0;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  get state(): GrowthState {
    return this.#state;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** So many more bytes lie on the disk. */
  add(bytes: number): void {
    this.#writtenBytes += bytes;
    this.#wake();
  }

  /** Nothing comes after `failed`. */
  become(state: GrowthState): void {
    if (this.#state === 'failed') return;
    this.#state = state;
    this.#wake();
  }

  /** The file for one reader, who waits where it has not grown to yet. */
  extent(fd: number): Extent {
    let waiting: Waiter | null = null;
    return {
      fd,
      available: (position) => {
        const now = this.#at(position);
        if (now !== null) return now;
        return new Promise((resolve) => {
          waiting = { position, resolve };
          this.#waiters.add(waiting);
        });
      },
      cancel: () => {
        if (waiting === null || !this.#waiters.delete(waiting)) return;
        waiting.resolve({ kind: 'cut' });
      },
    };
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      const now = this.#at(waiter.position);
      if (now === null) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(now);
    }
  }

  #at(position: number): Availability | null {
    if (this.#state === 'failed') return { kind: 'cut' };
    // The last byte waits for the judgement, so that a torn file never ends cleanly.
    const heldBack = this.#state === 'whole' ? 0 : 1;
    const bytes = Math.min(this.#writtenBytes, this.#sizeBytes - heldBack);
    if (bytes > position) return { kind: 'upto', bytes };
    return this.#state === 'unstored' ? { kind: 'unstored' } : null;
  }
}
