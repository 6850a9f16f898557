import type { StatementSync } from 'node:sqlite';
import { Remembered } from '../store/remembered.ts';
import type { Store } from '../store/store.ts';
import { UNFINISHED } from './upload-states.ts';

/** What one user has in the queue now. */
export interface Usage {
  readonly bytes: number;
  readonly rows: number;
}

const MOST_REMEMBERED = 200;

/** The tables of this room as far as users share its room. */
export class ShareRows {
  readonly #usage: Remembered<number, Usage>;
  readonly #ofUser: StatementSync;
  readonly #allBytes: StatementSync;
  readonly #queuedSince: StatementSync;

  constructor(store: Store) {
    this.#usage = new Remembered(store, MOST_REMEMBERED);
    this.#ofUser = store.prepare(`
      SELECT
        (SELECT coalesce(sum(size_bytes), 0) FROM upload_queue INDEXED BY upload_queue_bytes_of
          WHERE user_id = :user AND has_bytes = 1)
        + (SELECT coalesce(sum(received_bytes), 0) FROM resumable_uploads WHERE user_id = :user)
          AS bytes,
        (SELECT count(*) FROM upload_queue INDEXED BY upload_queue_by_user
          WHERE user_id = :user AND state IN ${UNFINISHED})
        + (SELECT count(*) FROM queued_changes INDEXED BY queued_changes_by_user
          WHERE user_id = :user AND state IN ${UNFINISHED}) AS waiting`);
    this.#allBytes = store.prepare(`
      SELECT (SELECT coalesce(sum(size_bytes), 0) FROM upload_queue WHERE has_bytes = 1)
        + (SELECT coalesce(sum(received_bytes), 0) FROM resumable_uploads) AS bytes`);
    // The people who are gone have ids below 0.
    this.#queuedSince = store.prepare(`
      SELECT DISTINCT user_id FROM upload_queue INDEXED BY upload_queue_by_age
        WHERE created_at_ms >= :since AND user_id >= 0
      UNION SELECT user_id FROM resumable_uploads WHERE user_id >= 0`);
  }

  usageOf(userId: number): Usage {
    return this.#usage.get(userId, () => {
      const raw = this.#ofUser.get({ user: userId }) ?? {};
      return { bytes: Number(raw['bytes']), rows: Number(raw['waiting']) };
    });
  }

  /** Everybody's, those of people who are gone included. */
  allBytes(): number {
    return Number(this.#allBytes.get()?.['bytes']);
  }

  /** Ids of the users who queued anything since then. */
  queuedSince(sinceMs: number): readonly number[] {
    return this.#queuedSince.all({ since: sinceMs }).map((raw) => Number(raw['user_id']));
  }
}
