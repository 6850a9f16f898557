import { LruMap, RateLimiter } from '../limits/limits.ts';
import {
  failureOf,
  goodBodyOf,
  isCannotAsk,
  isGood,
  type NasApi,
  type NasClient,
  type NasFailure,
  type NasPresence,
} from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import {
  type AccountNews,
  refused,
  type SignInOutcome,
  type SignInRefusal,
  type User,
} from './caller.ts';
import type { DesktopRow } from './desktop-rows.ts';
import {
  expiryOf,
  hashToken,
  isRecord,
  readNasUser,
  retryAfterOf,
  silentCode,
  userStateIn,
} from './nas-answers.ts';
import type { UserRegistry } from './user-registry.ts';

/** Stored credentials, as far as paired desktops depend on them. */
export interface StoredCredentials {
  /** A token of that user's stored credential; never one the user sent. Null: none right now. */
  tokenOf(userId: number): Promise<string | null>;
  /** Whether there is one, even without a token at this moment. */
  holdsFor(userId: number): boolean;
  /** The NAS answered 401 to it. */
  refused(token: string): Promise<void>;
}

export interface PairedDesktopsDeps {
  readonly nas: Pick<NasClient, 'me'>;
  readonly api: Pick<NasApi, 'call'>;
  readonly stored: StoredCredentials;
  readonly registry: UserRegistry;
  readonly clock: Clock;
  readonly time: TrustedClock;
  /** DESKTOP_REFRESH. */
  readonly mode: 'auto' | 'off';
}

/** Whether a desktop may continue. `unsure`: the NAS could not tell; it keeps its tokens. */
export type DesktopState =
  | { readonly kind: 'stands'; readonly user: User }
  | { readonly kind: 'unsure' }
  | { readonly kind: 'over' };

/** Contract 2: at most 30 days. */
const MOST_MS = 30 * 86_400_000;
const CONFIRMED_FOR_MS = 3_600_000;
const LISTED_FOR_MS = 86_400_000;

const OVER: DesktopState = { kind: 'over' };
const UNSURE: DesktopState = { kind: 'unsure' };

/** The NAS's exact words for a refresh token that it never stored (measured on 1.38). */
export function saysRevoked(failure: NasFailure): boolean {
  const isOver = failure.kind === 'token_refused';
  return isOver && failure.detail === 'Refresh token has been revoked';
}

/**
 * BaluHost 1.38 refuses the refresh token of each desktop it paired, because it never stored it. A
 * desktop whose approved pairing was seen here continues with Pi tokens, which are good on this Pi
 * and act by its user's stored credential, until something speaks against it: see docs/adr.
 */
export class PairedDesktops {
  readonly #deps: PairedDesktopsDeps;
  /** By user, monotonic: when the NAS last confirmed their stored credential. */
  readonly #confirmedAtMs = new Map<number, number>();

  constructor(deps: PairedDesktopsDeps) {
    this.#deps = deps;
  }

  /** An approved pairing. `raw` is what the NAS says of its user at this moment. */
  paired(given: {
    readonly refreshHash: Buffer;
    readonly refreshEndsAtMs: number | null;
    readonly deviceId: string;
    readonly deviceName: string;
    readonly userId: number;
    readonly raw: Readonly<Record<string, unknown>>;
  }): void {
    const { registry, time, mode } = this.#deps;
    const userState = userStateIn(given.raw);
    if (mode === 'off' || userState === null) return;
    const { refreshHash, deviceId, deviceName, userId } = given;
    const nowMs = time.nowMs();
    const endsAtMs = Math.min(nowMs + MOST_MS, given.refreshEndsAtMs ?? Infinity);
    const times = { pairedAtMs: nowMs, endsAtMs, listedAtMs: nowMs };
    for (const before of registry.desktops.active(userId)) {
      if (before.deviceId === deviceId) registry.endDesktop(before, 'paired_anew');
    }
    registry.desktops.keep({ refreshHash, deviceId, deviceName, userId, ...times }, userState);
  }

  /** Whether it has run out, which needs no NAS to tell. */
  isOver(refreshHash: Buffer): boolean {
    const row = this.#deps.registry.desktops.find(refreshHash);
    return row !== null && row.endsAtMs <= this.#deps.time.nowMs();
  }

  /** Whether it may continue, as far as is known without the NAS. */
  goesOn(refreshHash: Buffer): boolean {
    const isKnown = this.#deps.registry.desktops.find(refreshHash) !== null;
    return this.#deps.mode === 'auto' && isKnown && !this.isOver(refreshHash);
  }

  /** The NAS, awake, has just refused that refresh token as revoked. */
  async state(refreshHash: Buffer): Promise<DesktopState> {
    const { registry } = this.#deps;
    const row = this.goesOn(refreshHash) ? registry.desktops.find(refreshHash) : null;
    if (row === null) return OVER;
    const confirmed = await this.#confirm(row);
    if (confirmed !== 'confirmed') return confirmed === 'unsure' ? UNSURE : OVER;
    // Read again: any of these answers may have ended it.
    const user = registry.desktops.find(refreshHash) === null ? null : registry.userOf(row.userId);
    return user === null ? OVER : { kind: 'stands', user };
  }

  list(userId: number | null): readonly DesktopRow[] {
    const nowMs = this.#deps.time.nowMs();
    return this.#deps.registry.desktops.active(userId).filter(({ endsAtMs }) => endsAtMs > nowMs);
  }

  /** That user's stored credential has ended, and with it every pairing that depended on it. */
  credentialEnded(userId: number): void {
    this.#confirmedAtMs.delete(userId);
    this.#deps.registry.endDesktopsOf(userId, 'credential_refused');
  }

  async #confirm(row: DesktopRow): Promise<'confirmed' | 'unsure' | 'over'> {
    const { stored, clock, time } = this.#deps;
    const { userId } = row;
    const confirmedAtMs = this.#confirmedAtMs.get(userId) ?? -Infinity;
    const isConfirmed = clock.monotonicMs() - confirmedAtMs < CONFIRMED_FOR_MS;
    const isListed = time.nowMs() - row.listedAtMs < LISTED_FOR_MS;
    if (isConfirmed && isListed) return 'confirmed';
    const token = await stored.tokenOf(userId);
    if (token === null) return stored.holdsFor(userId) ? 'unsure' : 'over';
    if (!isConfirmed) {
      const asked = await this.#askWhose(userId, token);
      if (asked !== 'confirmed') return asked;
    }
    return isListed ? 'confirmed' : await this.#askListed(row, token);
  }

  /** The NAS's word on the credential, and on its user, whose change ends what was paired before. */
  async #askWhose(userId: number, token: string): Promise<'confirmed' | 'unsure' | 'over'> {
    const { nas, registry, stored, clock } = this.#deps;
    const answer = await nas.me(token, { auto: true });
    if (failureOf(answer)?.kind === 'token_refused') {
      await stored.refused(token);
      this.credentialEnded(userId);
      return 'over';
    }
    const told = readNasUser(goodBodyOf(answer));
    if (told?.id !== userId) return 'unsure';
    if (!told.isActive) return 'over';
    registry.lookAtDesktops(told);
    this.#confirmedAtMs.set(userId, clock.monotonicMs());
    return 'confirmed';
  }

  /**
   * An approved pairing makes the desktop a syncing one, and its user may remove it from that list.
   */
  async #askListed(row: DesktopRow, token: string): Promise<'confirmed' | 'unsure' | 'over'> {
    const { api, registry, stored, time } = this.#deps;
    const path = `/api/sync/status/${encodeURIComponent(row.deviceId)}`;
    const answer = await api.call({ method: 'GET', path, token, auto: true });
    if (isGood(answer)) {
      registry.desktops.listed(row.refreshHash, time.nowMs());
      return 'confirmed';
    }
    const failure = failureOf(answer)?.kind;
    if (failure === 'not_found') {
      registry.endDesktop(row, 'not_listed');
      return 'over';
    }
    if (failure !== 'token_refused') return 'unsure';
    await stored.refused(token);
    this.credentialEnded(row.userId);
    return 'over';
  }
}

interface PairingDeps {
  readonly nas: Pick<NasClient, 'me'>;
  readonly api: Pick<NasApi, 'call'>;
  readonly presence: NasPresence;
  readonly registry: UserRegistry;
  readonly desktops: PairedDesktops;
  readonly clock: Clock;
  readonly time: TrustedClock;
  readonly onConfirmed: (user: User, token: string) => void;
  readonly onNews: (news: AccountNews) => void;
}

/** What a device says when it asks for a code. */
interface Asking {
  readonly deviceId: string;
  readonly deviceName: string;
}

/**
 * Below BaluHost 1.38's limits per minute and address, which all who come through the Pi share: 3
 * registrations, 3 codes, 12 polls. A desktop polls every 5 s.
 */
const REGISTRATIONS = 2;
const CODES = 2;
const POLLS = 12;
/** Codes run out after ten minutes. */
const CODES_KEPT = 1_000;

type Said =
  /** `told`: undefined unless the NAS did it. */
  | {
      readonly kind: 'said';
      readonly status: number;
      readonly body: unknown;
      readonly told: unknown;
    }
  | { readonly kind: 'no'; readonly refusal: SignInRefusal };

/**
 * How phones and desktops get their tokens: open to all, answered by the NAS alone. From its 200 on
 * the Pi knows user, token, refresh token and device.
 */
export class Pairing {
  readonly #deps: PairingDeps;
  readonly #registrations: RateLimiter;
  readonly #codes: RateLimiter;
  readonly #polls: RateLimiter;
  /** By hash of the code with which a desktop polls. */
  readonly #asking = new LruMap<string, Asking>(CODES_KEPT);

  constructor(deps: PairingDeps) {
    this.#deps = deps;
    this.#registrations = new RateLimiter(deps.clock, { most: REGISTRATIONS });
    this.#codes = new RateLimiter(deps.clock, { most: CODES });
    this.#polls = new RateLimiter(deps.clock, { most: POLLS });
  }

  /** `POST /api/mobile/register`. */
  async register(body: unknown, address: string): Promise<SignInOutcome> {
    const said = await this.#ask('/api/mobile/register', body, this.#registrations, address);
    if (said.kind === 'no') return said.refusal;
    const { status, told } = said;
    const learnt = this.#deps.registry.learnSignIn(told);
    if (learnt.kind === 'inactive') {
      return refused('bad_credentials', { detail: 'This account is switched off on the NAS.' });
    }
    if (learnt.kind !== 'user') return { kind: 'passed', status, body: said.body, user: null };
    const device = isRecord(told) && isRecord(told['device']) ? told['device'] : {};
    const { registry, time, onConfirmed, onNews } = this.#deps;
    if (typeof device['id'] === 'string') {
      registry.devices.take(device['id'], learnt.user.id, time.nowMs());
    }
    onConfirmed(learnt.user, learnt.token);
    const deviceName = nameIn(device);
    onNews({ kind: 'device_paired', user: learnt.user, address, deviceName });
    return { kind: 'passed', status, body: told, user: learnt.user };
  }

  /** `POST /api/desktop-pairing/device-code`. */
  async deviceCode(body: unknown, address: string): Promise<SignInOutcome> {
    const said = await this.#ask('/api/desktop-pairing/device-code', body, this.#codes, address);
    if (said.kind === 'no') return said.refusal;
    const { status, told } = said;
    const code = isRecord(told) ? told['device_code'] : undefined;
    const { device_id: deviceId, device_name: name } = isRecord(body) ? body : {};
    if (typeof code === 'string' && typeof deviceId === 'string') {
      const deviceName = typeof name === 'string' ? name.slice(0, 100) : deviceId;
      this.#asking.set(keyOf(code), { deviceId, deviceName });
    }
    return { kind: 'passed', status, body: said.body, user: null };
  }

  /** `POST /api/desktop-pairing/poll`. */
  async poll(body: unknown, address: string): Promise<SignInOutcome> {
    const said = await this.#ask('/api/desktop-pairing/poll', body, this.#polls, address);
    if (said.kind === 'no') return said.refusal;
    const { status, told } = said;
    const passed = { kind: 'passed', status, body: said.body, user: null } as const;
    const isApproved = isRecord(told) && told['status'] === 'approved';
    const learnt = isApproved ? this.#deps.registry.learnSignIn(told) : null;
    if (learnt?.kind !== 'user') return passed;
    const code = isRecord(body) ? body['device_code'] : undefined;
    const asking = typeof code === 'string' ? this.#asking.get(keyOf(code)) : undefined;
    const refreshToken = isRecord(told) ? told['refresh_token'] : undefined;
    if (asking !== undefined && typeof refreshToken === 'string') {
      await this.#paired(learnt.user, learnt.token, refreshToken, asking);
      const { deviceName } = asking;
      this.#deps.onNews({ kind: 'device_paired', user: learnt.user, address, deviceName });
    }
    this.#deps.onConfirmed(learnt.user, learnt.token);
    return { ...passed, user: learnt.user };
  }

  /** The NAS's answer to a desktop names its user and nothing more, so the rest is asked for. */
  async #paired(
    user: User,
    token: string,
    refreshToken: string,
    { deviceId, deviceName }: Asking,
  ): Promise<void> {
    const { nas, registry, time, desktops } = this.#deps;
    const told = readNasUser(goodBodyOf(await nas.me(token, { auto: true })));
    registry.devices.learn(deviceId, user.id, time.nowMs());
    if (told?.id !== user.id || registry.learnMe(told, token) === null) return;
    desktops.paired({
      ...{ deviceId, deviceName, userId: user.id, raw: told.raw },
      refreshHash: hashToken(refreshToken),
      refreshEndsAtMs: expiryOf(refreshToken),
    });
  }

  async #ask(path: string, body: unknown, rate: RateLimiter, address: string): Promise<Said> {
    const { presence, api } = this.#deps;
    const no = (refusal: SignInRefusal): Said => ({ kind: 'no', refusal });
    const { awake, sleepState } = presence.state;
    // Right after a start nobody has asked yet.
    const mayTry = awake || sleepState === 'unknown';
    if (!mayTry) return no(refused(silentCode(presence.state)));
    const leave = rate.take(address);
    if (leave.kind === 'wait') {
      return no(refused('too_many_tries', { retryAfterSeconds: leave.retryAfterSeconds }));
    }
    // Anybody may ask, but only the signed-in may keep the NAS awake.
    const answer = await api.call({ method: 'POST', path, body, auto: true });
    if (answer.kind === 'unreachable') return no(refused(silentCode(presence.state)));
    const failure = failureOf(answer);
    const isPage = answer.kind === 'bad_answer';
    if (failure?.kind === 'throttled' || (isPage && failure?.kind === 'unavailable')) {
      return no(refused('nas_busy', { retryAfterSeconds: retryAfterOf(failure) }));
    }
    if (isPage || isCannotAsk(failure)) return no(refused('nas_bad_answer'));
    return { ...answer, kind: 'said', told: goodBodyOf(answer) };
  }
}

/** What its user called it. */
function nameIn(device: Readonly<Record<string, unknown>>): string {
  const name = device['device_name'];
  return typeof name === 'string' ? name.slice(0, 100) : '';
}

function keyOf(code: string): string {
  return hashToken(code).toString('base64');
}
