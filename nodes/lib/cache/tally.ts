import type { Cancel, Clock } from '../time/clock.ts';
import type { Store } from '../store/store.ts';
import type { CopyRows } from './copy-rows.ts';
import { TallyRows, type Counts } from './tally-rows.ts';

const FLUSH_AFTER_MS = 1_000;
const FLUSH_AT_TOUCHES = 256;

interface Touch {
  uses: number;
  atMs: number;
  validatedAtMs: number;
}

/**
 * Uses and counts, gathered in memory and written together: a commit per hit would cost more than
 * the hit and wear the card. A crash forgets the last second of them, and no file.
 */
export class Tally {
  readonly #store: Store;
  readonly #copies: CopyRows;
  readonly #rows: TallyRows;
  readonly #clock: Clock;
  readonly #touches = new Map<number, Touch>();
  #pending: Counts = NOTHING;
  #timer: Cancel | null = null;

  constructor(store: Store, copies: CopyRows, clock: Clock) {
    this.#store = store;
    this.#copies = copies;
    this.#rows = new TallyRows(store);
    this.#clock = clock;
  }

  /** A copy was served; `validated` when the NAS confirmed it just now. */
  hit(copyId: number, bytes: number, how: 'validated' | 'stale'): void {
    const touch = this.#touches.get(copyId) ?? { uses: 0, atMs: 0, validatedAtMs: 0 };
    touch.uses += 1;
    touch.atMs = this.#clock.nowMs();
    if (how === 'validated') touch.validatedAtMs = touch.atMs;
    this.#touches.set(copyId, touch);
    const { hits, hitBytes, nasWakesAvoided } = this.#pending;
    this.#add({
      hits: hits + 1,
      hitBytes: hitBytes + bytes,
      nasWakesAvoided: nasWakesAvoided + (how === 'stale' ? 1 : 0),
    });
  }

  /** The NAS had to give the bytes. */
  miss(bytes: number): void {
    const { misses, missBytes } = this.#pending;
    this.#add({ misses: misses + 1, missBytes: missBytes + bytes });
  }

  totals(): Counts & { readonly evictions: number } {
    this.flush();
    return this.#rows.read();
  }

  flush(): void {
    this.#timer?.();
    this.#timer = null;
    if (this.#touches.size === 0 && this.#pending === NOTHING) return;
    this.#store.transaction(() => {
      for (const [id, touch] of this.#touches) {
        this.#copies.touch(id, touch.uses, touch.atMs, touch.validatedAtMs);
      }
      this.#rows.add(this.#pending);
    });
    this.#touches.clear();
    this.#pending = NOTHING;
  }

  #add(change: Partial<Counts>): void {
    this.#pending = { ...this.#pending, ...change };
    if (this.#touches.size >= FLUSH_AT_TOUCHES) this.flush();
    else
      this.#timer ??= this.#clock.after(FLUSH_AFTER_MS, () => {
        this.#timer = null;
        this.flush();
      });
  }
}

const NOTHING: Counts = { hits: 0, misses: 0, hitBytes: 0, missBytes: 0, nasWakesAvoided: 0 };
