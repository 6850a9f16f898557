import type { RefusalCode } from '../http/http.ts';
import { Listeners, type Log } from '../log/log.ts';

/** A person as the NAS knows them. Users are keyed by the NAS's id. */
export interface User {
  readonly id: number;
  readonly username: string;
  /** `admin` or another role of the NAS. */
  readonly role: string;
}

/** The authenticated sender of a request. */
export interface Caller {
  readonly user: User;
  /** `nas`: the token is the NAS's and may be sent to it. `pi`: it opens this Pi only. */
  readonly kind: 'nas' | 'pi';
  /** The bearer token for the NAS; null for a Pi token, which never leaves the Pi. */
  readonly nasToken: string | null;
  /** `wake`: a known admin after the grace, who may wake the NAS and see its status, nothing else. */
  readonly scope: 'all' | 'wake';
  /**
   * The device that calls: its refresh token's lineage, else its API key, else its session on the
   * Pi. Left out where none of these is known. Access tokens change every 15 minutes and name none.
   */
  readonly device?: string;
  /** A paired desktop: a refresh gives it another Pi token, never one of the NAS. */
  readonly isPaired?: boolean;
  /** Program and address of the request, for where no device is known. */
  readonly agent?: string;
}

/** Whether a bearer token authenticates, and whom. */
export type AuthResult =
  | { readonly kind: 'caller'; readonly caller: Caller }
  /** The NAS refused it, or it cannot be a token at all: 401. */
  | { readonly kind: 'refused'; readonly code: 'no_token' | 'bad_token' }
  /** Only the NAS could tell, and it cannot be asked: 503. */
  | { readonly kind: 'cannot_ask'; readonly code: 'nas_asleep' | 'nas_never_seen' };

/** A refusal that the node turns into an HTTP answer by the table of refusals. */
export interface SignInRefusal {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly retryAfterSeconds?: number;
  /** Replaces the sentence in the table. */
  readonly detail?: string;
}

/** The outcome of login, verify-2fa, refresh, me or logout. */
export type SignInOutcome =
  /** The NAS's own answer, to be passed on unchanged. `user` when it let somebody in. */
  | {
      readonly kind: 'passed';
      readonly status: number;
      readonly body: unknown;
      readonly user: User | null;
    }
  /** The Pi's own answer, 200. */
  | { readonly kind: 'issued'; readonly body: unknown; readonly user: User }
  | SignInRefusal;

/** Somebody who signed in to a page of the Pi (editor, dashboard) rather than to the API. */
export type PersonOutcome = { readonly kind: 'person'; readonly user: User } | SignInRefusal;

/** As {@link PersonOutcome}, for a page that has steps of its own. */
export type PageOutcome =
  | PersonOutcome
  /** A known admin after the grace, who may wake the NAS and nothing else. */
  | { readonly kind: 'wake_only'; readonly user: User }
  /** The NAS wants a code; the token is for the second step and stays on the Pi. */
  | { readonly kind: 'second_factor'; readonly pendingToken: string };

export function refused(
  code: RefusalCode,
  more: { readonly retryAfterSeconds?: number; readonly detail?: string } = {},
): SignInRefusal {
  return { kind: 'refused', code, ...more };
}

/** Called when the NAS just confirmed a token of `user`. The token is theirs and lives minutes. */
export type ConfirmedListener = (user: User, token: string) => void;

/** Called when a user signed out, with the NAS's id. */
export type LogoutListener = (userId: number) => void;

/** The NAS gave this id to somebody else: what was kept for it belongs to nobody any more. */
export type ReplacedListener = (userId: number) => void;

/**
 * Called with what somebody wants to know about their account: a sign-in from a new place, or a
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

/** Tells other modules what happened to an account. */
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

  /** @returns whether every listener has done its part; otherwise call again later */
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
