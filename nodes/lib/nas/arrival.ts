import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';

const PROBE_EVERY_MS = 1_000;

export interface ArrivalOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly isAwake: () => boolean;
  /** Asks the NAS now, outside the background budget. */
  readonly probe: () => Promise<unknown>;
  readonly bootTimeoutSeconds: number;
}

/**
 * A NAS that said hello does not serve yet: it waits for the answer to its hello first (read in its
 * code). So it is looked for once a second, until it is awake or a boot would have been over.
 */
export class Arrival {
  readonly #options: ArrivalOptions;
  #turn = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: ArrivalOptions) {
    this.#options = options;
  }

  /** Begins to look; a further hello begins the time anew. */
  begin(): void {
    if (this.#stopped) return;
    this.end();
    this.#turn = new AbortController();
    const { signal } = this.#turn;
    this.#running = Promise.all([this.#running, this.#look(signal)]).then(
      () => undefined,
      (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.log.error(`Looking for the NAS broke off: ${reason}`);
      },
    );
  }

  /** Looks no longer: it said goodbye. */
  end(): void {
    this.#turn.abort();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.end();
    await this.#running;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { clock, isAwake, probe, bootTimeoutSeconds } = this.#options;
    const deadlineMs = clock.monotonicMs() + bootTimeoutSeconds * 1_000;
    while (!signal.aborted) {
      await probe();
      if (isAwake() || clock.monotonicMs() >= deadlineMs) return;
      await clock.sleep(PROBE_EVERY_MS, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }
}
