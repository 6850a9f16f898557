import { failureOf, goodBodyOf, type NasApi, type NasClient, type NasJson } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { CredentialRow } from './credential-rows.ts';
import type { CredentialVault } from './credential-vault.ts';
import { RateLimiter } from '../limits/limits.ts';
import {
  expiryOf,
  isRecord,
  readNasUser,
  readSignIn,
  readTokenForm,
  readUserId,
  saysInactive,
} from './nas-answers.ts';

/** Below the NAS's 10 a minute and its proxy's 5, which the household's own sign-ins share. */
const REFRESHES_PER_MINUTE = 3;
/** A token this close to its end is not used for new work, ms. */
const NEARLY_OVER_MS = 60_000;
const ASK_AGAIN_MS = 30_000;
/** How long an answer with the user's device list is valid, ms. */
const LIST_HOLDS_MS = 60_000;

interface Access {
  readonly token: string;
  readonly expiresAtMs: number;
}

interface DeviceCredentialsDeps {
  readonly vault: CredentialVault;
  readonly nas: Pick<NasClient, 'refresh' | 'me'>;
  readonly calls: DeviceCalls;
  /** Takes one of the refreshes a minute that the NAS gives all who come through the Pi. */
  readonly takeRefresh: () => boolean;
  readonly clock: Clock;
  readonly time: TrustedClock;
}

/** The Pi's own registrations: a refresh token each, exchanged for access tokens of 15 minutes. */
export class DeviceCredentials {
  readonly #deps: DeviceCredentialsDeps;
  readonly #pace: RateLimiter;
  readonly #access = new Map<string, Access>();
  readonly #proven = new Set<string>();
  readonly #notBeforeMs = new Map<string, number>();
  readonly #listedAtMs = new Map<string, number>();

  constructor(deps: DeviceCredentialsDeps) {
    this.#deps = deps;
    this.#pace = new RateLimiter(deps.clock, { most: REFRESHES_PER_MINUTE });
  }

  /** @returns an access token of this very user, or null where there is none now */
  async usable(userId: number): Promise<string | null> {
    const { vault } = this.#deps;
    const row = vault.rows.ofUser(userId, 'device');
    const token = row === null ? null : await this.access(row);
    if (row !== null && token !== null) vault.used(row);
    return token;
  }

  /**
   * An access token for a registration. Removing a device does not revoke its refresh token on the
   * NAS (measured on 1.38), so the user's device list is looked at before its use.
   */
  async access(row: CredentialRow): Promise<string | null> {
    const kept = this.#access.get(row.id);
    const nowMs = this.#deps.time.nowMs();
    if (row.state !== 'ok') return null;
    if (kept !== undefined && nowMs < kept.expiresAtMs - NEARLY_OVER_MS) {
      return (await this.#isListed(row, kept.token)) ? kept.token : null;
    }
    const secret = this.#deps.vault.secretOf(row);
    if (secret === null || !this.#mayAsk(row)) return null;
    const access = this.#read(row, await this.#deps.nas.refresh(secret));
    if (access === null || !(await this.#isListed(row, access.token))) return null;
    if (!(await this.#isOwn(row, access.token))) return null;
    this.#access.set(row.id, access);
    return access.token;
  }

  /**
   * Takes over a registration just made: the NAS told whose it is, together with its first token.
   */
  begin(row: CredentialRow, token: string): void {
    const form = readTokenForm(token);
    if (form.kind !== 'jwt') return;
    this.#proven.add(row.id);
    this.#listedAtMs.set(row.id, this.#deps.clock.monotonicMs());
    this.#access.set(row.id, { token, expiresAtMs: form.claims.expiresAtMs });
  }

  /** Whether this is an access token of that registration; it is then forgotten. */
  forget(row: CredentialRow, token: string): boolean {
    if (this.#access.get(row.id)?.token !== token) return false;
    this.#access.delete(row.id);
    return true;
  }

  /** Its access token may have ended: the next use of the refresh token tells. */
  doubt(row: CredentialRow): void {
    this.#access.delete(row.id);
    this.#notBeforeMs.delete(row.id);
  }

  #mayAsk(row: CredentialRow): boolean {
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs < (this.#notBeforeMs.get(row.id) ?? -Infinity)) return false;
    return this.#pace.take().kind === 'go' && this.#deps.takeRefresh();
  }

  #later(row: CredentialRow): null {
    this.#notBeforeMs.set(row.id, this.#deps.clock.monotonicMs() + ASK_AGAIN_MS);
    return null;
  }

  #read(row: CredentialRow, answer: NasJson): Access | null {
    const { rows } = this.#deps.vault;
    const fault = refusalIn(answer);
    if (fault?.kind === 'inactive') {
      rows.setState(row.id, 'inactive', 'Its user is switched off on the NAS.');
      return null;
    }
    if (fault !== null) {
      rows.setState(row.id, 'revoked', fault.detail);
      return null;
    }
    const token = readSignIn(goodBodyOf(answer))?.accessToken ?? '';
    const form = readTokenForm(token);
    if (form.kind !== 'jwt') return this.#later(row);
    if (form.claims.userId === row.userId) {
      return { token, expiresAtMs: form.claims.expiresAtMs };
    }
    rows.setState(row.id, 'revoked', 'The NAS gave a token of somebody else for it.');
    return null;
  }

  async #isListed(row: CredentialRow, token: string): Promise<boolean> {
    const { calls, clock, vault } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#listedAtMs.get(row.id) ?? -Infinity) < LIST_HOLDS_MS) return true;
    const devices = await calls.list(token);
    if (devices === null) return this.#later(row) !== null;
    const device = devices.find(({ id }) => id === row.deviceId);
    if (device?.isActive === true) {
      this.#listedAtMs.set(row.id, nowMs);
      return true;
    }
    this.#access.delete(row.id);
    vault.rows.setState(row.id, 'removed', 'Its user removed the device on the NAS.');
    return false;
  }

  /** Before its first use in this run the NAS itself must say whose token this is. */
  async #isOwn(row: CredentialRow, token: string): Promise<boolean> {
    if (this.#proven.has(row.id)) return true;
    const whose = await whoseToken(this.#deps.nas, token);
    if (whose.kind !== 'user') return this.#later(row) !== null;
    if (whose.id !== row.userId) {
      this.#deps.vault.rows.setState(row.id, 'revoked', 'It is the device of somebody else.');
      return false;
    }
    this.#proven.add(row.id);
    return true;
  }
}

/** The name the user finds among their devices. */
const DEVICE_NAME = 'BaluPi';
/** The longest the NAS gives (30 to 180 days, measured on 1.38). */
const VALIDITY_DAYS = 180;

export interface NasDevice {
  readonly id: string;
  readonly userId: number | null;
  readonly model: string | null;
  readonly isActive: boolean;
}

interface Registered {
  readonly deviceId: string;
  readonly userId: number;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** When the refresh token ends, epoch ms; null when it does not tell. */
  readonly expiresAtMs: number | null;
}

/** BaluHost's device routes, as far as the Pi uses them for itself. None of them wakes the NAS. */
export class DeviceCalls {
  readonly #nas: Pick<NasApi, 'call'>;
  readonly #model: string;

  /** @param model tells this Pi's own devices from those of another Pi */
  constructor(nas: Pick<NasApi, 'call'>, model: string) {
    this.#nas = nas;
    this.#model = model;
  }

  /** @returns null when the NAS cannot say; an admin sees everybody's */
  async list(token: string): Promise<readonly NasDevice[] | null> {
    const told = goodBodyOf(
      await this.#nas.call({ method: 'GET', path: '/api/mobile/devices', token, auto: true }),
    );
    if (!Array.isArray(told)) return null;
    return (told as readonly unknown[]).flatMap((raw) => {
      const device = toDevice(raw);
      return device === null ? [] : [device];
    });
  }

  isOwn(device: NasDevice, userId: number): boolean {
    return device.userId === userId && device.model === this.#model;
  }

  /** Registers this Pi as a device of the token's user; null where the NAS does not do so now. */
  async register(token: string): Promise<Registered | null> {
    const query = `device_name=${DEVICE_NAME}&token_validity_days=${VALIDITY_DAYS}`;
    const invited = await this.#nas.call({
      method: 'POST',
      path: `/api/mobile/token/generate?${query}`,
      token,
      auto: true,
    });
    const invitation = invited.kind === 'answer' && isRecord(invited.body) ? invited.body : {};
    if (typeof invitation['token'] !== 'string') return null;
    const answer = await this.#nas.call({
      method: 'POST',
      path: '/api/mobile/register',
      auto: true,
      body: {
        token: invitation['token'],
        deviceInfo: {
          deviceName: DEVICE_NAME,
          deviceType: 'android',
          deviceModel: this.#model,
          osVersion: 'Raspberry Pi OS',
          appVersion: DEVICE_NAME,
        },
        tokenValidityDays: VALIDITY_DAYS,
      },
    });
    return readRegistered(goodBodyOf(answer));
  }

  /** @returns true if the device is not on the list (any more) */
  async remove(token: string, deviceId: string): Promise<boolean> {
    const path = `/api/mobile/devices/${encodeURIComponent(deviceId)}`;
    const answered = await this.#nas.call({ method: 'DELETE', path, token, auto: true });
    const failure = failureOf(answered);
    // An empty answer is not JSON, but means success too.
    const isEmpty = failure?.kind === 'bad_answer' && failure.status < 300;
    return failure === null || isEmpty || failure.kind === 'not_found';
  }
}

function toDevice(raw: unknown): NasDevice | null {
  if (!isRecord(raw) || typeof raw['id'] !== 'string') return null;
  const model = raw['device_model'];
  return {
    id: raw['id'],
    userId: readUserId(raw['user_id']),
    model: typeof model === 'string' ? model : null,
    isActive: raw['is_active'] !== false,
  };
}

/** @returns null unless token and user object agree on who it is */
function readRegistered(body: unknown): Registered | null {
  const signIn = readSignIn(body);
  const device = isRecord(body) && isRecord(body['device']) ? body['device'] : {};
  if (signIn === null || signIn.refreshToken === null) return null;
  const form = readTokenForm(signIn.accessToken);
  if (typeof device['id'] !== 'string' || form.kind !== 'jwt') return null;
  const { userId } = form.claims;
  if (signIn.user !== null && signIn.user.id !== userId) return null;
  const { accessToken, refreshToken } = signIn;
  const expiresAtMs = expiryOf(refreshToken);
  return { deviceId: device['id'], userId, accessToken, refreshToken, expiresAtMs };
}

/** Whose a token is, by the NAS's own word. */
export type Whose =
  | { readonly kind: 'user'; readonly id: number; readonly username: string }
  /** The NAS does not know this token any more. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** Its user is switched off on the NAS, perhaps only for now. */
  | { readonly kind: 'inactive' }
  /** The NAS cannot tell now. */
  | { readonly kind: 'silent' };

/** Asks the NAS whose a token is, and never wakes it. */
export async function whoseToken(nas: Pick<NasClient, 'me'>, token: string): Promise<Whose> {
  const answer = await nas.me(token, { auto: true });
  const fault = refusalIn(answer);
  if (fault !== null) return fault;
  const user = readNasUser(goodBodyOf(answer));
  if (user === null) return { kind: 'silent' };
  if (!user.isActive) return { kind: 'inactive' };
  return { kind: 'user', id: user.id, username: user.username };
}

/** What a 401 means for the credential it answers; null for any other answer. */
function refusalIn(answer: NasJson): Extract<Whose, { kind: 'refused' | 'inactive' }> | null {
  const failure = failureOf(answer);
  if (failure?.kind !== 'token_refused') return null;
  if (saysInactive(failure)) return { kind: 'inactive' };
  return { kind: 'refused', detail: failure.detail?.slice(0, 200) ?? 'Refused.' };
}
