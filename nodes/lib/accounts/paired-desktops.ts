import type { NasApi, NasClient } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { User } from './caller.ts';
import type { DesktopRow } from './desktop-rows.ts';
import { isRecord, readNasUser, userStateIn } from './nas-answers.ts';
import type { UserBook } from './user-book.ts';

/** What is stored to act for users, as far as paired desktops lean on it. */
export interface StoredCredentials {
  /** A token of that user's stored credential; never one the user came with. Null: none now. */
  tokenOf(userId: number): Promise<string | null>;
  /** Whether there is one, though it may have no token at this moment. */
  holdsFor(userId: number): boolean;
  /** The NAS answered 401 to it. */
  refused(token: string): Promise<void>;
}

export interface PairedDesktopsDeps {
  readonly nas: Pick<NasClient, 'me'>;
  readonly api: Pick<NasApi, 'call'>;
  readonly stored: StoredCredentials;
  readonly book: UserBook;
  readonly clock: Clock;
  readonly time: TrustedClock;
  /** DESKTOP_REFRESH. */
  readonly mode: 'auto' | 'off';
}

/** Whether a desktop may go on. `unsure`: the NAS could not say, and the desktop keeps its tokens. */
export type DesktopStanding =
  | { readonly kind: 'stands'; readonly user: User }
  | { readonly kind: 'unsure' }
  | { readonly kind: 'over' };

/** Contract 2: at most 30 days. */
const MOST_MS = 30 * 86_400_000;
const CONFIRMED_FOR_MS = 3_600_000;
const LISTED_FOR_MS = 86_400_000;

const OVER: DesktopStanding = { kind: 'over' };
const UNSURE: DesktopStanding = { kind: 'unsure' };

/** The NAS's exact words for a refresh token that it never stored (measured on 1.38). */
export function saysRevoked(status: number, body: unknown): boolean {
  return status === 401 && isRecord(body) && body['detail'] === 'Refresh token has been revoked';
}

/**
 * BaluHost 1.38 refuses the refresh token of each desktop it paired, as it never stored it. A desktop
 * whose approved pairing was seen here goes on all the same with tokens of the Pi, which open this Pi
 * and act by its user's stored credential, as long as nothing speaks against it: see docs/adr.
 */
export class PairedDesktops {
  readonly #deps: PairedDesktopsDeps;
  /** By user, monotonic: when the NAS last confirmed their stored credential. */
  readonly #confirmedAtMs = new Map<number, number>();

  constructor(deps: PairedDesktopsDeps) {
    this.#deps = deps;
  }

  /** An approved pairing. `raw` is what the NAS says of its user at this moment. */
  paired(given: {
    readonly refreshHash: Buffer;
    readonly refreshEndsAtMs: number | null;
    readonly deviceId: string;
    readonly deviceName: string;
    readonly userId: number;
    readonly raw: Readonly<Record<string, unknown>>;
  }): void {
    const { book, time, mode } = this.#deps;
    const userState = userStateIn(given.raw);
    if (mode === 'off' || userState === null) return;
    const { refreshHash, deviceId, deviceName, userId } = given;
    const nowMs = time.nowMs();
    const endsAtMs = Math.min(nowMs + MOST_MS, given.refreshEndsAtMs ?? Infinity);
    const times = { pairedAtMs: nowMs, endsAtMs, listedAtMs: nowMs };
    for (const before of book.desktops.standing(userId)) {
      if (before.deviceId === deviceId) book.endDesktop(before, 'paired_anew');
    }
    book.desktops.keep({ refreshHash, deviceId, deviceName, userId, ...times }, userState);
  }

  /** Whether it has run out, which needs no NAS to tell. */
  isOver(refreshHash: Buffer): boolean {
    const row = this.#deps.book.desktops.find(refreshHash);
    return row !== null && row.endsAtMs <= this.#deps.time.nowMs();
  }

  /** Whether it may go on as far as is known without the NAS. */
  goesOn(refreshHash: Buffer): boolean {
    const isKnown = this.#deps.book.desktops.find(refreshHash) !== null;
    return this.#deps.mode === 'auto' && isKnown && !this.isOver(refreshHash);
  }

  /** The NAS, awake, has just refused that refresh token as revoked. */
  async standing(refreshHash: Buffer): Promise<DesktopStanding> {
    const { book } = this.#deps;
    const row = this.goesOn(refreshHash) ? book.desktops.find(refreshHash) : null;
    if (row === null) return OVER;
    const confirmed = await this.#confirm(row);
    if (confirmed !== 'confirmed') return confirmed === 'unsure' ? UNSURE : OVER;
    // Read again: any of the answers may have ended it.
    const user = book.desktops.find(refreshHash) === null ? null : book.userOf(row.userId);
    return user === null ? OVER : { kind: 'stands', user };
  }

  list(userId: number | null): readonly DesktopRow[] {
    const nowMs = this.#deps.time.nowMs();
    return this.#deps.book.desktops.standing(userId).filter(({ endsAtMs }) => endsAtMs > nowMs);
  }

  /** The stored credential of that user is over: whoever leaned on it is, too. */
  credentialEnded(userId: number): void {
    this.#confirmedAtMs.delete(userId);
    this.#deps.book.endDesktopsOf(userId, 'credential_refused');
  }

  async #confirm(row: DesktopRow): Promise<'confirmed' | 'unsure' | 'over'> {
    const { stored, clock, time } = this.#deps;
    const { userId } = row;
    const confirmedAtMs = this.#confirmedAtMs.get(userId) ?? -Infinity;
    const isConfirmed = clock.monotonicMs() - confirmedAtMs < CONFIRMED_FOR_MS;
    const isListed = time.nowMs() - row.listedAtMs < LISTED_FOR_MS;
    if (isConfirmed && isListed) return 'confirmed';
    const token = await stored.tokenOf(userId);
    if (token === null) return stored.holdsFor(userId) ? 'unsure' : 'over';
    if (!isConfirmed) {
      const asked = await this.#askWhose(userId, token);
      if (asked !== 'confirmed') return asked;
    }
    return isListed ? 'confirmed' : await this.#askListed(row, token);
  }

  /** The NAS's word on the credential, and on its user, whose change ends what was paired before. */
  async #askWhose(userId: number, token: string): Promise<'confirmed' | 'unsure' | 'over'> {
    const { nas, book, stored, clock } = this.#deps;
    const answer = await nas.me(token, { auto: true });
    if (answer.kind !== 'answer') return 'unsure';
    if (answer.status === 401) {
      await stored.refused(token);
      this.credentialEnded(userId);
      return 'over';
    }
    const told = answer.status === 200 ? readNasUser(answer.body) : null;
    if (told?.id !== userId) return 'unsure';
    if (!told.isActive) return 'over';
    book.lookAtDesktops(told);
    this.#confirmedAtMs.set(userId, clock.monotonicMs());
    return 'confirmed';
  }

  /** An approved pairing makes the desktop one that syncs, and its user may take it off that list. */
  async #askListed(row: DesktopRow, token: string): Promise<'confirmed' | 'unsure' | 'over'> {
    const { api, book, stored, time } = this.#deps;
    const path = `/api/sync/status/${encodeURIComponent(row.deviceId)}`;
    const answer = await api.call({ method: 'GET', path, token, auto: true });
    if (answer.kind !== 'answer') return 'unsure';
    switch (answer.status) {
      case 200:
        book.desktops.listed(row.refreshHash, time.nowMs());
        return 'confirmed';
      case 404:
        book.endDesktop(row, 'not_listed');
        return 'over';
      case 401:
        await stored.refused(token);
        this.credentialEnded(row.userId);
        return 'over';
      default:
        return 'unsure';
    }
  }
}
