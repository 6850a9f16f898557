import type { TrustedClock } from '../time/trusted-time.ts';

/** A NAS token that is good at this moment. Never written anywhere, never logged. */
export interface LiveToken {
  readonly userId: number;
  readonly token: string;
  /** Epoch ms. */
  readonly expiresAtMs: number;
}

/** More users at once than a household has. */
const MAX_USERS = 1_000;

/**
 * Per user the newest token the NAS just said is good: what the queue may deliver with while its
 * user is here, and what the probe may ask with. In memory only.
 */
export class LiveTokens {
  readonly #time: TrustedClock;
  readonly #ofUser = new Map<number, LiveToken>();

  constructor(time: TrustedClock) {
    this.#time = time;
  }

  /** Keeps it when it lasts longer than the one before. */
  keep(live: LiveToken): void {
    const before = this.ofUser(live.userId);
    if (before !== null && before.expiresAtMs > live.expiresAtMs) return;
    this.#ofUser.delete(live.userId);
    this.#ofUser.set(live.userId, live);
    if (this.#ofUser.size > MAX_USERS) {
      const oldest = this.#ofUser.keys().next();
      if (oldest.done !== true) this.#ofUser.delete(oldest.value);
    }
  }

  ofUser(userId: number): LiveToken | null {
    const live = this.#ofUser.get(userId);
    if (live === undefined) return null;
    if (live.expiresAtMs > this.#time.nowMs()) return live;
    this.#ofUser.delete(userId);
    return null;
  }

  /** The one that lasts longest, whoever's it is. */
  any(): LiveToken | null {
    let best: LiveToken | null = null;
    for (const userId of [...this.#ofUser.keys()]) {
      const live = this.ofUser(userId);
      if (live !== null && (best === null || live.expiresAtMs > best.expiresAtMs)) best = live;
    }
    return best;
  }

  drop(token: string): void {
    for (const [userId, live] of this.#ofUser) {
      if (live.token === token) this.#ofUser.delete(userId);
    }
  }

  clear(): void {
    this.#ofUser.clear();
  }

  dropOfUser(userId: number): void {
    this.#ofUser.delete(userId);
  }
}
