const MODULE = new URL('./hurry.js', import.meta.url).href;

/** Node arguments and environment that speed up a program's timers by that factor; see hurry.ts. */
export function inAHurry(times: number): {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
} {
  return times === 1
    ? { args: [], env: {} }
    : { args: ['--import', MODULE], env: { HURRY: String(times) } };
}
