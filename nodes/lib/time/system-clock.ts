import type { Cancel, Clock } from './clock.ts';

/** The longest delay Node's timers take (a signed 32-bit count of ms); longer ones would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's own clock. */
export class SystemClock implements Clock {
  readonly #onThrow: (error: unknown) => void;

  /** @param onThrow gets what a timer's callback throws, so that it never ends the process */
  constructor(onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow;
  }

  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  after(delayMs: number, fn: () => void): Cancel {
    const timer = setTimeout(
      () => {
        try {
          fn();
        } catch (error) {
          this.#onThrow(error);
        }
      },
      Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS),
    );
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const cancel = this.after(delayMs, () => {
      resolve(undefined);
    });
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}
