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

  /** How far the file is there from a position on; the position itself where it is not there. */
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
