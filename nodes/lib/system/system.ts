import { hostname } from 'node:os';
import { type Check, examine, type Health } from './health.ts';
import type { MemoryPressure } from './memory-pressure.ts';
import type { PiLoad, PiLoadSampler } from './pi-load.ts';

export type { Check } from './health.ts';
export { MemoryPressure, memoryReader } from './memory-pressure.ts';
export { piLoadReader, PiLoadSampler } from './pi-load.ts';

/** As the NAS counts versions of its own API; the apps compare (BaluHost 1.38, `GET /api/health`). */
const API_VERSION = '1';

export interface HealthReport extends Health {
  readonly version: string;
  readonly apiVersion: string;
  readonly minApiVersion: string;
  readonly hostname: string;
}

/** The Pi itself: how it is, and how busy. */
export class System {
  readonly #version: string;
  readonly #checks: readonly Check[];
  readonly #load: PiLoadSampler;
  readonly #memory: MemoryPressure;

  constructor(
    version: string,
    checks: readonly Check[],
    load: PiLoadSampler,
    memory: MemoryPressure,
  ) {
    this.#version = version;
    this.#checks = checks;
    this.#load = load;
    this.#memory = memory;
  }

  /** True at this moment; asks nobody outside the process. */
  health(): HealthReport {
    return {
      ...examine(this.#checks),
      version: this.#version,
      apiVersion: API_VERSION,
      minApiVersion: API_VERSION,
      hostname: hostname(),
    };
  }

  /** The last background look; null before the first. */
  load(): PiLoad | null {
    return this.#load.last;
  }

  /** Whether what may wait should not be begun now. */
  isShortOfMemory(): boolean {
    return this.#memory.isOver();
  }

  async start(): Promise<void> {
    await this.#load.start();
  }

  stop(): void {
    this.#load.stop();
  }
}
