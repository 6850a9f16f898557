import { createHash } from 'node:crypto';
import type { NasClient, NasJson } from '../nas/nas.ts';
import type { NasPresence } from '../nas/nas.ts';
import { mayAsk, silentCode } from './asking.ts';
import type { Caller, User } from './caller.ts';
import type { Leave, LoginLimits } from './login-limits.ts';
import { pendingTokenOf, retryAfterOf } from './nas-answers.ts';
import { refused, type SignInRefusal } from './outcomes.ts';
import type { PasswordVerifiers } from './password-verifiers.ts';
import { SingleFlight } from './single-flight.ts';
import { decodeJwt, readUserId } from './token-form.ts';
import type { UserBook } from './user-book.ts';
import type { UserRow } from './user-rows.ts';

export interface LoginTry {
  readonly username: string;
  readonly password: string;
  /** Where it comes from, as the guard saw it. */
  readonly address: string;
}

export interface SecondFactorTry {
  readonly pendingToken: string;
  readonly code: string;
  readonly address: string;
}

/** What the NAS said. `user` when it let somebody in. */
export type CheckedByNas =
  | {
      readonly kind: 'by_nas';
      readonly status: number;
      readonly body: unknown;
      readonly user: User | null;
    }
  | SignInRefusal;

/** How a password was found. */
export type Checked =
  | CheckedByNas
  /** The kept verifier's. `wake`: a known admin after the grace. */
  | { readonly kind: 'by_verifier'; readonly user: User; readonly scope: Caller['scope'] };

export interface SignInParts {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly book: UserBook;
  readonly verifiers: PasswordVerifiers;
  readonly limits: LoginLimits;
  readonly nowMs: () => number;
  readonly onConfirmed: (user: User, token: string) => void;
}

const INACTIVE = refused('bad_credentials', { detail: 'This account is switched off on the NAS.' });
const BUSY_SECONDS = 5;

/** Passwords and second factors: shown to the NAS while it answers, else to the kept verifier. */
export class SignIn {
  readonly #parts: SignInParts;
  readonly #flight = new SingleFlight<Checked>();

  constructor(parts: SignInParts) {
    this.#parts = parts;
  }

  async password(given: LoginTry): Promise<Checked> {
    const { limits, presence } = this.#parts;
    const leave = limits.tryAt(given.address, given.username);
    if (leave.kind === 'wait') return tooMany(leave);
    // The same try twice at once costs the NAS one of its five logins a minute.
    const checked = mayAsk(presence.state)
      ? await this.#flight.run(keyOf(given), () => this.#byNas(given))
      : await this.#byVerifier(given);
    if (letsIn(checked)) limits.succeeded(given.address, given.username);
    return checked;
  }

  async secondFactor(given: SecondFactorTry): Promise<CheckedByNas> {
    const { limits, presence, nas, book } = this.#parts;
    // The pending token names its user; a made-up one is the NAS's to refuse.
    const subject = readUserId(decodeJwt(given.pendingToken)?.claims['sub']);
    const leave = limits.tryAt(given.address, `second factor of ${subject ?? 'nobody'}`);
    if (leave.kind === 'wait') return tooMany(leave);
    if (!mayAsk(presence.state)) return refused(silentCode(presence.state));
    const answer = await nas.verifyTwoFactor(given.pendingToken, given.code);
    if (answer.kind === 'unreachable') return refused(silentCode(presence.state));
    const checked = this.#read(answer);
    if (checked.kind === 'by_nas' && checked.user !== null) book.verifiers.drop(checked.user.id);
    return checked;
  }

  async #byNas(given: LoginTry): Promise<Checked> {
    const leave = this.#parts.limits.forward(given.username);
    if (leave.kind === 'go') {
      const answer = await this.#forward(given);
      return this.#learn(given, answer);
    }
    // Somebody else's guesses used the tries up. Whoever knows the password is not locked out.
    if (!(await this.#matches(given))) return tooMany(leave);
    return this.#learn(given, await this.#parts.nas.login(given.username, given.password));
  }

  async #forward(given: LoginTry): Promise<NasJson> {
    const { limits, nas } = this.#parts;
    let how: 'refused' | 'otherwise' = 'otherwise';
    try {
      const answer = await nas.login(given.username, given.password);
      if (isRefusal(answer)) how = 'refused';
      return answer;
    } finally {
      limits.answered(given.username, how);
    }
  }

  async #learn(given: LoginTry, answer: NasJson): Promise<Checked> {
    const { book, verifiers } = this.#parts;
    if (answer.kind === 'unreachable') return this.#byVerifier(given);
    const checked = this.#read(answer);
    if (checked.kind !== 'by_nas') return checked;
    if (checked.user !== null) {
      await verifiers.keep(checked.user.id, given.password, this.#parts.nowMs());
    } else if (pendingTokenOf(checked.body) !== null) book.dropVerifierOf(given.username);
    else if (isRefusal(answer) && (await this.#matches(given))) {
      book.dropVerifierOf(given.username);
    }
    return checked;
  }

  /** Reads a NAS that answered something. */
  #read(answer: Exclude<NasJson, { kind: 'unreachable' }>): CheckedByNas {
    if (answer.status === 429) {
      const body = answer.kind === 'answer' ? answer.body : null;
      return refused('nas_busy', { retryAfterSeconds: retryAfterOf(body) });
    }
    if (answer.kind === 'bad_answer' || answer.status >= 500) return refused('nas_bad_answer');
    const { status, body } = answer;
    if (status >= 300) return { kind: 'by_nas', status, body, user: null };
    const learnt = this.#parts.book.learnSignIn(body);
    if (learnt.kind === 'inactive') return INACTIVE;
    if (learnt.kind === 'nobody') return { kind: 'by_nas', status, body, user: null };
    this.#parts.onConfirmed(learnt.user, learnt.token);
    return { kind: 'by_nas', status, body, user: learnt.user };
  }

  async #matches(given: LoginTry): Promise<boolean> {
    const { book, verifiers } = this.#parts;
    const row = book.users.findByName(given.username);
    return (await verifiers.check(row?.id ?? null, given.password)) === 'match';
  }

  async #byVerifier(given: LoginTry): Promise<Checked> {
    const { book, presence, verifiers } = this.#parts;
    if (!presence.state.everSeen) return refused('nas_never_seen');
    const row = book.users.findByName(given.username);
    const match = await verifiers.check(row?.id ?? null, given.password);
    if (match === 'busy') return refused('too_many_tries', { retryAfterSeconds: BUSY_SECONDS });
    if (row?.isActive === false) return INACTIVE;
    if (row === null || match === 'none_kept') return refused('nas_asleep');
    return match === 'match' ? this.#known(row) : refused('bad_credentials');
  }

  #known(row: UserRow): Checked {
    const user = { id: row.id, username: row.username, role: row.role };
    if (this.#parts.book.withinGrace(row)) return { kind: 'by_verifier', user, scope: 'all' };
    if (row.role === 'admin') return { kind: 'by_verifier', user, scope: 'wake' };
    return refused('nas_asleep', {
      detail: 'The NAS has not answered for this account for too long. Wake it and sign in again.',
    });
  }
}

function isRefusal(answer: NasJson): boolean {
  return answer.kind === 'answer' && (answer.status === 401 || answer.status === 403);
}

function letsIn(checked: Checked): boolean {
  if (checked.kind === 'by_verifier') return true;
  return checked.kind === 'by_nas' && checked.status < 300;
}

function tooMany(leave: Extract<Leave, { kind: 'wait' }>): SignInRefusal {
  return refused('too_many_tries', { retryAfterSeconds: leave.retryAfterSeconds });
}

function keyOf(given: LoginTry): string {
  const pair = JSON.stringify([given.username, given.password]);
  return createHash('sha256').update(pair).digest('base64');
}
