import type { Cancel, Clock } from '../../nodes/lib/time/clock.ts';

/** Time passes only by sleeping, and sleeping returns at once. */
export class HastyClock implements Clock {
  #ms = 0;

  nowMs(): number {
    return this.#ms;
  }

  monotonicMs(): number {
    return this.#ms;
  }

  after(): Cancel {
    throw new Error('Nobody sets a timer here.');
  }

  async sleep(delayMs: number): Promise<void> {
    this.#ms += delayMs;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
