import { setTimeout as pause } from 'node:timers/promises';

/** Short compared with what another process takes, and cheap: each poll is one answer of BaluPi. */
const POLL_MS = 10;
const LIMIT_MS = 30_000;

export type There<T> = Exclude<T, null | undefined | false>;

/**
 * Polls something that runs on the real clock until it is there.
 * @param what what is waited for, as the error names it
 * @param look anything but null, undefined and false ends the wait
 * @returns what `look` found @throws Error that says what never came
 */
export async function until<T>(
  what: string | (() => string),
  look: () => T | Promise<T>,
  limitMs = LIMIT_MS,
): Promise<There<T>> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (isThere(found)) return found;
    if (performance.now() > endMs) {
      const named = typeof what === 'string' ? what : what();
      throw new Error(`Waited ${limitMs / 1_000} s in vain for ${named}.`);
    }
    await pause(POLL_MS);
  }
}

function isThere<T>(found: T): found is There<T> {
  return found !== null && found !== undefined && found !== false;
}
