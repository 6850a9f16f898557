import { createHash } from 'node:crypto';
import type { Log } from '../log/log.ts';
import type { NasClient, NasJson } from '../nas/nas.ts';
import type { NasPresence } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { AccountNews } from './account-events.ts';
import { mayAsk, silentCode } from './asking.ts';
import type { Caller, User } from './caller.ts';
import type { Leave, LoginLimits } from './login-limits.ts';
import { LruMap } from './lru-map.ts';
import { pendingTokenOf, retryAfterOf } from './nas-answers.ts';
import type { Claimant, NasShares } from './nas-shares.ts';
import { refused, type SignInRefusal } from './outcomes.ts';
import type { Match, PasswordVerifiers } from './password-verifiers.ts';
import { RefusedSignIns } from './refused-sign-ins.ts';
import { SingleFlight } from './single-flight.ts';
import { decodeJwt, hashToken, readUserId } from './token-form.ts';
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
  readonly shares: NasShares;
  readonly time: TrustedClock;
  readonly clock: Clock;
  readonly log: Log;
  readonly onConfirmed: (user: User, token: string) => void;
  readonly onNews: (news: AccountNews) => void;
}

/** A try with what the Pi itself knows of it. */
interface Weighed extends LoginTry {
  /** Of that name, as kept; null for a name nobody is known by. */
  readonly row: UserRow | null;
  /** That name signed in from there before. */
  readonly isKnown: boolean;
  /** What the kept verifier says. */
  readonly match: Match;
}

const INACTIVE = refused('bad_credentials', { detail: 'This account is switched off on the NAS.' });
const BUSY_SECONDS = 5;
/** More second factors asked for and not given yet than a household ever has. */
const PENDING_REMEMBERED = 1_000;

/** Passwords and second factors: shown to the NAS while it answers, else to the kept verifier. */
export class SignIn {
  readonly #parts: SignInParts;
  readonly #flight = new SingleFlight<Checked>();
  /** Hashes of the pending tokens the NAS gave out through here: whoever has one knew a password. */
  readonly #pending = new LruMap<string, true>(PENDING_REMEMBERED);
  readonly #refused: RefusedSignIns;

  constructor(parts: SignInParts) {
    this.#parts = parts;
    this.#refused = new RefusedSignIns(parts.clock, parts.log);
  }

  async password(given: LoginTry): Promise<Checked> {
    const row = this.#parts.book.users.findByName(given.username);
    const checked = await this.#password(given, row);
    this.#refused.note(checked, row?.username ?? null, given.address);
    return checked;
  }

  async secondFactor(given: SecondFactorTry): Promise<CheckedByNas> {
    // The pending token names its user; a made-up one is the NAS's to refuse.
    const subject = readUserId(decodeJwt(given.pendingToken)?.claims['sub']);
    const isOurs = this.#pending.get(keyOfPending(given.pendingToken)) === true;
    const checked = await this.#secondFactor(given, subject, isOurs);
    const row = subject !== null && isOurs ? this.#parts.book.users.find(subject) : null;
    this.#refused.note(checked, row?.username ?? null, given.address);
    return checked;
  }

  async #password(given: LoginTry, row: UserRow | null): Promise<Checked> {
    const { limits, book, time } = this.#parts;
    const leave = limits.tryAt(given.address, given.username);
    if (leave.kind === 'wait') return tooMany(leave);
    const isKnown = row !== null && book.places.isKnown(row.id, given.address, time.nowMs());
    // The same try twice at once costs the NAS one of its five logins a minute.
    const checked = await this.#flight.run(keyOf(given, isKnown), () =>
      this.#check(given, row, isKnown),
    );
    if (letsIn(checked)) limits.succeeded(given.address, given.username);
    this.#noteIn(checked, given.address);
    return checked;
  }

  async #secondFactor(
    given: SecondFactorTry,
    subject: number | null,
    isOurs: boolean,
  ): Promise<CheckedByNas> {
    const { limits, presence, nas, book, shares } = this.#parts;
    const leave = limits.tryAt(given.address, `second factor of ${subject ?? 'nobody'}`);
    if (leave.kind === 'wait') return tooMany(leave);
    if (!mayAsk(presence.state)) return refused(silentCode(presence.state));
    const share = shares.secondFactors.take(given.address, isOurs ? 'known' : 'stranger');
    if (share.kind === 'wait') return shareUsedUp(share);
    const answer = await nas.verifyTwoFactor(given.pendingToken, given.code);
    if (answer.kind === 'unreachable') return refused(silentCode(presence.state));
    const checked = this.#read(answer);
    if (checked.kind === 'by_nas' && checked.user !== null) book.verifiers.drop(checked.user.id);
    this.#noteIn(checked, given.address);
    return checked;
  }

  /**
   * Looks at the kept verifier first, whoever is named: it costs the same for every name, and it
   * tells a right password from a guess before any of the NAS's few sign-ins is spent on it.
   */
  async #check(given: LoginTry, row: UserRow | null, isKnown: boolean): Promise<Checked> {
    const { presence, verifiers, shares, nas } = this.#parts;
    const turn = isKnown ? 'known' : 'stranger';
    const match = await verifiers.check(row?.id ?? null, given.password, turn);
    const weighed: Weighed = { ...given, row, isKnown, match };
    if (!mayAsk(presence.state)) return this.#byVerifier(weighed);
    const claimant = claimantOf(weighed);
    const share = shares.logins.take(given.address, claimant);
    if (share.kind === 'wait') return this.#known(weighed) ?? shareUsedUp(share);
    const checked = await this.#learn(weighed, await nas.login(given.username, given.password));
    const wasRight = checked.kind === 'by_nas' && checked.status < 300;
    if (claimant === 'stranger' && wasRight) shares.logins.wasRight(given.address);
    return checked;
  }

  async #learn(given: Weighed, answer: NasJson): Promise<Checked> {
    const { book } = this.#parts;
    if (answer.kind === 'unreachable') return this.#byVerifier(given);
    if (answer.status === 429) return this.#known(given) ?? this.#read(answer);
    const checked = this.#read(answer);
    if (checked.kind !== 'by_nas') return checked;
    const pendingToken = pendingTokenOf(checked.body);
    if (checked.user !== null) {
      await this.#keep(given, checked.user.id);
    } else if (pendingToken !== null) {
      this.#pending.set(keyOfPending(pendingToken), true);
      book.dropVerifierOf(given.username);
    } else if (isRefusal(answer) && (await this.#matches(given))) {
      book.dropVerifierOf(given.username);
    }
    return checked;
  }

  async #keep({ row, match, password }: Weighed, userId: number): Promise<void> {
    const { verifiers, time } = this.#parts;
    const wasKept = match === 'match' && row?.id === userId;
    if (wasKept && verifiers.isCurrent(userId)) return;
    await verifiers.keep(userId, password, time.nowMs());
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
    if (learnt.kind !== 'user') return { kind: 'by_nas', status, body, user: null };
    this.#parts.onConfirmed(learnt.user, learnt.token);
    return { kind: 'by_nas', status, body, user: learnt.user };
  }

  /** Whether the NAS refused the very password that is kept. */
  async #matches({ row, password, match }: Weighed): Promise<boolean> {
    if (match !== 'busy' || row === null) return match === 'match';
    return (await this.#parts.verifiers.check(row.id, password, 'known')) === 'match';
  }

  #byVerifier(given: Weighed): Checked {
    const { presence } = this.#parts;
    const { row, match } = given;
    if (!presence.state.everSeen) return refused('nas_never_seen');
    if (match === 'busy') return refused('too_many_tries', { retryAfterSeconds: BUSY_SECONDS });
    if (row?.isActive === false) return INACTIVE;
    if (row === null || match === 'none_kept') return refused('nas_asleep');
    return this.#known(given) ?? refused('bad_credentials');
  }

  /** By the kept verifier; null where it does not match. */
  #known({ row: kept, match }: Weighed): Checked | null {
    const { book } = this.#parts;
    // Read anew: what the NAS said while the password was looked at counts.
    const row = kept === null || match !== 'match' ? null : book.users.find(kept.id);
    if (row === null) return null;
    if (!row.isActive) return INACTIVE;
    const user = { id: row.id, username: row.username, role: row.role };
    if (book.withinGrace(row)) return { kind: 'by_verifier', user, scope: 'all' };
    if (row.role === 'admin') return { kind: 'by_verifier', user, scope: 'wake' };
    return refused('nas_asleep', {
      detail: 'The NAS has not answered for this account for too long. Wake it and sign in again.',
    });
  }

  #noteIn(checked: Checked, address: string): void {
    if (checked.kind === 'refused' || checked.user === null) return;
    const { book, time, onNews } = this.#parts;
    const { user } = checked;
    const isNew = !book.places.isKnown(user.id, address, time.nowMs());
    book.places.note(user.id, address, time.nowMs());
    if (isNew) onNews({ kind: 'sign_in', user, address });
  }
}

function claimantOf({ isKnown, match, row }: Weighed): Claimant {
  if (match === 'match') return 'proven';
  // With a verifier that does not match, a known address guesses as a stranger does.
  return isKnown && match === 'none_kept' && row !== null ? 'known' : 'stranger';
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

/** Another's calls used the NAS's minute up. */
function shareUsedUp(leave: Extract<Leave, { kind: 'wait' }>): SignInRefusal {
  return refused('nas_busy', { retryAfterSeconds: leave.retryAfterSeconds });
}

function keyOf(given: LoginTry, isKnown: boolean): string {
  const pair = JSON.stringify([given.username, given.password, isKnown]);
  return createHash('sha256').update(pair).digest('base64');
}

function keyOfPending(token: string): string {
  return hashToken(token).toString('base64');
}
