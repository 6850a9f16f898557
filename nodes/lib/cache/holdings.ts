import type { Clock } from '../time/clock.ts';
import type { Store } from '../store/store.ts';
import { type Held, HeldRows, type UnreadCopy } from './held-rows.ts';

/** Pages that ask one after the other are told the same. */
const HOLDS_MS = 60_000;

interface Deps {
  /** The cache database. */
  readonly store: Store;
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
}

/** Who has how much in the cache, and what lies there that nobody has read yet. */
export class Holdings {
  readonly #clock: Deps['clock'];
  readonly #rows: HeldRows;
  #summed: { readonly atMs: number; readonly byTop: Promise<ReadonlyMap<string, Held>> } | null =
    null;

  constructor({ store, clock }: Deps) {
    this.#clock = clock;
    this.#rows = new HeldRows(store);
  }

  /** By the first folder of the paths, a minute ago at most; callers are served in between. */
  async byTop(): Promise<ReadonlyMap<string, Held>> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#summed === null || nowMs - this.#summed.atMs >= HOLDS_MS) {
      this.#summed = { atMs: nowMs, byTop: this.#sum() };
    }
    return await this.#summed.byTop;
  }

  /** Fetched ahead and not read yet, the newest first. @param userId null for everybody's */
  unread(userId: number | null, limit: number): readonly UnreadCopy[] {
    return this.#rows.unread(userId, limit);
  }

  unreadSum(userId: number | null): Held {
    return this.#rows.unreadSum(userId);
  }

  async #sum(): Promise<ReadonlyMap<string, Held>> {
    const sums = new Map<string, Held>();
    for (const slice of this.#rows.byTop()) {
      for (const [top, { files, bytes }] of slice) {
        const before = sums.get(top) ?? { files: 0, bytes: 0 };
        sums.set(top, { files: before.files + files, bytes: before.bytes + bytes });
      }
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    return sums;
  }
}
