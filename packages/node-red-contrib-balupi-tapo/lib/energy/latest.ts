import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { EnergyDevice, Reading } from './sample.ts';

/** What a plug shows now. Unknown is null, never 0. */
export interface CurrentDevice {
  readonly deviceId: string;
  readonly deviceNumber: number;
  readonly deviceName: string;
  readonly powerW: number | null;
  readonly voltageV: number | null;
  readonly currentA: number | null;
  readonly energyTodayWh: number | null;
  readonly relay: 'on' | 'off' | null;
  readonly isOnline: boolean;
  readonly isStale: boolean;
  /** When the values were read, epoch ms; null before the first answer. */
  readonly atMs: number | null;
}

export interface Current {
  readonly devices: readonly CurrentDevice[];
  /** Sum of the fresh values; null while no plug has one. */
  readonly totalPowerW: number | null;
}

/** A value older than this is shown as stale and excluded from sums (docs/adr/0008). */
const STALE_MS = 90_000;
/** A stale value this old says nothing about the present any more. */
const FORGOTTEN_MS = 600_000;

/** The last reading of each plug, in memory, by the monotonic clock. */
export class Latest {
  readonly #readings = new Map<number, Reading>();
  readonly #staleMs: number;

  /** @param sampleIntervalS how often plugs are read; a value may miss three rounds */
  constructor(sampleIntervalS: number) {
    this.#staleMs = Math.max(STALE_MS, 3_000 * sampleIntervalS);
  }

  note(reading: Reading): void {
    const known = this.#readings.get(reading.deviceNumber);
    if (known !== undefined && known.monotonicMs > reading.monotonicMs) return;
    this.#readings.set(reading.deviceNumber, reading);
  }

  of(deviceNumber: number): Reading | null {
    return this.#readings.get(deviceNumber) ?? null;
  }

  /** Whether its current power is known. */
  hasFreshPower(deviceNumber: number, monotonicMs: number): boolean {
    return this.isFresh(deviceNumber, monotonicMs) && this.of(deviceNumber)?.powerMw !== null;
  }

  isFresh(deviceNumber: number, monotonicMs: number): boolean {
    const reading = this.of(deviceNumber);
    return reading !== null && monotonicMs - reading.monotonicMs <= this.#staleMs;
  }

  /**
   * @param wallMs the wall-clock time of a monotonic one
   * @param energyTodayWh asked for plugs that were read
   */
  current(
    devices: readonly EnergyDevice[],
    monotonicMs: number,
    wallMs: (monotonicMs: number) => number,
    energyTodayWh: (reading: Reading) => number | null,
  ): Current {
    const shown = devices.map((device) => this.#show(device, monotonicMs, wallMs, energyTodayWh));
    const fresh = shown.filter((device) => !device.isStale && device.powerW !== null);
    const totalMw = fresh.reduce((sum, { powerW }) => sum + Math.round((powerW ?? 0) * 1_000), 0);
    return { devices: shown, totalPowerW: fresh.length === 0 ? null : totalMw / 1_000 };
  }

  #show(
    device: EnergyDevice,
    monotonicMs: number,
    wallMs: (monotonicMs: number) => number,
    energyTodayWh: (reading: Reading) => number | null,
  ): CurrentDevice {
    const reading = this.of(device.number);
    const isStale = !this.isFresh(device.number, monotonicMs);
    const ageMs = reading === null ? Number.POSITIVE_INFINITY : monotonicMs - reading.monotonicMs;
    const shown = ageMs > FORGOTTEN_MS && isStale ? null : reading;
    return {
      deviceId: device.id,
      deviceNumber: device.number,
      deviceName: device.name,
      powerW: thousandth(shown?.powerMw),
      voltageV: thousandth(shown?.voltageMv),
      currentA: thousandth(shown?.currentMa),
      energyTodayWh: reading === null ? null : energyTodayWh(reading),
      relay: shown?.relay ?? null,
      isOnline: device.isOnline && !isStale,
      isStale,
      atMs: reading === null ? null : wallMs(reading.monotonicMs),
    };
  }
}

function thousandth(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : value / 1_000;
}

/** Older or future journal entries are left to the plugs' own counters. */
const LONGEST_MS = 1_800_000;

interface Line {
  /** Epoch ms. */
  readonly atMs: number;
  readonly reading: Reading;
}

/**
 * Readings of a run whose database may be rolled back, in a separate journal: whichever version
 * runs next meters them. One JSON object per line, so that a cut loses the last one at most.
 * Versions read each other's lines, so a field's meaning never changes.
 */
export class ReadingsAside {
  readonly #file: string;
  readonly #clock: Clock;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  /** @throws what the disk throws */
  add(readings: readonly Reading[]): void {
    const aheadMs = this.#clock.nowMs() - this.#clock.monotonicMs();
    const lines = readings.map((reading) => {
      const line: Line = { atMs: Math.round(reading.monotonicMs + aheadMs), reading };
      return `${JSON.stringify(line)}\n`;
    });
    appendFileSync(this.#file, lines.join(''), { mode: 0o600 });
  }

  /** @returns the readings set aside, in order, placed on this process's monotonic clock */
  read(): readonly Reading[] {
    const [nowMs, tickMs] = [this.#clock.nowMs(), this.#clock.monotonicMs()];
    return linesIn(this.#file).flatMap((text) => {
      const line = lineOf(text);
      const ageMs = line === null ? -1 : nowMs - line.atMs;
      if (line === null || !(ageMs >= 0 && ageMs <= LONGEST_MS)) return [];
      return [{ ...line.reading, monotonicMs: tickMs - ageMs }];
    });
  }

  clear(): void {
    rmSync(this.#file, { force: true });
  }
}

function linesIn(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** @returns null for a truncated line */
function lineOf(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Partial<Line> | null;
    const { atMs, reading } = line ?? {};
    return typeof atMs === 'number' && typeof reading?.deviceNumber === 'number'
      ? { atMs, reading }
      : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
