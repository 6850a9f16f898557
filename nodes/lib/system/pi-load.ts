import { readFile, statfs } from 'node:fs/promises';
import { cpus, loadavg, uptime } from 'node:os';
// Not by the package's door, which loads all of it: 2 MB, for one look at a file.
import { mem } from 'systeminformation/lib/memory.js';
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

/** In thousandths of a degree; a Pi's only zone is its processor's. */
const THERMAL_ZONE = '/sys/class/thermal/thermal_zone0/temp';
/** No silicon of a running Pi is outside of it, so anything else is a sensor that is not there. */
const SENSIBLE_CELSIUS = { min: -40, max: 150 };

/** @returns null where the machine has no such sensor, as a virtual one */
async function cpuTemperatureCelsius(file: string): Promise<number | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
  const degrees = Number(text) / 1_000;
  const { min, max } = SENSIBLE_CELSIUS;
  return text.trim() !== '' && degrees > min && degrees < max ? round(degrees, 1) : null;
}

interface CpuTimes {
  readonly busyMs: number;
  readonly allMs: number;
}

/** Of all cores since the machine started. */
function cpuTimes(): CpuTimes {
  let busyMs = 0;
  let allMs = 0;
  for (const { times } of cpus()) {
    const all = Object.values(times).reduce((sum, ms) => sum + ms, 0);
    allMs += all;
    busyMs += all - times.idle;
  }
  return { busyMs, allMs };
}

/**
 * Looks at the machine without a process of its own. Of the library only memory is asked, which it
 * reads from a file: for load, temperature and time it runs a shell, nine processes a look, two of
 * them synchronously (read in 5.33.23).
 * @param dataFolder whose file system counts
 * @param thermalZone where the kernel tells the processor's temperature
 * @returns a look; the load is the mean since the one before, at first since the machine started
 */
export function piLoadReader(
  dataFolder: string,
  thermalZone = THERMAL_ZONE,
): () => Promise<PiLoad> {
  let before: CpuTimes = { busyMs: 0, allMs: 0 };
  return async () => {
    const now = cpuTimes();
    const spanMs = now.allMs - before.allMs;
    const cpuPercent = spanMs > 0 ? ((now.busyMs - before.busyMs) / spanMs) * 100 : 0;
    before = now;
    const [temperature, memory, disk] = await Promise.all([
      cpuTemperatureCelsius(thermalZone),
      mem(),
      statfs(dataFolder),
    ]);
    const diskBytes = disk.blocks * disk.bsize;
    const diskUsedBytes = (disk.blocks - disk.bfree) * disk.bsize;
    const [one = 0, five = 0, fifteen = 0] = loadavg();
    return {
      cpuPercent: round(cpuPercent, 1),
      cpuTempCelsius: temperature,
      memoryTotalMb: round(memory.total / MIB, 1),
      memoryUsedMb: round(memory.active / MIB, 1),
      memoryPercent: round((memory.active / memory.total) * 100, 1),
      diskTotalGb: round(diskBytes / GB, 2),
      diskUsedGb: round(diskUsedBytes / GB, 2),
      diskPercent: round(diskBytes === 0 ? 0 : (diskUsedBytes / diskBytes) * 100, 1),
      uptimeSeconds: Math.floor(uptime()),
      loadAvg: [round(one, 2), round(five, 2), round(fifteen, 2)],
    };
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
  /** Called after each look. */
  onLook: () => void = () => undefined;

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
    this.onLook();
    if (this.#stopped) return;
    this.#cancel = this.#clock.after(SAMPLE_EVERY_MS, () => void this.#sample());
  }
}
