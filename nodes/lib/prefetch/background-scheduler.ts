import type { Caller, User } from '../accounts/caller.ts';
import type { Background, Occasion } from '../cache/cache.ts';
import { type Files, parentOf } from '../files/files.ts';
import { RateLimiter } from '../limits/limits.ts';
import type { CallerNeed } from '../nas/nas.ts';
import type { NasPresence } from '../nas/presence.ts';
import type { Clock } from '../time/clock.ts';

/** Background work begins no later than this after somebody needed the NAS. */
export const NEED_LASTS_MS = 5 * 60_000;
/** The most used here of the NAS's 200 lists and 500 downloads per minute and user. */
const LISTS_PER_MINUTE = 80;
const DOWNLOADS_PER_MINUTE = 200;
/** How often to look whether callers are done. */
const YIELD_MS = 250;
/** The pause the NAS asks for with its 429 (docs/NAS.md). */
const BUSY_MS = 60_000;

interface BackgroundSchedulerDeps {
  readonly clock: Clock;
  readonly presence: Pick<NasPresence, 'state' | 'onChange'>;
  readonly need: Pick<CallerNeed, 'idleMs'>;
  /** Whether the NAS gives bytes to a caller at this moment. */
  readonly isServingCallers: () => boolean;
}

/** The most a job may ask of the NAS. */
interface Cost {
  readonly lists: number;
  readonly downloads: number;
}

/**
 * When the NAS may be asked by background work (contract 6): while it is awake, within five minutes
 * of the last need, one request at a time, after the callers' own, below its limits.
 */
export class BackgroundScheduler {
  readonly #deps: BackgroundSchedulerDeps;
  readonly #lists: RateLimiter;
  readonly #downloads: RateLimiter;
  #turn: Promise<unknown> = Promise.resolve();
  #ending = new AbortController();
  #busyUntilMs = -Infinity;
  #unsubscribe: () => void = () => undefined;
  #stopped = false;

  constructor(deps: BackgroundSchedulerDeps) {
    this.#deps = deps;
    this.#lists = new RateLimiter(deps.clock, { most: LISTS_PER_MINUTE });
    this.#downloads = new RateLimiter(deps.clock, { most: DOWNLOADS_PER_MINUTE });
  }

  /** From now on jobs are aborted when the NAS goes. */
  start(): void {
    this.#unsubscribe = this.#deps.presence.onChange(({ awake }) => {
      if (awake) return;
      this.#ending.abort();
      this.#ending = new AbortController();
    });
  }

  /** Aborts what runs and waits for it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.#ending.abort();
    await this.#turn;
  }

  /** Whether a job may begin now. */
  get isOpen(): boolean {
    const { presence, need, clock } = this.#deps;
    if (this.#stopped || !presence.state.awake) return false;
    if (clock.monotonicMs() < this.#busyUntilMs) return false;
    const { idleMs } = need;
    return idleMs !== null && idleMs < NEED_LASTS_MS;
  }

  /** The NAS answered 429: a minute of silence. */
  tooMuch(): void {
    this.#busyUntilMs = this.#deps.clock.monotonicMs() + BUSY_MS;
  }

  /** Records what a job asked of the NAS. */
  spent({ lists, downloads }: Cost): void {
    this.#lists.add('', lists);
    this.#downloads.add('', downloads);
  }

  /**
   * Runs a job when its turn has come.
   * @param most it may ask of the NAS; {@link spent} records what it did ask
   * @returns null when it may not begin any more
   */
  run<T>(most: Cost, job: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    const turn = this.#turn.then(() => this.#run(most, job));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** A pause for background streams while callers want the NAS for themselves. */
  yieldToCallers(signal: AbortSignal): Promise<void> | undefined {
    if (!this.#deps.isServingCallers()) return undefined;
    return this.#deps.clock.sleep(YIELD_MS, signal);
  }

  async #run<T>(most: Cost, job: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    const { signal } = this.#ending;
    while (this.isOpen && !signal.aborted) {
      const waitMs = this.#waitMs(most);
      if (waitMs === 0) return job(signal);
      if (!(await this.#slept(waitMs, signal))) return null;
    }
    return null;
  }

  #waitMs({ lists, downloads }: Cost): number {
    if (this.#deps.isServingCallers()) return YIELD_MS;
    return Math.max(this.#lists.waitMs('', lists), this.#downloads.waitMs('', downloads));
  }

  async #slept(ms: number, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#deps.clock.sleep(ms, signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }
}

interface FetchForDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly scheduler: BackgroundScheduler;
  readonly background: Pick<Background, 'fetch'>;
  readonly files: Pick<Files, 'locatePath' | 'list'>;
  /** As last known; null when unknown or switched off. */
  readonly userOf: (userId: number) => User | null;
  /** A token of exactly that user that the NAS accepts now. */
  readonly tokenOf: (userId: number) => Promise<string | null>;
}

/** The outcome for one file. `no_token`: nothing can be asked for this user now. */
type Fetched = 'fetched' | 'used_meanwhile' | 'not_fetched' | 'no_token' | 'closed';

/** The outcome of a fetch that kept nothing. */
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

/** How long until the files module asks for a folder again. */
const RELIST_AFTER_MS = 10_000;
/** One look at the file's folder before, and one after where the NAS knows no checksum. */
const MOST = { lists: 2, downloads: 2 };

/** Fetches a file for one user with that user's own token and permissions. */
export class FetchFor {
  readonly #deps: FetchForDeps;
  #listed: { readonly key: string; readonly atMs: number } | null = null;

  constructor(deps: FetchForDeps) {
    this.#deps = deps;
  }

  /** Represents a user to the other modules when they are not here themselves. */
  async caller(userId: number): Promise<Caller | null> {
    const user = this.#deps.userOf(userId);
    const nasToken = user === null ? null : await this.#deps.tokenOf(userId);
    return user === null || nasToken === null
      ? null
      : { user, kind: 'nas', nasToken, scope: 'all' };
  }

  /**
   * @param occasion null for a file of a pinned folder
   * @param mostBytes a file that turns out larger is skipped
   */
  async file(
    userId: number,
    path: string,
    occasion: Occasion | null,
    mostBytes: number,
  ): Promise<Fetched> {
    const outcome = await this.#deps.scheduler.run(MOST, (signal) =>
      this.#fetch(userId, path, occasion, mostBytes, signal),
    );
    return outcome ?? 'closed';
  }

  /**
   * Lists a folder as its user would; null when it may not be asked for now.
   * @param force with a fresh question, not an answer up to 10 s old
   */
  async list(
    userId: number,
    folder: string,
    force: boolean,
  ): Promise<Awaited<ReturnType<Files['list']>> | null> {
    const { scheduler, files } = this.#deps;
    return scheduler.run({ lists: 1, downloads: 0 }, async () => {
      const caller = await this.caller(userId);
      if (caller === null) return null;
      this.#lists(userId, folder);
      // Only its storing matters; nobody reads the result.
      const page = { limit: 1, after: null };
      const outcome = await files.list(caller, folder, { auto: true, force, page });
      if (outcome.kind === 'nas_busy') scheduler.tooMuch();
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
    const { files, background, scheduler } = this.#deps;
    const caller = await this.caller(userId);
    if (caller === null) return 'no_token';
    this.#lists(userId, parentOf(path) ?? '');
    const found = await files.locatePath(caller, path, { auto: true });
    if (found.kind === 'nas_busy') scheduler.tooMuch();
    if (found.kind !== 'located')
      return found.kind === 'token_refused' ? 'no_token' : 'not_fetched';
    const { version, known } = found.file;
    if (version === null || known !== 'fresh' || version.sizeBytes > mostBytes)
      return 'not_fetched';
    if (signal.aborted) return 'closed';
    scheduler.spent({ lists: version.checksum === null ? 1 : 0, downloads: 1 });
    const outcome = await background.fetch(caller, found.file, {
      signal,
      occasion,
      yieldToCallers: () => scheduler.yieldToCallers(signal),
    });
    return this.#told(outcome);
  }

  #told(outcome: Awaited<ReturnType<Background['fetch']>>): Fetched {
    if (outcome.kind === 'kept') return outcome.usedMeanwhile ? 'used_meanwhile' : 'fetched';
    if (outcome.kind === 'nas_busy') this.#deps.scheduler.tooMuch();
    return TOLD[outcome.kind];
  }

  /** Counts a look at a folder where the files module will ask for it. */
  #lists(userId: number, folder: string): void {
    const { clock, scheduler } = this.#deps;
    const key = `${userId}\0${folder}`;
    const nowMs = clock.monotonicMs();
    if (this.#listed?.key === key && nowMs - this.#listed.atMs < RELIST_AFTER_MS) return;
    this.#listed = { key, atMs: nowMs };
    scheduler.spent({ lists: 1, downloads: 0 });
  }
}
