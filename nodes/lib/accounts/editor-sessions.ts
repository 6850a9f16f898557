import type { NasClient } from '../nas/nas.ts';
import type { NasPresence } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { User } from './caller.ts';
import { mayAsk } from './asking.ts';
import { readNasUser } from './nas-answers.ts';
import { refused, type PersonOutcome } from './outcomes.ts';
import type { PersonSignIn, PersonTry } from './person-sign-in.ts';
import { SingleFlight } from './single-flight.ts';
import type { UserBook } from './user-book.ts';

/** Contract 7: sign-ins of the editor end after 12 hours. */
const SESSION_MS = 12 * 3_600_000;

/** Contract 7: checked against the role every 5 minutes while the NAS answers. */
const RECHECK_MS = 300_000;

/** Admins are few; a household with more sessions than this has another problem. */
const MAX_SESSIONS = 100;

interface Session {
  readonly userId: number;
  readonly signedInAtMs: number;
  readonly checkedAtMs: number;
  /** The user's last end at the sign-in; another one since means that this session is over. */
  readonly endedAtMs: number | null;
}

export interface EditorSessionsParts {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly book: UserBook;
  readonly clock: Clock;
  readonly personSignIn: PersonSignIn;
  readonly refusedByNas: (token: string) => void;
}

/**
 * Who may use Node-RED's editor: NAS admins who signed in there. In memory only, as a restart of
 * the Pi is a good moment to ask for the password again.
 */
export class EditorSessions {
  readonly #parts: EditorSessionsParts;
  readonly #sessions = new Map<string, Session>();
  readonly #flight = new SingleFlight<undefined>();

  constructor(parts: EditorSessionsParts) {
    this.#parts = parts;
  }

  async signIn(given: PersonTry): Promise<PersonOutcome> {
    const outcome = await this.#parts.personSignIn.signIn(given);
    if (outcome.kind !== 'person') return outcome;
    const { user } = outcome;
    if (user.role !== 'admin') return refused('admin_only');
    const nowMs = this.#parts.clock.monotonicMs();
    this.#sessions.delete(user.username);
    this.#sessions.set(user.username, {
      userId: user.id,
      signedInAtMs: nowMs,
      checkedAtMs: nowMs,
      endedAtMs: this.#parts.book.users.find(user.id)?.endedAtMs ?? null,
    });
    this.#forgetSurplus();
    return outcome;
  }

  /** @returns null when there is no session, or what it stood on is gone */
  async user(username: string): Promise<User | null> {
    const session = this.#sessions.get(username);
    if (session === undefined) return null;
    if (this.#standing(session) !== null) await this.#recheck(username, session);
    const user = this.#standing(session);
    if (user === null) this.#sessions.delete(username);
    return user;
  }

  #standing(session: Session): User | null {
    const { clock, book } = this.#parts;
    if (clock.monotonicMs() - session.signedInAtMs >= SESSION_MS) return null;
    const row = book.users.find(session.userId);
    if (row === null || !row.isActive || row.role !== 'admin') return null;
    if (row.endedAtMs !== session.endedAtMs) return null;
    return { id: row.id, username: row.username, role: row.role };
  }

  async #recheck(username: string, session: Session): Promise<void> {
    const { clock, presence, book } = this.#parts;
    if (clock.monotonicMs() - session.checkedAtMs < RECHECK_MS || !mayAsk(presence.state)) return;
    const live = book.live.ofUser(session.userId);
    // Without a living token nothing can be asked about this user; the last known role stands.
    if (live === null) return;
    await this.#flight.run(username, async () => {
      await this.#ask(username, session, live.token);
      return undefined;
    });
  }

  async #ask(username: string, session: Session, token: string): Promise<void> {
    const { nas, book, clock, refusedByNas } = this.#parts;
    const answer = await nas.me(token, { auto: true });
    if (answer.kind !== 'answer' || answer.status >= 500 || answer.status === 429) return;
    if (answer.status === 401) refusedByNas(token);
    const told = answer.status === 200 ? readNasUser(answer.body) : null;
    if (told?.id !== session.userId) return;
    book.learnMe(told, token);
    if (this.#sessions.get(username) === session) {
      this.#sessions.set(username, { ...session, checkedAtMs: clock.monotonicMs() });
    }
  }

  #forgetSurplus(): void {
    if (this.#sessions.size <= MAX_SESSIONS) return;
    const oldest = this.#sessions.keys().next();
    if (oldest.done !== true) this.#sessions.delete(oldest.value);
  }
}
