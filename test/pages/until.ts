import assert from 'node:assert/strict';

const EVERY_MS = 50;
const LONGEST_MS = 60_000;

/** Asks until it is so: BaluPi and the practice NAS run on the real clock. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what = 'what was waited for',
): Promise<void> {
  const endMs = performance.now() + LONGEST_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < endMs, `${what} did not become so in time`);
    await new Promise((next) => setTimeout(next, EVERY_MS));
  }
}
