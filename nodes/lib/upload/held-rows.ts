import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { UNFINISHED } from './upload-states.ts';

/** Every table of this room that says whose a row is. */
const OWNED = ['upload_queue', 'conflicts', 'kept_bytes', 'resumable_uploads'] as const;

/** All that is kept of a person who is gone. */
export class HeldRows {
  readonly #store: Store;
  readonly #holdUploads: StatementSync;
  readonly #holdOthers: StatementSync;
  readonly #handOffOthers: StatementSync;
  readonly #handOff: readonly StatementSync[];
  readonly #forgetRequests: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#holdUploads = store.prepare(`
      UPDATE upload_queue SET state = 'held', detail = 'Its user ' || username || ' is gone.',
        next_attempt_ms = NULL, lease_owner = NULL, lease_until_tick_ms = NULL,
        intent_file = NULL
      WHERE user_id = ? AND state IN ${UNFINISHED}`);
    this.#holdOthers = store.prepare(`
      UPDATE upload_queue SET state = 'held', detail = 'Its user ' || username || ' is gone.',
        next_attempt_ms = NULL, user_id = -user_id, intent_file = NULL
      WHERE user_id = ? AND owner_created_at <> ? AND found = 1 AND state <> 'sending'
        AND state IN ${UNFINISHED}`);
    this.#handOffOthers = store.prepare(`
      UPDATE resumable_uploads SET user_id = -user_id
      WHERE user_id = ? AND owner_created_at <> ?`);
    this.#handOff = OWNED.map((table) =>
      store.prepare(`UPDATE ${table} SET user_id = -user_id WHERE user_id = ?`),
    );
    this.#forgetRequests = store.prepare('DELETE FROM upload_requests WHERE user_id = ?');
  }

  /**
   * Of what was rebuilt for an id: what belongs to the person who had it before.
   * @returns how many uploads are held
   */
  holdOthers(userId: number, bornAt: string): number {
    this.#handOffOthers.run(userId, bornAt);
    return Number(this.#holdOthers.run(userId, bornAt).changes);
  }

  /**
   * Takes all of a person who is gone out of the way of who has their id now: no id of the NAS is
   * below 0.
   * @returns how many uploads are held
   */
  hold(userId: number): number {
    return this.#store.transaction(() => {
      const held = this.#holdUploads.run(userId).changes;
      for (const handOff of this.#handOff) handOff.run(userId);
      this.#forgetRequests.run(userId);
      return Number(held);
    });
  }
}
