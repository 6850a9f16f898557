import { hash } from 'node:crypto';
import type { NasRefusal, NasState } from '../nas/nas.ts';

/** A user as login, refresh and me of the NAS tell them. */
export interface NasUser {
  readonly id: number;
  readonly username: string;
  readonly role: string;
  readonly isActive: boolean;
  /** Seconds; with the id it identifies a person, as the NAS reuses ids of deleted users. */
  readonly createdAtS: number | null;
  /** The whole object, to be kept for `me`. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** What a successful login, second factor, refresh, registration or pairing returns. */
export interface NasSignIn {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  /** Null where the answer names nobody; then the access token does. */
  readonly user: NasUser | null;
}

/** @returns null when `body` is no user object */
export function readNasUser(body: unknown): NasUser | null {
  if (!isRecord(body)) return null;
  const id = readUserId(body['id']);
  const { username, role } = body;
  if (id === null || typeof username !== 'string' || typeof role !== 'string') return null;
  const isActive = body['is_active'] !== false;
  return { id, username, role, isActive, createdAtS: secondsOf(body['created_at']), raw: body };
}

/**
 * The NAS writes the same moment with a zone in one answer and without one in the next (measured).
 */
function secondsOf(time: unknown): number | null {
  if (typeof time !== 'string') return null;
  const atMs = Date.parse(withZone(time));
  return Number.isNaN(atMs) ? null : Math.floor(atMs / 1_000);
}

/** The part of a user that changes with a password; null where the answer does not tell. */
export function userStateIn(raw: Readonly<Record<string, unknown>>): string | null {
  const { updated_at: updatedAt } = raw;
  if (updatedAt === null) return 'never';
  return typeof updatedAt === 'string' ? updatedAt : null;
}

/** @returns null when the answer does not sign anybody in */
export function readSignIn(body: unknown): NasSignIn | null {
  if (!isRecord(body)) return null;
  const accessToken = body['access_token'];
  const refreshToken = body['refresh_token'];
  if (typeof accessToken !== 'string') return null;
  return {
    accessToken,
    refreshToken: typeof refreshToken === 'string' && refreshToken !== '' ? refreshToken : null,
    user: readNasUser(body['user']),
  };
}

/** The pending token of a login that waits for its second factor; null for any other answer. */
export function pendingTokenOf(body: unknown): string | null {
  if (!isRecord(body) || body['requires_2fa'] !== true) return null;
  const token = body['pending_token'];
  return typeof token === 'string' ? token : '';
}

/** Whether a 401 says that the account itself is switched off (two of the NAS's four texts do). */
export function saysInactive({ detail }: NasRefusal): boolean {
  return /\binactive$/i.test(detail ?? '');
}

/** How long the NAS's rate limiter asks to wait, in seconds. */
export function retryAfterOf({ retryAfterMs }: NasRefusal): number {
  return (retryAfterMs ?? 60_000) / 1_000;
}

/**
 * The kept `me` as the Pi may answer it: the NAS writes naive UTC times here, which BaluDesk's
 * parser rejects (read in BaluDesk).
 */
export function withZones(me: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(me).map(([key, value]) => [
      key,
      key.endsWith('_at') && typeof value === 'string' ? withZone(value) : value,
    ]),
  );
}

function withZone(time: string): string {
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$/.test(time)) return `${time}Z`;
  return time.replace(/\+00:?00$/, 'Z');
}

/** What a NAS token says of itself. To be believed only once the NAS has accepted the token. */
export interface NasClaims {
  readonly userId: number;
  readonly username: string;
  readonly role: string;
  readonly expiresAtMs: number;
  /** The NAS's clock, seconds; 0 when the token does not tell. */
  readonly issuedAtS: number;
}

/** What kind of bearer token this looks like, before anybody is asked. */
export type TokenForm =
  | { readonly kind: 'jwt'; readonly claims: NasClaims }
  | { readonly kind: 'api_key' }
  /** The NAS cannot have issued this, so the call is skipped. */
  | { readonly kind: 'none' };

interface DecodedJwt {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** What the signature covers. */
  readonly signed: string;
  readonly signature: string;
}

const MAX_TOKEN_BYTES = 8_192;
const JWT = /^([\w-]+)\.([\w-]+)\.([\w-]*)$/;
/** `balu_` and URL-safe characters, as BaluHost 1.38 mints them. */
const API_KEY = /^balu_[\w-]{8,500}$/;
/** Year 10000: no token means a later time. */
const LAST_TIME_S = 253_402_300_800;
const USER_ID = /^[1-9]\d{0,14}$/;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tokens are only ever identified by this hash. */
export function hashToken(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}

/**
 * The token of an `Authorization` header.
 * @returns null when the header is missing or of another scheme
 */
export function bearerOf(authorization: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? null;
}

/** Decodes a JWT without trusting it. */
export function decodeJwt(token: string): DecodedJwt | null {
  if (token.length > MAX_TOKEN_BYTES) return null;
  const [, head, body, signature] = JWT.exec(token) ?? [];
  if (head === undefined || body === undefined || signature === undefined) return null;
  const header = parseSegment(head);
  const claims = parseSegment(body);
  if (header === null || claims === null) return null;
  return { header, claims, signed: `${head}.${body}`, signature };
}

function parseSegment(segment: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

/** Whether this could be a token at all, the Pi's or the NAS's. */
export function hasForm(token: string): boolean {
  return API_KEY.test(token) || decodeJwt(token) !== null;
}

/** The NAS only accepts an access token with an expiry. */
export function readTokenForm(token: string): TokenForm {
  if (API_KEY.test(token)) return { kind: 'api_key' };
  const decoded = decodeJwt(token);
  if (decoded === null || decoded.signature === '' || decoded.claims['type'] !== 'access') {
    return { kind: 'none' };
  }
  const claims = readClaims(decoded.claims);
  return claims === null ? { kind: 'none' } : { kind: 'jwt', claims };
}

function readClaims(claims: Readonly<Record<string, unknown>>): NasClaims | null {
  const { sub, username, role, exp, iat } = claims;
  const userId = readUserId(sub);
  if (userId === null || !isTime(exp)) return null;
  if (typeof username !== 'string' || username === '' || typeof role !== 'string') return null;
  return {
    userId,
    username,
    role,
    expiresAtMs: Math.floor(exp) * 1_000,
    issuedAtS: isTime(iat) ? Math.floor(iat) : 0,
  };
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value < LAST_TIME_S;
}

/** The NAS writes its numeric ids as strings in `sub` and as numbers elsewhere. */
export function readUserId(value: unknown): number | null {
  const text = typeof value === 'number' ? String(value) : value;
  return typeof text === 'string' && USER_ID.test(text) ? Number(text) : null;
}

/** When a JWT expires, epoch ms; null for anything that does not tell. */
export function expiryOf(token: string): number | null {
  const exp = decodeJwt(token)?.claims['exp'];
  return isTime(exp) ? Math.floor(exp) * 1_000 : null;
}

/** Concurrent asks for the same thing share one answer. */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>();

  /** Joins the running `work` of that key, or starts it. A failure is shared too, never kept. */
  run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const started = work().finally(() => {
      this.#running.delete(key);
    });
    this.#running.set(key, started);
    return started;
  }
}

/**
 * Whether the NAS may be asked about tokens and passwords: it answers, asleep or awake, or the
 * Pi has just started and nobody has tried yet.
 */
export function mayAsk(state: NasState): boolean {
  return state.reachable || state.sleepState === 'unknown';
}

/** Why it cannot be asked. */
export function silentCode(state: NasState): 'nas_asleep' | 'nas_never_seen' {
  return state.everSeen ? 'nas_asleep' : 'nas_never_seen';
}
