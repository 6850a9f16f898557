import { dateOf, type LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketRows } from './bucket-rows.ts';
import {
  addHour,
  addShare,
  type Bucket,
  type DayBucket,
  dayOf,
  type HourBucket,
  HOUSEHOLD,
  householdHour,
  overDevices,
  sharesOf,
  type TariffShare,
} from './buckets.ts';
import { byStart, type DeviceHour } from './roll-up.ts';

/**
 * The buckets as of now: the database's, with the hours that only memory has on top. A view is made
 * for one query and dropped.
 */
export class BucketView {
  readonly #rows: BucketRows;
  readonly #time: LocalTime;
  readonly #live: readonly DeviceHour[];
  #household: { readonly hours: HourBucket[]; readonly fine: Bucket[] } | null = null;

  /** @param live hours that replace those of the database */
  constructor(rows: BucketRows, time: LocalTime, live: readonly DeviceHour[]) {
    this.#rows = rows;
    this.#time = time;
    this.#live = live;
  }

  /** The five-minute buckets of plugs that start in [fromS, toS), in order, by plug. */
  fineOfPlugs(plugs: readonly number[], fromS: number, toS: number): Map<number, Bucket[]> {
    const stored = this.#rows.fineOfAll(fromS, toS);
    return new Map(
      plugs.map((number) => [
        number,
        merged(stored.get(number) ?? [], this.#liveFine(number), fromS, toS),
      ]),
    );
  }

  /** Five-minute buckets that start in [fromS, toS), in order. */
  fine(deviceNumber: number, fromS: number, toS: number): Bucket[] {
    return merged(
      this.#rows.fine(deviceNumber, fromS, toS),
      this.#liveFine(deviceNumber),
      fromS,
      toS,
    );
  }

  hours(deviceNumber: number, fromS: number, toS: number): HourBucket[] {
    const live = this.#liveHours(deviceNumber);
    return merged(this.#rows.hours(deviceNumber, fromS, toS), live, fromS, toS);
  }

  /** Local days that lie in [fromS, toS) or contain one of the two. */
  days(deviceNumber: number, fromS: number, toS: number): DayBucket[] {
    const days = new Map(
      this.#rows
        .days(deviceNumber, this.#time.date(fromS), dateOf(this.#time.dayNumber(toS - 1) + 1))
        .map((day) => [day.day, day]),
    );
    for (const startS of this.#liveDays(deviceNumber)) {
      const endS = this.#time.nextDayStart(startS);
      if (endS <= fromS || startS >= toS) continue;
      const day = this.#time.date(startS);
      days.set(day, dayOf(day, startS, this.hours(deviceNumber, startS, endS)));
    }
    return [...days.values()].sort((a, b) => (a.day < b.day ? -1 : 1));
  }

  /**
   * Energy in [fromS, toS) of hours that were estimated in part, and of such days where their hours
   * are no longer kept.
   */
  estimatedMwh(deviceNumber: number, fromS: number, toS: number): number {
    const live = this.#liveHours(deviceNumber).filter(
      ({ startS }) => startS >= fromS && startS < toS,
    );
    const oldestS = this.#rows.oldestHourS(deviceNumber) ?? live[0]?.startS ?? toS;
    const keptDay = this.#time.date(Math.min(oldestS, toS));
    const days = this.#rows.days(deviceNumber, this.#time.date(fromS), keptDay);
    const stored = live.flatMap(({ startS }) => this.#rows.hours(deviceNumber, startS, startS + 1));
    return (
      this.#rows.estimatedMwh(deviceNumber, fromS, toS) +
      estimatedIn(days) +
      estimatedIn(live) -
      estimatedIn(stored)
    );
  }

  /** Energy and cost by price in [fromS, toS), counted in whole hours. */
  shares(deviceNumber: number, fromS: number, toS: number): TariffShare[] {
    const shares = new Map<number, TariffShare>();
    const { firstS, lastS } = this.#wholeDaysIn(fromS, toS);
    for (const share of this.#wholeDays(deviceNumber, firstS, lastS)) addShare(shares, share);
    const edges = [
      ...this.hours(deviceNumber, fromS, Math.min(firstS, toS)),
      ...this.hours(deviceNumber, lastS, toS),
    ];
    for (const hour of edges) addHour(shares, hour);
    return [...shares.values()].sort((a, b) => a.priceId - b.priceId);
  }

  /** What was fed in within [fromS, toS), counted in whole hours, mWh. */
  feedInMwh(deviceNumber: number, fromS: number, toS: number): number {
    const { firstS, lastS } = this.#wholeDaysIn(fromS, toS);
    const parts: readonly Bucket[] = [
      ...(firstS < lastS ? this.days(deviceNumber, firstS, lastS) : []),
      ...this.hours(deviceNumber, fromS, Math.min(firstS, toS)),
      ...this.hours(deviceNumber, lastS, toS),
    ];
    return parts.reduce((sum, part) => sum + (part.feedInMwh ?? 0), 0);
  }

  #wholeDaysIn(fromS: number, toS: number): { readonly firstS: number; readonly lastS: number } {
    const firstS = this.#time.dayStart(fromS) === fromS ? fromS : this.#time.nextDayStart(fromS);
    return { firstS, lastS: Math.max(firstS, this.#time.dayStart(toS)) };
  }

  /** Shares of whole days; days with live hours are counted by the hour. */
  #wholeDays(deviceNumber: number, firstS: number, lastS: number): TariffShare[] {
    const shares: TariffShare[] = [];
    let atS = firstS;
    const live = this.#liveDays(deviceNumber).filter(
      (startS) => startS >= firstS && startS < lastS,
    );
    for (const startS of live) {
      shares.push(...this.#stored(deviceNumber, atS, startS));
      atS = this.#time.nextDayStart(startS);
      shares.push(...sharesOf(this.hours(deviceNumber, startS, atS)));
    }
    return [...shares, ...this.#stored(deviceNumber, atS, lastS)];
  }

  #stored(deviceNumber: number, fromS: number, toS: number): TariffShare[] {
    if (toS <= fromS) return [];
    return this.#rows.shares(deviceNumber, this.#time.date(fromS), this.#time.date(toS));
  }

  #liveDays(deviceNumber: number): number[] {
    const starts = this.#liveHours(deviceNumber).map(({ startS }) => this.#time.dayStart(startS));
    return [...new Set(starts)].sort((a, b) => a - b);
  }

  #liveHours(deviceNumber: number): HourBucket[] {
    if (deviceNumber === HOUSEHOLD) return this.#liveHousehold().hours;
    return this.#live.filter((live) => live.deviceNumber === deviceNumber).map(({ hour }) => hour);
  }

  #liveFine(deviceNumber: number): readonly Bucket[] {
    if (deviceNumber === HOUSEHOLD) return this.#liveHousehold().fine;
    return this.#live
      .filter((live) => live.deviceNumber === deviceNumber)
      .flatMap(({ fine }) => fine);
  }

  #liveHousehold(): { readonly hours: HourBucket[]; readonly fine: Bucket[] } {
    this.#household ??= this.#sumLive();
    return this.#household;
  }

  /**
   * The household in every hour that is live for any plug: live where possible, stored elsewhere.
   */
  #sumLive(): { hours: HourBucket[]; fine: Bucket[] } {
    const devices = new Set([
      ...this.#rows.devices(),
      ...this.#live.map(({ deviceNumber }) => deviceNumber),
    ]);
    const starts = new Set(this.#live.map(({ hour }) => hour.startS));
    const hours: HourBucket[] = [];
    const fine: Bucket[] = [];
    for (const startS of [...starts].sort((a, b) => a - b)) {
      const endS = this.#time.hourEnd(startS);
      const ofHour = [...devices].map((device) => this.fine(device, startS, endS));
      const slots = [...byStart(ofHour)]
        .map(([slotS, parts]) => overDevices(slotS, parts))
        .sort((a, b) => a.startS - b.startS);
      const parts = [...devices].flatMap((device) => this.hours(device, startS, endS));
      hours.push(householdHour(startS, parts, slots));
      fine.push(...slots);
    }
    return { hours, fine };
  }
}

function estimatedIn(buckets: readonly Bucket[]): number {
  return buckets.reduce((sum, { isEstimated, energyMwh }) => {
    return isEstimated ? sum + energyMwh : sum;
  }, 0);
}

/** Stored buckets, with the live ones replacing or following them. */
function merged<B extends Bucket>(
  stored: readonly B[],
  live: readonly B[],
  fromS: number,
  toS: number,
): B[] {
  const wanted = live.filter(({ startS }) => startS >= fromS && startS < toS);
  if (wanted.length === 0) return [...stored];
  const replaced = new Set(wanted.map(({ startS }) => startS));
  const kept = stored.filter(({ startS }) => !replaced.has(startS));
  return [...kept, ...wanted].sort((a, b) => a.startS - b.startS);
}
