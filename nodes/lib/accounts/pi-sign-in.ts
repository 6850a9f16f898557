import type { Caller, User } from './caller.ts';
import { withZones } from './nas-answers.ts';
import type { SignInOutcome } from './outcomes.ts';
import type { PiTokens } from './pi-tokens.ts';
import type { UserBook } from './user-book.ts';

/** The Pi's own answers in the NAS's shapes, for while it sleeps. */
export class PiSignIn {
  readonly #tokens: PiTokens;
  readonly #book: UserBook;

  constructor(tokens: PiTokens, book: UserBook) {
    this.#tokens = tokens;
    this.#book = book;
  }

  /** A Pi token in the shape of the NAS's login answer. */
  issue(of: User, scope: Caller['scope'], refreshHash: Buffer | null): SignInOutcome {
    const user: User = { id: of.id, username: of.username, role: of.role };
    const body = {
      access_token: this.#tokens.issue(user, scope, refreshHash),
      token_type: 'bearer',
      user: this.me(user.id) ?? { ...user, is_active: true },
    };
    return { kind: 'issued', body, user };
  }

  /** The last `me` of that user, its times with a zone; null when none was kept. */
  me(userId: number): Record<string, unknown> | null {
    const row = this.#book.users.find(userId);
    return row?.me == null ? null : withZones(row.me);
  }
}
