import type { Cancel, Clock } from '../../../nodes/lib/time/clock.ts';

export type SleepState = 'awake' | 'soft_sleep' | 'true_suspend';

/**
 * Paths that leave a soft-sleeping NAS asleep (docs/NAS.md), such as `/health`, but not
 * `/api/health`: a health check wakes the NAS (measured).
 */
const LEAVES_ASLEEP = [
  '/api/system/sleep/status',
  '/api/system/sleep/config',
  '/api/system/sleep/history',
  '/api/system/sleep/capabilities',
  '/api/system/sleep/presence',
  '/api/power/status',
  '/api/system/info',
  '/api/monitoring/',
  '/api/admin/services',
  '/api/sync/preflight',
  '/health',
  '/docs',
  '/openapi.json',
  '/redoc',
];

/** Whether the request is marked as one that nobody waits for. */
export function isAutomatic(trigger: string | undefined): boolean {
  return trigger !== undefined && /^(auto|scheduled)$/i.test(trigger);
}

/** How the NAS sleeps, and what wakes it. */
export class Sleep {
  readonly #clock: Clock;
  readonly #bootMs: number;
  readonly #onChange: (state: SleepState) => Promise<void>;
  /** The requests that woke it from soft sleep, as `METHOD /path`. */
  readonly wokenBy: string[] = [];
  #state: SleepState = 'awake';
  #sinceMs: number;
  #booting: Cancel | null = null;

  constructor(clock: Clock, bootMs: number, onChange: (state: SleepState) => Promise<void>) {
    this.#clock = clock;
    this.#bootMs = bootMs;
    this.#onChange = onChange;
    this.#sinceMs = clock.nowMs();
  }

  get state(): SleepState {
    return this.#state;
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  get booting(): boolean {
    return this.#booting !== null;
  }

  async fallAsleep(mode: 'soft' | 'suspend'): Promise<void> {
    this.stop();
    await this.#become(mode === 'soft' ? 'soft_sleep' : 'true_suspend');
  }

  /** From suspend it takes the boot time, from soft sleep none. */
  async wake(): Promise<void> {
    if (this.#state === 'awake' || this.booting) return;
    if (this.#state === 'true_suspend' && this.#bootMs > 0) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.#booting = this.#clock.after(this.#bootMs, () => {
        this.#booting = null;
        resolve(undefined);
      });
      void promise.then(() => this.#become('awake'));
      return;
    }
    await this.#become('awake');
  }

  /** Called for every request before it is answered. */
  async heard(method: string, path: string, trigger: string | undefined): Promise<void> {
    if (this.#state !== 'soft_sleep' || isAutomatic(trigger)) return;
    if (LEAVES_ASLEEP.some((prefix) => path.startsWith(prefix))) return;
    this.wokenBy.push(`${method} ${path}`);
    await this.#become('awake');
  }

  /** Cancels a running boot. */
  stop(): void {
    this.#booting?.();
    this.#booting = null;
  }

  async #become(state: SleepState): Promise<void> {
    if (state === this.#state) return;
    this.#state = state;
    this.#sinceMs = this.#clock.nowMs();
    await this.#onChange(state);
  }
}
