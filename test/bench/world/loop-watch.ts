/**
 * Loaded into a BaluPi under measurement by `--import`: tells how long its event loop was held. On
 * SIGUSR2 it writes what it saw since the last time to the file that LOOP_WATCH_FILE names, and
 * begins anew.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** How often the loop is looked at; the delay is what is beyond it. */
const LOOK_EVERY_MS = 1;

const file = process.env['LOOP_WATCH_FILE'];
if (isMainThread && file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: LOOK_EVERY_MS });
  delay.enable();
  process.on('SIGUSR2', () => {
    const [p50Ms, p99Ms, mostMs] = [delay.percentile(50), delay.percentile(99), delay.max].map(
      (ns) => Math.max(0, ns / 1e6 - LOOK_EVERY_MS),
    );
    writeFileSync(`${file}.new`, JSON.stringify({ p50Ms, p99Ms, mostMs }));
    renameSync(`${file}.new`, file);
    delay.reset();
  });
}
