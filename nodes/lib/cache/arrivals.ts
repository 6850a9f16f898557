import { Spans } from './spans.ts';

/** What became of a wait for a byte. */
export type Arrival =
  | 'there'
  /** It does not come: whoever reads must be cut off. */
  | 'cut'
  /** The disk took no more; it has to come from the NAS. */
  | 'unstored';

/** Somebody who waits for a byte, and how far they want to read. */
export interface Waiter {
  readonly owner: object;
  readonly position: number;
  readonly last: number;
  readonly resolve: (arrival: Arrival) => void;
}

/** Which bytes of a file are on the disk, and who waits for which. */
export class Arrivals {
  readonly present = new Spans();
  readonly #waiters = new Set<Waiter>();

  get waiters(): ReadonlySet<Waiter> {
    return this.#waiters;
  }

  isThere(position: number): boolean {
    return this.present.endFrom(position) > position;
  }

  /** Waits until a byte is there. */
  wait(owner: object, position: number, last: number): Promise<Arrival> {
    return new Promise((resolve) => {
      this.#waiters.add({ owner, position, last, resolve });
    });
  }

  /** So many bytes more are on the disk. */
  arrived(start: number, end: number): void {
    this.present.add(start, end);
    this.#settle('there', ({ position }) => this.isThere(position));
  }

  /** Nobody brings the bytes between two positions. */
  giveUp(start: number, end: number, how: Arrival): void {
    this.#settle(how, ({ position }) => position >= start && position < end);
  }

  /** Somebody waits no more. */
  cancel(owner: object): void {
    this.#settle('cut', (waiter) => waiter.owner === owner);
  }

  #settle(how: Arrival, isMeant: (waiter: Waiter) => boolean): void {
    for (const waiter of this.#waiters) {
      if (!isMeant(waiter)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(how);
    }
  }
}
