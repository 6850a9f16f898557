import { Script } from 'node:vm';

/**
 * Loaded before BaluPi: speeds up its timers, its steady clock and the time limit of function nodes
 * by the factor HURRY, so that waiting for the next probe, a backoff or the end of a window takes a
 * fraction of the time. The wall clock stays, as it has to agree with the NAS's. Not for tests of
 * how long something takes, nor of when plugs were read, which goes by the steady clock.
 */
const factor = Number(process.env['HURRY'] ?? '1');
const now = performance.now.bind(performance);
performance.now = () => now() * factor;
globalThis.setTimeout = hurried(setTimeout);
globalThis.setInterval = hurried(setInterval);
Script.prototype.runInContext = new Proxy(
  // The proxy passes the script as `this`.
  // oxlint-disable-next-line typescript/unbound-method
  Script.prototype.runInContext,
  {
    apply: (target, self, [context, options]: Parameters<Script['runInContext']>) => {
      const { timeout, ...rest } = typeof options === 'object' ? options : {};
      const limit = timeout === undefined ? {} : { timeout: Math.ceil(timeout / factor) };
      return Reflect.apply(target, self, [context, { ...rest, ...limit }]) as unknown;
    },
  },
);

function hurried<T extends typeof setTimeout | typeof setInterval>(timer: T): T {
  return new Proxy(timer, {
    apply: (target, self, [fn, delayMs, ...args]: [unknown, unknown, ...unknown[]]) =>
      Reflect.apply(target, self, [fn, Number(delayMs ?? 0) / factor, ...args]) as unknown,
  });
}
