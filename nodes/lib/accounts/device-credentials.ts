import type { NasClient, NasJson } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import { CallPace } from './call-pace.ts';
import type { CredentialRow } from './credential-rows.ts';
import type { CredentialVault } from './credential-vault.ts';
import type { DeviceCalls } from './device-calls.ts';
import { readSignIn } from './nas-answers.ts';
import { refusalIn, whoseToken } from './nas-identity.ts';
import { readTokenForm } from './token-form.ts';

/** Below the NAS's 10 a minute and its proxy's 5, which the household's own sign-ins share. */
const REFRESHES_PER_MINUTE = 3;
/** A token this near its end is not begun with, ms. */
const NEARLY_OVER_MS = 60_000;
const ASK_AGAIN_MS = 30_000;
/** How long a look at the user's device list holds, ms. */
const LIST_HOLDS_MS = 60_000;

interface Access {
  readonly token: string;
  readonly expiresAtMs: number;
}

export interface DeviceCredentialsParts {
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
  readonly #parts: DeviceCredentialsParts;
  readonly #pace: CallPace;
  readonly #access = new Map<string, Access>();
  readonly #proven = new Set<string>();
  readonly #notBeforeMs = new Map<string, number>();
  readonly #listedAtMs = new Map<string, number>();

  constructor(parts: DeviceCredentialsParts) {
    this.#parts = parts;
    this.#pace = new CallPace(parts.clock, REFRESHES_PER_MINUTE);
  }

  /** @returns an access token of this very user, or null where there is none now */
  async usable(userId: number): Promise<string | null> {
    const { vault } = this.#parts;
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
    const nowMs = this.#parts.time.nowMs();
    if (row.state !== 'ok') return null;
    if (kept !== undefined && nowMs < kept.expiresAtMs - NEARLY_OVER_MS) {
      return (await this.#isListed(row, kept.token)) ? kept.token : null;
    }
    const secret = this.#parts.vault.secretOf(row);
    if (secret === null || !this.#mayAsk(row)) return null;
    const access = this.#read(row, await this.#parts.nas.refresh(secret));
    if (access === null || !(await this.#isListed(row, access.token))) return null;
    if (!(await this.#isOwn(row, access.token))) return null;
    this.#access.set(row.id, access);
    return access.token;
  }

  /** A registration just made: the NAS told whose it is together with its first token. */
  begin(row: CredentialRow, token: string): void {
    const form = readTokenForm(token);
    if (form.kind !== 'jwt') return;
    this.#proven.add(row.id);
    this.#listedAtMs.set(row.id, this.#parts.clock.monotonicMs());
    this.#access.set(row.id, { token, expiresAtMs: form.claims.expiresAtMs });
  }

  /** Whether this is an access token of that registration; it is then forgotten. */
  forget(row: CredentialRow, token: string): boolean {
    if (this.#access.get(row.id)?.token !== token) return false;
    this.#access.delete(row.id);
    return true;
  }

  /** Its access token may be over: the refresh token tells at the next use. */
  doubt(row: CredentialRow): void {
    this.#access.delete(row.id);
    this.#notBeforeMs.delete(row.id);
  }

  #mayAsk(row: CredentialRow): boolean {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs < (this.#notBeforeMs.get(row.id) ?? -Infinity)) return false;
    return this.#pace.take() && this.#parts.takeRefresh();
  }

  #later(row: CredentialRow): null {
    this.#notBeforeMs.set(row.id, this.#parts.clock.monotonicMs() + ASK_AGAIN_MS);
    return null;
  }

  #read(row: CredentialRow, answer: NasJson): Access | null {
    const { rows } = this.#parts.vault;
    const fault = refusalIn(answer);
    if (fault?.kind === 'inactive') {
      rows.setState(row.id, 'inactive', 'Its user is switched off on the NAS.');
      return null;
    }
    if (fault !== null) {
      rows.setState(row.id, 'revoked', fault.detail);
      return null;
    }
    if (answer.kind !== 'answer' || answer.status >= 300) return this.#later(row);
    const token = readSignIn(answer.body)?.accessToken ?? '';
    const form = readTokenForm(token);
    if (form.kind !== 'jwt') return this.#later(row);
    if (form.claims.userId === row.userId) {
      return { token, expiresAtMs: form.claims.expiresAtMs };
    }
    rows.setState(row.id, 'revoked', 'The NAS gave a token of somebody else for it.');
    return null;
  }

  async #isListed(row: CredentialRow, token: string): Promise<boolean> {
    const { calls, clock, vault } = this.#parts;
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
    const whose = await whoseToken(this.#parts.nas, token);
    if (whose.kind !== 'user') return this.#later(row) !== null;
    if (whose.id !== row.userId) {
      this.#parts.vault.rows.setState(row.id, 'revoked', 'It is the device of somebody else.');
      return false;
    }
    this.#proven.add(row.id);
    return true;
  }
}
