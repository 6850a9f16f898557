import type { RefusalCode } from '../http/http.ts';
import type { Caller, User } from './caller.ts';

/** Whether a bearer token opens the door, and for whom. */
export type AuthVerdict =
  | { readonly kind: 'caller'; readonly caller: Caller }
  /** The NAS said no, or this can be no token at all: 401. */
  | { readonly kind: 'refused'; readonly code: 'no_token' | 'bad_token' }
  /** Only the NAS could tell, and it cannot be asked: 503. */
  | { readonly kind: 'cannot_ask'; readonly code: 'nas_asleep' | 'nas_never_seen' };

/** A no that the node turns into an HTTP answer by the table of refusals. */
export interface SignInRefusal {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly retryAfterSeconds?: number;
  /** Replaces the table's sentence. */
  readonly detail?: string;
}

/** What came of login, verify-2fa, refresh, me or logout. */
export type SignInOutcome =
  /** The NAS's own answer, to be given on unchanged. `user` when it let somebody in. */
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
