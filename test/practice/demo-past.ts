import { Energy } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import { DataFolder } from '../../nodes/lib/store/data-folder.ts';
import type { Store } from '../../nodes/lib/store/store.ts';
import {
  parseDiscoveryAddresses,
  Tapo,
} from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { Clock } from '../../nodes/lib/time/clock.ts';
import { LocalTime } from '../../nodes/lib/time/zoned-time.ts';
import { BucketRows } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/bucket-rows.ts';
import {
  type Bucket,
  type HourBucket,
  inTime,
} from '../../packages/node-red-contrib-balupi-tapo/lib/energy/buckets.ts';
import { CorrectionRows } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/correction-rows.ts';
import { Overlay } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/hour-slots.ts';
import { NasHourRows } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/nas-hour-rows.ts';
import {
  type DeviceHour,
  RollUp,
} from '../../packages/node-red-contrib-balupi-tapo/lib/energy/roll-up.ts';
import type { LoadCurve } from './plug/load-curve.ts';
import { KeptLog } from '../fakes/kept-log.ts';

/** Mean power of a plug in a stretch of time, epoch seconds, in W. */
export type MeanWatts = (fromS: number, toS: number) => number;

/** A load from before there was a BaluPi, and one from now on; nothing in between. */
export class LoadWithPast implements LoadCurve {
  readonly #watts: MeanWatts;
  readonly #endS: number;
  readonly #now: LoadCurve;
  readonly #nowFromMs: number;

  /** @param endS end of the past, epoch seconds, on a slot of five minutes */
  constructor(watts: MeanWatts, endS: number, now: LoadCurve, nowFromMs: number) {
    this.#watts = watts;
    this.#endS = endS;
    this.#now = now;
    this.#nowFromMs = nowFromMs;
  }

  wattsAt(atMs: number): number {
    return this.#now.wattsAt(atMs);
  }

  energyWhBetween(fromMs: number, toMs: number): number {
    let energyWh = 0;
    for (
      let startS = Math.floor(fromMs / SLOT_MS) * SLOT_S;
      startS < this.#endS;
      startS += SLOT_S
    ) {
      const shareMs = Math.min(toMs, (startS + SLOT_S) * 1_000) - Math.max(fromMs, startS * 1_000);
      if (shareMs <= 0) break;
      energyWh += (this.#watts(startS, startS + SLOT_S) * shareMs) / HOUR_MS;
    }
    const nowFromMs = Math.max(fromMs, this.#nowFromMs);
    return nowFromMs < toMs ? energyWh + this.#now.energyWhBetween(nowFromMs, toMs) : energyWh;
  }
}

export interface PastPlug {
  /** The plug's own name. */
  readonly name: string;
  readonly role: 'nas' | 'monitor';
  readonly watts: MeanWatts;
}

interface PastParts {
  readonly dataFolder: string;
  readonly timeZone: string;
  readonly clock: Clock;
  /** Its end, epoch seconds: the start of an hour. */
  readonly endS: number;
  readonly tapo: { readonly username: string; readonly password: string };
  /** The address at which the plugs answer a search. */
  readonly searchedAt: string;
  readonly plugs: readonly (PastPlug & { readonly address: string })[];
}

/** Days of the past. */
export const PAST_DAYS = 40;
const FINE_DAYS = 6;
const DAY_S = 86_400;
const SLOT_S = 300;
const SLOT_MS = SLOT_S * 1_000;
const HOUR_MS = 3_600_000;
/**
 * Hours ago in which the Pi was down: covered by the plugs' counters, and marked. One of the two is
 * well within a day, whatever the hour is now.
 */
export const ESTIMATED_HOURS_AGO: readonly (readonly number[])[] = [
  [27, 28, 29],
  [113, 114],
];

/**
 * Gives a data folder that no BaluPi has opened yet some weeks of a plausible past, so that a
 * demo's charts have something to show. The rows are those that the roll-up would have written.
 */
export async function writePast(parts: PastParts): Promise<void> {
  const data = DataFolder.open(parts.dataFolder);
  const time = new LocalTime(parts.timeZone);
  try {
    const numbers = await plugNumbers(parts, data.energy);
    const energy = energyOver(parts, data.energy);
    addPrices(energy);
    writeHours(parts, data.energy, { time, numbers });
    await energy.prices.recalculate((parts.endS - (PAST_DAYS + 1) * DAY_S) * 1_000);
  } finally {
    data.close();
  }
}

/** Registers the plugs at their addresses, as a search of the network listens for seconds. */
async function plugNumbers(parts: PastParts, store: Store): Promise<readonly number[]> {
  const tapo = new Tapo({
    store,
    clock: parts.clock,
    log: new KeptLog(),
    credentials: parts.tapo,
    driver: 'klap',
    discoveryAddresses: parseDiscoveryAddresses(parts.searchedAt),
    timeZone: 'Europe/Berlin',
    judgeClock: () => null,
    isNasOff: () => false,
  });
  tapo.start();
  const numbers: number[] = [];
  for (const { name, role, address } of parts.plugs) {
    const added = await tapo.add({ address, role }, 'en');
    const device = tapo.list().find((candidate) => candidate.name === name);
    if (device === undefined) throw new Error(`The plug ${name} was not added: ${added.kind}.`);
    numbers.push(device.deviceNumber);
  }
  await tapo.stop();
  return numbers;
}

function energyOver({ clock, timeZone }: PastParts, store: Store): Energy {
  return new Energy({
    store,
    clock,
    log: new KeptLog(),
    settings: {
      timeZone,
      sampleIntervalSeconds: 30,
      rawRetentionDays: 7,
      hourlyRetentionDays: 365,
      defaultPriceCents: 32,
      commitSeconds: 60,
      nasPowerThresholdWatts: 30,
      co2GPerKwh: null,
    },
    devices: { list: () => [], forgotten: () => [] },
    seen: { flush: () => () => undefined },
    isClockTrusted: () => true,
    isClockProved: () => true,
    history: null,
  });
}

function addPrices(energy: Energy): void {
  energy.prices.create({ name: 'Day', pricePerKwhCents: 33.9 });
  energy.prices.create({
    name: 'Night',
    pricePerKwhCents: 26.4,
    timeFrom: '22:00',
    timeTo: '06:00',
  });
}

function writeHours(
  { plugs, endS: lastS }: PastParts,
  store: Store,
  at: { readonly time: LocalTime; readonly numbers: readonly number[] },
): void {
  const { time, numbers } = at;
  const [rows, nasHours] = [new BucketRows(store), new NasHourRows(store)];
  const noCorrections = new Overlay(new CorrectionRows(store), time, () => {
    throw new Error('A past that was made up is not put right.');
  });
  const rollUp = new RollUp(rows, time, noCorrections);
  let startS = time.dayStart(lastS - PAST_DAYS * DAY_S);
  while (startS < lastS) {
    const endS = Math.min(time.nextDayStart(startS), lastS);
    const hours: DeviceHour[] = [];
    for (let hourS = startS; hourS < endS; hourS = time.hourEnd(hourS)) {
      const isEstimated = ESTIMATED_HOURS_AGO.flat().includes(Math.round((lastS - hourS) / 3_600));
      plugs.forEach((plug, index) => {
        const fine = slots(plug.watts, hourS, isEstimated);
        const hour: HourBucket = { ...inTime(hourS, fine), costUc: 0, priceId: 0 };
        const isRecent = lastS - hourS < FINE_DAYS * DAY_S;
        hours.push({ deviceNumber: numbers[index] ?? 0, hour, fine: isRecent ? fine : [] });
        if (plug.role === 'nas') nasHours.put(nasHour(hour, time.hourOfDay(hourS)));
      });
    }
    store.transaction(() => {
      rollUp.write(hours);
    });
    startS = endS;
  }
}

function slots(watts: MeanWatts, hourS: number, isEstimated: boolean): Bucket[] {
  return Array.from({ length: 3_600 / SLOT_S }, (_, index) => {
    const startS = hourS + index * SLOT_S;
    const avgMw = Math.round(watts(startS, startS + SLOT_S) * 1_000);
    return {
      startS,
      energyMwh: Math.round((avgMw * SLOT_S) / 3_600),
      coveredS: SLOT_S,
      avgMw,
      minMw: Math.round(avgMw * 0.9),
      maxMw: Math.round(avgMw * 1.1),
      isEstimated,
    };
  });
}

/** @param hourOfDay local, which decides between the day's and the night's price */
function nasHour({ startS, avgMw, energyMwh }: HourBucket, hourOfDay: number) {
  const isAsleep = avgMw < 10_000;
  return {
    startS,
    asleepS: isAsleep ? 3_600 : 0,
    asleepMwh: isAsleep ? energyMwh : 0,
    idleS: isAsleep ? 0 : 3_600,
    idleMwh: isAsleep ? 0 : energyMwh,
    priceUcPerKwh: hourOfDay >= 22 || hourOfDay < 6 ? 26_400_000 : 33_900_000,
  };
}
