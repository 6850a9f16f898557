/**
 * Loaded into a measured BaluPi by `--import`: records how long its event loop was blocked. On
 * SIGUSR2 it writes what it saw since the last time to the file named by LOOP_WATCH_FILE, and
 * starts over.
 *
 * Time the thread waited for a core is recorded separately: the system schedules runnable
 * threads after others, which no code of ours can shorten. The kernel counts it per thread
 * (`/proc/<pid>/task/<tid>/schedstat`, second number, nanoseconds; Linux's
 * Documentation/scheduler/sched-stats.rst).
 */
import { openSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** The interval of the samples; the delay is what exceeds it. */
const LOOK_EVERY_MS = 1;

const file = process.env['LOOP_WATCH_FILE'];

/** @returns how long this thread has waited for a core so far, in milliseconds */
function waitOfThread(): () => number {
  const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  const text = Buffer.alloc(100);
  return () => {
    const length = readSync(schedstat, text, 0, text.length, 0);
    return Number(text.toString('latin1', 0, length).split(' ')[1]) / 1e6;
  };
}

if (isMainThread && file !== undefined) {
  const waitedMs = waitOfThread();
  let held: number[] = [];
  let mostWithWaitsMs = 0;
  let [lastMs, lastWaitedMs] = [performance.now(), waitedMs()];
  setInterval(() => {
    const [nowMs, allWaitedMs] = [performance.now(), waitedMs()];
    const withWaitsMs = Math.max(0, nowMs - lastMs - LOOK_EVERY_MS);
    held.push(Math.max(0, withWaitsMs - (allWaitedMs - lastWaitedMs)));
    mostWithWaitsMs = Math.max(mostWithWaitsMs, withWaitsMs);
    [lastMs, lastWaitedMs] = [nowMs, allWaitedMs];
  }, LOOK_EVERY_MS).unref();
  process.on('SIGUSR2', () => {
    const sorted = held.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
    const told = { p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1), mostWithWaitsMs };
    writeFileSync(`${file}.new`, JSON.stringify(told));
    renameSync(`${file}.new`, file);
    held = [];
    mostWithWaitsMs = 0;
    [lastMs, lastWaitedMs] = [performance.now(), waitedMs()];
  });
}
