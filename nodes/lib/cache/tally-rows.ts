import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';

/** Requests and bytes, by who answered them. */
export interface Counts {
  readonly hits: number;
  readonly misses: number;
  readonly hitBytes: number;
  readonly missBytes: number;
  /** Requests answered from a copy while the NAS slept. */
  readonly nasWakesAvoided: number;
}

/** The counters of the table `cache_totals`. */
export class TallyRows {
  readonly #add: StatementSync;
  readonly #read: StatementSync;

  constructor(store: Store) {
    this.#add = store.prepare(
      `UPDATE cache_totals
       SET hits = hits + ?, misses = misses + ?, hit_bytes = hit_bytes + ?,
           miss_bytes = miss_bytes + ?, nas_wakes_avoided = nas_wakes_avoided + ?`,
    );
    this.#read = store.prepare(
      `SELECT hits, misses, hit_bytes, miss_bytes, nas_wakes_avoided, evictions FROM cache_totals`,
    );
  }

  add(counts: Counts): void {
    const { hits, misses, hitBytes, missBytes, nasWakesAvoided } = counts;
    this.#add.run(hits, misses, hitBytes, missBytes, nasWakesAvoided);
  }

  read(): Counts & { readonly evictions: number } {
    const row = this.#read.get();
    return {
      hits: Number(row?.['hits']),
      misses: Number(row?.['misses']),
      hitBytes: Number(row?.['hit_bytes']),
      missBytes: Number(row?.['miss_bytes']),
      nasWakesAvoided: Number(row?.['nas_wakes_avoided']),
      evictions: Number(row?.['evictions']),
    };
  }
}
