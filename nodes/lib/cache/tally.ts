import type { Cancel, Clock } from '../time/clock.ts';
import { type DayOf, daysBefore } from '../time/local-day.ts';
import type { Store } from '../store/store.ts';
import { AheadRows, type FirstUse } from './ahead-rows.ts';
import type { CopyRows } from './copy-rows.ts';
import { addCounts, NO_COUNTS, type Counts } from './counts.ts';
import { TallyRows, type CountedDay } from './tally-rows.ts';

const FLUSH_AFTER_MS = 1_000;
const FLUSH_AT_TOUCHES = 256;
/** How long a woken NAS stays up without another request; its own idle time (docs/NAS.md). */
export const AWAKE_LENGTH_MS = 15 * 60_000;
const KEPT_DAYS = 400;

interface Touch {
  uses: number;
  atMs: number;
  validatedAtMs: number;
}

interface Deps {
  readonly store: Store;
  readonly copies: CopyRows;
  readonly clock: Clock;
  readonly dayOf: DayOf;
  /** Both proofs of the time stand, so that old days may be forgotten. */
  readonly isClockProved: () => boolean;
}

/**
 * Uses and counts, gathered in memory and written together: a commit per hit would cost more than
 * the hit and wear the card. A crash forgets the last second of them, and no file.
 */
export class Tally {
  readonly #store: Store;
  readonly #isClockProved: () => boolean;
  readonly #copies: CopyRows;
  readonly #rows: TallyRows;
  readonly #ahead: AheadRows;
  readonly #clock: Clock;
  readonly #dayOf: DayOf;
  readonly #touches = new Map<number, Touch>();
  readonly #listeners = new Set<(use: FirstUse) => void>();
  #pending: Counts = NO_COUNTS;
  #neededAtMs: number | null = null;
  #timer: Cancel | null = null;

  constructor({ store, copies, clock, dayOf, isClockProved }: Deps) {
    this.#store = store;
    this.#isClockProved = isClockProved;
    this.#copies = copies;
    this.#rows = new TallyRows(store);
    this.#ahead = new AheadRows(store);
    this.#clock = clock;
    this.#dayOf = dayOf;
  }

  /**
   * A copy was served.
   * @param heldAtMs when it was last held against what the NAS tells, epoch ms
   */
  hit(copyId: number, bytes: number, heldAtMs: number): void {
    const touch = this.#touches.get(copyId) ?? { uses: 0, atMs: 0, validatedAtMs: 0 };
    touch.uses += 1;
    touch.atMs = this.#clock.nowMs();
    touch.validatedAtMs = Math.max(touch.validatedAtMs, heldAtMs);
    this.#touches.set(copyId, touch);
    this.#add({ hits: 1, hitBytes: bytes });
  }

  /** A file held in pieces was served; its pieces are counted where they are read. */
  answered(bytes: number): void {
    this.#add({ hits: 1, hitBytes: bytes });
  }

  /** The NAS had to give the bytes. */
  miss(bytes: number): void {
    this.#add({ misses: 1, missBytes: bytes });
  }

  /**
   * A request that would have needed the NAS was answered from here while it slept. Requests that
   * one waking would have served are one: a NAS woken for the first stays up for 15 minutes after
   * the last, so only one that comes later than that would have woken it again.
   */
  spared(): void {
    const nowMs = this.#clock.nowMs();
    const beforeMs = this.#neededAtMs ?? this.#rows.neededAtMs();
    const isAnother = Math.abs(nowMs - beforeMs) >= AWAKE_LENGTH_MS;
    this.#neededAtMs = nowMs;
    this.#add({ nasWakesAvoided: isAnother ? 1 : 0 });
  }

  /** A copy was fetched that nobody asked for yet. */
  prefetched(bytes: number): void {
    this.#add({ prefetchedFiles: 1, prefetchedBytes: bytes });
  }

  /** Calls back when a copy fetched ahead is read for the first time. Returns how to stop that. */
  onFirstUse(listener: (use: FirstUse) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  totals(): Counts & { readonly evictions: number } {
    this.flush();
    return this.#rows.read();
  }

  /** The last `count` calendar days up to today, oldest first; days without anything are left out. */
  days(count: number): { readonly today: string; readonly days: readonly CountedDay[] } {
    this.flush();
    const today = this.#dayOf(this.#clock.nowMs());
    return { today, days: this.#rows.days(daysBefore(today, count - 1), today) };
  }

  flush(): void {
    this.#timer?.();
    this.#timer = null;
    if (this.#touches.size === 0 && this.#pending === NO_COUNTS) return;
    const firstUses = this.#store.transaction(() => this.#write());
    this.#touches.clear();
    this.#pending = NO_COUNTS;
    for (const use of firstUses) for (const listener of this.#listeners) listener(use);
  }

  #write(): FirstUse[] {
    const firstUses: FirstUse[] = [];
    for (const [id, touch] of this.#touches) {
      const first = this.#ahead.use(id);
      if (first !== null) firstUses.push(first);
      this.#copies.touch(id, touch.uses, touch.atMs, touch.validatedAtMs);
    }
    const usedBytes = firstUses.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const counts = addCounts(this.#pending, { usedFiles: firstUses.length, usedBytes });
    const today = this.#dayOf(this.#clock.nowMs());
    this.#rows.add(today, counts);
    if (this.#isClockProved()) this.#rows.forgetBefore(daysBefore(today, KEPT_DAYS - 1));
    if (this.#neededAtMs !== null) this.#rows.keepNeededAt(this.#neededAtMs);
    return firstUses;
  }

  #add(change: Partial<Counts>): void {
    this.#pending = addCounts(this.#pending, change);
    if (this.#touches.size >= FLUSH_AT_TOUCHES) this.flush();
    else
      this.#timer ??= this.#clock.after(FLUSH_AFTER_MS, () => {
        this.#timer = null;
        this.flush();
      });
  }
}
