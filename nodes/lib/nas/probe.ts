import { SlidingLog } from '../limits/limits.ts';
import type { Clock } from '../time/clock.ts';
import { failureOf, isGood, isSignInRefused } from './failure.ts';
import type { NasClient, NasJson } from './nas-client.ts';
import type { NasPresence } from './presence.ts';

/** `told`: it told how it sleeps; `alive`: it only answered; `skipped`: the budget is used up. */
export type ProbeOutcome = 'told' | 'alive' | 'silent' | 'skipped';

interface ProbeDeps {
  readonly client: Pick<NasClient, 'preflight' | 'systemInfo'>;
  readonly presence: Pick<NasPresence, 'silent'>;
  readonly budget: BackgroundBudget;
  /** Some user's token that the NAS accepted recently; null when there is none. */
  readonly liveToken: () => string | null;
  /** The NAS refused that token on preflight (contract 2: it ends at once and for good). */
  readonly tokenRefused?: (token: string) => void;
}

/** Asks whether the NAS is up and how it sleeps, by routes that do not wake it (measured). */
export class NasProbe {
  readonly #deps: ProbeDeps;
  #running: Promise<ProbeOutcome> | null = null;

  constructor(deps: ProbeDeps) {
    this.#deps = deps;
  }

  /**
   * Joins a running probe.
   * @param awaited a caller waits for it (a wake), so the background budget is left alone
   */
  probe(awaited = false): Promise<ProbeOutcome> {
    if (this.#running !== null) return this.#running;
    if (!awaited && !this.#deps.budget.take('probe')) return Promise.resolve('skipped');
    this.#running = this.#ask().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #ask(): Promise<ProbeOutcome> {
    const { client, liveToken } = this.#deps;
    const token = liveToken();
    if (token === null) return this.#alive(await client.systemInfo());
    const result = await client.preflight(token, { auto: true });
    if (isSignInRefused(failureOf(result))) this.#deps.tokenRefused?.(token);
    return isGood(result) ? 'told' : this.#alive(result);
  }

  #alive(result: NasJson): ProbeOutcome {
    if (result.kind === 'unreachable') return 'silent';
    const isPage = result.kind === 'bad_answer';
    if (!isPage || failureOf(result)?.kind !== 'gateway') return 'alive';
    this.#deps.presence.silent();
    return 'silent';
  }
}

/** Calls a minute that no caller waits for, at the default probe interval (contract 6). */
const DEFAULT_PER_MINUTE = 3;
/** At most this many of these are not probes: at least one a minute tells asleep from awake. */
const OTHERS_PER_MINUTE = 2;

/** What wants to make a background call. */
type BackgroundCall = 'probe' | 'other';

/**
 * The one budget of all background calls to the NAS. More than five requests a minute of any kind
 * keep the NAS from falling asleep (read in its code).
 */
export class BackgroundBudget {
  readonly #perMinute: number;
  readonly #taken: SlidingLog<BackgroundCall>;

  /** @param probeIntervalSeconds NAS_PROBE_INTERVAL_SECONDS; a shorter one widens the budget */
  constructor(clock: Pick<Clock, 'monotonicMs'>, probeIntervalSeconds: number) {
    this.#taken = new SlidingLog(clock);
    const probesPerMinute = Math.ceil(60 / Math.max(0.1, probeIntervalSeconds));
    this.#perMinute = Math.max(DEFAULT_PER_MINUTE, probesPerMinute + 1);
  }

  /** How many more non-probe calls are allowed now. */
  get left(): number {
    const taken = this.#taken.recent;
    const others = taken.filter((kind) => kind === 'other').length;
    return Math.max(0, Math.min(this.#perMinute - taken.length, OTHERS_PER_MINUTE - others));
  }

  /** Takes one call from the budget. False: do not make it now. */
  take(kind: BackgroundCall): boolean {
    const isThere = kind === 'other' ? this.left > 0 : this.#taken.waitMs(this.#perMinute) === 0;
    if (isThere) this.#taken.add(kind);
    return isThere;
  }

  /** A call was made that a caller waited for; the NAS counts it like any other. */
  made(): void {
    this.#taken.add('other');
  }
}
