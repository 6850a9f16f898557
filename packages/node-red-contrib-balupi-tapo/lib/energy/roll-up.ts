import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketRows } from './bucket-rows.ts';
import {
  addShare,
  type Bucket,
  type DayBucket,
  dayOf,
  type DeviceHour,
  grouped,
  type HourBucket,
  HOUSEHOLD,
  householdHour,
  inTime,
  overDevices,
  sharesOf,
  slotBuckets,
  type TariffShare,
} from './buckets.ts';
import type { KnownHour } from './correction-rows.ts';
import { type Overlay, pricedHour } from './hour-slots.ts';
import type { MeteredHour } from './interval-meter.ts';
import type { Tariffs } from './tariff.ts';

export type { DeviceHour } from './buckets.ts';

/** Later than any hour. */
const LAST_S = Number.MAX_SAFE_INTEGER;

/** Puts the slots of an hour together. */
export function deviceHour(
  deviceNumber: number,
  metered: MeteredHour,
  tariffs: Tariffs,
): DeviceHour {
  const slots = slotBuckets(metered);
  const { startS, endS } = metered.hour;
  const fine = slots.filter((slot) => slot.isFine);
  return { deviceNumber, hour: pricedHour(inTime(startS, slots), fine, endS, tariffs), fine };
}

/**
 * Writes whole hours and what is derived from them: the household's hours, and their days and
 * tariff shares. Idempotent. Runs inside the caller's transaction.
 */
export class RollUp {
  readonly #rows: BucketRows;
  readonly #time: LocalTime;
  readonly #overlay: Overlay;

  constructor(rows: BucketRows, time: LocalTime, overlay: Overlay) {
    this.#rows = rows;
    this.#time = time;
    this.#overlay = overlay;
  }

  write(hours: readonly DeviceHour[]): void {
    if (hours.length === 0) return;
    for (const metered of hours) {
      const { deviceNumber, hour } = metered;
      const kept = this.#overlay.take(metered);
      // A correction may have cleared what was metered again.
      if (kept !== metered) this.#drop(deviceNumber, hour.startS);
      if (kept !== null) this.#put(deviceNumber, kept);
    }
    const written = new Set(hours.map(({ deviceNumber }) => deviceNumber));
    this.#follow(new Set(hours.map(({ hour }) => hour.startS)), written);
  }

  /** Rewrites hours of one plug as given, and what is derived from them. */
  rewrite(
    deviceNumber: number,
    hours: readonly { readonly startS: number; readonly known: KnownHour }[],
  ): void {
    for (const { startS, known } of hours) {
      this.#drop(deviceNumber, startS);
      this.#drop(HOUSEHOLD, startS);
      const { hour, fine } = known;
      if (hour !== null) this.#put(deviceNumber, { hour, fine });
    }
    const touched = new Set(hours.map(({ startS }) => startS));
    // A day without hours left would otherwise stay as it was.
    for (const day of new Set([...touched].map((hourS) => this.#time.date(hourS)))) {
      for (const one of [deviceNumber, HOUSEHOLD]) this.#rows.dropDay(one, day);
    }
    this.#follow(touched, new Set([deviceNumber]));
  }

  #put(deviceNumber: number, { hour, fine }: Pick<DeviceHour, 'hour' | 'fine'>): void {
    for (const bucket of fine) this.#rows.putFine(deviceNumber, bucket);
    this.#rows.putHour(deviceNumber, hour);
  }

  #drop(deviceNumber: number, startS: number): void {
    this.#rows.dropHours(deviceNumber, startS, this.#time.hourEnd(startS));
  }

  /** The household's hours and all days that these hours of these plugs lie in. */
  #follow(touched: ReadonlySet<number>, written: ReadonlySet<number>): void {
    const devices = new Set([...this.#rows.devices(), ...written]);
    this.#writeHousehold(touched, [...devices]);
    for (const startS of new Set([...touched].map((hourS) => this.#time.dayStart(hourS)))) {
      for (const deviceNumber of [...written, HOUSEHOLD]) this.writeDay(deviceNumber, startS);
    }
  }

  /** Rebuilds a day from its hours; none: the day does not exist. */
  rewriteDay(deviceNumber: number, startS: number): void {
    this.#rows.dropDay(deviceNumber, this.#time.date(startS));
    this.writeDay(deviceNumber, startS);
  }

  /**
   * Rebuilds all days from the hours, as the local calendar changed. A day whose hours were pruned
   * stays, and gets the remaining hours that lie in it now.
   * @returns how many days of the household were written
   */
  rebuildDays(): number {
    for (const device of this.#rows.devices()) this.#rebuildDaysOf(device);
    return this.#rebuildDaysOf(HOUSEHOLD);
  }

  #rebuildDaysOf(device: number): number {
    const oldestS = this.#rows.oldestHourS(device);
    const all = this.#rows.days(device, '', '9');
    const gone = oldestS === null ? [] : all.filter(({ startS }) => startS >= oldestS);
    const fromS = Math.min(...gone.map(({ startS }) => startS));
    for (const { day } of gone) this.#rows.dropDay(device, day);
    const kept = new Map(all.filter(({ startS }) => startS < fromS).map((day) => [day.day, day]));
    const hours = gone.length === 0 ? [] : this.#rows.hours(device, fromS, LAST_S);
    const days = grouped(hours, (startS) => this.#time.dayStart(startS));
    for (const [startS, parts] of days) {
      const day = dayOf(this.#time.date(startS), startS, parts);
      const before = kept.get(day.day);
      if (before === undefined) this.#rows.putDay(device, day, sharesOf(parts));
      else this.#addToDay(device, before, day, parts);
    }
    return days.size;
  }

  #addToDay(device: number, before: DayBucket, day: DayBucket, hours: readonly HourBucket[]): void {
    const shares = new Map<number, TariffShare>();
    for (const share of this.#rows.shares(device, day.day, `${day.day}~`)) addShare(shares, share);
    for (const share of sharesOf(hours)) addShare(shares, share);
    const both = inTime(before.startS, [before, day]);
    const costUc = before.costUc + day.costUc;
    this.#rows.putDay(device, { ...both, day: day.day, costUc }, [...shares.values()]);
  }

  /** Rebuilds the day that begins at `startS` from its hours; none: leaves it alone. */
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
      if (parts.length === 0) continue;
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
