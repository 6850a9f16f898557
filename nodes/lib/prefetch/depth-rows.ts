import type { StatementSync } from 'node:sqlite';
import { type Depth, type Occasion, STARTING_DEPTH } from '../cache/cache.ts';
import type { Store } from '../store/store.ts';

/** A listed folder is a weaker sign than a read file. */
const STARTING_AFTER_LISTED: Depth = { ...STARTING_DEPTH, files: 4 };

type Key = Pick<Occasion, 'userId' | 'after'>;

/** The table `prefetch_depths`: how far ahead is fetched for each user. */
export class DepthRows {
  readonly #find: StatementSync;
  readonly #put: StatementSync;

  constructor(store: Store) {
    this.#find = store.prepare('SELECT * FROM prefetch_depths WHERE user_id = ? AND occasion = ?');
    this.#put = store.prepare(
      `INSERT OR REPLACE INTO prefetch_depths
         (user_id, occasion, files, round, now_fetched, now_used, before_fetched, before_used)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  of({ userId, after }: Key): Depth {
    const row = this.#find.get(userId, after);
    if (row === undefined) return after === 'read' ? STARTING_DEPTH : STARTING_AFTER_LISTED;
    return {
      files: Number(row['files']),
      round: Number(row['round']),
      now: { fetched: Number(row['now_fetched']), used: Number(row['now_used']) },
      before: { fetched: Number(row['before_fetched']), used: Number(row['before_used']) },
    };
  }

  put({ userId, after }: Key, { files, round, now, before }: Depth): void {
    const { fetched, used } = now;
    this.#put.run(userId, after, files, round, fetched, used, before.fetched, before.used);
  }
}
