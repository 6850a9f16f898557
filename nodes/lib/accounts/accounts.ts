import { randomBytes } from 'node:crypto';
import type { Log } from '../log/log.ts';
import {
  failureOf,
  goodBodyOf,
  isCannotAsk,
  isGood,
  type NasApi,
  type NasClient,
  type NasFailure,
  type NasJson,
  type NasPresence,
} from '../nas/nas.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import { Authenticator, TokenIntrospection } from './authenticator.ts';
import {
  AccountEvents,
  type AccountNews,
  type AuthResult,
  type Caller,
  type ConfirmedListener,
  type LogoutListener,
  refused,
  type ReplacedListener,
  type SignInOutcome,
  type User,
} from './caller.ts';
import type { DesktopRow } from './desktop-rows.ts';
import { type CallBudget, LoginLimits, NasShares } from './login-limits.ts';
import {
  isRecord,
  mayAsk,
  readNasUser,
  retryAfterOf,
  saysInactive,
  silentCode,
} from './nas-answers.ts';
import { PageSessionRows } from './page-session-rows.ts';
import { PairedDesktops, Pairing, type StoredCredentials } from './pairing.ts';
import { PiTokens } from './pi-tokens.ts';
import {
  type Checked,
  type LoginTry,
  PageSignIn,
  PasswordVerifiers,
  PersonSignIn,
  PiSignIn,
  Refresh,
  SCRYPT_COST,
  type SecondFactorTry,
  SignIn,
} from './sign-in.ts';
import { EditorSessions, PageSessions, RoleRecheck, SignIns } from './sessions.ts';
import { type LiveTokens, UserRegistry } from './user-registry.ts';

export type { KnownRequest, Middleware } from './authenticator.ts';
export type { AccountNews } from './caller.ts';
export type { Caller, User } from './caller.ts';
export { Credentials, type CredentialView, type KeyStored } from './credentials.ts';
export type { PageOutcome, SignInOutcome, SignInRefusal } from './caller.ts';
export type { OpenedPage } from './sessions.ts';
export { NewestTimeRows } from './page-session-rows.ts';

/** The part of the user registry that others may read. */
type UserReader = Pick<
  UserRegistry,
  | 'userOf'
  | 'userNamed'
  | 'everybody'
  | 'bornAt'
  | 'answeredAtMs'
  | 'signInEpochOf'
  | 'isOver'
  | 'clockPutRight'
>;

interface AccountsDeps {
  /** The queue database. */
  readonly store: Store;
  readonly clock: Clock;
  readonly time: TrustedClock;
  readonly nas: NasClient;
  readonly api: Pick<NasApi, 'call'>;
  readonly presence: NasPresence;
  /** SECRET_KEY, at least 32 characters. */
  readonly secretKey: string;
  /** OFFLINE_GRACE_HOURS, fractions allowed. */
  readonly offlineGraceHours: number;
  /** scrypt's N for password verifiers, a power of two; default what a Pi 3B+ bears. */
  readonly scryptCost?: number;
  readonly budget: CallBudget;
  /** Stored credentials that act for users; nothing that users send goes here. */
  readonly stored: StoredCredentials;
  /** DESKTOP_REFRESH. */
  readonly desktopRefresh: 'auto' | 'off';
  /** A stored NAS token of that user; null where there is none right now. */
  readonly storedTokenOf: (userId: number) => Promise<string | null>;
  readonly log: Log;
}

/** Who is calling: tokens, passwords, roles. This module's entry point. */
export class Accounts {
  /** What the NAS said about tokens; learns of each token it refuses. */
  readonly introspection: TokenIntrospection;
  /** Guards every route that is not open to all. */
  readonly authenticator: Authenticator;
  /** What callers learn about themselves, and their logout. */
  readonly profile: Profile;
  /** Signs a person in on a page that asks for the second factor in a step of its own. */
  readonly pageSignIn: PageSignIn;
  /** Signs admins in to the editor, for 12 hours. */
  readonly editor: EditorSessions;
  /** Who is known here, also while they are away, and which of their tokens have ended. */
  readonly users: UserReader;
  /** The newest token of each user that the NAS confirmed, for deliveries while they are here. */
  readonly liveTokens: Pick<LiveTokens, 'ofUser' | 'any'>;
  /** Who has the pages of the Pi open. */
  readonly pages: PageSessions;
  /** Where everybody is signed in. */
  readonly signIns: SignIns;
  /** How phones and desktops get their tokens. */
  readonly pairing: Pairing;
  /** The users the NAS told of. */
  readonly known: Pick<UserRegistry['users'], 'answeredSince' | 'knowsAdmin'>;
  /** Whose device is which, as far as the NAS said so. */
  readonly devices: Pick<UserRegistry['devices'], 'ownerOf'>;
  /** Desktops that were paired through the Pi. */
  readonly desktops: Pick<PairedDesktops, 'credentialEnded'>;
  readonly #deps: AccountsDeps;
  readonly #registry: UserRegistry;
  readonly #signIn: SignIn;
  readonly #piSignIn: PiSignIn;
  readonly #refresh: Refresh;
  readonly #persons: PersonSignIn;
  readonly #learning: BackgroundLearning;
  readonly #events: AccountEvents;
  readonly #shares: NasShares;
  readonly #desktops: PairedDesktops;
  #unlisten: () => void = () => undefined;
  #telling: Promise<void> = Promise.resolve();

  constructor(deps: AccountsDeps) {
    this.#deps = deps;
    const events = (this.#events = new AccountEvents(deps.log));
    const { store, clock, time, nas, presence, secretKey, log, budget } = deps;
    const graceMs = deps.offlineGraceHours * 3_600_000;
    const shares = (this.#shares = new NasShares(clock));
    const onReplaced: ReplacedListener = (userId) => {
      this.#replaced(userId);
    };
    const registry = new UserRegistry({ store, time, graceMs, onReplaced });
    const tokens = new PiTokens({ secretKey, registry, time });
    const onConfirmed: ConfirmedListener = (user, token) => {
      this.#confirmed(user, token);
    };
    const own = { nas, presence, registry, time, clock, graceMs, onConfirmed };
    const common = { ...own, shares, log, budget, onNews: events.news.bind(events) };
    const introspection = (this.introspection = new TokenIntrospection(common));
    [this.#registry, this.users, this.liveTokens] = [registry, registry, registry.live];
    const unknown = (): CannotAsk | null => unknownNow(store, presence);
    this.authenticator = new Authenticator(tokens, (token) => introspection.judge(token), unknown);
    const piSignIn = (this.#piSignIn = new PiSignIn(tokens, registry));
    this.#signIn = new SignIn({
      ...common,
      verifiers: new PasswordVerifiers(registry.verifiers, deps.scryptCost ?? SCRYPT_COST),
      limits: new LoginLimits(clock),
    });
    const { api, stored, desktopRefresh: mode, storedTokenOf } = deps;
    const desktops = (this.#desktops = new PairedDesktops({ ...common, api, stored, mode }));
    [this.desktops, this.known, this.devices] = [desktops, registry.users, registry.devices];
    this.#refresh = new Refresh({ ...common, desktops, piSignIn });
    this.pairing = new Pairing({ ...common, api, desktops });
    this.profile = new Profile({ ...common, piSignIn, storedTokenOf, events });
    this.#persons = new PersonSignIn(this.#signIn, presence);
    const recheck = new RoleRecheck(common);
    this.editor = new EditorSessions({ ...common, personSignIn: this.#persons, recheck });
    this.#learning = new BackgroundLearning(common);
    this.pageSignIn = this.#pageAuth();
    this.pages = this.#pageSessions(recheck);
    this.signIns = this.#allSignIns();
  }

  /** `POST /api/auth/login`. */
  async login(given: LoginTry): Promise<SignInOutcome> {
    const checked = await this.#signIn.password(given);
    if (checked.kind === 'refused') return checked;
    if (checked.kind === 'by_nas') return await this.#passed(checked);
    return this.#piSignIn.issue(checked.user, checked.scope, null);
  }

  /** `POST /api/auth/verify-2fa`. Only the NAS can check a second factor. */
  async verifyTwoFactor(given: SecondFactorTry): Promise<SignInOutcome> {
    const checked = await this.#signIn.secondFactor(given);
    return checked.kind === 'refused' ? checked : { ...checked, kind: 'passed' };
  }

  /**
   * `POST /api/auth/refresh`.
   * @param address where it comes from, as the guard saw it
   */
  refresh(refreshToken: string, address: string): Promise<SignInOutcome> {
    return this.#refresh.refresh(refreshToken, address);
  }

  /**
   * Takes one of the NAS's refreshes of this minute for the Pi's own deliveries.
   * @returns whether it may be made
   */
  takeRefresh(): boolean {
    return this.#shares.refreshes.take('pi', 'known').kind === 'go';
  }

  /** Whether a caller may do what the contract reserves for admins. */
  isAdmin(caller: Caller): boolean {
    return caller.user.role === 'admin' && caller.scope === 'all';
  }

  /**
   * Whether a caller may wake the NAS: admins, and users whose last `my-permissions` allowed it.
   */
  mayWake(caller: Caller): boolean {
    if (caller.user.role === 'admin') return true;
    const permissions = this.#registry.users.find(caller.user.id)?.permissions;
    return permissions?.['can_wol'] === true || permissions?.['can_wake'] === true;
  }

  /** The NAS told what a user may do with its sleep (`my-permissions`). */
  permissionsTold(userId: number, told: Readonly<Record<string, unknown>>): void {
    this.#registry.users.keepPermissions(userId, told, this.#deps.time.nowMs());
  }

  /** Paired desktops still in use: the caller's own, or for an admin everybody's. */
  pairedDesktops(caller: Caller): readonly DesktopRow[] {
    return this.#desktops.list(this.isAdmin(caller) ? null : caller.user.id);
  }

  /**
   * Ends a paired desktop, the caller's own or for an admin anybody's.
   * @returns whether there was one
   */
  endPairedDesktop(caller: Caller, deviceId: string): boolean {
    const rows = this.pairedDesktops(caller).filter((row) => row.deviceId === deviceId);
    for (const row of rows) this.#registry.endDesktop(row, 'taken_away');
    return rows.length > 0;
  }

  /** That user's password was changed, which ends earlier pairings. */
  passwordChanged(userId: number): void {
    this.#registry.endDesktopsOf(userId, 'password_changed');
  }

  /** The NAS told that this user has that device; an owner already known stays. */
  learnDevice(deviceId: string, userId: number): void {
    this.#registry.devices.learn(deviceId, userId, this.#deps.time.nowMs());
  }

  /** @returns how to unsubscribe */
  onConfirmed(listener: ConfirmedListener): () => void {
    return this.#events.onConfirmed(listener);
  }

  /** @returns how to unsubscribe */
  onLogout(listener: LogoutListener): () => void {
    return this.#events.onLogout(listener);
  }

  /**
   * The NAS gave an id to somebody else. Subscribe before {@link start}, which repeats what a power
   * cut left undone.
   * @returns how to unsubscribe
   */
  onReplaced(listener: ReplacedListener): () => void {
    return this.#events.onReplaced(listener);
  }

  /**
   * Reports sign-ins from new places and new devices.
   * @returns how to unsubscribe
   */
  onNews(listener: (news: AccountNews) => void): () => void {
    return this.#events.onNews(listener);
  }

  /** Ends what the last run left open, and tells the NAS of logouts once it is up. */
  start(): void {
    for (const userId of this.#registry.users.replacedOpen()) this.#replaced(userId);
    this.#unlisten = this.#deps.presence.onChange((state) => {
      if (state.awake) this.#tellLogouts();
    });
  }

  /** Waits for what runs in the background. */
  async stop(): Promise<void> {
    this.#unlisten();
    await Promise.all([this.#learning.stop(), this.introspection.stop(), this.#telling]);
  }

  #tellLogouts(): void {
    this.#telling = this.#telling
      .then(() => this.profile.tellLogouts())
      .catch((error: unknown) => {
        this.#deps.log.error(`The NAS could not be told of a logout: ${String(error)}`);
      });
  }

  #replaced(userId: number): void {
    this.#deps.log.warn(`The NAS gave the id ${userId} to another person. Nothing is theirs yet.`);
    if (this.#events.replaced(userId)) this.#registry.users.closeReplacement(userId);
  }

  async #passed(checked: Extract<Checked, { kind: 'by_nas' }>): Promise<SignInOutcome> {
    const token = isRecord(checked.body) ? checked.body['access_token'] : undefined;
    if (checked.user !== null && typeof token === 'string') {
      await this.#learning.atSignIn(checked.user, token);
    }
    return { ...checked, kind: 'passed' };
  }

  #pageAuth(): PageSignIn {
    return new PageSignIn(this.#signIn, (user, token) => this.#learning.atSignIn(user, token));
  }

  #pageSessions(recheck: RoleRecheck): PageSessions {
    return new PageSessions({
      rows: new PageSessionRows(this.#deps.store),
      time: this.#deps.time,
      recheck,
      randomBytes,
      userOf: (userId) => this.users.userOf(userId),
      signInEpochOf: (userId) => this.users.signInEpochOf(userId),
    });
  }

  #allSignIns(): SignIns {
    const { pages } = this;
    const [registry, desktops, editor] = [this.#registry, this.#desktops, this.editor];
    return new SignIns({ time: this.#deps.time, pages, registry, desktops, editor });
  }

  #confirmed(user: User, token: string): void {
    this.#learning.wanted(user, token);
    this.#events.confirmed(user, token);
  }
}

type CannotAsk = Extract<AuthResult, { kind: 'cannot_ask' }>;

/** The answer for an unknown token, when neither the disk nor the NAS can tell. */
function unknownNow(store: Store, { state }: NasPresence): CannotAsk | null {
  if (store.file.isWhole || mayAsk(state)) return null;
  return { kind: 'cannot_ask', code: silentCode(state) };
}

interface ProfileDeps {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly registry: UserRegistry;
  readonly piSignIn: PiSignIn;
  /** A stored NAS token of that user; null where there is none right now. */
  readonly storedTokenOf: (userId: number) => Promise<string | null>;
  readonly events: AccountEvents;
}

/** `GET /api/auth/me` and `POST /api/auth/logout`. */
class Profile {
  readonly #deps: ProfileDeps;

  constructor(deps: ProfileDeps) {
    this.#deps = deps;
  }

  /**
   * Stored credentials never act for a Pi token on anything below `auth` (contract 2), so that
   * caller is sent to refresh. A paired desktop would only get another Pi token there, so it is
   * answered from memory.
   */
  async me(caller: Caller): Promise<SignInOutcome> {
    const { nas, presence } = this.#deps;
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
    const { presence, registry, events, storedTokenOf } = this.#deps;
    const { user } = caller;
    registry.logOut(caller);
    events.loggedOut(user.id);
    if (mayAsk(presence.state)) {
      const token = caller.nasToken ?? (await storedTokenOf(user.id));
      const answer = token === null ? null : await this.#tell(user.id, token);
      if (answer !== null && isGood(answer)) {
        return { kind: 'passed', status: answer.status, body: answer.body, user };
      }
    }
    // Whatever the NAS answered, the user is signed out on this Pi.
    return { kind: 'issued', body: { message: 'Logged out' }, user };
  }

  /** Tells the NAS, now that it is up, who signed out here while it was not. */
  async tellLogouts(): Promise<void> {
    const { registry, storedTokenOf } = this.#deps;
    for (const userId of registry.users.owingLogout()) {
      const token = await storedTokenOf(userId);
      if (token !== null) await this.#tell(userId, token);
    }
  }

  async #tell(userId: number, token: string): Promise<NasJson> {
    const { nas, registry } = this.#deps;
    const answer = await nas.logout(token);
    if (isGood(answer)) registry.users.settleLogout(userId);
    return answer;
  }

  /**
   * The NAS's answer, or the kept one when the NAS could not answer: BaluDesk forgets its
   * credentials on any error but 401 and 429 (read in BaluDesk).
   */
  #read(answer: NasJson, caller: Caller, token: string): SignInOutcome {
    const { registry } = this.#deps;
    if (answer.kind === 'unreachable') return this.#kept(caller);
    const failure = failureOf(answer);
    if (answer.kind === 'bad_answer' || isCannotAsk(failure)) return this.#unable(failure, caller);
    if (failure?.kind === 'token_refused') {
      registry.refuse(token);
      if (saysInactive(failure)) registry.deactivate(caller.user.id);
    }
    const told = readNasUser(goodBodyOf(answer));
    if (told?.id === caller.user.id && registry.learnMe(told, token) === null) {
      return refused('bad_token', { detail: 'This account is switched off on the NAS.' });
    }
    return { kind: 'passed', status: answer.status, body: answer.body, user: caller.user };
  }

  #unable(failure: NasFailure | null, caller: Caller): SignInOutcome {
    const kept = this.#deps.piSignIn.me(caller.user.id);
    if (kept !== null) return { kind: 'issued', body: kept, user: caller.user };
    if (failure?.kind !== 'throttled') return refused('nas_bad_answer');
    return refused('nas_busy', { retryAfterSeconds: retryAfterOf(failure) });
  }

  #kept(caller: Caller): SignInOutcome {
    const body = this.#deps.piSignIn.me(caller.user.id);
    if (body === null) return refused(silentCode(this.#deps.presence.state));
    return { kind: 'issued', body, user: caller.user };
  }
}

/** Permission to wake rarely changes, and the apps' own requests keep it fresh too. */
const PERMISSIONS_FRESH_MS = 6 * 3_600_000;

interface BackgroundLearningDeps {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly registry: UserRegistry;
  readonly time: TrustedClock;
  readonly budget: CallBudget;
  readonly log: Log;
}

/**
 * Asks for what the Pi will need of a user while the NAS sleeps: `me`, which BaluDesk must get at
 * its start, and whether they may wake. No caller waits, so the background budget rules.
 */
class BackgroundLearning {
  readonly #deps: BackgroundLearningDeps;
  readonly #running = new Map<number, Promise<void>>();
  #stopped = false;

  constructor(deps: BackgroundLearningDeps) {
    this.#deps = deps;
  }

  /** The NAS just confirmed `token`; asks for what is missing, if anything may be asked. */
  wanted(user: User, token: string): void {
    if (this.#running.has(user.id)) return;
    void this.#begin(user, token, (kind) => this.#deps.budget.take(kind));
  }

  /**
   * The same for a user who just signed in and waits, so it does not count against the background
   * budget. Without it nobody could wake the NAS a minute after signing in.
   */
  async atSignIn(user: User, token: string): Promise<void> {
    await this.#running.get(user.id);
    await this.#begin(user, token, () => true);
  }

  /** Starts nothing more and waits for what runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running.values());
  }

  #begin(user: User, token: string, mayAsk: CallBudget['take']): Promise<void> {
    if (this.#stopped || !this.#deps.presence.state.awake) return Promise.resolve();
    const learning = this.#learn(user, token, mayAsk)
      .catch((error: unknown) => {
        this.#deps.log.warn(`What the NAS knows of a user could not be kept: ${String(error)}`);
      })
      .finally(() => {
        this.#running.delete(user.id);
      });
    this.#running.set(user.id, learning);
    return learning;
  }

  async #learn(user: User, token: string, mayAsk: CallBudget['take']): Promise<void> {
    const { nas, registry, time } = this.#deps;
    const row = registry.users.find(user.id);
    if (row === null) return;
    if (row.me === null && mayAsk('other')) {
      const told = readNasUser(this.#bodyOf(await nas.me(token, { auto: true }), token));
      if (told?.id === user.id) registry.learnMe(told, token);
    }
    if (row.role === 'admin') return;
    const nowMs = time.nowMs();
    if (row.permissionsAtMs !== null && nowMs - row.permissionsAtMs < PERMISSIONS_FRESH_MS) return;
    if (!mayAsk('other')) return;
    const told = this.#bodyOf(await nas.myPermissions(token, { auto: true }), token);
    if (isRecord(told)) registry.users.keepPermissions(user.id, told, time.nowMs());
  }

  #bodyOf(answer: NasJson, token: string): unknown {
    if (failureOf(answer)?.kind === 'token_refused') this.#deps.registry.refuse(token);
    return goodBodyOf(answer);
  }
}
