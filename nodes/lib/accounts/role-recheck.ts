import type { NasClient } from '../nas/nas.ts';
import type { NasPresence } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import { mayAsk } from './asking.ts';
import { LruMap } from './lru-map.ts';
import { readNasUser, saysInactive } from './nas-answers.ts';
import { SingleFlight } from './single-flight.ts';
import type { UserBook } from './user-book.ts';

/** Contract 7: checked against the role every 5 minutes while the NAS answers. */
const RECHECK_MS = 300_000;
const REMEMBERED_USERS = 1_000;

export interface RoleRecheckParts {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly book: UserBook;
  readonly clock: Clock;
}

/**
 * Asks the NAS now and then whether somebody whose page is open is still who they were: by `me`,
 * which wakes nothing, over a token of theirs that still lives. Without such a token nothing can be
 * asked about them, and what was last known stands until the grace ends it.
 */
export class RoleRecheck {
  readonly #parts: RoleRecheckParts;
  readonly #checkedAtMs = new LruMap<number, number>(REMEMBERED_USERS);
  readonly #flight = new SingleFlight<undefined>();

  constructor(parts: RoleRecheckParts) {
    this.#parts = parts;
  }

  /** They just signed in, so the NAS or their password said who they are. */
  note(userId: number): void {
    this.#checkedAtMs.set(userId, this.#parts.clock.monotonicMs());
  }

  /** Asks where five minutes have passed since it was last known. The book learns the answer. */
  async run(userId: number): Promise<void> {
    const { clock, presence, book } = this.#parts;
    const checkedAtMs = this.#checkedAtMs.get(userId) ?? -Infinity;
    if (clock.monotonicMs() - checkedAtMs < RECHECK_MS || !mayAsk(presence.state)) return;
    const live = book.live.ofUser(userId);
    if (live === null) return;
    await this.#flight.run(String(userId), async () => {
      await this.#ask(userId, live.token);
      return undefined;
    });
  }

  async #ask(userId: number, token: string): Promise<void> {
    const { nas, book } = this.#parts;
    const answer = await nas.me(token, { auto: true });
    if (answer.kind !== 'answer' || answer.status >= 500 || answer.status === 429) return;
    if (answer.status === 401) {
      book.refuse(token);
      if (saysInactive(answer.body)) book.deactivate(userId);
    }
    const told = answer.status === 200 ? readNasUser(answer.body) : null;
    if (told?.id !== userId) return;
    book.learnMe(told, token);
    this.note(userId);
  }
}
