import type { EnergyDevice } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import type {
  EnergyDevices,
  Reading,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';

/** A small seeded generator (mulberry32), so that every run sees the same world. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A load that is constant between changes: `edges[i]` (epoch s) starts `watts[i]`. */
export class Load {
  readonly #edges: number[] = [];
  readonly #watts: number[] = [];
  readonly #wattSeconds: number[] = [];

  /** Appends a step; times must rise. */
  step(atS: number, watts: number): this {
    const last = this.#edges.length - 1;
    const before = this.#wattSeconds[last] ?? 0;
    const lasted = last < 0 ? 0 : atS - (this.#edges[last] ?? 0);
    this.#edges.push(atS);
    this.#wattSeconds.push(before + lasted * (this.#watts[last] ?? 0));
    this.#watts.push(watts);
    return this;
  }

  wattsAt(atS: number): number {
    return this.#watts[this.#index(atS)] ?? 0;
  }

  /** Exact energy from the first edge to `atS`. */
  whUpTo(atS: number): number {
    const index = this.#index(atS);
    if (index < 0) return 0;
    const since = (atS - (this.#edges[index] ?? 0)) * (this.#watts[index] ?? 0);
    return ((this.#wattSeconds[index] ?? 0) + since) / 3_600;
  }

  whBetween(fromS: number, toS: number): number {
    return this.whUpTo(toS) - this.whUpTo(fromS);
  }

  #index(atS: number): number {
    let low = 0;
    let high = this.#edges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#edges[middle] ?? 0) <= atS) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

export function steady(fromS: number, watts: number): Load {
  return new Load().step(fromS, watts);
}

/** A fridge: compressor on for 8 to 20 minutes, off for 15 to 40, with a 2 s peak at its start. */
export function fridge(fromS: number, toS: number, random: () => number, peakW = 900): Load {
  const load = new Load();
  for (let atS = fromS; atS < toS;) {
    load.step(atS, peakW).step(atS + 2, 85 + 10 * random());
    atS += 480 + 720 * random();
    load.step(atS, 1.2);
    atS += 900 + 1_500 * random();
  }
  return load;
}

/** A kettle: long idle, then one to four minutes of 2 kW, and bursts of one second in between. */
export function kettle(fromS: number, toS: number, random: () => number): Load {
  const load = new Load().step(fromS, 0.6);
  for (let atS = fromS + 100; atS < toS;) {
    const lasts = random() < 0.3 ? 60 + 180 * random() : 1;
    load.step(atS, 2_000).step(atS + lasts, 0.6);
    atS += lasts + 120 + 1_800 * random();
  }
  return load;
}

/** A NAS: sleeps, idles and works for hours, with noise every ten seconds. */
export function nas(fromS: number, toS: number, random: () => number): Load {
  const load = new Load();
  let level = 42;
  let untilS = fromS;
  for (let atS = fromS; atS < toS; atS += 10) {
    if (atS >= untilS) {
      level = [1.4, 42, 75][Math.floor(random() * 3)] ?? 42;
      untilS = atS + 1_800 + 14_400 * random();
    }
    load.step(atS, level * (0.9 + 0.2 * random()));
  }
  return load;
}

export interface CounterFaults {
  /** Epoch s at which both counters restart at 0. */
  readonly wipedS?: number;
  /** Epoch s from which on the counters are frozen. */
  readonly frozenS?: number;
  readonly isMissing?: boolean;
  /** How far its own clock is ahead, s: its days and months start by it, and it reports it. */
  readonly clockAheadS?: number;
}

/** A plug whose counters count every watt of a load and report whole Wh. */
export class SimulatedPlug {
  readonly load: Load;
  readonly #number: number;
  readonly #bornS: number;
  readonly #time: LocalTime;
  readonly #faults: CounterFaults;
  /** Wh counted before the first reading, which gives the counters an unknown fraction. */
  readonly #phaseWh: number;

  constructor(
    number: number,
    load: Load,
    bornS: number,
    time: LocalTime,
    faults: CounterFaults = {},
    phaseWh = 0.37,
  ) {
    this.#number = number;
    this.load = load;
    this.#bornS = bornS;
    this.#time = time;
    this.#faults = faults;
    this.#phaseWh = phaseWh;
  }

  /** Its answer at a true time, stamped with the reader's monotonic clock. */
  read(atS: number, monotonicMs: number): Reading {
    const countedS = Math.min(atS, this.#faults.frozenS ?? atS);
    const missing = this.#faults.isMissing === true;
    const aheadS = this.#faults.clockAheadS ?? 0;
    const since = (startOf: (atS: number) => number): number =>
      this.#counted(startOf(countedS + aheadS) - aheadS, countedS);
    return {
      deviceNumber: this.#number,
      monotonicMs,
      powerMw: Math.round(this.load.wattsAt(atS) * 1_000),
      voltageMv: null,
      currentMa: null,
      todayWh: missing ? null : since((atS) => this.#time.dayStart(atS)),
      monthWh: missing ? null : since((atS) => this.#time.monthStart(atS)),
      relay: 'on',
      ...(aheadS === 0 ? {} : { plugLocalTime: this.#clockText(countedS + aheadS) }),
    };
  }

  #clockText(atS: number): string {
    const local = new Date((atS + this.#time.offsetS(atS)) * 1_000);
    return local.toISOString().slice(0, 19).replace('T', ' ');
  }

  #counted(resetS: number, atS: number): number {
    const wipedS = this.#faults.wipedS ?? Number.NEGATIVE_INFINITY;
    const fromS = Math.max(resetS, this.#bornS, wipedS <= atS ? wipedS : resetS);
    const phase = fromS === this.#bornS ? this.#phaseWh : 0;
    return Math.floor(this.load.whBetween(fromS, atS) + phase + 1e-9);
  }
}

export function devicesOf(...numbers: number[]): EnergyDevices & { devices: EnergyDevice[] } {
  const devices = numbers.map((number) => ({
    id: `plug-${number}`,
    number,
    name: `Plug ${number}`,
    role: number === 1 ? ('nas' as const) : ('generic' as const),
    addedAtMs: 0,
    isOnline: true,
  }));
  return { devices, list: () => devices, forgotten: () => [] };
}
