import type { BucketRows } from './bucket-rows.ts';
import {
  type Bucket,
  dayOf,
  grouped,
  type HourBucket,
  HOUSEHOLD,
  householdHour,
  inTime,
  overDevices,
  sharesOf,
  slotBuckets,
} from './buckets.ts';
import type { MeteredHour } from './interval-meter.ts';
import type { LocalTime } from './local-time.ts';
import { costUc, type Tariffs } from './tariff.ts';

/** One plug's hour in whole numbers, with the cost of its energy at the price valid then. */
export interface DeviceHour {
  readonly deviceNumber: number;
  readonly hour: HourBucket;
  /** The five-minute buckets of the hour; fewer or none inside very long gaps. */
  readonly fine: readonly Bucket[];
}

/** Puts the slots of an hour together. */
export function deviceHour(
  deviceNumber: number,
  metered: MeteredHour,
  tariffs: Tariffs,
): DeviceHour {
  const slots = slotBuckets(metered);
  const { startS } = metered.hour;
  const bucket = inTime(startS, slots);
  const rate = tariffs.at(startS);
  return {
    deviceNumber,
    hour: {
      ...bucket,
      costUc: costUc(bucket.energyMwh, rate.priceUcPerKwh),
      priceId: rate.priceId,
    },
    fine: slots.filter((slot) => slot.isFine),
  };
}

/**
 * Writes whole hours and what follows from them: the household's hours, and the days and tariff
 * shares they lie in. Writing the same hours again changes nothing. Runs inside a transaction of
 * the caller.
 */
export class RollUp {
  readonly #rows: BucketRows;
  readonly #time: LocalTime;

  constructor(rows: BucketRows, time: LocalTime) {
    this.#rows = rows;
    this.#time = time;
  }

  write(hours: readonly DeviceHour[]): void {
    if (hours.length === 0) return;
    for (const { deviceNumber, hour, fine } of hours) {
      for (const bucket of fine) this.#rows.putFine(deviceNumber, bucket);
      this.#rows.putHour(deviceNumber, hour);
    }
    const touched = new Set(hours.map(({ hour }) => hour.startS));
    const devices = new Set([
      ...this.#rows.devices(),
      ...hours.map(({ deviceNumber }) => deviceNumber),
    ]);
    this.#writeHousehold(touched, [...devices]);
    const written = new Set(hours.map(({ deviceNumber }) => deviceNumber));
    for (const startS of new Set([...touched].map((hourS) => this.#time.dayStart(hourS)))) {
      for (const deviceNumber of [...written, HOUSEHOLD]) this.writeDay(deviceNumber, startS);
    }
  }

  /** Writes the day that begins at `startS` anew from its hours; none: leaves it alone. */
  writeDay(deviceNumber: number, startS: number): void {
    const endS = this.#time.nextDayStart(startS);
    const hours = this.#rows.hours(deviceNumber, startS, endS);
    if (hours.length === 0) return;
    const day = dayOf(this.#time.date(startS), startS, hours);
    this.#rows.putDay(deviceNumber, day, sharesOf(hours));
  }

  #writeHousehold(touched: ReadonlySet<number>, devices: readonly number[]): void {
    const fromS = Math.min(...touched);
    const toS = this.#time.hourEnd(Math.max(...touched));
    const perFine = byStart(devices.map((device) => this.#rows.fine(device, fromS, toS)));
    const perHour = byStart(devices.map((device) => this.#rows.hours(device, fromS, toS)));
    const household: Bucket[] = [];
    for (const [startS, parts] of perFine) {
      if (!touched.has(this.#time.hourStart(startS))) continue;
      const bucket = overDevices(startS, parts);
      household.push(bucket);
      this.#rows.putFine(HOUSEHOLD, bucket);
    }
    const fineOfHour = grouped(household, (startS) => this.#time.hourStart(startS));
    for (const startS of touched) {
      const parts = perHour.get(startS) ?? [];
      const hour = householdHour(startS, parts, fineOfHour.get(startS) ?? []);
      this.#rows.putHour(HOUSEHOLD, hour);
    }
  }
}

/** The buckets of several plugs by their time. */
export function byStart<B extends Bucket>(lists: readonly (readonly B[])[]): Map<number, B[]> {
  const perStart = new Map<number, B[]>();
  for (const bucket of lists.flat()) {
    const known = perStart.get(bucket.startS);
    if (known === undefined) perStart.set(bucket.startS, [bucket]);
    else known.push(bucket);
  }
  return perStart;
}
