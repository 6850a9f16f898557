import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { aliasedBody, shapedByAlias } from './bodies.ts';
import { open, signedIn, type Route } from './router.ts';
import { naive, naiveSeconds, zulu } from './times.ts';
import type { TokenMint } from './tokens.ts';
import type { NasUser, UserDirectory } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

const REGISTRATION_MS = 5 * 60_000;
const DAY_MS = 86_400_000;

/** A white dot; the real one shows the token as a QR code. */
const QR_CODE =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII=';

interface Registration {
  readonly userId: number;
  readonly deviceName: string;
  readonly endsMs: number;
  used: boolean;
}

interface Device {
  readonly id: string;
  readonly userId: number;
  readonly name: string;
  readonly type: string;
  readonly model: string;
  readonly osVersion: string;
  readonly appVersion: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** Registration and devices: where a refresh token comes from (recorded on 1.38). */
export class MobileRoutes {
  readonly #users: UserDirectory;
  readonly #tokens: TokenMint;
  readonly #clock: Clock;
  readonly #registrations = new Map<string, Registration>();
  readonly #devices = new Map<string, Device>();

  constructor(users: UserDirectory, tokens: TokenMint, clock: Clock) {
    this.#users = users;
    this.#tokens = tokens;
    this.#clock = clock;
  }

  knows(deviceId: string): boolean {
    return this.#devices.has(deviceId);
  }

  get routes(): readonly Route[] {
    const admin = { limit: 'admin' } as const;
    return [
      signedIn('POST /api/mobile/token/generate', { limit: 'mobile_register' }, (exchange, user) =>
        this.#generate(exchange, user),
      ),
      open('POST /api/mobile/register', { limit: 'mobile_register' }, (exchange) =>
        this.#register(exchange),
      ),
      signedIn('GET /api/mobile/token/{token}/status', admin, (exchange, user) =>
        this.#status(exchange, user),
      ),
      signedIn('GET /api/mobile/devices', admin, (_exchange, user) => this.#list(user)),
      signedIn('GET /api/mobile/devices/{id}', admin, (exchange, user) => {
        const device = this.#devices.get(exchange.param('id'));
        if (device?.userId !== user.id) throw refused(404, 'Device not found');
        return json(this.#view(device, null));
      }),
      signedIn('POST /api/mobile/devices/{id}/push-token', admin, (exchange, user) => {
        const device = this.#devices.get(exchange.param('id'));
        if (device?.userId !== user.id) throw refused(404, 'Device not found');
        return json({
          ...{ success: true, device_id: device.id, token_verified: false },
          message: 'Push token registered successfully',
        });
      }),
      signedIn('DELETE /api/mobile/devices/{id}', admin, (exchange, user) =>
        this.#remove(exchange, user),
      ),
    ];
  }

  #generate(exchange: Exchange, user: NasUser): Answer {
    const days = Number(exchange.query.get('token_validity_days') ?? 90);
    if (!(days >= 30 && days <= 180)) {
      throw refused(400, 'token_validity_days must be between 30 and 180 days');
    }
    const token = `reg_${randomBytes(24).toString('base64url')}`;
    const endsMs = this.#clock.nowMs() + REGISTRATION_MS;
    const deviceName = exchange.query.get('device_name') ?? 'iOS Device';
    this.#registrations.set(token, { userId: user.id, deviceName, endsMs, used: false });
    return json({
      token,
      server_url: `http://${exchange.header('host') ?? 'nas.local:8000'}`,
      expires_at: zulu(endsMs),
      qr_code: QR_CODE,
      vpn_config: null,
      device_token_validity_days: days,
      vpn_fallback: false,
    });
  }

  async #register(exchange: Exchange): Promise<Answer> {
    const body = await aliasedBody(exchange, {
      token: 'string',
      deviceInfo: 'object',
      tokenValidityDays: 'integer?',
    });
    const info = deviceInfo(body.deviceInfo);
    const { user, registration } = this.#redeem(body.token);
    const days = Math.min(180, Math.max(30, body.tokenValidityDays ?? 90));
    const nowMs = this.#clock.nowMs();
    const device: Device = {
      id: randomUUID(),
      userId: user.id,
      name: registration.deviceName,
      ...info,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + days * DAY_MS,
    };
    this.#devices.set(device.id, device);
    exchange.record.user = user.username;
    return json({
      access_token: this.#tokens.access(user),
      refresh_token: this.#tokens.refresh(user, days * DAY_MS),
      token_type: 'bearer',
      user: {
        id: user.id,
        username: user.username,
        email: user.email,
        role: user.role,
        created_at: new Date(user.createdAtMs).toISOString(),
        is_active: true,
      },
      device: {
        id: device.id,
        user_id: user.id,
        device_name: device.name,
        device_type: device.type,
        device_model: device.model,
        last_seen: new Date(nowMs).toISOString(),
        is_active: true,
      },
    });
  }

  #redeem(token: string): { readonly user: NasUser; readonly registration: Registration } {
    const registration = this.#registrations.get(token);
    if (registration === undefined) throw refused(401, 'Invalid registration token');
    if (registration.used) throw refused(401, 'Registration token already used');
    if (registration.endsMs <= this.#clock.nowMs()) {
      throw refused(401, 'Registration token expired');
    }
    const user = this.#users.byId(registration.userId);
    if (user === undefined) throw refused(404, 'User not found');
    registration.used = true;
    return { user, registration };
  }

  #status(exchange: Exchange, user: NasUser): Answer {
    const registration = this.#registrations.get(exchange.param('token'));
    if (registration?.userId !== user.id) throw refused(404, 'Token not found');
    return json({ used: registration.used });
  }

  #list(user: NasUser): Answer {
    const all = user.role === 'admin';
    const devices = [...this.#devices.values()].filter(
      (device) => all || device.userId === user.id,
    );
    return json(
      devices.map((device) =>
        this.#view(device, all ? (this.#users.byId(device.userId)?.username ?? null) : null),
      ),
    );
  }

  /** A removed device's refresh token still works: nothing ties the two. */
  #remove(exchange: Exchange, user: NasUser): Answer {
    const device = this.#devices.get(exchange.param('id'));
    if (device === undefined) throw refused(404, 'Device not found');
    if (device.userId !== user.id && user.role !== 'admin') {
      throw refused(403, "You don't have permission to delete this device");
    }
    this.#devices.delete(device.id);
    return { kind: 'empty', status: 204 };
  }

  #view(device: Device, username: string | null): object {
    return {
      device_name: device.name,
      device_type: device.type,
      device_model: device.model,
      os_version: device.osVersion,
      app_version: device.appVersion,
      id: device.id,
      user_id: device.userId,
      username,
      is_active: true,
      last_sync: null,
      last_seen: null,
      expires_at: naive(device.expiresAtMs),
      created_at: naive(device.createdAtMs),
      updated_at: naiveSeconds(device.createdAtMs),
    };
  }
}

function deviceInfo(
  given: Readonly<Record<string, unknown>>,
): Pick<Device, 'type' | 'model' | 'osVersion' | 'appVersion'> {
  const body = shapedByAlias(
    given,
    {
      deviceName: 'string',
      deviceType: 'string',
      deviceModel: 'string',
      osVersion: 'string',
      appVersion: 'string',
    },
    ['body', 'device_info'],
  );
  return {
    type: body.deviceType,
    model: body.deviceModel,
    osVersion: body.osVersion,
    appVersion: body.appVersion,
  };
}
