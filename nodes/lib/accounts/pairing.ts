import type { NasApi, NasClient, NasPresence } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { AccountNews } from './account-events.ts';
import { AddressRate } from './address-rate.ts';
import { silentCode } from './asking.ts';
import type { User } from './caller.ts';
import { LruMap } from './lru-map.ts';
import { readNasUser, retryAfterOf } from './nas-answers.ts';
import { refused, type SignInOutcome, type SignInRefusal } from './outcomes.ts';
import { expiryOf, hashToken, isRecord } from './token-form.ts';
import type { PairedDesktops } from './paired-desktops.ts';
import type { UserBook } from './user-book.ts';

export interface PairingParts {
  readonly nas: Pick<NasClient, 'me'>;
  readonly api: Pick<NasApi, 'call'>;
  readonly presence: NasPresence;
  readonly book: UserBook;
  readonly desktops: PairedDesktops;
  readonly clock: Clock;
  readonly time: TrustedClock;
  readonly onConfirmed: (user: User, token: string) => void;
  readonly onNews: (news: AccountNews) => void;
}

/** What a device says when it asks for a code. */
interface Asking {
  readonly deviceId: string;
  readonly deviceName: string;
}

/**
 * Below what BaluHost 1.38 takes a minute from one address, which is the Pi's for all who come
 * through it: 3 registrations, 3 codes, 12 polls. A desktop polls every 5 s.
 */
const REGISTRATIONS = 2;
const CODES = 2;
const POLLS = 12;
/** Codes run out after ten minutes. */
const CODES_KEPT = 1_000;

type Said =
  | { readonly kind: 'said'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'no'; readonly refusal: SignInRefusal };

/**
 * How phones and desktops get their tokens: open to all, answered by the NAS alone, and by its 200
 * the Pi knows user, token, refresh token and device from that moment on.
 */
export class Pairing {
  readonly #parts: PairingParts;
  readonly #registrations: AddressRate;
  readonly #codes: AddressRate;
  readonly #polls: AddressRate;
  /** By the hash of the code a desktop polls with. */
  readonly #asking = new LruMap<string, Asking>(CODES_KEPT);

  constructor(parts: PairingParts) {
    this.#parts = parts;
    this.#registrations = new AddressRate(parts.clock, REGISTRATIONS);
    this.#codes = new AddressRate(parts.clock, CODES);
    this.#polls = new AddressRate(parts.clock, POLLS);
  }

  /** `POST /api/mobile/register`. */
  async register(body: unknown, address: string): Promise<SignInOutcome> {
    const said = await this.#ask('/api/mobile/register', body, this.#registrations, address);
    if (said.kind === 'no') return said.refusal;
    const { status, body: told } = said;
    const learnt = status < 300 ? this.#parts.book.learnSignIn(told) : null;
    if (learnt?.kind === 'inactive') {
      return refused('bad_credentials', { detail: 'This account is switched off on the NAS.' });
    }
    if (learnt?.kind !== 'user') return { kind: 'passed', status, body: told, user: null };
    const device = isRecord(told) && isRecord(told['device']) ? told['device'] : {};
    const { book, time, onConfirmed, onNews } = this.#parts;
    if (typeof device['id'] === 'string') {
      book.devices.take(device['id'], learnt.user.id, time.nowMs());
    }
    onConfirmed(learnt.user, learnt.token);
    const deviceName = nameIn(device);
    onNews({ kind: 'device_paired', user: learnt.user, address, deviceName });
    return { kind: 'passed', status, body: told, user: learnt.user };
  }

  /** `POST /api/desktop-pairing/device-code`. */
  async deviceCode(body: unknown, address: string): Promise<SignInOutcome> {
    const said = await this.#ask('/api/desktop-pairing/device-code', body, this.#codes, address);
    if (said.kind === 'no') return said.refusal;
    const { status, body: told } = said;
    const code = isRecord(told) ? told['device_code'] : undefined;
    const { device_id: deviceId, device_name: name } = isRecord(body) ? body : {};
    if (status < 300 && typeof code === 'string' && typeof deviceId === 'string') {
      const deviceName = typeof name === 'string' ? name.slice(0, 100) : deviceId;
      this.#asking.set(keyOf(code), { deviceId, deviceName });
    }
    return { kind: 'passed', status, body: told, user: null };
  }

  /** `POST /api/desktop-pairing/poll`. */
  async poll(body: unknown, address: string): Promise<SignInOutcome> {
    const said = await this.#ask('/api/desktop-pairing/poll', body, this.#polls, address);
    if (said.kind === 'no') return said.refusal;
    const { status, body: told } = said;
    const passed = { kind: 'passed', status, body: told, user: null } as const;
    const isApproved = status < 300 && isRecord(told) && told['status'] === 'approved';
    const learnt = isApproved ? this.#parts.book.learnSignIn(told) : null;
    if (learnt?.kind !== 'user') return passed;
    const code = isRecord(body) ? body['device_code'] : undefined;
    const asking = typeof code === 'string' ? this.#asking.get(keyOf(code)) : undefined;
    const refreshToken = isRecord(told) ? told['refresh_token'] : undefined;
    if (asking !== undefined && typeof refreshToken === 'string') {
      await this.#paired(learnt.user, learnt.token, refreshToken, asking);
      const { deviceName } = asking;
      this.#parts.onNews({ kind: 'device_paired', user: learnt.user, address, deviceName });
    }
    this.#parts.onConfirmed(learnt.user, learnt.token);
    return { ...passed, user: learnt.user };
  }

  /** The NAS's answer to a desktop names its user and no more, so the rest is asked for. */
  async #paired(
    user: User,
    token: string,
    refreshToken: string,
    { deviceId, deviceName }: Asking,
  ): Promise<void> {
    const { nas, book, time, desktops } = this.#parts;
    const answer = await nas.me(token, { auto: true });
    const told =
      answer.kind === 'answer' && answer.status === 200 ? readNasUser(answer.body) : null;
    book.devices.learn(deviceId, user.id, time.nowMs());
    if (told?.id !== user.id || book.learnMe(told, token) === null) return;
    desktops.paired({
      ...{ deviceId, deviceName, userId: user.id, raw: told.raw },
      refreshHash: hashToken(refreshToken),
      refreshEndsAtMs: expiryOf(refreshToken),
    });
  }

  async #ask(path: string, body: unknown, rate: AddressRate, address: string): Promise<Said> {
    const { presence, api } = this.#parts;
    const no = (refusal: SignInRefusal): Said => ({ kind: 'no', refusal });
    const { awake, sleepState } = presence.state;
    // Right after a start nobody has asked yet.
    const mayTry = awake || sleepState === 'unknown';
    if (!mayTry) return no(refused(silentCode(presence.state)));
    const leave = rate.take(address);
    if (leave.kind === 'wait') {
      return no(refused('too_many_tries', { retryAfterSeconds: leave.retryAfterSeconds }));
    }
    // Anybody may ask, and nobody who is not signed in keeps the NAS awake.
    const answer = await api.call({ method: 'POST', path, body, auto: true });
    if (answer.kind === 'unreachable') return no(refused(silentCode(presence.state)));
    const { status } = answer;
    if (status === 429 || (answer.kind === 'bad_answer' && status === 503)) {
      const told = answer.kind === 'answer' ? answer.body : null;
      return no(refused('nas_busy', { retryAfterSeconds: retryAfterOf(told) }));
    }
    if (answer.kind === 'bad_answer' || status >= 500) return no(refused('nas_bad_answer'));
    return { kind: 'said', status, body: answer.body };
  }
}

/** What its user called it. */
function nameIn(device: Readonly<Record<string, unknown>>): string {
  const name = device['device_name'];
  return typeof name === 'string' ? name.slice(0, 100) : '';
}

function keyOf(code: string): string {
  return hashToken(code).toString('base64');
}
