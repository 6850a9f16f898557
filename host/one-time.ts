import type { Clock } from '../nodes/lib/time/clock.ts';

const NAME_BYTES = 32;

/** Things kept for a few minutes under a name that nobody can guess, in memory and bounded. */
export class OneTime<T> {
  readonly #parts: {
    readonly clock: Clock;
    readonly randomBytes: (count: number) => Buffer;
    readonly lifeMs: number;
    /** The oldest goes when there are more. */
    readonly most: number;
  };
  readonly #kept = new Map<string, { readonly thing: T; readonly endsAtMs: number }>();

  constructor(parts: {
    readonly clock: Clock;
    readonly randomBytes: (count: number) => Buffer;
    readonly lifeMs: number;
    readonly most: number;
  }) {
    this.#parts = parts;
  }

  /** @returns its name */
  keep(thing: T): string {
    const { clock, randomBytes, lifeMs, most } = this.#parts;
    const name = randomBytes(NAME_BYTES).toString('base64url');
    this.#kept.set(name, { thing, endsAtMs: clock.monotonicMs() + lifeMs });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > most && oldest !== undefined) this.#kept.delete(oldest);
    return name;
  }

  /** What is kept under a name; null when nothing is, or not any more. */
  see(name: string): T | null {
    const kept = this.#kept.get(name);
    if (kept === undefined) return null;
    if (this.#parts.clock.monotonicMs() < kept.endsAtMs) return kept.thing;
    this.#kept.delete(name);
    return null;
  }

  /** As {@link see}, and gone afterwards. */
  take(name: string): T | null {
    const thing = this.see(name);
    this.#kept.delete(name);
    return thing;
  }
}
