import { randomBytes } from 'node:crypto';
import { isoSeconds } from '../http/http.ts';
import type { Log } from '../log/log.ts';
import type { NasApi, NasClient } from '../nas/nas.ts';
import type { NasPresence } from '../nas/nas.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import {
  AccountEvents,
  type AccountNews,
  type ConfirmedListener,
  type LogoutListener,
  type ReplacedListener,
} from './account-events.ts';
import { mayAsk, silentCode } from './asking.ts';
import { Authenticator } from './authenticator.ts';
import { BackgroundLearning } from './background-learning.ts';
import type { CallBudget } from './call-budget.ts';
import type { Caller, User } from './caller.ts';
import { EditorSessions } from './editor-sessions.ts';
import type { LiveToken } from './live-tokens.ts';
import { LoginLimits } from './login-limits.ts';
import { NasShares } from './nas-shares.ts';
import { NasVerdicts } from './nas-verdicts.ts';
import type { AuthVerdict, PageOutcome, PersonOutcome, SignInOutcome } from './outcomes.ts';
import { PageSessionRows } from './page-session-rows.ts';
import { PageSessions } from './page-sessions.ts';
import { PageSignIn } from './page-sign-in.ts';
import { PasswordVerifiers, SCRYPT_COST } from './password-verifiers.ts';
import { PersonSignIn } from './person-sign-in.ts';
import { PiSignIn } from './pi-sign-in.ts';
import { SignIns } from './sign-ins.ts';
import { PiTokens } from './pi-tokens.ts';
import type { DesktopRow } from './desktop-rows.ts';
import { PairedDesktops, type StoredCredentials } from './paired-desktops.ts';
import { Pairing } from './pairing.ts';
import { Profile } from './profile.ts';
import { Refresh } from './refresh.ts';
import { RoleRecheck } from './role-recheck.ts';
import { type Checked, type LoginTry, type SecondFactorTry, SignIn } from './sign-in.ts';
import { isRecord } from './token-form.ts';
import { UserBook } from './user-book.ts';

export type { AccountNews } from './account-events.ts';
export type { Caller, User } from './caller.ts';
export { Credentials, type CredentialView, type KeyStored } from './credentials.ts';
export type { PageOutcome, SignInOutcome, SignInRefusal } from './outcomes.ts';
export type { OpenedPage } from './page-sessions.ts';
export { NewestTimeRows } from './newest-time-rows.ts';

export interface AccountsParts {
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
  /** What is stored to act for users, and nothing they came with. */
  readonly stored: StoredCredentials;
  /** DESKTOP_REFRESH. */
  readonly desktopRefresh: 'auto' | 'off';
  /** A NAS token of that user's own that is stored here; null where there is none now. */
  readonly storedTokenOf: (userId: number) => Promise<string | null>;
  readonly log: Log;
}

/** Who is calling: tokens, passwords, roles. The door of this room. */
export class Accounts {
  /** Who has the pages of the Pi open. */
  readonly pages: PageSessions;
  /** Where everybody is signed in. */
  readonly signIns: SignIns;
  /** How phones and desktops get their tokens. */
  readonly pairing: Pairing;
  readonly #parts: AccountsParts;
  readonly #book: UserBook;
  readonly #authenticator: Authenticator;
  readonly #signIn: SignIn;
  readonly #piSignIn: PiSignIn;
  readonly #refresh: Refresh;
  readonly #profile: Profile;
  readonly #persons: PersonSignIn;
  readonly #pageSignIn: PageSignIn;
  readonly #editor: EditorSessions;
  readonly #learning: BackgroundLearning;
  readonly #events: AccountEvents;
  readonly #shares: NasShares;
  readonly #verdicts: NasVerdicts;
  readonly #desktops: PairedDesktops;
  #unlisten: () => void = () => undefined;
  #telling: Promise<void> = Promise.resolve();

  constructor(parts: AccountsParts) {
    this.#parts = parts;
    const events = (this.#events = new AccountEvents(parts.log));
    const { store, clock, time, nas, presence, secretKey, log, budget } = parts;
    const graceMs = parts.offlineGraceHours * 3_600_000;
    const shares = (this.#shares = new NasShares(clock));
    const onReplaced: ReplacedListener = (userId) => {
      this.#replaced(userId);
    };
    const book = new UserBook({ store, time, graceMs, onReplaced });
    const tokens = new PiTokens({ secretKey, book, time });
    const onConfirmed: ConfirmedListener = (user, token) => {
      this.#confirmed(user, token);
    };
    const onNews = events.news.bind(events);
    const own = { nas, presence, book, time, clock, graceMs, onConfirmed, onNews };
    const common = { ...own, shares, log, budget };
    const verdicts = (this.#verdicts = new NasVerdicts(common));
    this.#book = book;
    const unknown = (): AuthVerdict | null => unknownNow(store, presence);
    this.#authenticator = new Authenticator(tokens, (token) => verdicts.judge(token), unknown);
    const piSignIn = (this.#piSignIn = new PiSignIn(tokens, book));
    this.#signIn = new SignIn({
      ...common,
      verifiers: new PasswordVerifiers(book.verifiers, parts.scryptCost ?? SCRYPT_COST),
      limits: new LoginLimits(clock),
    });
    const { api, stored, desktopRefresh: mode, storedTokenOf } = parts;
    const desktops = (this.#desktops = new PairedDesktops({ ...common, api, stored, mode }));
    this.#refresh = new Refresh({ ...common, desktops, piSignIn });
    this.pairing = new Pairing({ ...common, api, desktops });
    this.#profile = new Profile({ ...common, piSignIn, storedTokenOf, events });
    this.#persons = new PersonSignIn(this.#signIn, presence);
    const recheck = new RoleRecheck(common);
    this.#editor = new EditorSessions({ ...common, personSignIn: this.#persons, recheck });
    this.#learning = new BackgroundLearning(common);
    this.#pageSignIn = this.#pageDoor();
    this.pages = this.#pageSessions(recheck);
    this.signIns = this.#allSignIns();
  }

  /** The trusted time was put right, in what is stored too. */
  clockPutRight(): void {
    this.#book.clockPutRight();
  }

  /** @param bearer the token as it stands behind `Bearer` (see {@link bearerOf}) */
  authenticate(bearer: string): Promise<AuthVerdict> {
    return this.#authenticator.authenticate(bearer);
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

  /** `GET /api/auth/me`. */
  me(caller: Caller): Promise<SignInOutcome> {
    return this.#profile.me(caller);
  }

  /** `POST /api/auth/logout`: always ends in 200. */
  logout(caller: Caller): Promise<SignInOutcome> {
    return this.#profile.logout(caller);
  }

  /** Any call to the NAS with this token came back 401: it is over at once and for good. */
  refusedByNas(token: string): void {
    this.#verdicts.refused(token);
  }

  /** Whether an admin of the NAS is known here at all. */
  knowsAdmin(): boolean {
    return this.#book.users.knowsAdmin();
  }

  /** May do what the contract keeps for admins. */
  isAdmin(caller: Caller): boolean {
    return caller.user.role === 'admin' && caller.scope === 'all';
  }

  /** May wake the NAS: admins, and users whose last `my-permissions` allowed it. */
  mayWake(caller: Caller): boolean {
    if (caller.user.role === 'admin') return true;
    const permissions = this.#book.users.find(caller.user.id)?.permissions;
    return permissions?.['can_wol'] === true || permissions?.['can_wake'] === true;
  }

  /** The NAS told a user what they may do with its sleep (`my-permissions`). */
  permissionsTold(userId: number, told: Readonly<Record<string, unknown>>): void {
    this.#book.users.keepPermissions(userId, told, this.#parts.time.nowMs());
  }

  /** The newest token of that user the NAS said is good, for delivery while they are here. */
  liveTokenOf(userId: number): LiveToken | null {
    return this.#book.live.ofUser(userId);
  }

  /** Whether that token lets nobody in any more: the NAS refused it, or its user signed out. */
  isOver(token: string): boolean {
    return this.#book.isOver(token);
  }

  /** Anybody's, for the probe. */
  anyLiveToken(): LiveToken | null {
    return this.#book.live.any();
  }

  /** The paired desktops that may go on: the caller's own, for an admin everybody's. */
  pairedDesktops(caller: Caller): readonly DesktopRow[] {
    return this.#desktops.list(this.isAdmin(caller) ? null : caller.user.id);
  }

  /**
   * Ends a paired desktop, the caller's own or for an admin anybody's.
   * @returns whether there was one
   */
  endPairedDesktop(caller: Caller, deviceId: string): boolean {
    const rows = this.pairedDesktops(caller).filter((row) => row.deviceId === deviceId);
    for (const row of rows) this.#book.endDesktop(row, 'taken_away');
    return rows.length > 0;
  }

  /** That user's password was changed: what was paired before is over. */
  passwordChanged(userId: number): void {
    this.#book.endDesktopsOf(userId, 'password_changed');
  }

  /** What is stored to act for that user is over. */
  storedCredentialEnded(userId: number): void {
    this.#desktops.credentialEnded(userId);
  }

  /** Whose device that is, as far as the NAS said so; null when it did not. */
  deviceOwner(deviceId: string): number | null {
    return this.#book.devices.ownerOf(deviceId);
  }

  /** The NAS said that this user has that device; whose it is already it stays. */
  learnDevice(deviceId: string, userId: number): void {
    this.#book.devices.learn(deviceId, userId, this.#parts.time.nowMs());
  }

  /** A user as last known, also while they are away; null when unknown or switched off. */
  userOf(userId: number): User | null {
    return this.#book.userOf(userId);
  }

  /** When the NAS made that user, ISO 8601: with the id it says who it is. Null until it told. */
  bornAt(userId: number): string | null {
    const createdAtS = this.#book.users.find(userId)?.createdAtS ?? null;
    return createdAtS === null ? null : isoSeconds(createdAtS * 1_000);
  }

  /** Ids of the active users for whom the NAS answered since then. */
  signedInSince(sinceMs: number): readonly number[] {
    return this.#book.users.answeredSince(sinceMs);
  }

  /** Everybody whom the NAS let in here and has not switched off, by name. */
  everybody(): readonly User[] {
    const users = this.#book.users.answeredSince(0).map((id) => this.#book.userOf(id));
    const known = users.filter((user) => user !== null);
    return known.sort((a, b) => (a.username < b.username ? -1 : 1));
  }

  /** When the NAS last answered for that user, epoch ms; 0 for one who is unknown. */
  answeredAtMs(userId: number): number {
    return this.#book.users.find(userId)?.answeredAtMs ?? 0;
  }

  /** As {@link userOf}, by the name the NAS last gave. */
  userNamed(username: string): User | null {
    const row = this.#book.users.findByName(username);
    return row === null ? null : this.#book.userOf(row.id);
  }

  /**
   * What a page's session of that user stands on: remember it at the sign-in and compare it later.
   * Another number, or null, means that the session is over (logout, switched off, refused, grace).
   */
  standingOf(userId: number): number | null {
    const row = this.#book.users.find(userId);
    if (row === null || !row.isActive || !this.#book.withinGrace(row)) return null;
    return row.endedAtMs ?? 0;
  }

  /** Signs a person in to a page that asks for the second factor by itself. */
  pageSignIn(given: LoginTry): Promise<PageOutcome> {
    return this.#pageSignIn.password(given);
  }

  /** The second step of {@link pageSignIn}. */
  pageSecondFactor(given: SecondFactorTry): Promise<PageOutcome> {
    return this.#pageSignIn.secondFactor(given);
  }

  /** Signs an admin in to the editor, for 12 hours. */
  editorSignIn(
    username: string,
    passwordWithOptionalCode: string,
    address = 'editor',
  ): Promise<PersonOutcome> {
    return this.#editor.signIn({ username, password: passwordWithOptionalCode, address });
  }

  /** Whether that admin's editor session still stands. */
  editorUser(username: string): Promise<User | null> {
    return this.#editor.user(username);
  }

  /** @returns how to stop hearing */
  onConfirmed(listener: ConfirmedListener): () => void {
    return this.#events.onConfirmed(listener);
  }

  /** @returns how to stop hearing */
  onLogout(listener: LogoutListener): () => void {
    return this.#events.onLogout(listener);
  }

  /**
   * The NAS gave an id to somebody else. Listen before {@link start}, which tells again what a power
   * cut left undone.
   * @returns how to stop hearing
   */
  onReplaced(listener: ReplacedListener): () => void {
    return this.#events.onReplaced(listener);
  }

  /** Tells of sign-ins from new places and of new devices. @returns how to stop that */
  onNews(listener: (news: AccountNews) => void): () => void {
    return this.#events.onNews(listener);
  }

  /** Ends what the last run left open, and tells the NAS of logouts once it is up. */
  start(): void {
    for (const userId of this.#book.users.replacedOpen()) this.#replaced(userId);
    this.#unlisten = this.#parts.presence.onChange((state) => {
      if (state.awake) this.#tellLogouts();
    });
  }

  /** Waits for what runs in the background. */
  async stop(): Promise<void> {
    this.#unlisten();
    await Promise.all([this.#learning.stop(), this.#verdicts.stop(), this.#telling]);
  }

  #tellLogouts(): void {
    this.#telling = this.#telling
      .then(() => this.#profile.tellLogouts())
      .catch((error: unknown) => {
        this.#parts.log.error(`The NAS could not be told of a logout: ${String(error)}`);
      });
  }

  #replaced(userId: number): void {
    this.#parts.log.warn(`The NAS gave the id ${userId} to another person. Nothing is theirs yet.`);
    if (this.#events.replaced(userId)) this.#book.users.closeReplacement(userId);
  }

  async #passed(checked: Extract<Checked, { kind: 'by_nas' }>): Promise<SignInOutcome> {
    const token = isRecord(checked.body) ? checked.body['access_token'] : undefined;
    if (checked.user !== null && typeof token === 'string') {
      await this.#learning.atSignIn(checked.user, token);
    }
    return { ...checked, kind: 'passed' };
  }

  #pageDoor(): PageSignIn {
    return new PageSignIn(this.#signIn, (user, token) => this.#learning.atSignIn(user, token));
  }

  #pageSessions(recheck: RoleRecheck): PageSessions {
    return new PageSessions({
      rows: new PageSessionRows(this.#parts.store),
      time: this.#parts.time,
      recheck,
      randomBytes,
      userOf: (userId) => this.userOf(userId),
      standingOf: (userId) => this.standingOf(userId),
    });
  }

  #allSignIns(): SignIns {
    const { pages } = this;
    const [book, desktops, editor] = [this.#book, this.#desktops, this.#editor];
    return new SignIns({ time: this.#parts.time, pages, book, desktops, editor });
  }

  #confirmed(user: User, token: string): void {
    this.#learning.wanted(user, token);
    this.#events.confirmed(user, token);
  }
}

/** What a token is that nothing is known of, where neither the disk nor the NAS can tell. */
function unknownNow(store: Store, { state }: NasPresence): AuthVerdict | null {
  if (store.isWhole || mayAsk(state)) return null;
  return { kind: 'cannot_ask', code: silentCode(state) };
}
