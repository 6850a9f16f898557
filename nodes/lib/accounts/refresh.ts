import type { NasClient, NasPresence } from '../nas/nas.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import { type Caller, refused, type SignInOutcome, type User } from './caller.ts';
import type { NasShares } from './login-limits.ts';
import { hashToken, mayAsk, saysInactive, SingleFlight, withZones } from './nas-answers.ts';
import { type PairedDesktops, saysRevoked } from './paired-desktops.ts';
import type { PiTokens } from './pi-tokens.ts';
import type { UserBook } from './user-book.ts';

interface RefreshDeps {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly book: UserBook;
  readonly piSignIn: PiSignIn;
  readonly desktops: PairedDesktops;
  readonly time: TrustedClock;
  readonly shares: NasShares;
  readonly onConfirmed: (user: User, token: string) => void;
}

/** The app keeps its tokens on this and on nothing else (read in BaluApp). */
const KEEP_TOKENS = refused('gateway_timeout');

const SIGNED_OUT = refused('bad_token', { detail: 'You were signed out. Sign in again.' });

/** `POST /api/auth/refresh`, where any honest failure but 504 signs the apps out for good. */
export class Refresh {
  readonly #deps: RefreshDeps;
  readonly #flight = new SingleFlight<SignInOutcome>();

  constructor(deps: RefreshDeps) {
    this.#deps = deps;
  }

  /** @param address where it comes from, as the guard saw it */
  refresh(refreshToken: string, address: string): Promise<SignInOutcome> {
    const hash = hashToken(refreshToken);
    return this.#flight.run(hash.toString('base64'), () =>
      this.#refresh(refreshToken, hash, address),
    );
  }

  async #refresh(refreshToken: string, hash: Buffer, address: string): Promise<SignInOutcome> {
    const { nas, presence, shares, book } = this.#deps;
    if (!mayAsk(presence.state)) return this.#asleep(hash);
    // Signed out here, also where the NAS was asleep then and would still take it.
    if (book.refreshTokens.isEnded(hash)) return SIGNED_OUT;
    // A token nobody here has seen good may be made up, and the NAS counts it as everybody's.
    const claimant = book.refreshTokens.find(hash) === null ? 'stranger' : 'known';
    if (shares.refreshes.take(address, claimant).kind === 'wait') return KEEP_TOKENS;
    const answer = await nas.refresh(refreshToken);
    if (answer.kind === 'unreachable') {
      // Gone goes on as asleep; merely slow is a NAS whose answer may still matter.
      const gone = !presence.state.reachable && !isTimeout(answer.cause);
      return gone ? this.#asleep(hash) : KEEP_TOKENS;
    }
    const { status } = answer;
    if (answer.kind === 'bad_answer' || status === 429 || status >= 500) return KEEP_TOKENS;
    if (status >= 300) return await this.#refused(status, answer.body, hash);
    return this.#passGood(status, answer.body, refreshToken);
  }

  async #refused(status: number, body: unknown, hash: Buffer): Promise<SignInOutcome> {
    const forDesktop = saysRevoked(status, body) ? await this.#forDesktop(hash) : null;
    return forDesktop ?? this.#passRefusal(status, body, hash);
  }

  /** A desktop's own, where it may go on; null for what is refused as the NAS says. */
  async #forDesktop(hash: Buffer): Promise<SignInOutcome | null> {
    const { desktops, piSignIn, presence } = this.#deps;
    // Asleep it is let in as anybody is, though soft sleep answers.
    if (!presence.state.awake && desktops.goesOn(hash)) return this.#asleep(hash);
    const standing = await desktops.standing(hash);
    switch (standing.kind) {
      case 'stands':
        return piSignIn.issue(standing.user, 'all', hash);
      case 'unsure':
        return KEEP_TOKENS;
      case 'over':
        return null;
    }
  }

  #passRefusal(status: number, body: unknown, hash: Buffer): SignInOutcome {
    const { book } = this.#deps;
    if (status === 401 || status === 403) {
      const row = book.refreshTokens.find(hash);
      book.refuseRefresh(hash);
      if (row !== null && saysInactive(body)) book.deactivate(row.userId);
    }
    return { kind: 'passed', status, body, user: null };
  }

  #passGood(status: number, body: unknown, refreshToken: string): SignInOutcome {
    const learnt = this.#deps.book.learnSignIn(body, refreshToken);
    if (learnt.kind === 'ended') return SIGNED_OUT;
    if (learnt.kind === 'inactive') {
      return refused('bad_token', { detail: 'This account is switched off on the NAS.' });
    }
    if (learnt.kind === 'nobody') return { kind: 'passed', status, body, user: null };
    this.#deps.onConfirmed(learnt.user, learnt.token);
    return { kind: 'passed', status, body, user: learnt.user };
  }

  #asleep(hash: Buffer): SignInOutcome {
    const { book, time, piSignIn, desktops } = this.#deps;
    if (desktops.isOver(hash)) return KEEP_TOKENS;
    const kept = book.refreshTokens.find(hash);
    const row = kept === null ? null : book.users.find(kept.userId);
    if (kept === null || row?.isActive !== true) return KEEP_TOKENS;
    if (kept.expiresAtMs !== null && kept.expiresAtMs <= time.nowMs()) return KEEP_TOKENS;
    if (book.withinGrace(row)) return piSignIn.issue(row, 'all', hash);
    return row.role === 'admin' ? piSignIn.issue(row, 'wake', hash) : KEEP_TOKENS;
  }
}

function isTimeout(cause: Error): boolean {
  return 'code' in cause && cause.code === 'timeout';
}

/** The Pi's own answers in the NAS's shapes, for while it sleeps. */
export class PiSignIn {
  readonly #tokens: PiTokens;
  readonly #book: UserBook;

  constructor(tokens: PiTokens, book: UserBook) {
    this.#tokens = tokens;
    this.#book = book;
  }

  /** A Pi token in the shape of the NAS's login answer. */
  issue(of: User, scope: Caller['scope'], refreshHash: Buffer | null): SignInOutcome {
    const user: User = { id: of.id, username: of.username, role: of.role };
    const body = {
      access_token: this.#tokens.issue(user, scope, refreshHash),
      token_type: 'bearer',
      user: this.me(user.id) ?? { ...user, is_active: true },
    };
    return { kind: 'issued', body, user };
  }

  /** The last `me` of that user, its times with a zone; null when none was kept. */
  me(userId: number): Record<string, unknown> | null {
    const row = this.#book.users.find(userId);
    return row?.me == null ? null : withZones(row.me);
  }
}
