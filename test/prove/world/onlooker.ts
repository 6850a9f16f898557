import { setTimeout as pause } from 'node:timers/promises';
import type { Household } from './household.ts';

const ASK_EVERY_MS = 50;
const SAMPLE_EVERY_MS = 200;
/** The longest others may wait, and the most BaluPi may grow. */
const MOST_P95_MS = 500;
const MOST_GROWTH_BYTES = 30 * 1024 * 1024;
const ASKED = ['/api/health', '/api/files/sync/status', '/api/files/uploads?state=failed'];

/** A user during an attack, who records how BaluPi copes. */
export class Onlooker {
  readonly #household: Household;
  readonly #stop = new AbortController();
  readonly #tookMs: number[] = [];
  readonly #failures: string[] = [];
  #tasks: Promise<void>[] = [];
  #beforeBytes = 0;
  #mostBytes = 0;

  /** @param household signed in, and warmed up */
  constructor(household: Household) {
    this.#household = household;
  }

  start(): void {
    this.#beforeBytes = this.#household.pi.residentBytes;
    this.#tasks = [this.#ask(), this.#sample()];
  }

  /** @returns failures and figures */
  async stop(): Promise<{ failures: string[]; figures: Record<string, string | number> }> {
    this.#stop.abort();
    await Promise.all(this.#tasks);
    const failures = [...this.#failures];
    if (!this.#household.pi.isRunning) failures.push('BaluPi ended');
    const sorted = this.#tookMs.sort((a, b) => a - b);
    const p95Ms = Math.round(sorted[Math.floor(sorted.length * 0.95)] ?? Infinity);
    if (p95Ms > MOST_P95_MS) failures.push(`others waited ${p95Ms} ms (p95)`);
    const grownBytes = this.#mostBytes - this.#beforeBytes;
    const grownMb = Math.round(grownBytes / 1024 ** 2);
    if (grownBytes > MOST_GROWTH_BYTES) failures.push(`memory grew by ${grownMb} MB`);
    const figures = { 'p95 of others, ms': p95Ms, 'asked by others': sorted.length };
    return { failures, figures: { ...figures, 'memory grew by, MB': Math.max(0, grownMb) } };
  }

  async #ask(): Promise<void> {
    for (let count = 0; !this.#stop.signal.aborted; count += 1) {
      const path = ASKED[count % ASKED.length] ?? '';
      const startedMs = performance.now();
      try {
        const headers = { Authorization: `Bearer ${this.#household.token}`, Connection: 'close' };
        const answered = await fetch(`${this.#household.pi.url}${path}`, {
          headers,
          signal: AbortSignal.timeout(10_000),
        });
        await answered.arrayBuffer();
        if (answered.status !== 200) this.#failures.push(`${path} answered ${answered.status}`);
      } catch (error) {
        this.#failures.push(`${path}: ${String(error)}`);
      }
      this.#tookMs.push(performance.now() - startedMs);
      await pause(ASK_EVERY_MS);
    }
  }

  async #sample(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (this.#household.pi.isRunning) {
        this.#mostBytes = Math.max(this.#mostBytes, this.#household.pi.residentBytes);
      }
      await pause(SAMPLE_EVERY_MS);
    }
  }
}
