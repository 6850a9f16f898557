import type { Store } from '../store/store.ts';
import type { NewestTimeStore } from '../time/trusted-time.ts';

type Statement = ReturnType<Store['prepare']>;

/** Keeps the newest time in the queue database. */
export class NewestTimeRows implements NewestTimeStore {
  readonly #read: Statement;
  readonly #write: Statement;

  constructor(store: Store) {
    // Every time of these tables was trusted when it was written, so each is a floor as well.
    this.#read = store.prepare(`
      SELECT max(at_ms) AS newest_ms FROM (
        SELECT newest_ms AS at_ms FROM trusted_time
        UNION ALL SELECT max(answered_at_ms) FROM users
        UNION ALL SELECT max(confirmed_at_ms) FROM token_verdicts
        UNION ALL SELECT max(issued_at_ms) FROM pi_sessions
      )`);
    this.#write = store.prepare(`
      INSERT INTO trusted_time (id, newest_ms) VALUES (1, ?)
      ON CONFLICT (id) DO UPDATE SET newest_ms = max(newest_ms, excluded.newest_ms)`);
  }

  read(): number | null {
    const newestMs = this.#read.get()?.['newest_ms'];
    return typeof newestMs === 'number' ? newestMs : null;
  }

  write(newestMs: number): void {
    this.#write.run(newestMs);
  }
}
