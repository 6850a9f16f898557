import type { BackgroundBudget } from './background-budget.ts';
import type { NasClient, NasJson } from './nas-client.ts';
import type { NasPresence } from './presence-port.ts';

/** `told`: it said how it sleeps; `alive`: it only answered; `skipped`: the budget is used up. */
export type ProbeOutcome = 'told' | 'alive' | 'silent' | 'skipped';

export interface ProbeOptions {
  readonly client: Pick<NasClient, 'preflight' | 'systemInfo'>;
  readonly presence: Pick<NasPresence, 'silent'>;
  readonly budget: BackgroundBudget;
  /** Some user's token that the NAS took lately; null when there is none. */
  readonly liveToken: () => string | null;
  /** The NAS refused that token on preflight (contract 2: it ends at once and for good). */
  readonly tokenRefused?: (token: string) => void;
}

/** Asks whether the NAS lives and how it sleeps, by routes that do not wake it (measured). */
export class NasProbe {
  readonly #options: ProbeOptions;
  #running: Promise<ProbeOutcome> | null = null;

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  /**
   * Joins a probe that runs already.
   * @param awaited a caller waits for it (a wake), so the background budget is left alone
   */
  probe(awaited = false): Promise<ProbeOutcome> {
    if (this.#running !== null) return this.#running;
    if (!awaited && !this.#options.budget.take('probe')) return Promise.resolve('skipped');
    this.#running = this.#ask().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #ask(): Promise<ProbeOutcome> {
    const { client, liveToken } = this.#options;
    const token = liveToken();
    if (token === null) return this.#alive(await client.systemInfo());
    const result = await client.preflight(token, { auto: true });
    if (result.kind !== 'answer') return this.#alive(result);
    if (result.status === 401 || result.status === 403) this.#options.tokenRefused?.(token);
    return result.status === 200 ? 'told' : 'alive';
  }

  #alive(result: NasJson): ProbeOutcome {
    switch (result.kind) {
      case 'answer':
        return 'alive';
      case 'unreachable':
        return 'silent';
      case 'bad_answer':
        // The proxy lives and says that the NAS behind it does not.
        if (result.status !== 502 && result.status !== 504) return 'alive';
        this.#options.presence.silent();
        return 'silent';
    }
  }
}
