import { type Leave, LruMap, RateLimiter } from '../limits/limits.ts';
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { type Log, quoted } from '../log/log.ts';
import {
  failureOf,
  failureOfStatus,
  isCannotAsk,
  isSignInRefused,
  type NasClient,
  type NasFailure,
  type NasJson,
  type NasPresence,
} from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import {
  type AccountNews,
  type Caller,
  type PageOutcome,
  type PersonOutcome,
  refused,
  type SignInOutcome,
  type SignInRefusal,
  type User,
} from './caller.ts';
import type { Claimant, LoginLimits, NasShares } from './login-limits.ts';
import {
  decodeJwt,
  hashToken,
  isRecord,
  mayAsk,
  pendingTokenOf,
  readUserId,
  retryAfterOf,
  saysInactive,
  silentCode,
  SingleFlight,
  withZones,
} from './nas-answers.ts';
import { type PairedDesktops, saysRevoked } from './pairing.ts';
import type { PiTokens } from './pi-tokens.ts';
import type { UserRegistry } from './user-registry.ts';
import type { UserRow, VerifierRow, VerifierRows } from './user-rows.ts';

export interface LoginTry {
  readonly username: string;
  readonly password: string;
  /** The sender's address, as the guard saw it. */
  readonly address: string;
}

export interface SecondFactorTry {
  readonly pendingToken: string;
  readonly code: string;
  readonly address: string;
}

/** What the NAS said. `user` when it let somebody in. */
type CheckedByNas =
  | {
      readonly kind: 'by_nas';
      readonly status: number;
      readonly body: unknown;
      readonly user: User | null;
    }
  | SignInRefusal;

/** How a password was judged. */
export type Checked =
  | CheckedByNas
  /** By the kept verifier. `wake`: a known admin after the grace period. */
  | { readonly kind: 'by_verifier'; readonly user: User; readonly scope: Caller['scope'] };

interface SignInDeps {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly registry: UserRegistry;
  readonly verifiers: PasswordVerifiers;
  readonly limits: LoginLimits;
  readonly shares: NasShares;
  readonly time: TrustedClock;
  readonly clock: Clock;
  readonly log: Log;
  readonly onConfirmed: (user: User, token: string) => void;
  readonly onNews: (news: AccountNews) => void;
}

/** A try, with what the Pi itself knows about it. */
interface Weighed extends LoginTry {
  /** The kept user of that name; null for a name nobody has. */
  readonly row: UserRow | null;
  /** That name signed in from there before. */
  readonly isKnown: boolean;
  /** What the kept verifier says. */
  readonly match: Match;
}

const INACTIVE = refused('bad_credentials', { detail: 'This account is switched off on the NAS.' });
const BUSY_SECONDS = 5;
/** More second factors pending at once than a household ever has. */
const PENDING_REMEMBERED = 1_000;

/** Checks passwords and second factors: by the NAS while it answers, else by the kept verifier. */
export class SignIn {
  readonly #deps: SignInDeps;
  readonly #flight = new SingleFlight<Checked>();
  /** Hashes of pending tokens given out through here: whoever has one knew a password. */
  readonly #pending = new LruMap<string, true>(PENDING_REMEMBERED);
  readonly #refused: RefusedSignIns;

  constructor(deps: SignInDeps) {
    this.#deps = deps;
    this.#refused = new RefusedSignIns(deps.clock, deps.log);
  }

  async password(given: LoginTry): Promise<Checked> {
    const row = this.#deps.registry.users.findByName(given.username);
    const checked = await this.#password(given, row);
    this.#refused.note(checked, row?.username ?? null, given.address);
    return checked;
  }

  async secondFactor(given: SecondFactorTry): Promise<CheckedByNas> {
    // The pending token names its user; refusing a made-up one is left to the NAS.
    const subject = readUserId(decodeJwt(given.pendingToken)?.claims['sub']);
    const isOurs = this.#pending.get(keyOfPending(given.pendingToken)) === true;
    const checked = await this.#secondFactor(given, subject, isOurs);
    const row = subject !== null && isOurs ? this.#deps.registry.users.find(subject) : null;
    this.#refused.note(checked, row?.username ?? null, given.address);
    return checked;
  }

  async #password(given: LoginTry, row: UserRow | null): Promise<Checked> {
    const { limits, registry, time } = this.#deps;
    const leave = limits.tryAt(given.address, given.username);
    if (leave.kind === 'wait') return tooMany(leave);
    const isKnown = row !== null && registry.places.isKnown(row.id, given.address, time.nowMs());
    // Two equal tries at once cost the NAS only one of its five logins a minute.
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
    const { limits, presence, nas, registry, shares } = this.#deps;
    const leave = limits.tryAt(given.address, `second factor of ${subject ?? 'nobody'}`);
    if (leave.kind === 'wait') return tooMany(leave);
    if (!mayAsk(presence.state)) return refused(silentCode(presence.state));
    const share = shares.secondFactors.take(given.address, isOurs ? 'known' : 'stranger');
    if (share.kind === 'wait') return shareUsedUp(share);
    const answer = await nas.verifyTwoFactor(given.pendingToken, given.code);
    if (answer.kind === 'unreachable') return refused(silentCode(presence.state));
    const checked = this.#read(answer);
    if (checked.kind === 'by_nas' && checked.user !== null)
      registry.verifiers.drop(checked.user.id);
    this.#noteIn(checked, given.address);
    return checked;
  }

  /**
   * Checks the kept verifier first, whoever is named: it costs the same for every name, and tells a
   * right password from a guess before one of the NAS's few sign-ins is spent.
   */
  async #check(given: LoginTry, row: UserRow | null, isKnown: boolean): Promise<Checked> {
    const { presence, verifiers, shares, nas } = this.#deps;
    const turn = isKnown ? 'known' : 'stranger';
    const match = await verifiers.check(row?.id ?? null, given.password, turn);
    const weighed: Weighed = { ...given, row, isKnown, match };
    if (!mayAsk(presence.state)) return this.#byVerifier(weighed);
    const claimant = claimantOf(weighed);
    const share = shares.logins.take(given.address, claimant);
    if (share.kind === 'wait') return this.#known(weighed) ?? shareUsedUp(share);
    const checked = await this.#learn(weighed, await nas.login(given.username, given.password));
    if (claimant === 'stranger' && isTaken(checked)) shares.logins.wasRight(given.address);
    return checked;
  }

  async #learn(given: Weighed, answer: NasJson): Promise<Checked> {
    const { registry } = this.#deps;
    if (answer.kind === 'unreachable') return this.#byVerifier(given);
    const failure = failureOf(answer);
    if (failure?.kind === 'throttled') return this.#known(given) ?? this.#read(answer);
    const checked = this.#read(answer);
    if (checked.kind !== 'by_nas') return checked;
    const pendingToken = pendingTokenOf(checked.body);
    if (checked.user !== null) {
      await this.#keep(given, checked.user.id);
    } else if (pendingToken !== null) {
      this.#pending.set(keyOfPending(pendingToken), true);
      registry.dropVerifierOf(given.username);
    } else if (isSignInRefused(failure) && (await this.#matches(given))) {
      registry.dropVerifierOf(given.username);
    }
    return checked;
  }

  async #keep({ row, match, password }: Weighed, userId: number): Promise<void> {
    const { verifiers, time } = this.#deps;
    const wasKept = match === 'match' && row?.id === userId;
    if (wasKept && verifiers.isCurrent(userId)) return;
    await verifiers.keep(userId, password, time.nowMs());
  }

  /** Interprets what a NAS answered. */
  #read(answer: Exclude<NasJson, { kind: 'unreachable' }>): CheckedByNas {
    const failure = failureOf(answer);
    if (failure?.kind === 'throttled') {
      return refused('nas_busy', { retryAfterSeconds: retryAfterOf(failure) });
    }
    if (answer.kind === 'bad_answer' || isCannotAsk(failure)) return refused('nas_bad_answer');
    const { status, body } = answer;
    if (failure !== null) return { kind: 'by_nas', status, body, user: null };
    const learnt = this.#deps.registry.learnSignIn(body);
    if (learnt.kind === 'inactive') return INACTIVE;
    if (learnt.kind !== 'user') return { kind: 'by_nas', status, body, user: null };
    this.#deps.onConfirmed(learnt.user, learnt.token);
    return { kind: 'by_nas', status, body, user: learnt.user };
  }

  /** Whether the NAS refused exactly the password that is kept. */
  async #matches({ row, password, match }: Weighed): Promise<boolean> {
    if (match !== 'busy' || row === null) return match === 'match';
    return (await this.#deps.verifiers.check(row.id, password, 'known')) === 'match';
  }

  #byVerifier(given: Weighed): Checked {
    const { presence } = this.#deps;
    const { row, match } = given;
    if (!presence.state.everSeen) return refused('nas_never_seen');
    if (match === 'busy') return refused('too_many_tries', { retryAfterSeconds: BUSY_SECONDS });
    if (row?.isActive === false) return INACTIVE;
    if (row === null || match === 'none_kept') return refused('nas_asleep');
    return this.#known(given) ?? refused('bad_credentials');
  }

  /** By the kept verifier; null where it does not match. */
  #known({ row: kept, match }: Weighed): Checked | null {
    const { registry } = this.#deps;
    // Read again: an answer of the NAS during the password check counts.
    const row = kept === null || match !== 'match' ? null : registry.users.find(kept.id);
    if (row === null) return null;
    if (!row.isActive) return INACTIVE;
    const user = { id: row.id, username: row.username, role: row.role };
    if (registry.withinGrace(row)) return { kind: 'by_verifier', user, scope: 'all' };
    if (row.role === 'admin') return { kind: 'by_verifier', user, scope: 'wake' };
    return refused('nas_asleep', {
      detail: 'The NAS has not answered for this account for too long. Wake it and sign in again.',
    });
  }

  #noteIn(checked: Checked, address: string): void {
    if (checked.kind === 'refused' || checked.user === null) return;
    const { registry, time, onNews } = this.#deps;
    const { user } = checked;
    const isNew = !registry.places.isKnown(user.id, address, time.nowMs());
    registry.places.note(user.id, address, time.nowMs());
    if (isNew) onNews({ kind: 'sign_in', user, address });
  }
}

function claimantOf({ isKnown, match, row }: Weighed): Claimant {
  if (match === 'match') return 'proven';
  // A known address with a wrong password counts as a stranger.
  return isKnown && match === 'none_kept' && row !== null ? 'known' : 'stranger';
}

/** The NAS itself accepted what it was given, even if it wants a second factor too. */
function isTaken(checked: Checked): boolean {
  return checked.kind === 'by_nas' && failureOfStatus(checked.status) === null;
}

function letsIn(checked: Checked): boolean {
  return checked.kind === 'by_verifier' || isTaken(checked);
}

function tooMany(leave: Extract<Leave, { kind: 'wait' }>): SignInRefusal {
  return refused('too_many_tries', { retryAfterSeconds: leave.retryAfterSeconds });
}

/** The NAS's minute was used up by somebody else's calls. */
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

/** How a try ended, as far as it counts here. */
type Ended =
  | Pick<SignInRefusal, 'kind' | 'code'>
  | { readonly kind: 'by_nas'; readonly status: number }
  | { readonly kind: 'by_verifier' };

/** Somebody who guesses all day must not fill the disk with log lines. */
const MOST_A_MINUTE = 10;
/** Nobody did anything wrong: only the NAS could have told. */
const NO_ALARM = new Set(['nas_asleep', 'nas_never_seen', 'nas_busy', 'nas_bad_answer']);

/** Tells the log which sign-ins were refused: whose, from where and why, at most ten a minute. */
export class RefusedSignIns {
  readonly #rate: RateLimiter;
  readonly #log: Log;
  #untold = 0;

  constructor(clock: Clock, log: Log) {
    this.#rate = new RateLimiter(clock, { most: MOST_A_MINUTE });
    this.#log = log;
  }

  /**
   * @param username null for a name nobody has, which is not logged: people type their password
   * there
   */
  note(ended: Ended, username: string | null, address: string): void {
    const why = whyRefused(ended);
    if (why === null || !this.#mayTell()) return;
    const who = username === null ? 'an unknown name' : quoted(username);
    const line = `sign-in: refused for ${who} from ${address}: ${why}.`;
    if (NO_ALARM.has(why)) this.#log.info(line);
    else this.#log.warn(line);
  }

  #mayTell(): boolean {
    if (this.#rate.take().kind === 'wait') {
      this.#untold += 1;
      return false;
    }
    if (this.#untold > 0) {
      this.#log.warn(`sign-in: refused ${this.#untold} more times than were logged here.`);
      this.#untold = 0;
    }
    return true;
  }
}

/** A word of the API's for what went wrong; null where nothing did, as when a code is wanted next. */
function whyRefused(ended: Ended): string | null {
  if (ended.kind === 'refused') return ended.code;
  const failure = ended.kind === 'by_verifier' ? null : failureOfStatus(ended.status);
  if (failure === null) return null;
  return isSignInRefused(failure) ? 'bad_credentials' : `the NAS said ${failure.status}`;
}

export interface PersonTry {
  readonly username: string;
  /** May end with a space and the six digits of the second factor. */
  readonly password: string;
  readonly address: string;
}

const WITH_CODE = /^(.+) (\d{6})$/s;
const CODE_NEEDED = refused('bad_credentials', {
  detail: 'This account has a second factor: add a space and its six digits to the password.',
});

/**
 * Signs a person in to a page of the Pi that has one field for password and code. No token comes
 * of it: the page keeps its own session.
 */
export class PersonSignIn {
  readonly #signIn: SignIn;
  readonly #presence: NasPresence;

  constructor(signIn: SignIn, presence: NasPresence) {
    this.#signIn = signIn;
    this.#presence = presence;
  }

  async signIn(given: PersonTry): Promise<PersonOutcome> {
    const [, password, code] = WITH_CODE.exec(given.password) ?? [];
    // A second factor is only ever checked by the NAS itself.
    if (password === undefined || code === undefined || !mayAsk(this.#presence.state)) {
      return read(await this.#signIn.password(given));
    }
    const checked = await this.#signIn.password({ ...given, password });
    const pendingToken = checked.kind === 'by_nas' ? pendingTokenOf(checked.body) : null;
    if (pendingToken !== null) {
      return read(await this.#signIn.secondFactor({ pendingToken, code, address: given.address }));
    }
    // The digits may belong to the password itself.
    if (checked.kind === 'by_nas' && !isTaken(checked))
      return read(await this.#signIn.password(given));
    return checked.kind === 'refused' ? checked : refused('bad_credentials');
  }
}

function read(checked: Checked): PersonOutcome {
  if (checked.kind === 'refused') return checked;
  if (checked.kind === 'by_verifier') {
    return checked.scope === 'all'
      ? { kind: 'person', user: checked.user }
      : refused('nas_asleep', {
          detail: 'The NAS has not answered for this account for too long. Wake it first.',
        });
  }
  if (checked.user !== null) return { kind: 'person', user: checked.user };
  return pendingTokenOf(checked.body) === null ? refused('bad_credentials') : CODE_NEEDED;
}

/** Called with whom the NAS just let in, and by which token; awaited. */
type LetIn = (user: User, token: string) => Promise<void>;

/** Signs a person in to a page of the Pi that asks for the second factor in a step of its own. */
export class PageSignIn {
  readonly #signIn: SignIn;
  readonly #letIn: LetIn;

  constructor(signIn: SignIn, letIn: LetIn) {
    this.#signIn = signIn;
    this.#letIn = letIn;
  }

  async password(given: LoginTry): Promise<PageOutcome> {
    return await this.#read(await this.#signIn.password(given));
  }

  async secondFactor(given: SecondFactorTry): Promise<PageOutcome> {
    return await this.#read(await this.#signIn.secondFactor(given));
  }

  async #read(checked: Checked): Promise<PageOutcome> {
    if (checked.kind === 'refused') return checked;
    if (checked.kind === 'by_verifier') {
      const kind = checked.scope === 'all' ? 'person' : 'wake_only';
      return { kind, user: checked.user };
    }
    const { user, body } = checked;
    if (user !== null) {
      const token = isRecord(body) ? body['access_token'] : undefined;
      if (typeof token === 'string') await this.#letIn(user, token);
      return { kind: 'person', user };
    }
    const pendingToken = pendingTokenOf(body);
    if (pendingToken !== null) return { kind: 'second_factor', pendingToken };
    return refused('bad_credentials');
  }
}

/**
 * scrypt's N with r 8 and p 1: 32 MB and, on a Pi 3B+, a fraction of a second. One derivation is one
 * block a little over 32 MB, and that is the point: glibc maps a block of that size by itself and
 * gives it back whole. Anything smaller it learns to take from the arena of whichever thread asks,
 * and keeps there: at half the cost fifteen sign-ins left 66 MB behind in four threads for good.
 * More would let sign-ins eat the Pi's memory while they last.
 */
export const SCRYPT_COST = 2 ** 15;
/** What OpenSSL may take for it; Node's own limit is 32 MB sharp. */
const MOST_SCRYPT_BYTES = 64 * 1024 * 1024;
const HASH_BYTES = 32;
const SALT_BYTES = 16;

/** Derivations at once; each holds 32 MB and a thread of the pool that file reads need, too. */
const CONCURRENT = 1;
const MAX_STRANGERS_WAITING = 32;

/** `busy` only ever reaches strangers. */
type Match = 'match' | 'mismatch' | 'none_kept' | 'busy';

/**
 * The queue for password derivations. Addresses that signed in before come first and are never
 * turned away: the limit on tries keeps them few.
 */
type Turn = 'known' | 'stranger';

/**
 * Recognises a password that the NAS accepted earlier. Every check costs the same, with or without
 * a stored verifier, so that timing does not reveal which users exist.
 */
export class PasswordVerifiers {
  readonly #rows: VerifierRows;
  readonly #cost: number;
  readonly #dummy: VerifierRow;
  readonly #waiting: Readonly<Record<Turn, (() => void)[]>> = { known: [], stranger: [] };
  #running = 0;

  /** @param cost scrypt's N for verifiers made from now on, a power of two */
  constructor(rows: VerifierRows, cost: number) {
    this.#rows = rows;
    this.#cost = cost;
    this.#dummy = { salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES), cost };
  }

  /** @param userId null for a name nobody is known by */
  async check(userId: number | null, password: string, turn: Turn): Promise<Match> {
    const kept = userId === null ? null : this.#rows.find(userId);
    const against = kept ?? this.#dummy;
    if (turn === 'stranger' && this.#waiting.stranger.length >= MAX_STRANGERS_WAITING) {
      return 'busy';
    }
    const hash = await this.#derive(password, against.salt, against.cost, turn);
    const same = timingSafeEqual(hash, against.hash);
    if (kept === null) return 'none_kept';
    return same ? 'match' : 'mismatch';
  }

  /** Keeps a verifier for a password the NAS just accepted. */
  async keep(userId: number, password: string, atMs: number): Promise<void> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#derive(password, salt, this.#cost, 'known');
    this.#rows.keep(userId, { salt, hash, cost: this.#cost }, atMs);
  }

  /** Whether one is kept and costs what it would now; each check costs what it was made with. */
  isCurrent(userId: number): boolean {
    return this.#rows.find(userId)?.cost === this.#cost;
  }

  async #derive(password: string, salt: Uint8Array, cost: number, turn: Turn): Promise<Buffer> {
    if (this.#running >= CONCURRENT) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.#waiting[turn].push(() => {
        resolve(undefined);
      });
      await promise;
    } else {
      this.#running += 1;
    }
    try {
      return await deriveHash(password, salt, cost);
    } finally {
      const next = this.#waiting.known.shift() ?? this.#waiting.stranger.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function deriveHash(password: string, salt: Uint8Array, cost: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const options = { N: cost, r: 8, p: 1, maxmem: MOST_SCRYPT_BYTES };
  scrypt(password, salt, HASH_BYTES, options, (error, hash) => {
    if (error === null) resolve(hash);
    else reject(error);
  });
  return promise;
}

interface RefreshDeps {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly registry: UserRegistry;
  readonly piSignIn: PiSignIn;
  readonly desktops: PairedDesktops;
  readonly time: TrustedClock;
  readonly shares: NasShares;
  readonly onConfirmed: (user: User, token: string) => void;
}

/** The app keeps its tokens on this and on nothing else (read in BaluApp). */
const KEEP_TOKENS = refused('gateway_timeout');

const SIGNED_OUT = refused('bad_token', { detail: 'You were signed out. Sign in again.' });

/** `POST /api/auth/refresh`: any real failure but 504 signs the apps out for good. */
export class Refresh {
  readonly #deps: RefreshDeps;
  readonly #flight = new SingleFlight<SignInOutcome>();

  constructor(deps: RefreshDeps) {
    this.#deps = deps;
  }

  /** @param address where it comes from, as the guard saw it */
  refresh(refreshToken: string, address: string): Promise<SignInOutcome> {
    const hash = hashToken(refreshToken);
    return this.#flight.run(hash.toString('base64'), () =>
      this.#refresh(refreshToken, hash, address),
    );
  }

  async #refresh(refreshToken: string, hash: Buffer, address: string): Promise<SignInOutcome> {
    const { nas, presence, shares, registry } = this.#deps;
    if (!mayAsk(presence.state)) return this.#asleep(hash);
    // Signed out here; the NAS, asleep at that moment, would still accept it.
    if (registry.refreshTokens.isEnded(hash)) return SIGNED_OUT;
    // A token never seen here to be good may be made up, and the NAS counts it against everybody.
    const claimant = registry.refreshTokens.find(hash) === null ? 'stranger' : 'known';
    if (shares.refreshes.take(address, claimant).kind === 'wait') return KEEP_TOKENS;
    const answer = await nas.refresh(refreshToken);
    const failure = failureOf(answer);
    if (isGone(failure) && !presence.state.reachable) return this.#asleep(hash);
    if (answer.kind !== 'answer' || isCannotAsk(failure)) return KEEP_TOKENS;
    const { status, body } = answer;
    if (failure === null) return this.#passGood(status, body, refreshToken);
    return (await this.#refused(failure, hash)) ?? { kind: 'passed', status, body, user: null };
  }

  /** The answer for a paired desktop that may continue; null to pass on the NAS's refusal. */
  async #forDesktop(hash: Buffer): Promise<SignInOutcome | null> {
    const { desktops, piSignIn, presence } = this.#deps;
    // While the NAS sleeps it is let in like anybody, though soft sleep answers.
    if (!presence.state.awake && desktops.goesOn(hash)) return this.#asleep(hash);
    const state = await desktops.state(hash);
    switch (state.kind) {
      case 'stands':
        return piSignIn.issue(state.user, 'all', hash);
      case 'unsure':
        return KEEP_TOKENS;
      case 'over':
        return null;
    }
  }

  /** @returns new tokens for a desktop that may continue; null to pass on the refusal */
  async #refused(failure: NasFailure, hash: Buffer): Promise<SignInOutcome | null> {
    const { registry } = this.#deps;
    const forDesktop = saysRevoked(failure) ? await this.#forDesktop(hash) : null;
    if (forDesktop !== null || !isSignInRefused(failure)) return forDesktop;
    const row = registry.refreshTokens.find(hash);
    registry.refuseRefresh(hash);
    if (row !== null && saysInactive(failure)) registry.deactivate(row.userId);
    return null;
  }

  #passGood(status: number, body: unknown, refreshToken: string): SignInOutcome {
    const learnt = this.#deps.registry.learnSignIn(body, refreshToken);
    if (learnt.kind === 'ended') return SIGNED_OUT;
    if (learnt.kind === 'inactive') {
      return refused('bad_token', { detail: 'This account is switched off on the NAS.' });
    }
    if (learnt.kind === 'nobody') return { kind: 'passed', status, body, user: null };
    this.#deps.onConfirmed(learnt.user, learnt.token);
    return { kind: 'passed', status, body, user: learnt.user };
  }

  #asleep(hash: Buffer): SignInOutcome {
    const { registry, time, piSignIn, desktops } = this.#deps;
    if (desktops.isOver(hash)) return KEEP_TOKENS;
    const kept = registry.refreshTokens.find(hash);
    const row = kept === null ? null : registry.users.find(kept.userId);
    if (kept === null || row?.isActive !== true) return KEEP_TOKENS;
    if (kept.expiresAtMs !== null && kept.expiresAtMs <= time.nowMs()) return KEEP_TOKENS;
    if (registry.withinGrace(row)) return piSignIn.issue(row, 'all', hash);
    return row.role === 'admin' ? piSignIn.issue(row, 'wake', hash) : KEEP_TOKENS;
  }
}

/** An unreachable NAS counts as asleep; an answer that is merely late may still matter. */
function isGone(failure: NasFailure | null): boolean {
  if (failure?.kind !== 'unreachable') return false;
  return !('code' in failure.cause) || failure.cause.code !== 'timeout';
}

/** The Pi's own answers in the NAS's shapes, for while it sleeps. */
export class PiSignIn {
  readonly #tokens: PiTokens;
  readonly #registry: UserRegistry;

  constructor(tokens: PiTokens, registry: UserRegistry) {
    this.#tokens = tokens;
    this.#registry = registry;
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
    const row = this.#registry.users.find(userId);
    return row?.me == null ? null : withZones(row.me);
  }
}
