import { isoSeconds } from '../http/http.ts';
import type { Store } from '../store/store.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { Caller, User } from './caller.ts';
import { type DesktopEnd, type DesktopRow, DesktopRows } from './desktop-rows.ts';
import { LruMap } from '../limits/limits.ts';
import {
  expiryOf,
  hashToken,
  type NasSignIn,
  type NasUser,
  readSignIn,
  readTokenForm,
  type TokenForm,
  userStateIn,
} from './nas-answers.ts';
import {
  DeviceRows,
  PiSessionRows,
  PlaceRows,
  RefreshRows,
  type UserRow,
  UserRows,
  IntrospectionRows,
  VerifierRows,
} from './user-rows.ts';

/** Who a token belongs to, by its own claims or by the NAS's user object. */
interface Identity extends User {
  /** Seconds of the NAS's clock that this was true at; 0 when nothing tells. */
  readonly iatS: number;
  /** The NAS's user object, which outranks a claim; null when there is only the claim. */
  readonly profile: NasUser | null;
}

type Learnt =
  | { readonly kind: 'user'; readonly user: User; readonly token: string }
  | { readonly kind: 'inactive' }
  /** Its refresh token had ended here, by a logout or with its previous owner. */
  | { readonly kind: 'ended' }
  /** The answer lets nobody in, or contradicts itself. */
  | { readonly kind: 'nobody' };

/** The refresh tokens that came with an access token, and the device they all belong to. */
interface Lineage {
  readonly device: string;
  readonly refreshTokens: readonly string[];
}

/** An API key has no expiry; as a live token it counts until the NAS is asked again. */
const LIVE_KEY_MS = 900_000;
const KEY_KEPT_MS = 90 * 86_400_000;
const PRUNE_EVERY_MS = 3_600_000;
/** As the NAS's access tokens do (measured on 1.38). */
const TOKEN_LIVES_S = 900;
const REFUSED_KEPT = 10_000;
const TOLD_KEPT = 1_000;

interface UserRegistryDeps {
  readonly store: Store;
  readonly time: TrustedClock;
  readonly graceMs: number;
  /** That id is somebody else's from now on; heard once it is written down. */
  readonly onReplaced: (userId: number) => void;
}

/**
 * What the NAS said of users and their tokens, each answer stored in one transaction, so that a
 * power cut leaves no token without its user. Everything that ends a session is here too.
 */
export class UserRegistry {
  readonly users: UserRows;
  readonly introspections: IntrospectionRows;
  readonly refreshTokens: RefreshRows;
  readonly verifiers: VerifierRows;
  readonly places: PlaceRows;
  readonly sessions: PiSessionRows;
  readonly live: LiveTokens;
  readonly devices: DeviceRows;
  readonly desktops: DesktopRows;
  readonly #store: Store;
  readonly #time: TrustedClock;
  readonly #graceMs: number;
  /** Refused tokens that were never seen good: bounded and in memory, as anybody can send them. */
  readonly #refused = new LruMap<string, true>(REFUSED_KEPT);
  /** When the NAS last told the user object, by user, in ms of the trusted time; this run only. */
  readonly #toldAtMs = new LruMap<number, number>(TOLD_KEPT);
  readonly #onReplaced: (userId: number) => void;
  #prunedAtMs = 0;

  constructor(deps: UserRegistryDeps) {
    this.#store = deps.store;
    this.#time = deps.time;
    this.#graceMs = deps.graceMs;
    this.#onReplaced = deps.onReplaced;
    this.users = new UserRows(deps.store);
    this.introspections = new IntrospectionRows(deps.store);
    this.refreshTokens = new RefreshRows(deps.store);
    this.verifiers = new VerifierRows(deps.store);
    this.places = new PlaceRows(deps.store);
    this.sessions = new PiSessionRows(deps.store);
    this.live = new LiveTokens(deps.time);
    this.devices = new DeviceRows(deps.store);
    this.desktops = new DesktopRows(deps.store);
  }

  /** Whether the NAS confirmed this user recently enough to let them in without asking. */
  withinGrace(row: UserRow): boolean {
    return this.#time.nowMs() < row.answeredAtMs + this.#graceMs;
  }

  /** When the NAS made that user, ISO 8601: with the id it says who it is. Null until it told. */
  bornAt(userId: number): string | null {
    const createdAtS = this.users.find(userId)?.createdAtS ?? null;
    return createdAtS === null ? null : isoSeconds(createdAtS * 1_000);
  }

  /** Active users that the NAS let in here, by name. */
  everybody(): readonly User[] {
    const users = this.users.answeredSince(0).map((id) => this.userOf(id));
    const known = users.filter((user) => user !== null);
    return known.sort((a, b) => (a.username < b.username ? -1 : 1));
  }

  /** When the NAS last confirmed that user, epoch ms; 0 for an unknown one. */
  answeredAtMs(userId: number): number {
    return this.users.find(userId)?.answeredAtMs ?? 0;
  }

  /** As {@link userOf}, by the name the NAS last gave. */
  userNamed(username: string): User | null {
    const row = this.users.findByName(username);
    return row === null ? null : this.userOf(row.id);
  }

  /**
   * The epoch a page's session of that user depends on: store it at the sign-in, compare it later.
   * A different number, or null, ends the session (logout, disabled, refused, grace).
   */
  signInEpochOf(userId: number): number | null {
    const row = this.users.find(userId);
    if (row === null || !row.isActive || !this.withinGrace(row)) return null;
    return row.endedAtMs ?? 0;
  }

  /** The trusted time went back: times measured on it are forgotten. */
  clockPutRight(): void {
    this.live.clear();
    this.#toldAtMs.clear();
    this.#prunedAtMs = 0;
  }

  isRefused(hash: Buffer): boolean {
    return this.#refused.get(hash.toString('base64')) === true;
  }

  /** Whether that token is over: refused by the NAS, or signed out. */
  isOver(token: string): boolean {
    const hash = hashToken(token);
    return this.isRefused(hash) || (this.introspections.find(hash)?.endedAtMs ?? null) !== null;
  }

  /** The NAS confirmed that `token` is good, and whose it is. */
  confirm(token: string, of: Identity, lineage: Lineage | null = null): User {
    const nowMs = this.#time.nowMs();
    const form = readTokenForm(token);
    const expiresAtMs = form.kind === 'jwt' ? form.claims.expiresAtMs : null;
    const kind = form.kind === 'jwt' ? 'jwt' : 'api_key';
    this.#store.transaction(() => {
      this.#upsert(of, nowMs);
      const device = lineage?.device ?? null;
      const confirmed = { userId: of.id, kind, expiresAtMs, confirmedAtMs: nowMs, device } as const;
      if (form.kind !== 'none') this.introspections.confirm(hashToken(token), confirmed);
      if (lineage !== null) this.#keepRefresh(lineage, of.id, nowMs);
      this.#prune(nowMs);
    });
    if (form.kind === 'jwt') this.#time.accepted(form.claims.issuedAtS * 1_000);
    if (this.#isGood(token)) {
      this.live.keep({ userId: of.id, token, expiresAtMs: expiresAtMs ?? nowMs + LIVE_KEY_MS });
    }
    return this.userOf(of.id) ?? of;
  }

  /**
   * Learns from a good login, second factor, refresh, registration or pairing.
   * @param presented the refresh token this was the answer to
   */
  learnSignIn(body: unknown, presented: string | null = null): Learnt {
    const told = readSignIn(body);
    const of = told === null ? null : identityIn(told);
    if (told === null || of === null) return { kind: 'nobody' };
    if (of.profile !== null) this.#meet(of.profile);
    if (presented !== null && this.refreshTokens.isEnded(hashToken(presented))) {
      return { kind: 'ended' };
    }
    if (of.profile?.isActive === false) {
      this.deactivate(of.id);
      return { kind: 'inactive' };
    }
    const refreshTokens = [presented, told.refreshToken].filter((token) => token !== null);
    const [first] = refreshTokens;
    const lineage =
      first === undefined
        ? null
        : { device: this.refreshTokens.deviceOf(hashToken(first)), refreshTokens };
    this.introspections.signInAgain(hashToken(told.accessToken));
    const user = this.confirm(told.accessToken, of, lineage);
    // Their new sign-in is newer than the logout, and reporting the logout now would end it too.
    if (told.refreshToken !== null) this.users.settleLogout(of.id);
    return { kind: 'user', user, token: told.accessToken };
  }

  /**
   * The NAS answered `me` for `token`.
   * @returns null when that account is switched off, is not the one the token names, or the token
   * belonged to somebody who had that id before
   */
  learnMe(told: NasUser, token: string): User | null {
    const form = readTokenForm(token);
    if (form.kind === 'jwt' && form.claims.userId !== told.id) return null;
    const wasSeen = this.introspections.find(hashToken(token)) !== null;
    const isOther = this.#meet(told);
    const hasOtherName = form.kind === 'jwt' && form.claims.username !== told.username;
    const isOlder = (isOther || hasOtherName) && isMintedBefore(form, told);
    if (isOlder || (isOther && wasSeen)) {
      this.refuse(token);
      return null;
    }
    if (!told.isActive) {
      this.deactivate(told.id);
      return null;
    }
    const iatS = form.kind === 'jwt' ? form.claims.issuedAtS : 0;
    return this.confirm(token, { ...told, iatS, profile: told });
  }

  /**
   * The NAS answered 401 to `token`: ended at once and for good. Before its expiry that means the
   * user was signed out, which also ends their open pages on the Pi.
   */
  refuse(token: string): void {
    const hash = hashToken(token);
    const nowMs = this.#time.nowMs();
    const row = this.introspections.find(hash);
    this.live.drop(token);
    if (row === null) this.#refused.set(hash.toString('base64'), true);
    else {
      this.#store.transaction(() => {
        const ended = this.introspections.end(hash, nowMs);
        const living = row.expiresAtMs !== null && nowMs < row.expiresAtMs;
        if (ended && living) this.users.end(row.userId, nowMs);
      });
    }
  }

  /** The NAS says this account is switched off, so nothing of it opens anything any more. */
  deactivate(userId: number): void {
    const nowMs = this.#time.nowMs();
    this.live.dropOfUser(userId);
    this.#store.transaction(() => {
      this.#deactivate(userId, nowMs);
    });
  }

  /**
   * Drops what would let this user in without the NAS, and queues the logout for the NAS. The
   * current token and the device's earlier ones end here for good, though the NAS takes an access
   * token until it expires. An API key is no sign-in and outlasts it.
   */
  logOut({ user, nasToken, device }: Caller): void {
    const userId = user.id;
    const nowMs = this.#time.nowMs();
    const form: TokenForm = nasToken === null ? { kind: 'none' } : readTokenForm(nasToken);
    this.live.dropOfUser(userId);
    this.#store.transaction(() => {
      if (nasToken !== null && form.kind === 'jwt') {
        this.introspections.signOut(hashToken(nasToken), userId, form.claims.expiresAtMs, nowMs);
      }
      if (device !== undefined) this.introspections.signOutDevice(userId, device, nowMs);
      this.introspections.dropOfUser(userId);
      this.#endDesktops(userId, 'logout', nowMs);
      this.refreshTokens.endOfUser(userId, nowMs, this.#overBeforeMs());
      this.sessions.dropOfUser(userId);
      this.users.end(userId, nowMs);
      this.users.oweLogout(userId);
    });
  }

  /** Whether the NAS confirmed in this run who that user is, less than `withinMs` ago. */
  wasToldRecently(userId: number, withinMs: number): boolean {
    const toldAtMs = this.#toldAtMs.get(userId);
    return toldAtMs !== undefined && this.#time.nowMs() - toldAtMs < withinMs;
  }

  /** The NAS refused a refresh token, which ends it and everything the Pi issued for it. */
  refuseRefresh(hash: Buffer): void {
    this.#store.transaction(() => {
      const desktop = this.desktops.find(hash);
      if (desktop !== null) this.#endDesktop(desktop, 'refused', this.#time.nowMs());
      this.refreshTokens.drop(hash);
      this.sessions.dropOfRefresh(hash);
    });
  }

  /** Revokes all tokens of one device, the NAS's and the Pi's. */
  endDevice(userId: number, device: string): void {
    const nowMs = this.#time.nowMs();
    this.live.dropOfUser(userId);
    this.#store.transaction(() => {
      this.introspections.signOutDevice(userId, device, nowMs);
      for (const hash of this.refreshTokens.endOfDevice(userId, device, nowMs)) {
        this.sessions.dropOfRefresh(hash);
      }
    });
  }

  /** Ends a paired desktop for good, with everything the Pi issued for it. */
  endDesktop(row: DesktopRow, why: DesktopEnd): void {
    this.#store.transaction(() => {
      this.#endDesktop(row, why, this.#time.nowMs());
    });
  }

  /** Ends all paired desktops of that user. */
  endDesktopsOf(userId: number, why: DesktopEnd): void {
    this.#store.transaction(() => {
      this.#endDesktops(userId, why, this.#time.nowMs());
    });
  }

  /**
   * What the NAS says of a user now. If it differs from when a desktop was paired, their password
   * may have changed, and that was meant to end earlier sign-ins.
   */
  lookAtDesktops({ id, raw }: Pick<NasUser, 'id' | 'raw'>): void {
    const state = userStateIn(raw);
    if (state === null) return;
    for (const row of this.desktops.ofOtherState(id, state)) {
      this.#endDesktop(row, 'user_changed', this.#time.nowMs());
    }
  }

  /** A second factor protects this name now, so its password alone must open nothing. */
  dropVerifierOf(username: string): void {
    const row = this.users.findByName(username);
    if (row !== null) this.verifiers.drop(row.id);
  }

  userOf(id: number): User | null {
    const row = this.users.find(id);
    return row?.isActive === true ? { id, username: row.username, role: row.role } : null;
  }

  /**
   * The NAS told who has an id. Id and `created_at` identify a person: another `created_at` under a
   * known id is somebody else, who inherits nothing. Only another name is a rename.
   * @returns whether it is a different person
   */
  #meet(told: NasUser): boolean {
    const nowMs = this.#time.nowMs();
    this.#toldAtMs.set(told.id, nowMs);
    const known = this.users.find(told.id)?.createdAtS ?? null;
    const { createdAtS } = told;
    if (known === null || createdAtS === null || known === createdAtS) return false;
    this.live.dropOfUser(told.id);
    this.#store.transaction(() => {
      this.introspections.endOfUser(told.id, nowMs);
      this.#endDesktops(told.id, 'user_gone', nowMs);
      this.refreshTokens.endOfUser(told.id, nowMs, this.#overBeforeMs());
      this.sessions.dropOfUser(told.id);
      this.verifiers.drop(told.id);
      this.places.dropOfUser(told.id);
      this.devices.dropOfUser(told.id);
      this.users.replace(told, nowMs);
    });
    this.#onReplaced(told.id);
    return true;
  }

  /** If another call was refused with it meanwhile, that refusal weighs more. */
  #isGood(token: string): boolean {
    const hash = hashToken(token);
    return !this.isRefused(hash) && this.introspections.find(hash)?.endedAtMs === null;
  }

  #upsert(of: Identity, nowMs: number): void {
    const before = this.users.find(of.id);
    // A token issued before the user was last learnt would bring an old name and role back.
    const stale = of.profile === null && before !== null && of.iatS <= before.roleIatS;
    const { username, role } = stale ? before : of;
    this.users.upsert({
      id: of.id,
      username,
      role,
      roleIatS: Math.max(roleKnownAtS(of, nowMs), before?.roleIatS ?? 0),
      answeredAtMs: nowMs,
    });
    if (of.profile !== null) this.lookAtDesktops(of.profile);
    if (isWhole(of.profile)) {
      this.users.keepMe(of.id, of.profile.raw, of.profile.createdAtS);
    }
    // Names are unique on the NAS: the previous holder was renamed or is gone. Until the NAS says
    // which, nothing under the old name opens anything; their tokens are checked again.
    for (const id of this.users.namesakes(username, of.id)) {
      this.users.deactivate(id, nowMs);
      this.introspections.dropOfUser(id);
      this.sessions.dropOfUser(id);
    }
  }

  #endDesktops(userId: number, why: DesktopEnd, nowMs: number): void {
    for (const row of this.desktops.active(userId)) this.#endDesktop(row, why, nowMs);
  }

  #endDesktop({ refreshHash }: DesktopRow, why: DesktopEnd, nowMs: number): void {
    this.desktops.end(refreshHash, why, nowMs);
    this.refreshTokens.drop(refreshHash);
    this.sessions.dropOfRefresh(refreshHash);
  }

  #deactivate(userId: number, nowMs: number): void {
    this.users.deactivate(userId, nowMs);
    this.introspections.endOfUser(userId, nowMs);
    this.#endDesktops(userId, 'user_gone', nowMs);
    this.refreshTokens.dropOfUser(userId);
    this.sessions.dropOfUser(userId);
    this.verifiers.drop(userId);
  }

  #keepRefresh({ device, refreshTokens }: Lineage, userId: number, nowMs: number): void {
    for (const refreshToken of refreshTokens) {
      const hash = hashToken(refreshToken);
      if (this.refreshTokens.isEnded(hash)) continue;
      const row = { userId, expiresAtMs: expiryOf(refreshToken), device };
      this.refreshTokens.keep(hash, row, nowMs, this.#overBeforeMs());
    }
  }

  /** Purges what ended earlier, but nothing while the clock may be ahead. */
  #overBeforeMs(): number {
    return this.#time.isProved ? this.#time.nowMs() : 0;
  }

  #prune(nowMs: number): void {
    if (nowMs - this.#prunedAtMs < PRUNE_EVERY_MS) return;
    this.#prunedAtMs = nowMs;
    this.introspections.cap();
    if (!this.#time.isProved) return;
    this.introspections.prune(nowMs - this.#graceMs, nowMs - Math.max(this.#graceMs, KEY_KEPT_MS));
  }
}

/** A pairing answer carries four user fields, too few to replace `me`. */
function isWhole(profile: NasUser | null): profile is NasUser {
  return profile !== null && 'is_active' in profile.raw;
}

/**
 * Tokens up to this time cannot change the role: the NAS's answer is true now, so no claim minted
 * before now overrides it, even from a token younger than the one that was shown.
 */
function roleKnownAtS({ profile, iatS }: Identity, nowMs: number): number {
  if (profile === null) return iatS;
  const nowS = Math.floor(nowMs / 1_000);
  // Bounded by a token's lifetime, as the Pi's clock may be ahead of the NAS's.
  return iatS === 0 ? nowS : Math.max(iatS, Math.min(nowS, iatS + TOKEN_LIVES_S));
}

/** Whether a token is older than the person who has its id now, by the NAS's own clock. */
function isMintedBefore(form: TokenForm, { createdAtS }: NasUser): boolean {
  if (form.kind !== 'jwt' || createdAtS === null || form.claims.issuedAtS === 0) return false;
  return form.claims.issuedAtS < createdAtS;
}

/** The user a sign-in is for: by its user object, else by its token. Null where they disagree. */
function identityIn(told: NasSignIn): Identity | null {
  const form = readTokenForm(told.accessToken);
  const claims = form.kind === 'jwt' ? form.claims : null;
  const iatS = claims?.issuedAtS ?? 0;
  if (told.user !== null) {
    const { id, username, role } = told.user;
    const agree = claims === null || claims.userId === id;
    return agree ? { id, username, role, iatS, profile: told.user } : null;
  }
  if (claims === null) return null;
  const { userId, username, role } = claims;
  return { id: userId, username, role, iatS, profile: null };
}

/** A NAS token that is good right now. Never stored, never logged. */
export interface LiveToken {
  readonly userId: number;
  readonly token: string;
  /** Epoch ms. */
  readonly expiresAtMs: number;
}

/** More users at once than a household has. */
const MAX_USERS = 1_000;

/**
 * Per user the newest token the NAS just confirmed: for deliveries and probes while that user is
 * here. In memory only.
 */
export class LiveTokens {
  readonly #time: TrustedClock;
  readonly #ofUser = new LruMap<number, LiveToken>(MAX_USERS);

  constructor(time: TrustedClock) {
    this.#time = time;
  }

  /** Keeps it if it lasts longer than the one before. */
  keep(live: LiveToken): void {
    const before = this.ofUser(live.userId);
    if (before !== null && before.expiresAtMs > live.expiresAtMs) return;
    this.#ofUser.set(live.userId, live);
  }

  ofUser(userId: number): LiveToken | null {
    const live = this.#ofUser.get(userId);
    if (live === undefined) return null;
    if (live.expiresAtMs > this.#time.nowMs()) return live;
    this.#ofUser.delete(userId);
    return null;
  }

  /** The longest-lasting one, of any user. */
  any(): LiveToken | null {
    let best: LiveToken | null = null;
    for (const [userId] of [...this.#ofUser]) {
      const live = this.ofUser(userId);
      if (live !== null && (best === null || live.expiresAtMs > best.expiresAtMs)) best = live;
    }
    return best;
  }

  drop(token: string): void {
    for (const [userId, live] of this.#ofUser) {
      if (live.token === token) this.#ofUser.delete(userId);
    }
  }

  clear(): void {
    this.#ofUser.clear();
  }

  dropOfUser(userId: number): void {
    this.#ofUser.delete(userId);
  }
}
