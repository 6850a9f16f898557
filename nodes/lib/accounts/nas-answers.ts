import { isRecord, readUserId } from './token-form.ts';

/** A user as login, refresh and me of the NAS tell them. */
export interface NasUser {
  readonly id: number;
  readonly username: string;
  readonly role: string;
  readonly isActive: boolean;
  /** Seconds; with the id it says who it is, as the NAS gives ids of deleted users anew. */
  readonly createdAtS: number | null;
  /** The whole object, to be kept for `me`. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** What a good login, second factor, refresh, registration or pairing brings. */
export interface NasSignIn {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  /** Null where the answer names nobody; the access token then does. */
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

/** The NAS tells the same moment with a zone in one answer and without one in the next (measured). */
function secondsOf(time: unknown): number | null {
  if (typeof time !== 'string') return null;
  const atMs = Date.parse(withZone(time));
  return Number.isNaN(atMs) ? null : Math.floor(atMs / 1_000);
}

/** What of a user changes with a password; null where the answer does not tell. */
export function userStateIn(raw: Readonly<Record<string, unknown>>): string | null {
  const { updated_at: updatedAt } = raw;
  if (updatedAt === null) return 'never';
  return typeof updatedAt === 'string' ? updatedAt : null;
}

/** @returns null when the answer lets nobody in */
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

/** Whether a 401 says that the account itself is switched off (two of the NAS's four texts). */
export function saysInactive(body: unknown): boolean {
  const detail = isRecord(body) ? body['detail'] : undefined;
  return typeof detail === 'string' && /\binactive$/i.test(detail);
}

/** How long the NAS's own limiter wants one to wait, in seconds. */
export function retryAfterOf(body: unknown): number {
  const seconds = isRecord(body) ? body['retry_after'] : undefined;
  return typeof seconds === 'number' && seconds >= 1 && seconds <= 3_600 ? seconds : 60;
}

/**
 * The kept `me` as the Pi may answer it: the NAS writes naive UTC times here, on which the app's
 * parser fails (read in BaluDesk).
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
