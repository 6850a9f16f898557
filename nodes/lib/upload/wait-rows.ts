import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { CLAIMABLE, IN_LINE } from './upload-states.ts';

/** `upload_queue` as far as rows wait for a user, for the NAS or for their time. */
export class WaitRows {
  readonly #waitForCredential: StatementSync;
  readonly #releaseUser: StatementSync;
  readonly #usersWaiting: StatementSync;
  readonly #releaseWaiting: StatementSync;
  readonly #nextDue: StatementSync;
  readonly #releaseStrays: StatementSync;

  constructor(store: Store) {
    this.#waitForCredential = store.prepare(`
      UPDATE upload_queue SET state = 'waiting_for_credential', detail = ?, next_attempt_ms = NULL,
        lease_owner = NULL, lease_until_tick_ms = NULL
      WHERE user_id = ? AND state IN ${CLAIMABLE}`);
    this.#releaseUser = store.prepare(`
      UPDATE upload_queue SET state = ${IN_LINE}, detail = NULL, due_tick_ms = 0
      WHERE user_id = ? AND state = 'waiting_for_credential'`);
    this.#usersWaiting = store.prepare(
      `SELECT DISTINCT user_id FROM upload_queue WHERE state = 'waiting_for_credential'`,
    );
    this.#releaseWaiting = store.prepare(
      `UPDATE upload_queue SET due_tick_ms = 0, next_attempt_ms = NULL
       WHERE state = 'waiting' AND due_tick_ms > 0`,
    );
    this.#nextDue = store.prepare(
      `SELECT min(due_tick_ms) AS due FROM upload_queue WHERE state IN ${CLAIMABLE}`,
    );
    this.#releaseStrays = store.prepare(`
      UPDATE upload_queue SET state = ${IN_LINE}, lease_owner = NULL, lease_until_tick_ms = NULL
      WHERE state = 'sending'`);
  }

  waitForCredential(userId: number, detail: string): void {
    this.#waitForCredential.run(detail, userId);
  }

  /** @returns whether any row was waiting for that user's credential */
  releaseUser(userId: number): boolean {
    return Number(this.#releaseUser.run(userId).changes) > 0;
  }

  usersWaitingForCredential(): readonly number[] {
    return this.#usersWaiting.all().map((raw) => Number(raw['user_id']));
  }

  /** The NAS is back: no row need wait any longer. */
  releaseWaiting(): void {
    this.#releaseWaiting.run();
  }

  /**
   * Between two runs nothing is being sent: what still says so was left by a run that broke off, and
   * the NAS is asked what it has before anything of it is sent again.
   */
  releaseStrays(): void {
    this.#releaseStrays.run();
  }

  /** Monotonic ms at which the next row falls due; null when none is on its way. */
  nextDueTickMs(): number | null {
    const due = this.#nextDue.get()?.['due'];
    return due === null || due === undefined ? null : Number(due);
  }
}
