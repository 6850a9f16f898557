import { statfs } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { cpuTemperature, currentLoad, mem, time } from 'systeminformation';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';

/** One look at the machine. Memory in MiB, disk in GB (10^9) of the data folder's file system. */
export interface PiLoad {
  readonly cpuPercent: number;
  readonly cpuTempCelsius: number | null;
  readonly memoryTotalMb: number;
  readonly memoryUsedMb: number;
  readonly memoryPercent: number;
  readonly diskTotalGb: number;
  readonly diskUsedGb: number;
  readonly diskPercent: number;
  readonly uptimeSeconds: number;
  readonly loadAvg: readonly [number, number, number];
}

const SAMPLE_EVERY_MS = 10_000;
const MIB = 1_048_576;
const GB = 1e9;

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/**
 * Reads everything once. The list of functions is fixed and takes no caller's words: older releases
 * of the library ran a shell on some of its other functions (advisories up to 5.31.7).
 */
export async function readPiLoad(dataFolder: string): Promise<PiLoad> {
  const [cpu, temperature, memory, disk] = await Promise.all([
    currentLoad(),
    cpuTemperature(),
    mem(),
    statfs(dataFolder),
  ]);
  const diskBytes = disk.blocks * disk.bsize;
  const diskUsedBytes = (disk.blocks - disk.bfree) * disk.bsize;
  const [one = 0, five = 0, fifteen = 0] = loadavg();
  const degrees = temperature.main as number | null;
  return {
    cpuPercent: round(cpu.currentLoad, 1),
    cpuTempCelsius: degrees === null || !Number.isFinite(degrees) ? null : round(degrees, 1),
    memoryTotalMb: round(memory.total / MIB, 1),
    memoryUsedMb: round(memory.active / MIB, 1),
    memoryPercent: round((memory.active / memory.total) * 100, 1),
    diskTotalGb: round(diskBytes / GB, 2),
    diskUsedGb: round(diskUsedBytes / GB, 2),
    diskPercent: round(diskBytes === 0 ? 0 : (diskUsedBytes / diskBytes) * 100, 1),
    uptimeSeconds: Math.floor(time().uptime),
    loadAvg: [round(one, 2), round(five, 2), round(fifteen, 2)],
  };
}

/**
 * Keeps the last look, taken in the background, so that no caller ever waits for one: in the Python
 * predecessor one poller of its status held every other request up to half a second (measured).
 */
export class PiLoadSampler {
  readonly #clock: Clock;
  readonly #read: () => Promise<PiLoad>;
  readonly #log: Log;
  #last: PiLoad | null = null;
  #cancel: Cancel | null = null;
  #stopped = false;

  constructor(clock: Clock, read: () => Promise<PiLoad>, log: Log) {
    this.#clock = clock;
    this.#read = read;
    this.#log = log;
  }

  /** Null until the first look is done. */
  get last(): PiLoad | null {
    return this.#last;
  }

  /** Takes the first look, so that there is one when this resolves, then one every 10 s. */
  async start(): Promise<void> {
    this.#stopped = false;
    await this.#sample();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
  }

  async #sample(): Promise<void> {
    try {
      this.#last = await this.#read();
    } catch (error) {
      this.#log.warn(`The load of the Pi could not be read: ${(error as Error).message}`);
    }
    if (this.#stopped) return;
    this.#cancel = this.#clock.after(SAMPLE_EVERY_MS, () => void this.#sample());
  }
}
