import { Listeners } from '../log/listeners.ts';
import type { Log } from '../log/log.ts';
import type { User } from './caller.ts';

/** Hears that the NAS just said a token of `user` is good. The token is theirs and lives minutes. */
export type ConfirmedListener = (user: User, token: string) => void;

/** Hears that a user signed out, by the NAS's id. */
export type LogoutListener = (userId: number) => void;

/** Hears that the NAS gave this id to somebody else: what was kept for it is nobody's any more. */
export type ReplacedListener = (userId: number) => void;

/**
 * What somebody wants to hear of their account: a sign-in from where there was none before, and a
 * device that got tokens of its own.
 */
export type AccountNews =
  | { readonly kind: 'sign_in'; readonly user: User; readonly address: string }
  | {
      readonly kind: 'device_paired';
      readonly user: User;
      readonly address: string;
      readonly deviceName: string;
    };

/** Tells other rooms what happened to an account. */
export class AccountEvents {
  readonly #log: Log;
  readonly #confirmed = new Set<ConfirmedListener>();
  readonly #logout = new Set<LogoutListener>();
  readonly #replaced = new Set<ReplacedListener>();
  readonly #news: Listeners<AccountNews>;

  constructor(log: Log) {
    this.#log = log;
    this.#news = new Listeners(log);
  }

  onConfirmed(listener: ConfirmedListener): () => void {
    this.#confirmed.add(listener);
    return () => {
      this.#confirmed.delete(listener);
    };
  }

  onLogout(listener: LogoutListener): () => void {
    this.#logout.add(listener);
    return () => {
      this.#logout.delete(listener);
    };
  }

  onReplaced(listener: ReplacedListener): () => void {
    this.#replaced.add(listener);
    return () => {
      this.#replaced.delete(listener);
    };
  }

  onNews(listener: (news: AccountNews) => void): () => void {
    return this.#news.listen(listener);
  }

  news(news: AccountNews): void {
    this.#news.tell(news);
  }

  confirmed(user: User, token: string): void {
    for (const listener of [...this.#confirmed]) {
      this.#tell(() => {
        listener(user, token);
      });
    }
  }

  loggedOut(userId: number): void {
    for (const listener of [...this.#logout]) {
      this.#tell(() => {
        listener(userId);
      });
    }
  }

  /** @returns whether everybody who listens has done their part; else they are to be told again */
  replaced(userId: number): boolean {
    const done = [...this.#replaced].map((listener) =>
      this.#tell(() => {
        listener(userId);
      }),
    );
    return done.length > 0 && done.every(Boolean);
  }

  /** A listener's fault must not turn a good sign-in into a failure. */
  #tell(tell: () => void): boolean {
    try {
      tell();
      return true;
    } catch (error) {
      this.#log.error(`A listener of the accounts failed: ${String(error)}`);
      return false;
    }
  }
}
