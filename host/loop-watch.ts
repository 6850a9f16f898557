import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Log } from '../nodes/lib/log/log.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';

/** See {@link LoopWatchOrder}. systemd's watchdog ends a service that is silent for a minute. */
const LIMITS_MS = { lookEveryMs: 1_000, slowMs: 5_000, burnedMs: 15_000, stalledMs: 60_000 };
/** How long health reports a slow disk. */
const TOLD_MS = 60_000;

const PERL = '/usr/bin/perl';
const THREAD = new URL(`./loop-watch-thread${extname(import.meta.url)}`, import.meta.url);
const THREAD_LIMITS = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

/** A watcher's parameters. */
export interface LoopWatchOrder {
  readonly pid: number;
  /** Prefix of error lines in this log. */
  readonly errorMark: string;
  readonly lookEveryMs: number;
  /** A wait for the disk of this length is logged. */
  readonly slowMs: number;
  /** CPU time of the main thread without a beat, after which the process is ended. */
  readonly burnedMs: number;
  /** Time without a beat, after which a main thread that waits is ended. */
  readonly stalledMs: number;
}

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly errorMark: string;
  /** deploy/watch-loop.pl. */
  readonly program: string;
  readonly perl?: string;
  readonly limitsMs?: typeof LIMITS_MS;
}

interface Watcher {
  /** The loop completed a turn. */
  readonly beat: () => void;
  readonly stop: () => Promise<unknown>;
}

/**
 * Watches the event loop from outside. A flow may block the loop for good (`while (true)`); then nobody
 * handles even a signal, so the watcher logs it and kills the process, which the service manager
 * restarts. A loop that waits for a slow disk gets a minute. The watcher is a small process; where that
 * does not run, a thread, which takes three times the memory (ADR 0045).
 */
export class LoopWatch {
  readonly #deps: Deps;
  #watcher: Watcher | null = null;
  #cancel: Cancel | null = null;
  #slowUntilMs = -Infinity;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  start(): void {
    this.#watcher = this.#process();
    this.#beat();
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    const watcher = this.#watcher;
    this.#watcher = null;
    await watcher?.stop();
  }

  /** The loop was blocked by the disk for seconds, within the last minute. */
  get isDiskSlow(): boolean {
    return this.#deps.clock.monotonicMs() < this.#slowUntilMs;
  }

  get #order(): LoopWatchOrder {
    const { errorMark, limitsMs = LIMITS_MS } = this.#deps;
    return { ...limitsMs, pid: process.pid, errorMark };
  }

  #process(): Watcher {
    const { log, program, perl = PERL } = this.#deps;
    const { pid, lookEveryMs, slowMs, burnedMs, stalledMs, errorMark } = this.#order;
    const args = [pid, lookEveryMs, slowMs, burnedMs, stalledMs, errorMark].map(String);
    // Without our environment: the watcher needs no secrets.
    const child = spawn(perl, [program, ...args], {
      ...{ cwd: '/', env: {}, stdio: ['pipe', 'pipe', 'inherit'] },
    });
    const ended = once(child, 'exit').catch(() => undefined);
    const watcher: Watcher = {
      beat: () => child.stdin.write('.'),
      stop: () => {
        child.ref();
        child.kill('SIGKILL');
        return ended;
      },
    };
    const instead = (): void => {
      if (this.#watcher !== watcher) return;
      log.warn('The watch of the event loop goes on as a thread: its process, by Perl, ended.');
      this.#watcher = this.#thread();
    };
    child.on('error', instead);
    child.on('exit', instead);
    // It ended, which is logged above.
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', () => {
      this.#sayWait();
    });
    for (const held of [child, child.stdin as Socket, child.stdout as Socket]) held.unref();
    return watcher;
  }

  #thread(): Watcher {
    const worker = new Worker(THREAD, {
      ...{ workerData: this.#order, resourceLimits: THREAD_LIMITS, name: 'loop-watch' },
      env: {},
      execArgv: [],
    });
    worker.unref();
    worker.on('error', (error: Error) => {
      this.#deps.log.error(`The watch of the event loop ended: ${error.message}`);
    });
    worker.on('message', () => {
      this.#sayWait();
    });
    return {
      beat: () => {
        worker.postMessage('beat');
      },
      stop: () => worker.terminate(),
    };
  }

  #beat(): void {
    const { clock, limitsMs = LIMITS_MS } = this.#deps;
    this.#watcher?.beat();
    this.#cancel = clock.after(limitsMs.lookEveryMs, () => {
      this.#beat();
    });
  }

  #sayWait(): void {
    const { clock, log, limitsMs = LIMITS_MS } = this.#deps;
    this.#slowUntilMs = clock.monotonicMs() + TOLD_MS;
    log.warn(`Everything waited for the disk, for more than ${limitsMs.slowMs / 1_000} s.`);
  }
}
