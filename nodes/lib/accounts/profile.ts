import type { NasClient, NasJson } from '../nas/nas.ts';
import type { NasPresence } from '../nas/nas.ts';
import type { AccountEvents } from './account-events.ts';
import { mayAsk, silentCode } from './asking.ts';
import type { Caller } from './caller.ts';
import { readNasUser, retryAfterOf, saysInactive } from './nas-answers.ts';
import { refused, type SignInOutcome } from './outcomes.ts';
import type { PiSignIn } from './pi-sign-in.ts';
import type { UserBook } from './user-book.ts';

export interface ProfileParts {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly book: UserBook;
  readonly piSignIn: PiSignIn;
  /** A NAS token of that user's own that is stored here; null where there is none now. */
  readonly storedTokenOf: (userId: number) => Promise<string | null>;
  readonly events: AccountEvents;
}

/** `GET /api/auth/me` and `POST /api/auth/logout`. */
export class Profile {
  readonly #parts: ProfileParts;

  constructor(parts: ProfileParts) {
    this.#parts = parts;
  }

  /**
   * No stored credential acts for a Pi token on anything below `auth` (contract 2), so that one is
   * sent to refresh. A paired desktop would get another of the Pi's there, and is told from memory.
   */
  async me(caller: Caller): Promise<SignInOutcome> {
    const { nas, presence } = this.#parts;
    const { state } = presence;
    if (!mayAsk(state)) return this.#kept(caller);
    const { nasToken: token, isPaired } = caller;
    if (token === null) {
      const mustRefresh = state.awake && isPaired !== true;
      return mustRefresh ? refused('refresh_token_now') : this.#kept(caller);
    }
    return this.#read(await nas.me(token, { auto: !state.awake }), caller, token);
  }

  async logout(caller: Caller): Promise<SignInOutcome> {
    const { presence, book, events, storedTokenOf } = this.#parts;
    const { user } = caller;
    book.logOut(caller);
    events.loggedOut(user.id);
    if (mayAsk(presence.state)) {
      const token = caller.nasToken ?? (await storedTokenOf(user.id));
      const answer = token === null ? null : await this.#tell(user.id, token);
      if (answer?.kind === 'answer' && answer.status < 300) {
        return { kind: 'passed', status: answer.status, body: answer.body, user };
      }
    }
    // Whatever the NAS made of it, on this Pi the user is signed out.
    return { kind: 'issued', body: { message: 'Logged out' }, user };
  }

  /** Tells the NAS, now that it is up, of those who signed out here while it was not. */
  async tellLogouts(): Promise<void> {
    const { book, storedTokenOf } = this.#parts;
    for (const userId of book.users.owingLogout()) {
      const token = await storedTokenOf(userId);
      if (token !== null) await this.#tell(userId, token);
    }
  }

  async #tell(userId: number, token: string): Promise<NasJson> {
    const { nas, book } = this.#parts;
    const answer = await nas.logout(token);
    if (answer.kind === 'answer' && answer.status < 300) book.users.settleLogout(userId);
    return answer;
  }

  /**
   * The NAS's answer, except where it could not answer: BaluDesk forgets its credentials on any
   * error but 401 and 429 (read in BaluDesk), so the kept answer stands in.
   */
  #read(answer: NasJson, caller: Caller, token: string): SignInOutcome {
    const { book } = this.#parts;
    if (answer.kind === 'unreachable') return this.#kept(caller);
    const { status } = answer;
    const unable = answer.kind === 'bad_answer' || status === 429 || status >= 500;
    if (unable) return this.#unable(answer, caller);
    const { body } = answer;
    if (status === 401) {
      book.refuse(token);
      if (saysInactive(body)) book.deactivate(caller.user.id);
    }
    const told = status === 200 ? readNasUser(body) : null;
    if (told?.id === caller.user.id && book.learnMe(told, token) === null) {
      return refused('bad_token', { detail: 'This account is switched off on the NAS.' });
    }
    return { kind: 'passed', status, body, user: caller.user };
  }

  #unable(answer: Exclude<NasJson, { kind: 'unreachable' }>, caller: Caller): SignInOutcome {
    const kept = this.#parts.piSignIn.me(caller.user.id);
    if (kept !== null) return { kind: 'issued', body: kept, user: caller.user };
    if (answer.status !== 429) return refused('nas_bad_answer');
    const body = answer.kind === 'answer' ? answer.body : null;
    return refused('nas_busy', { retryAfterSeconds: retryAfterOf(body) });
  }

  #kept(caller: Caller): SignInOutcome {
    const body = this.#parts.piSignIn.me(caller.user.id);
    if (body === null) return refused(silentCode(this.#parts.presence.state));
    return { kind: 'issued', body, user: caller.user };
  }
}
