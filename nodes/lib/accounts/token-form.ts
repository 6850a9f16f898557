import { hash } from 'node:crypto';

/** What a NAS token says of itself. To be believed only once the NAS has accepted the token. */
export interface NasClaims {
  readonly userId: number;
  readonly username: string;
  readonly role: string;
  readonly expiresAtMs: number;
  /** The NAS's clock, seconds; 0 when the token does not tell. */
  readonly issuedAtS: number;
}

/** What a bearer token looks like, before anybody is asked. */
export type TokenForm =
  | { readonly kind: 'jwt'; readonly claims: NasClaims }
  | { readonly kind: 'api_key' }
  /** Nothing the NAS could have issued, so it is not asked. */
  | { readonly kind: 'none' };

export interface DecodedJwt {
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
/** Year 10000: what lies beyond is no time a token can mean. */
const LAST_TIME_S = 253_402_300_800;
const USER_ID = /^[1-9]\d{0,14}$/;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tokens are known by this alone. */
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

/** Takes a JWT apart without believing it. */
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

/** Only an access token with an end is a form the NAS lets in. */
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

/** When a JWT says it ends, epoch ms; null for anything that does not tell. */
export function expiryOf(token: string): number | null {
  const exp = decodeJwt(token)?.claims['exp'];
  return isTime(exp) ? Math.floor(exp) * 1_000 : null;
}
