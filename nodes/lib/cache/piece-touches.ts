import type { Cancel, Clock } from '../time/clock.ts';
import type { Store } from '../store/store.ts';
import type { PieceRows } from './piece-rows.ts';

const FLUSH_AFTER_MS = 1_000;
const FLUSH_AT = 256;

/** Uses of pieces, gathered and written together, as those of whole copies are. */
export class PieceTouches {
  readonly #store: Store;
  readonly #rows: PieceRows;
  readonly #clock: Pick<Clock, 'nowMs' | 'after'>;
  readonly #uses = new Map<number, number>();
  readonly #confirmed = new Map<number, number>();
  #timer: Cancel | null = null;

  constructor(store: Store, rows: PieceRows, clock: Pick<Clock, 'nowMs' | 'after'>) {
    this.#store = store;
    this.#rows = rows;
    this.#clock = clock;
  }

  /** A piece was read. */
  used(pieceId: number): void {
    this.#uses.set(pieceId, (this.#uses.get(pieceId) ?? 0) + 1);
    this.#soon();
  }

  /** The version of a file was held against what the NAS tells, at that time. */
  confirmed(fileId: number, heldAtMs: number): void {
    this.#confirmed.set(fileId, Math.max(this.#confirmed.get(fileId) ?? 0, heldAtMs));
    this.#soon();
  }

  flush(): void {
    this.#timer?.();
    this.#timer = null;
    if (this.#uses.size === 0 && this.#confirmed.size === 0) return;
    const nowMs = this.#clock.nowMs();
    this.#store.transaction(() => {
      for (const [id, uses] of this.#uses) this.#rows.touch(id, uses, nowMs);
      for (const [id, atMs] of this.#confirmed) this.#rows.files.validated(id, atMs);
    });
    this.#uses.clear();
    this.#confirmed.clear();
  }

  #soon(): void {
    if (this.#uses.size >= FLUSH_AT) this.flush();
    else
      this.#timer ??= this.#clock.after(FLUSH_AFTER_MS, () => {
        this.#timer = null;
        this.flush();
      });
  }
}
