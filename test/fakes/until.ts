import { setTimeout as pause } from 'node:timers/promises';

/** Short beside what another process takes, and cheap: a look is one answer of BaluPi. */
const POLL_MS = 10;
const LIMIT_MS = 30_000;

interface Options {
  readonly limitMs?: number;
  /** What was seen last, such as what a process printed. */
  readonly seen?: () => string;
}

/**
 * Looks at what runs on the real clock until something is there.
 * @param what what is waited for, as the fault then names it
 * @param look tells it; anything but null, undefined and false is it
 * @returns it @throws Error that says what never came
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  { limitMs = LIMIT_MS, seen }: Options = {},
): Promise<Exclude<T, null | undefined | false>> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (isThere(found)) return found;
    if (performance.now() > endMs) {
      const last = seen === undefined ? '' : `\n${seen()}`;
      throw new Error(`Within ${limitMs / 1_000} s there was not: ${what}.${last}`);
    }
    await pause(POLL_MS);
  }
}

function isThere<T>(found: T): found is Exclude<T, null | undefined | false> {
  return found !== null && found !== undefined && found !== false;
}
