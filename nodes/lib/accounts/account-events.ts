import type { Log } from '../log/log.ts';
import type { User } from './caller.ts';

/** Hears that the NAS just said a token of `user` is good. The token is theirs and lives minutes. */
export type ConfirmedListener = (user: User, token: string) => void;

/** Hears that a user signed out, by the NAS's id. */
export type LogoutListener = (userId: number) => void;

/** Tells other rooms what happened to an account. */
export class AccountEvents {
  readonly #log: Log;
  readonly #confirmed = new Set<ConfirmedListener>();
  readonly #logout = new Set<LogoutListener>();

  constructor(log: Log) {
    this.#log = log;
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

  /** A listener's fault must not turn a good sign-in into a failure. */
  #tell(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#log.error(`A listener of the accounts failed: ${String(error)}`);
    }
  }
}
