import type { Log } from '../log/log.ts';
import { quoted } from '../log/quoted.ts';
import type { Clock } from '../time/clock.ts';
import type { User } from './caller.ts';
import { refused, type PersonOutcome } from './outcomes.ts';
import type { PersonSignIn, PersonTry } from './person-sign-in.ts';
import type { RoleRecheck } from './role-recheck.ts';
import type { UserBook } from './user-book.ts';

/** Contract 7: sign-ins of the editor end after 12 hours. */
const SESSION_MS = 12 * 3_600_000;

/** Admins are few; a household with more sessions than this has another problem. */
const MAX_SESSIONS = 100;

interface Session {
  readonly userId: number;
  readonly signedInAtMs: number;
  /** The user's last end at the sign-in; another one since means that this session is over. */
  readonly endedAtMs: number | null;
}

/** A sign-in that stands, in epoch ms. */
export interface EditorSignIn {
  readonly username: string;
  readonly userId: number;
  readonly sinceMs: number;
  readonly endsAtMs: number;
}

export interface EditorSessionsParts {
  readonly book: UserBook;
  readonly clock: Clock;
  readonly log: Log;
  readonly personSignIn: PersonSignIn;
  readonly recheck: RoleRecheck;
}

/**
 * Who may use Node-RED's editor: NAS admins who signed in there. In memory only, as a restart of
 * the Pi is a good moment to ask for the password again.
 */
export class EditorSessions {
  readonly #parts: EditorSessionsParts;
  readonly #sessions = new Map<string, Session>();

  constructor(parts: EditorSessionsParts) {
    this.#parts = parts;
  }

  async signIn(given: PersonTry): Promise<PersonOutcome> {
    const outcome = await this.#parts.personSignIn.signIn(given);
    if (outcome.kind !== 'person') return outcome;
    const { user } = outcome;
    const { clock, log } = this.#parts;
    if (user.role !== 'admin') {
      const who = `${quoted(user.username)} from ${given.address}`;
      log.warn(`sign-in: refused for ${who} at the editor: admin_only.`);
      return refused('admin_only');
    }
    const nowMs = clock.monotonicMs();
    this.#sessions.delete(user.username);
    this.#sessions.set(user.username, {
      userId: user.id,
      signedInAtMs: nowMs,
      endedAtMs: this.#parts.book.users.find(user.id)?.endedAtMs ?? null,
    });
    this.#parts.recheck.note(user.id);
    this.#forgetSurplus();
    return outcome;
  }

  /** @returns null when there is no session, or what it stood on is gone */
  async user(username: string): Promise<User | null> {
    const session = this.#sessions.get(username);
    if (session === undefined) return null;
    if (this.#standing(session) !== null) await this.#parts.recheck.run(session.userId);
    const user = this.#standing(session);
    if (user === null) this.#sessions.delete(username);
    return user;
  }

  /** @param userId null for everybody's */
  standing(userId: number | null): readonly EditorSignIn[] {
    const { clock } = this.#parts;
    const [nowMs, nowTickMs] = [clock.nowMs(), clock.monotonicMs()];
    return [...this.#sessions].flatMap(([username, session]) => {
      const isWanted = userId === null || session.userId === userId;
      if (!isWanted || this.#standing(session) === null) return [];
      const sinceMs = nowMs - (nowTickMs - session.signedInAtMs);
      return [{ username, userId: session.userId, sinceMs, endsAtMs: sinceMs + SESSION_MS }];
    });
  }

  end(username: string): void {
    this.#sessions.delete(username);
  }

  #standing(session: Session): User | null {
    const { clock, book } = this.#parts;
    if (clock.monotonicMs() - session.signedInAtMs >= SESSION_MS) return null;
    const row = book.users.find(session.userId);
    if (row === null || !row.isActive || row.role !== 'admin') return null;
    if (row.endedAtMs !== session.endedAtMs) return null;
    return { id: row.id, username: row.username, role: row.role };
  }

  #forgetSurplus(): void {
    if (this.#sessions.size <= MAX_SESSIONS) return;
    const oldest = this.#sessions.keys().next();
    if (oldest.done !== true) this.#sessions.delete(oldest.value);
  }
}
