import { setTimeout as pause } from 'node:timers/promises';

/** Short beside what another process takes, and cheap: a look is one answer of BaluPi. */
const POLL_MS = 10;
const LIMIT_MS = 30_000;

/** What a look found. */
export type There<T> = Exclude<T, null | undefined | false>;

/**
 * Looks at what runs on the real clock until something is there.
 * @param what what is waited for, as the fault then names it
 * @param look tells it; anything but null, undefined and false is it
 * @returns it @throws Error that says what never came
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
