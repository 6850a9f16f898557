import { hostname } from 'node:os';
import type { Clock } from '../time/clock.ts';
import type { DiskNews, DiskState } from './disk-news.ts';
import type { Finding } from './finding.ts';
import { type Check, examine, type Health } from './health.ts';
import type { MemoryPressure } from './memory-pressure.ts';
import type { PiLoad, PiLoadSampler } from './pi-load.ts';
import type { UpdateNews, UpdateWatch } from './update-news.ts';

export { DiskState } from './disk-news.ts';
export type { Check } from './health.ts';
export { MemoryPressure, memoryReader } from './memory-pressure.ts';
export { piLoadReader, PiLoadSampler } from './pi-load.ts';
export { UpdateWatch } from './update-news.ts';

/** What an admin may want to hear of the Pi. */
export type SystemNews = DiskNews | UpdateNews;

/** As the NAS counts versions of its own API; the apps compare (BaluHost 1.38, `GET /api/health`). */
const API_VERSION = '1';

export interface HealthReport extends Health {
  readonly version: string;
  readonly apiVersion: string;
  readonly minApiVersion: string;
  readonly hostname: string;
}

/** Where nightly backups go, and how the last one went. */
export interface BackupCare {
  readonly to: 'disk' | 'nas';
  readonly problem: 'not_mounted' | 'no_room' | 'not_running' | 'failed' | null;
  readonly made: { readonly at: string; readonly where: string; readonly sizeBytes: number } | null;
}

export interface SystemCare {
  readonly isOnTrial: boolean;
  /** File of a release that lies ready; null where none does. */
  readonly newer: string | null;
  readonly backups: readonly BackupCare[];
}

/** The doctor starts programs and writes to the disk, so pages that ask at once share one visit. */
const VISIT_HOLDS_MS = 30_000;

interface Deps {
  readonly version: string;
  readonly checks: readonly Check[];
  readonly load: PiLoadSampler;
  readonly memory: MemoryPressure;
  readonly disk: DiskState;
  readonly update: UpdateWatch;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Backups and updates, as they are known here. */
  readonly care: () => SystemCare;
  /** Looks at the whole machine, as `balupi doctor` does. */
  readonly visit: () => Promise<readonly Finding<unknown>[]>;
}

/** The Pi itself: how it is, and how busy. */
export class System {
  readonly #deps: Deps;
  #visit: {
    readonly atMs: number;
    readonly findings: Promise<readonly Finding<unknown>[]>;
  } | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** True at this moment; asks nobody outside the process. */
  health(): HealthReport {
    return {
      ...examine(this.#deps.checks),
      version: this.#deps.version,
      apiVersion: API_VERSION,
      minApiVersion: API_VERSION,
      hostname: this.hostname,
    };
  }

  /** Of the Pi, as its system has it. */
  get hostname(): string {
    return hostname();
  }

  /** The last background look; null before the first. */
  load(): PiLoad | null {
    return this.#deps.load.last;
  }

  /** What the doctor found, half a minute ago at most. */
  async doctor(): Promise<readonly Finding<unknown>[]> {
    const { clock, visit } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (this.#visit === null || nowMs - this.#visit.atMs > VISIT_HOLDS_MS) {
      this.#visit = { atMs: nowMs, findings: visit() };
    }
    return await this.#visit.findings;
  }

  /** Backups and updates; asks nobody outside. */
  care(): SystemCare & { readonly version: string } {
    return { ...this.#deps.care(), version: this.#deps.version };
  }

  /** Whether what may wait should not be begun now. */
  isShortOfMemory(): boolean {
    return this.#deps.memory.isOver();
  }

  /**
   * Tells when the disk of the data folder gets nearly full and when it is well again, and of a newer
   * version that lies ready.
   * @returns how to stop hearing
   */
  onNews(listener: (news: SystemNews) => void): () => void {
    const stops = [this.#deps.disk.listen(listener), this.#deps.update.listen(listener)];
    return () => {
      for (const stop of stops) stop();
    };
  }

  async start(): Promise<void> {
    this.#deps.load.onLook = () => {
      this.#deps.disk.look();
      this.#deps.update.look();
    };
    await this.#deps.load.start();
  }

  stop(): void {
    this.#deps.load.stop();
  }
}
