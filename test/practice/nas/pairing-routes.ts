import { randomBytes, randomInt } from 'node:crypto';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { jsonBody } from './bodies.ts';
import { open, signedIn, type Route } from './router.ts';
import { naive, naiveSeconds } from './times.ts';
import type { TokenMint } from './tokens.ts';
import type { NasUser } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

const CODE_MS = 600_000;
const REFRESH_MS = 7 * 86_400_000;

interface Pairing {
  readonly userCode: string;
  readonly deviceId: string;
  readonly deviceName: string;
  readonly platform: string;
  readonly createdAtMs: number;
  readonly endsMs: number;
  approvedBy: NasUser | null;
}

/**
 * Desktop pairing, whose refresh token is never stored and so never refreshes (recorded on 1.38).
 */
export class PairingRoutes {
  readonly #tokens: TokenMint;
  readonly #clock: Clock;
  readonly #pairings = new Map<string, Pairing>();

  readonly #approved: (user: NasUser, deviceId: string, deviceName: string) => void;

  /** @param approved called for an approved desktop, which syncs from then on */
  constructor(
    tokens: TokenMint,
    clock: Clock,
    approved: (user: NasUser, deviceId: string, deviceName: string) => void,
  ) {
    this.#approved = approved;
    this.#tokens = tokens;
    this.#clock = clock;
  }

  get routes(): readonly Route[] {
    return [
      open('POST /api/desktop-pairing/device-code', { limit: 'pairing_request' }, (exchange) =>
        this.#begin(exchange),
      ),
      open('POST /api/desktop-pairing/poll', { limit: 'pairing_poll' }, (exchange) =>
        this.#poll(exchange),
      ),
      signedIn('POST /api/desktop-pairing/verify', { limit: 'pairing_verify' }, (exchange) =>
        this.#verify(exchange),
      ),
      signedIn(
        'POST /api/desktop-pairing/approve',
        { limit: 'pairing_approve' },
        (exchange, user) => this.#approve(exchange, user),
      ),
    ];
  }

  async #begin(exchange: Exchange): Promise<Answer> {
    const body = await jsonBody(exchange, {
      device_id: 'string',
      device_name: 'string',
      platform: 'string',
    });
    const nowMs = this.#clock.nowMs();
    const deviceCode = randomBytes(32).toString('base64url');
    const userCode = String(randomInt(100_000, 1_000_000));
    this.#pairings.set(deviceCode, {
      userCode,
      deviceId: body.device_id,
      deviceName: body.device_name,
      platform: body.platform,
      createdAtMs: nowMs,
      endsMs: nowMs + CODE_MS,
      approvedBy: null,
    });
    return json({
      device_code: deviceCode,
      user_code: userCode,
      verification_url: `http://${exchange.header('host') ?? 'nas.local:8000'}/devices?pair=1`,
      expires_in: CODE_MS / 1000,
      interval: 5,
    });
  }

  async #poll(exchange: Exchange): Promise<Answer> {
    const { device_code: code } = await jsonBody(exchange, { device_code: 'string' });
    const pairing = this.#pairings.get(code);
    if (pairing === undefined || pairing.endsMs <= this.#clock.nowMs()) {
      throw refused(404, 'Invalid device code');
    }
    const user = pairing.approvedBy;
    if (user === null) {
      return json({
        status: 'authorization_pending',
        access_token: null,
        refresh_token: null,
        token_type: null,
        user: null,
      });
    }
    this.#pairings.delete(code);
    this.#approved(user, pairing.deviceId, pairing.deviceName);
    return json({
      status: 'approved',
      access_token: this.#tokens.access(user),
      refresh_token: this.#tokens.refresh(user, REFRESH_MS, false),
      token_type: 'bearer',
      user: { id: user.id, username: user.username, email: user.email, role: user.role },
    });
  }

  async #approve(exchange: Exchange, user: NasUser): Promise<Answer> {
    const pairing = await this.#named(exchange);
    pairing.approvedBy = user;
    return json({ status: 'approved' });
  }

  /** Shows the user which device asks to be approved. */
  async #verify(exchange: Exchange): Promise<Answer> {
    const pairing = await this.#named(exchange);
    return json({
      device_name: pairing.deviceName,
      device_id: pairing.deviceId,
      platform: pairing.platform,
      created_at: naiveSeconds(pairing.createdAtMs),
      expires_at: naive(pairing.endsMs),
    });
  }

  async #named(exchange: Exchange): Promise<Pairing> {
    const { user_code: userCode } = await jsonBody(exchange, { user_code: 'string' });
    const pairing = [...this.#pairings.values()].find((one) => one.userCode === userCode);
    if (pairing === undefined || pairing.endsMs <= this.#clock.nowMs()) {
      throw refused(404, 'Invalid or expired code');
    }
    return pairing;
  }
}
