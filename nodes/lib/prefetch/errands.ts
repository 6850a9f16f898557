import type { CallerNeed } from '../nas/caller-need.ts';
import type { NasPresence } from '../nas/presence-port.ts';
import type { Clock } from '../time/clock.ts';
import { Pace } from './pace.ts';

/** Nothing that no caller waits for begins later than this after somebody needed the NAS. */
export const NEED_LASTS_MS = 5 * 60_000;
/** Of the NAS's 200 lists and 500 downloads a minute and user this much at most is spent here. */
export const LISTS_PER_MINUTE = 80;
export const DOWNLOADS_PER_MINUTE = 200;
/** How often to look whether callers are done. */
const YIELD_MS = 250;
/** What the NAS says with its 429 (docs/NAS.md). */
const BUSY_MS = 60_000;

export interface ErrandsPorts {
  readonly clock: Clock;
  readonly presence: Pick<NasPresence, 'state' | 'onChange'>;
  readonly need: Pick<CallerNeed, 'idleMs'>;
  /** Whether the NAS gives bytes to a caller at this moment. */
  readonly isServingCallers: () => boolean;
}

/** The most an errand may ask of the NAS. */
export interface Cost {
  readonly lists: number;
  readonly downloads: number;
}

/**
 * When the NAS may be asked for what no caller waits for (contract 6): while it is awake, within
 * five minutes of the last need, one request at a time, behind the callers' own, below its limits.
 */
export class Errands {
  readonly #ports: ErrandsPorts;
  readonly #lists: Pace;
  readonly #downloads: Pace;
  #turn: Promise<unknown> = Promise.resolve();
  #ending = new AbortController();
  #busyUntilMs = -Infinity;
  #unsubscribe: () => void = () => undefined;
  #stopped = false;

  constructor(ports: ErrandsPorts) {
    this.#ports = ports;
    this.#lists = new Pace(ports.clock, LISTS_PER_MINUTE);
    this.#downloads = new Pace(ports.clock, DOWNLOADS_PER_MINUTE);
  }

  /** From here on what runs ends at once when the NAS goes. */
  start(): void {
    this.#unsubscribe = this.#ports.presence.onChange(({ awake }) => {
      if (awake) return;
      this.#ending.abort();
      this.#ending = new AbortController();
    });
  }

  /** Ends what runs and waits for it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.#ending.abort();
    await this.#turn;
  }

  /** Whether an errand may begin now. */
  get isOpen(): boolean {
    const { presence, need, clock } = this.#ports;
    if (this.#stopped || !presence.state.awake) return false;
    if (clock.monotonicMs() < this.#busyUntilMs) return false;
    const { idleMs } = need;
    return idleMs !== null && idleMs < NEED_LASTS_MS;
  }

  /** The NAS answered that it is asked too much: a minute of silence. */
  tooMuch(): void {
    this.#busyUntilMs = this.#ports.clock.monotonicMs() + BUSY_MS;
  }

  /** Notes what an errand asked of the NAS. */
  spent({ lists, downloads }: Cost): void {
    this.#lists.note(lists);
    this.#downloads.note(downloads);
  }

  /**
   * Runs an errand when its turn has come.
   * @param most it may ask of the NAS; what it did ask is told by {@link spent}
   * @returns null when it may not begin any more
   */
  run<T>(most: Cost, errand: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    const turn = this.#turn.then(() => this.#run(most, errand));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** A pause for whoever reads along a stream, while callers want the NAS for themselves. */
  yieldToCallers(signal: AbortSignal): Promise<void> | undefined {
    if (!this.#ports.isServingCallers()) return undefined;
    return this.#ports.clock.sleep(YIELD_MS, signal);
  }

  async #run<T>(most: Cost, errand: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    const { signal } = this.#ending;
    while (this.isOpen && !signal.aborted) {
      const waitMs = this.#waitMs(most);
      if (waitMs === 0) return errand(signal);
      if (!(await this.#slept(waitMs, signal))) return null;
    }
    return null;
  }

  #waitMs({ lists, downloads }: Cost): number {
    if (this.#ports.isServingCallers()) return YIELD_MS;
    return Math.max(this.#lists.waitMs(lists), this.#downloads.waitMs(downloads));
  }

  async #slept(ms: number, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#ports.clock.sleep(ms, signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }
}
