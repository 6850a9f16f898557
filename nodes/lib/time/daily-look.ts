import type { Clock } from './clock.ts';

const DAY_MS = 86_400_000;

interface Look {
  readonly wallMs: number;
  readonly tickMs: number;
}

/**
 * Once a day, the time by which what is old may be given up. A wall clock that jumps ahead, as a
 * Pi's does when it is set wrongly, must not end what is to be kept for weeks: only days that passed
 * while BaluPi ran count beyond what the clock said at the look before.
 */
export class DailyLook {
  readonly #clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  #last: Look | null = null;

  constructor(clock: Pick<Clock, 'nowMs' | 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** @returns epoch ms; null at the first look and until a day after the last */
  due(): number | null {
    const now = { wallMs: this.#clock.nowMs(), tickMs: this.#clock.monotonicMs() };
    const last = this.#last;
    if (last !== null && now.tickMs - last.tickMs < DAY_MS) return null;
    this.#last = now;
    return last === null ? null : Math.min(now.wallMs, last.wallMs + now.tickMs - last.tickMs);
  }
}
