import type { Clock } from '../../../../nodes/lib/time/clock.ts';

/**
 * Runs `work` with a signal that aborts after `limitMs` of the clock or with the first of `outer`,
 * and takes every listener and timer away again when it is done.
 */
export async function withTimeLimit<T>(
  clock: Clock,
  limitMs: number,
  outer: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  for (const signal of outer) {
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
  }
  const cancel = clock.after(limitMs, abort);
  try {
    return await work(controller.signal);
  } finally {
    cancel();
    for (const signal of outer) signal?.removeEventListener('abort', abort);
  }
}
