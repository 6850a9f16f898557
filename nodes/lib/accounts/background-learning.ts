import type { NasClient, NasJson } from '../nas/nas.ts';
import type { NasPresence } from '../nas/nas.ts';
import type { Log } from '../log/log.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { CallBudget } from './call-budget.ts';
import type { User } from './caller.ts';
import { readNasUser } from './nas-answers.ts';
import { isRecord } from './token-form.ts';
import type { UserBook } from './user-book.ts';

/** Who may wake changes rarely, and the apps' own asks are kept as well. */
const PERMISSIONS_FRESH_MS = 6 * 3_600_000;

export interface BackgroundLearningParts {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly book: UserBook;
  readonly time: TrustedClock;
  readonly budget: CallBudget;
  readonly log: Log;
}

/**
 * Asks for what the Pi will need of a user once the NAS sleeps and nobody has asked yet: `me`, which
 * BaluDesk must get at its start, and whether they may wake. Where no caller waits the budget rules.
 */
export class BackgroundLearning {
  readonly #parts: BackgroundLearningParts;
  readonly #running = new Map<number, Promise<void>>();
  #stopped = false;

  constructor(parts: BackgroundLearningParts) {
    this.#parts = parts;
  }

  /** The NAS just confirmed `token`; asks for what is missing, if anything may be asked. */
  wanted(user: User, token: string): void {
    if (this.#running.has(user.id)) return;
    void this.#begin(user, token, (kind) => this.#parts.budget.take(kind));
  }

  /**
   * The same for somebody who just signed in and waits: their call, so it is not counted as one
   * nobody waits for. Without it a person could not wake the NAS a minute after their sign-in.
   */
  async atSignIn(user: User, token: string): Promise<void> {
    await this.#running.get(user.id);
    await this.#begin(user, token, () => true);
  }

  /** Starts nothing more and waits for what runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running.values());
  }

  #begin(user: User, token: string, mayAsk: CallBudget['take']): Promise<void> {
    if (this.#stopped || !this.#parts.presence.state.awake) return Promise.resolve();
    const learning = this.#learn(user, token, mayAsk)
      .catch((error: unknown) => {
        this.#parts.log.warn(`What the NAS knows of a user could not be kept: ${String(error)}`);
      })
      .finally(() => {
        this.#running.delete(user.id);
      });
    this.#running.set(user.id, learning);
    return learning;
  }

  async #learn(user: User, token: string, mayAsk: CallBudget['take']): Promise<void> {
    const { nas, book, time } = this.#parts;
    const row = book.users.find(user.id);
    if (row === null) return;
    if (row.me === null && mayAsk('other')) {
      const told = readNasUser(this.#bodyOf(await nas.me(token, { auto: true }), token));
      if (told?.id === user.id) book.learnMe(told, token);
    }
    if (row.role === 'admin') return;
    const nowMs = time.nowMs();
    if (row.permissionsAtMs !== null && nowMs - row.permissionsAtMs < PERMISSIONS_FRESH_MS) return;
    if (!mayAsk('other')) return;
    const told = this.#bodyOf(await nas.myPermissions(token, { auto: true }), token);
    if (isRecord(told)) book.users.keepPermissions(user.id, told, time.nowMs());
  }

  #bodyOf(answer: NasJson, token: string): unknown {
    if (answer.kind !== 'answer') return null;
    if (answer.status === 401) this.#parts.book.refuse(token);
    return answer.status === 200 ? answer.body : null;
  }
}
