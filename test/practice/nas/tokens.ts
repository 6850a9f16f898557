import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import type { NasUser } from './users.ts';

export const ACCESS_TOKEN_MS = 15 * 60_000;
const PENDING_TOKEN_MS = 5 * 60_000;
const WEBSOCKET_TOKEN_MS = 60_000;

export type TokenType = 'access' | 'refresh' | '2fa_pending' | 'ws';

export interface Claims {
  readonly sub: string;
  readonly type: string;
  readonly exp: number;
  readonly iat: number;
  readonly jti?: string;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Signs and checks the NAS's own tokens: HS256, claims as recorded (recorded on 1.38). */
export class TokenMint {
  readonly #key: string;
  readonly #clock: Clock;
  /** Valid refresh tokens, by jti; all others count as revoked. */
  readonly #refreshOwners = new Map<string, number>();
  /** Access tokens issued before it are expired, in s. */
  #accessFromS = 0;

  constructor(key: string, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  access(user: NasUser): string {
    const iat = Math.max(this.#accessFromS, Math.floor(this.#clock.nowMs() / 1000));
    return this.#sign({
      sub: String(user.id),
      username: user.username,
      role: user.role,
      type: 'access',
      exp: iat + ACCESS_TOKEN_MS / 1000,
      iat,
    });
  }

  /** As if 15 minutes had passed. */
  endAccess(): void {
    this.#accessFromS = Math.floor(this.#clock.nowMs() / 1000) + 1;
  }

  /** `kept: false` makes one that is not stored, as desktop pairing does: it never refreshes. */
  refresh(user: NasUser, validMs: number, kept = true): string {
    const jti = randomUUID();
    if (kept) this.#refreshOwners.set(jti, user.id);
    const iat = Math.floor(this.#clock.nowMs() / 1000);
    return this.#sign({
      sub: String(user.id),
      jti,
      type: 'refresh',
      exp: iat + Math.floor(validMs / 1000),
      iat,
    });
  }

  pending(user: NasUser): string {
    return this.#short(user, '2fa_pending', PENDING_TOKEN_MS);
  }

  websocket(user: NasUser): string {
    return this.#short(user, 'ws', WEBSOCKET_TOKEN_MS);
  }

  /** The claims of a valid token of this type, else null. */
  read(token: string, type: TokenType): Claims | null {
    const [header, payload, signature] = token.split('.');
    if (header === undefined || payload === undefined || signature === undefined) return null;
    const wanted = Buffer.from(this.#signature(`${header}.${payload}`));
    const given = Buffer.from(signature);
    if (wanted.length !== given.length || !timingSafeEqual(wanted, given)) return null;
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Claims;
    const isPast = type === 'access' && claims.iat < this.#accessFromS;
    const over = isPast || claims.exp * 1000 <= this.#clock.nowMs();
    return claims.type === type && !over ? claims : null;
  }

  isRevoked(jti: string): boolean {
    return !this.#refreshOwners.has(jti);
  }

  revokeAllOf(userId: number): void {
    for (const [jti, owner] of this.#refreshOwners) {
      if (owner === userId) this.#refreshOwners.delete(jti);
    }
  }

  #short(user: NasUser, type: TokenType, validMs: number): string {
    const iat = Math.floor(this.#clock.nowMs() / 1000);
    return this.#sign({ sub: String(user.id), type, exp: iat + validMs / 1000, iat });
  }

  #sign(claims: object): string {
    const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
    return `${text}.${this.#signature(text)}`;
  }

  #signature(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url');
  }
}
