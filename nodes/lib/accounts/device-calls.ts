import type { NasApi } from '../nas/nas.ts';
import { readSignIn } from './nas-answers.ts';
import { expiryOf, isRecord, readTokenForm, readUserId } from './token-form.ts';

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

export interface Registered {
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
    const answer = await this.#nas.call({
      method: 'GET',
      path: '/api/mobile/devices',
      token,
      auto: true,
    });
    if (answer.kind !== 'answer' || answer.status !== 200 || !Array.isArray(answer.body)) {
      return null;
    }
    return (answer.body as readonly unknown[]).flatMap((raw) => {
      const device = toDevice(raw);
      return device === null ? [] : [device];
    });
  }

  isOwn(device: NasDevice, userId: number): boolean {
    return device.userId === userId && device.model === this.#model;
  }

  /** Registers this Pi as a device of the token's user; null where the NAS does not do it now. */
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
    return answer.kind === 'answer' && answer.status < 300 ? readRegistered(answer.body) : null;
  }

  /** @returns whether it is off the list; one that was not on it is */
  async remove(token: string, deviceId: string): Promise<boolean> {
    const path = `/api/mobile/devices/${encodeURIComponent(deviceId)}`;
    const answered = await this.#nas.call({ method: 'DELETE', path, token, auto: true });
    // An empty answer is none of JSON, and says so too.
    return answered.kind !== 'unreachable' && (answered.status < 300 || answered.status === 404);
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
