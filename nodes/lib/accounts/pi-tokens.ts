import jwt from 'jsonwebtoken';
import {
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomUUID,
  timingSafeEqual,
} from 'node:crypto';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { Caller, User } from './caller.ts';
import { decodeJwt, hashToken } from './nas-answers.ts';
import type { UserRegistry } from './user-registry.ts';

/** 15 minutes, as the NAS's own (BaluHost 1.38). */
const LIFETIME_S = 900;

/**
 * How far in the future `iat` may lie: the trusted time is stored once a minute, so after a power
 * cut with a dead clock it may be that much behind a token already given out.
 */
const SKEW_S = 120;

const ISSUER = 'balupi';
const KEY_LABEL = 'balupi/pi-token/hs256/1';
const HEADER_KEYS = ['alg', 'typ'];
const CLAIM_KEYS = ['exp', 'iat', 'iss', 'jti', 'role', 'sub', 'type'];

interface PiTokensDeps {
  readonly secretKey: string;
  readonly registry: UserRegistry;
  readonly time: TrustedClock;
}

/**
 * The Pi's own tokens: issued only while the NAS sleeps, valid on this Pi only. A token is accepted
 * when its signature, each claim and its row agree; no claim may be missing or added, because
 * passport-jwt alone lets eight kinds of forgery through.
 */
export class PiTokens {
  /**
   * HS256 key with its own label, so that it is good for nothing else SECRET_KEY protects. A key
   * object: jsonwebtoken first tries to parse raw bytes as a public key, for every token again
   * (measured: a quarter of the time of a 1 KB download).
   */
  readonly key: KeyObject;
  readonly #registry: UserRegistry;
  readonly #time: TrustedClock;

  constructor(deps: PiTokensDeps) {
    const bytes = hkdfSync('sha256', deps.secretKey, '', KEY_LABEL, 32);
    this.key = createSecretKey(Buffer.from(bytes));
    this.#registry = deps.registry;
    this.#time = deps.time;
  }

  /** @param refreshHash SHA-256 of the refresh token it is given for; null for a password */
  issue(user: User, scope: Caller['scope'], refreshHash: Buffer | null): string {
    const nowMs = this.#time.nowMs();
    const iat = Math.floor(nowMs / 1_000);
    const jti = randomUUID();
    const exp = iat + LIFETIME_S;
    const sub = String(user.id);
    const claims = { iss: ISSUER, type: 'access', sub, role: user.role, jti, iat, exp };
    const token = jwt.sign(claims, this.key, { algorithm: 'HS256' });
    const row = {
      jti,
      tokenHash: hashToken(token),
      userId: user.id,
      scope,
      refreshHash,
      issuedAtMs: nowMs,
      expiresAtMs: exp * 1_000,
    };
    this.#registry.sessions.add(row, this.#time.isProved ? nowMs : 0);
    return token;
  }

  /**
   * Whether a token claims to be the Pi's or is signed by it. Such tokens are checked here alone
   * and never sent to the NAS.
   */
  isOurs(token: string): boolean {
    const decoded = decodeJwt(token);
    if (decoded === null) return false;
    if (decoded.claims['iss'] === ISSUER) return true;
    const signature = createHmac('sha256', this.key).update(decoded.signed).digest();
    const given = Buffer.from(decoded.signature, 'base64url');
    return given.length === signature.length && timingSafeEqual(given, signature);
  }

  /** Judges a token whose signature passport-jwt has already found to be ours. */
  judge(token: string): Caller | null {
    const decoded = decodeJwt(token);
    if (decoded === null || !hasExactly(decoded.header, HEADER_KEYS)) return null;
    if (decoded.header['alg'] !== 'HS256' || decoded.header['typ'] !== 'JWT') return null;
    const { jti } = decoded.claims;
    if (typeof jti !== 'string' || !this.#areSound(decoded.claims)) return null;
    return this.#callerOf(token, jti, decoded.claims);
  }

  #areSound(claims: Readonly<Record<string, unknown>>): boolean {
    const { iss, type, role, iat, exp } = claims;
    if (!hasExactly(claims, CLAIM_KEYS) || iss !== ISSUER || type !== 'access') return false;
    if (typeof role !== 'string' || !isSeconds(iat) || !isSeconds(exp)) return false;
    const nowS = this.#time.nowMs() / 1_000;
    return iat <= nowS + SKEW_S && exp > nowS && exp > iat && exp <= iat + LIFETIME_S;
  }

  #callerOf(token: string, jti: string, claims: Readonly<Record<string, unknown>>): Caller | null {
    const row = this.#registry.sessions.find(jti);
    if (row === null || !hashToken(token).equals(row.tokenHash)) return null;
    if (claims['sub'] !== String(row.userId) || row.expiresAtMs <= this.#time.nowMs()) return null;
    const user = this.#registry.userOf(row.userId);
    if (user === null) return null;
    const device =
      row.refreshHash === null
        ? `session:${jti}`
        : this.#registry.refreshTokens.deviceOf(row.refreshHash);
    const isPaired =
      row.refreshHash !== null && this.#registry.desktops.find(row.refreshHash) !== null;
    const caller = { user, kind: 'pi', nasToken: null, scope: row.scope, device } as const;
    return isPaired ? { ...caller, isPaired } : caller;
  }
}

function hasExactly(value: Readonly<Record<string, unknown>>, keys: readonly string[]): boolean {
  const found = Object.keys(value).sort();
  return found.length === keys.length && found.every((key, index) => key === keys[index]);
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
