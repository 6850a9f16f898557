import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Log } from '../nodes/lib/log/log.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';
import { BEATS, DISK_WAITS, type LoopWatchOrder } from './loop-watch-order.ts';

/** See {@link LoopWatchOrder}. systemd's own watch ends a service that stays silent for a minute. */
const LIMITS_MS = { lookEveryMs: 1_000, slowMs: 5_000, burnedMs: 15_000, stalledMs: 60_000 };
/** How long health tells of a slow disk. */
const TOLD_MS = 60_000;

const PROGRAM = new URL(`./loop-watch-thread${extname(import.meta.url)}`, import.meta.url);
const THREAD_LIMITS = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  /** How an error begins in this log. */
  readonly errorMark: string;
  readonly limitsMs?: typeof LIMITS_MS;
}

/**
 * Watches the event loop from a thread of its own. A flow may hold the loop for good (`while (true)`),
 * and then nobody answers, not even a signal: the thread ends the process with a line that says so,
 * and the service starts it anew. A loop that waits for a slow disk is let wait for a minute.
 */
export class LoopWatch {
  readonly #deps: Deps;
  /** Beats of the loop, and waits for the disk that the thread saw. */
  readonly #counts = new Int32Array(new SharedArrayBuffer(8));
  #worker: Worker | null = null;
  #cancel: Cancel | null = null;
  #waits = 0;
  #slowUntilMs = -Infinity;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  start(): void {
    const { errorMark, log, limitsMs = LIMITS_MS } = this.#deps;
    const order: LoopWatchOrder = {
      ...{ counts: this.#counts, pid: process.pid, errorMark },
      ...limitsMs,
    };
    const worker = new Worker(PROGRAM, {
      ...{ workerData: order, resourceLimits: THREAD_LIMITS, name: 'loop-watch' },
      // The secrets of the settings are none of its business.
      env: {},
      execArgv: [],
    });
    worker.unref();
    worker.on('error', (error: Error) => {
      log.error(`The watch of the event loop ended: ${error.message}`);
    });
    this.#worker = worker;
    this.#beat();
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    await this.#worker?.terminate();
    this.#worker = null;
  }

  /** The loop waited for the disk for seconds, within the last minute. */
  get isDiskSlow(): boolean {
    return this.#deps.clock.monotonicMs() < this.#slowUntilMs;
  }

  #beat(): void {
    const { clock, log, limitsMs = LIMITS_MS } = this.#deps;
    Atomics.add(this.#counts, BEATS, 1);
    const waits = Atomics.load(this.#counts, DISK_WAITS);
    if (waits !== this.#waits) {
      this.#waits = waits;
      this.#slowUntilMs = clock.monotonicMs() + TOLD_MS;
      log.warn(`Everything waited for the disk, for more than ${limitsMs.slowMs / 1_000} s.`);
    }
    this.#cancel = clock.after(limitsMs.lookEveryMs, () => {
      this.#beat();
    });
  }
}
