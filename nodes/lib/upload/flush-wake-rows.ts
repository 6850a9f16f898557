import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { CLAIMABLE } from './upload-states.ts';

/** `flush_wake`: one row. Also tells of the queue what may make waking worth while. */
export class FlushWakeRows {
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  readonly #oldest: StatementSync;

  constructor(store: Store) {
    this.#read = store.prepare('SELECT met_ms FROM flush_wake WHERE id = 1');
    this.#write = store.prepare(
      'INSERT INTO flush_wake (id, met_ms) VALUES (1, ?) ON CONFLICT DO UPDATE SET met_ms = excluded.met_ms',
    );
    this.#oldest = store.prepare(`
      SELECT min(created_at_ms) AS oldest FROM (
        SELECT created_at_ms FROM upload_queue WHERE state IN ${CLAIMABLE}
        UNION ALL SELECT created_at_ms FROM queued_changes WHERE state IN ${CLAIMABLE})`);
  }

  /** Epoch ms; 0 when it never was. */
  metMs(): number {
    return Number(this.#read.get()?.['met_ms'] ?? 0);
  }

  setMet(atMs: number): void {
    this.#write.run(atMs);
  }

  /** When the oldest upload or change that an awake NAS would be given was accepted, epoch ms. */
  oldestMs(): number | null {
    const oldest = this.#oldest.get()?.['oldest'];
    return oldest === null || oldest === undefined ? null : Number(oldest);
  }
}
