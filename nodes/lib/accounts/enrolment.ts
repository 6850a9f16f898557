import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { User } from './caller.ts';
import { CallPace } from './call-pace.ts';
import type { CredentialRow } from './credential-rows.ts';
import type { CredentialVault } from './credential-vault.ts';
import type { DeviceCalls, NasDevice } from './device-calls.ts';
import type { DeviceCredentials } from './device-credentials.ts';

/** Renewed this long before its end: a user who is here once a month is never lost. */
const RENEW_BEFORE_MS = 40 * 86_400_000;
/** Below the NAS's 3 a minute for inviting and registering. */
const PER_MINUTE = 2;
const AGAIN_AFTER_MS = 300_000;

/** What came of a user whose token the NAS confirmed. `later`: the NAS takes no more in this minute. */
export type Considered =
  | { readonly kind: 'enrolled' }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'later'; readonly inMs: number };

const NOTHING: Considered = { kind: 'nothing' };

export interface EnrolmentParts {
  readonly vault: CredentialVault;
  readonly devices: DeviceCredentials;
  readonly calls: DeviceCalls;
  readonly clock: Clock;
  readonly time: TrustedClock;
  /** Whether that token lets nobody in any more, a logout included. */
  readonly isOver: (token: string) => boolean;
}

/**
 * Registers the Pi as a device of a user whose token the NAS just confirmed, so that it can deliver
 * for them while they are away. A user who removed that device is never asked for again.
 */
export class Enrolment {
  readonly #parts: EnrolmentParts;
  readonly #pace: CallPace;
  readonly #suspects = new Set<number>();
  /** Whose suspected registration is being looked at. */
  readonly #looking = new Set<number>();
  readonly #notBeforeMs = new Map<number, number>();

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
    this.#pace = new CallPace(parts.clock, PER_MINUTE);
  }

  /** A logout revokes that user's refresh tokens on the NAS (measured on 1.38). */
  suspect(userId: number): void {
    this.#suspects.add(userId);
    this.#notBeforeMs.delete(userId);
  }

  /** Whether a refusal of that user's registration tells no more than the logout before it. */
  isSuspect(userId: number): boolean {
    return this.#suspects.has(userId) || this.#looking.has(userId);
  }

  /** That id is another person's from now on. */
  forget(userId: number): void {
    this.#suspects.delete(userId);
    this.#notBeforeMs.delete(userId);
  }

  /** @param token of that user, good at this moment */
  async consider(user: User, token: string): Promise<Considered> {
    const { vault, clock, isOver } = this.#parts;
    // It may have waited its turn, and its user may have signed out with it meanwhile.
    if (isOver(token)) return NOTHING;
    const nowMs = clock.monotonicMs();
    if (nowMs < (this.#notBeforeMs.get(user.id) ?? -Infinity)) return NOTHING;
    const row = vault.rows.ofUser(user.id, 'device');
    if (row !== null && !(await this.#isWanted(row))) return NOTHING;
    if (!this.#pace.take()) return { kind: 'later', inMs: this.#pace.freeInMs() };
    this.#notBeforeMs.set(user.id, nowMs + AGAIN_AFTER_MS);
    const listed = await this.#parts.calls.list(token);
    if (listed === null || (row !== null && !this.#stillThere(row, listed))) return NOTHING;
    return isOver(token) ? NOTHING : await this.#register(user, token, row, listed);
  }

  async #register(
    user: User,
    token: string,
    before: CredentialRow | null,
    listed: readonly NasDevice[],
  ): Promise<Considered> {
    const { vault, devices, calls } = this.#parts;
    const made = await calls.register(token);
    if (made?.userId !== user.id) return NOTHING;
    const kept = vault.keep({
      kind: 'device',
      username: user.username,
      userId: user.id,
      state: 'ok',
      secret: made.refreshToken,
      deviceId: made.deviceId,
      expiresAtMs: made.expiresAtMs,
    });
    devices.begin(kept, made.accessToken);
    this.#suspects.delete(user.id);
    this.#notBeforeMs.delete(user.id);
    await this.#tidy(user.id, before, listed, made.accessToken);
    return { kind: 'enrolled' };
  }

  async #isWanted(row: CredentialRow): Promise<boolean> {
    const { vault, devices, time } = this.#parts;
    switch (row.state) {
      case 'removed':
        return false;
      case 'inactive':
        // The NAS just confirmed a token of this user, so the account is on again.
        vault.rows.setState(row.id, 'ok', null);
        return false;
      case 'ok': {
        const suspect = row.userId !== null && this.#suspects.delete(row.userId);
        if (suspect) {
          devices.doubt(row);
          this.#looking.add(row.userId);
          await devices.access(row).finally(() => this.#looking.delete(row.userId ?? 0));
          return vault.rows.ofUser(row.userId, 'device')?.state === 'revoked';
        }
        return row.expiresAtMs !== null && row.expiresAtMs - time.nowMs() < RENEW_BEFORE_MS;
      }
      case 'revoked':
      case 'unreadable':
      case 'unchecked':
        return true;
    }
  }

  /** A device that is gone from the list was taken off it by its user: that is a no for good. */
  #stillThere(row: CredentialRow, listed: readonly NasDevice[]): boolean {
    if (row.deviceId === null || listed.some(({ id }) => id === row.deviceId)) return true;
    this.#parts.vault.rows.setState(row.id, 'removed', 'Its user removed the device on the NAS.');
    return false;
  }

  /** Takes off the list what this Pi was registered as before, an answer lost on the way included. */
  async #tidy(
    userId: number,
    before: CredentialRow | null,
    listed: readonly NasDevice[],
    token: string,
  ): Promise<void> {
    const { calls } = this.#parts;
    for (const device of listed) {
      const old = device.id === before?.deviceId || calls.isOwn(device, userId);
      if (old) await calls.remove(token, device.id);
    }
  }
}
