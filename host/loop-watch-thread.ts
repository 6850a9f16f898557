import { readFileSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { LoopWatchOrder } from './loop-watch.ts';

/** Linux counts in hundredths of a second on every machine BaluPi runs on (proc(5)). */
const MS_A_TICK = 10;
const STANDARD_ERROR = 2;

const order = workerData as LoopWatchOrder;
let [sinceMs, sinceCpuMs, isTold] = [performance.now(), mainThread().cpuMs, false];

/** The main thread, whose id is the process's: its CPU time, and whether it is runnable (R). */
function mainThread(): { readonly cpuMs: number; readonly isRunning: boolean } {
  const stat = readFileSync(`/proc/self/task/${order.pid}/stat`, 'latin1');
  // The name in brackets may contain spaces; the fields after it begin with the state.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpuMs: ticks * MS_A_TICK, isRunning: fields[0] === 'R' };
}

function end(sentence: string): void {
  writeSync(STANDARD_ERROR, `${order.errorMark}${sentence}\n`);
  // A blocked loop handles no gentler signal; whatever was accepted is on disk.
  process.kill(order.pid, 'SIGKILL');
}

parentPort?.on('message', () => {
  [sinceMs, sinceCpuMs, isTold] = [performance.now(), mainThread().cpuMs, false];
});

setInterval(() => {
  const { cpuMs, isRunning } = mainThread();
  const [waitedMs, burnedMs] = [performance.now() - sinceMs, cpuMs - sinceCpuMs];
  if (burnedMs >= order.burnedMs) {
    end(
      `A flow or a node held everything else up for ${(burnedMs / 1_000).toFixed(0)} s of CPU ` +
        'time: BaluPi exits, to be restarted.',
    );
  } else if (waitedMs >= order.stalledMs && !isRunning) {
    end(`Everything waited ${(waitedMs / 1_000).toFixed(0)} s for the disk: BaluPi exits.`);
  } else if (waitedMs >= order.slowMs && !isRunning && !isTold) {
    isTold = true;
    parentPort?.postMessage('slow');
  }
}, order.lookEveryMs);
