import type { Caller, User } from '../accounts/caller.ts';
import type { Background, Occasion } from '../cache/cache.ts';
import { type Files, parentOf } from '../files/files.ts';
import type { Clock } from '../time/clock.ts';
import type { Errands } from './errands.ts';

export interface FetchForPorts {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly errands: Errands;
  readonly background: Pick<Background, 'fetch'>;
  readonly files: Pick<Files, 'locatePath' | 'list'>;
  /** As last known; null when unknown or switched off. */
  readonly userOf: (userId: number) => User | null;
  /** A token of that very user that the NAS takes now. */
  readonly tokenOf: (userId: number) => Promise<string | null>;
}

/** How one file came out. `no_token`: nothing can be asked for this user now. */
export type Fetched = 'fetched' | 'used_meanwhile' | 'not_fetched' | 'no_token' | 'closed';

/** What a fetch that kept nothing came to. */
const TOLD: Readonly<
  Record<Exclude<Awaited<ReturnType<Background['fetch']>>['kind'], 'kept'>, Fetched>
> = {
  ended: 'closed',
  unreachable: 'closed',
  nas_busy: 'closed',
  needs_nas_token: 'no_token',
  token_refused: 'no_token',
  here: 'not_fetched',
  not_kept: 'not_fetched',
  not_found: 'not_fetched',
  changed: 'not_fetched',
  nas_bad_answer: 'not_fetched',
};

/** The files room asks for a folder again after this. */
const LISTED_ANEW_MS = 10_000;
/** A look at the file's folder before, and one after where the NAS knows no checksum. */
const MOST = { lists: 2, downloads: 2 };

/** Fetches a file for one user with that user's own token, through permission and all. */
export class FetchFor {
  readonly #ports: FetchForPorts;
  #listed: { readonly key: string; readonly atMs: number } | null = null;

  constructor(ports: FetchForPorts) {
    this.#ports = ports;
  }

  /** Who a user is to the other rooms when they are not here themselves. */
  async caller(userId: number): Promise<Caller | null> {
    const user = this.#ports.userOf(userId);
    const nasToken = user === null ? null : await this.#ports.tokenOf(userId);
    return user === null || nasToken === null
      ? null
      : { user, kind: 'nas', nasToken, scope: 'all' };
  }

  /**
   * @param occasion null for a file of a pinned folder
   * @param mostBytes a file that turns out larger is left
   */
  async file(
    userId: number,
    path: string,
    occasion: Occasion | null,
    mostBytes: number,
  ): Promise<Fetched> {
    const outcome = await this.#ports.errands.run(MOST, (signal) =>
      this.#fetch(userId, path, occasion, mostBytes, signal),
    );
    return outcome ?? 'closed';
  }

  /**
   * Lists a folder as its user would; null when that may not be asked now.
   * @param force with a question of now, not an answer up to 10 s old
   */
  async list(
    userId: number,
    folder: string,
    force: boolean,
  ): Promise<Awaited<ReturnType<Files['list']>> | null> {
    const { errands, files } = this.#ports;
    return errands.run({ lists: 1, downloads: 0 }, async () => {
      const caller = await this.caller(userId);
      if (caller === null) return null;
      this.#lists(userId, folder);
      // It is to be stored; nobody reads what comes back.
      const page = { limit: 1, after: null };
      const outcome = await files.list(caller, folder, { auto: true, force, page });
      if (outcome.kind === 'nas_busy') errands.tooMuch();
      return outcome;
    });
  }

  async #fetch(
    userId: number,
    path: string,
    occasion: Occasion | null,
    mostBytes: number,
    signal: AbortSignal,
  ): Promise<Fetched> {
    const { files, background, errands } = this.#ports;
    const caller = await this.caller(userId);
    if (caller === null) return 'no_token';
    this.#lists(userId, parentOf(path) ?? '');
    const found = await files.locatePath(caller, path, { auto: true });
    if (found.kind === 'nas_busy') errands.tooMuch();
    if (found.kind !== 'located')
      return found.kind === 'token_refused' ? 'no_token' : 'not_fetched';
    const { version, known } = found.file;
    if (version === null || known !== 'fresh' || version.sizeBytes > mostBytes)
      return 'not_fetched';
    if (signal.aborted) return 'closed';
    errands.spent({ lists: version.checksum === null ? 1 : 0, downloads: 1 });
    const outcome = await background.fetch(caller, found.file, {
      signal,
      occasion,
      yieldToCallers: () => errands.yieldToCallers(signal),
    });
    return this.#told(outcome);
  }

  #told(outcome: Awaited<ReturnType<Background['fetch']>>): Fetched {
    if (outcome.kind === 'kept') return outcome.usedMeanwhile ? 'used_meanwhile' : 'fetched';
    if (outcome.kind === 'nas_busy') this.#ports.errands.tooMuch();
    return TOLD[outcome.kind];
  }

  /** Counts a look at a folder where the files room will ask for it. */
  #lists(userId: number, folder: string): void {
    const { clock, errands } = this.#ports;
    const key = `${userId}\0${folder}`;
    const nowMs = clock.monotonicMs();
    if (this.#listed?.key === key && nowMs - this.#listed.atMs < LISTED_ANEW_MS) return;
    this.#listed = { key, atMs: nowMs };
    errands.spent({ lists: 1, downloads: 0 });
  }
}
