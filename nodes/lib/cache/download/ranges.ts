import type { ReadAt } from '../entries/open-blobs.ts';
import type { Origin } from './origin.ts';

/** A stretch of bytes, `end` not included. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Which bytes of a file are there: disjoint stretches in order, joined where they touch. */
export class Spans {
  #spans: Span[] = [];

  /** Bytes in all stretches. */
  get totalBytes(): number {
    let sum = 0;
    for (const { start, end } of this.#spans) sum += end - start;
    return sum;
  }

  add(start: number, end: number): void {
    if (end <= start) return;
    const before = this.#spans.filter((span) => span.end < start);
    const after = this.#spans.filter((span) => span.start > end);
    const touched = this.#spans.slice(before.length, this.#spans.length - after.length);
    const joined = {
      start: Math.min(start, touched[0]?.start ?? start),
      end: Math.max(end, touched.at(-1)?.end ?? end),
    };
    this.#spans = [...before, joined, ...after];
  }

  remove(start: number, end: number): void {
    if (end <= start) return;
    this.#spans = this.#spans.flatMap((span) =>
      [
        { start: span.start, end: Math.min(span.end, start) },
        { start: Math.max(span.start, end), end: span.end },
      ].filter((left) => left.end > left.start),
    );
  }

  /** How far the file is present from a position on; the position itself if it is missing. */
  endFrom(position: number): number {
    return this.#at(position)?.end ?? position;
  }

  /** The next position from here on that is there; `limit` where none comes before it. */
  nextFrom(position: number, limit: number): number {
    if (this.#at(position) !== undefined) return position;
    const next = this.#spans.find((span) => span.start > position);
    return Math.min(next?.start ?? limit, limit);
  }

  /** The first stretch missing between two positions; null when nothing is. */
  firstGap(from: number, to: number): Span | null {
    const start = this.endFrom(from);
    return start >= to ? null : { start, end: this.nextFrom(start, to) };
  }

  #at(position: number): Span | undefined {
    return this.#spans.find((span) => span.start <= position && position < span.end);
  }
}

/** What became of a wait for a byte. */
export type Arrival =
  | 'there'
  /** It will not come: the reader must be cut off. */
  | 'cut'
  /** The disk took no more; it has to come from the NAS. */
  | 'unstored';

/** A reader waiting for a byte, and how far it wants to read. */
interface Waiter {
  readonly owner: object;
  readonly position: number;
  readonly last: number;
  readonly resolve: (arrival: Arrival) => void;
}

/** Which bytes of a file are on disk, and who waits for which. */
export class PresentRanges {
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

  /** Another range is on the disk. */
  arrived(start: number, end: number): void {
    this.present.add(start, end);
    this.#settle('there', ({ position }) => this.isThere(position));
  }

  /** Nobody brings the bytes between two positions. */
  giveUp(start: number, end: number, how: Arrival): void {
    this.#settle(how, ({ position }) => position >= start && position < end);
  }

  /** Cancels a wait. */
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

/** A reader of a range: its position and its end. */
export interface Reader {
  readonly origin: Origin;
  position: number;
  last: number;
  /** A range request is probably a player, which wants head and tail before all else. */
  readonly isPartial: boolean;
}

/** A segment, complete or partial, opened for one reader. */
export interface OpenSegment {
  readonly fd: number;
  /** How a segment that is kept is read, which may be from memory on the spot. */
  readonly read?: ReadAt;
  /** Where the segment begins in the file. */
  readonly start: number;
  /** The position after its last byte. */
  readonly end: number;
  /** Its row, once it is kept. */
  readonly id: number | null;
  close(): Promise<void>;
}

export type NotOpened = Exclude<Arrival, 'there'>;

/** Where the bytes of a file are read, fetched first where they are missing. */
export interface SegmentSource {
  /** Opens the segment a byte lies in, once the byte is there. */
  open(reader: { readonly last: number }, position: number): Promise<OpenSegment | NotOpened>;
}
