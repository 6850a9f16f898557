import type { MeteredHour } from './interval-meter.ts';
import { MJ_PER_MWH, SLOT_S } from './slots.ts';

/** The household: the sum over all plugs, kept like a plug of its own. */
export const HOUSEHOLD = 0;

/** Energy used in a stretch of time, in the whole numbers that are stored. */
export interface Bucket {
  /** Epoch seconds. */
  readonly startS: number;
  /** What was used. */
  readonly energyMwh: number;
  /** Energy fed in, not part of `energyMwh`; missing for none. */
  readonly feedInMwh?: number;
  /** Seconds of the stretch that are known, measured or estimated. */
  readonly coveredS: number;
  /** Mean over the covered seconds; below 0 where more was fed in than used. */
  readonly avgMw: number;
  readonly minMw: number;
  readonly maxMw: number;
  /** Part of it was taken from the plug's counter after a gap. */
  readonly isEstimated: boolean;
  /** An admin corrected part of it. */
  readonly isCorrected?: boolean;
}

export interface HourBucket extends Bucket {
  readonly costUc: number;
  /** The price of all of it, or of most of it where `shares` tells several. */
  readonly priceId: number;
  /** Where prices changed in the middle of it. */
  readonly shares?: readonly TariffShare[];
}

/** One plug's hour in whole numbers, with the cost of its energy at the prices valid then. */
export interface DeviceHour {
  readonly deviceNumber: number;
  readonly hour: HourBucket;
  /** The five-minute buckets of the hour; fewer or none inside very long gaps. */
  readonly fine: readonly Bucket[];
}

export interface DayBucket extends Bucket {
  /** `YYYY-MM-DD` on the local calendar. */
  readonly day: string;
  readonly costUc: number;
}

/** What was metered of a plug over all its days. */
export interface DeviceTotal {
  readonly energyMwh: number;
  readonly feedInMwh: number;
  readonly costUc: number;
}

/** Energy and cost of a day under one price; `priceId` 0 is the default price. */
export interface TariffShare {
  readonly priceId: number;
  readonly energyMwh: number;
  readonly costUc: number;
}

/**
 * The slots of an hour in whole mWh. Rounding remainders carry over to the next, so that the sum
 * stays exact to the mWh over any time.
 */
export function slotBuckets(metered: MeteredHour): (Bucket & { readonly isFine: boolean })[] {
  let restMj = metered.carryMj;
  return metered.hour.slots.map((slot) => {
    const totalMj = slot.energyMj + restMj;
    restMj = totalMj % MJ_PER_MWH;
    const energyMwh = (totalMj - restMj) / MJ_PER_MWH;
    const fedInMj = slot.fedInMj ?? 0;
    const avgMw = Math.round((slot.energyMj - fedInMj) / slot.coveredS);
    return {
      startS: slot.startS,
      energyMwh,
      ...fedIn(Math.round(fedInMj / MJ_PER_MWH)),
      coveredS: slot.coveredS,
      avgMw,
      // A burst between two samples only shows in the counter, and lifts the mean above both.
      minMw: Math.min(slot.minMw, avgMw),
      maxMw: Math.max(slot.maxMw, avgMw),
      isEstimated: slot.isEstimated,
      isFine: slot.widthS === SLOT_S,
    };
  });
}

/**
 * Merges consecutive buckets into one: energies add up, powers are weighted by the covered seconds.
 * @throws RangeError for no buckets
 */
export function inTime(startS: number, parts: readonly Bucket[]): Bucket {
  if (parts.length === 0) throw new RangeError('No buckets to put together.');
  let energyMwh = 0;
  let feedInMwh = 0;
  let coveredS = 0;
  let weighted = 0;
  let minMw = Number.MAX_SAFE_INTEGER;
  let maxMw = Number.MIN_SAFE_INTEGER;
  let isEstimated = false;
  let isCorrected = false;
  for (const part of parts) {
    energyMwh += part.energyMwh;
    feedInMwh += part.feedInMwh ?? 0;
    coveredS += part.coveredS;
    weighted += part.avgMw * part.coveredS;
    minMw = Math.min(minMw, part.minMw);
    maxMw = Math.max(maxMw, part.maxMw);
    isEstimated ||= part.isEstimated;
    isCorrected ||= part.isCorrected === true;
  }
  const avgMw = coveredS === 0 ? 0 : Math.round(weighted / coveredS);
  const measures = { energyMwh, ...fedIn(feedInMwh), coveredS, avgMw, minMw, maxMw };
  return { startS, ...measures, isEstimated, ...mark(isCorrected) };
}

/** A field that most buckets do not have. */
export function fedIn(feedInMwh: number): Pick<Bucket, 'feedInMwh'> {
  return feedInMwh > 0 ? { feedInMwh } : {};
}

/** Mean consumption, mW: energy fed in at the same time is not negative load. */
export function usedMw({ avgMw, coveredS, feedInMwh }: Bucket): number {
  if (feedInMwh === undefined || coveredS === 0) return avgMw;
  return Math.max(0, avgMw + Math.round((feedInMwh * MJ_PER_MWH) / coveredS));
}

function mark(isCorrected: boolean): Pick<Bucket, 'isCorrected'> {
  return isCorrected ? { isCorrected } : {};
}

/**
 * Merges the plugs' buckets of one stretch into the household's. `coveredS` is the mean of theirs;
 * `minMw` and `maxMw` are the least and the most it can have been.
 */
export function overDevices(startS: number, parts: readonly Bucket[]): Bucket {
  if (parts.length === 0) throw new RangeError('No buckets to put together.');
  const sum = (of: (part: Bucket) => number): number =>
    parts.reduce((total, part) => total + of(part), 0);
  return {
    startS,
    energyMwh: sum((part) => part.energyMwh),
    ...fedIn(sum((part) => part.feedInMwh ?? 0)),
    coveredS: Math.round(sum((part) => part.coveredS) / parts.length),
    avgMw: sum((part) => part.avgMw),
    minMw: sum((part) => part.minMw),
    maxMw: sum((part) => part.maxMw),
    isEstimated: parts.some((part) => part.isEstimated),
    ...mark(parts.some((part) => part.isCorrected === true)),
  };
}

/**
 * The household's hour. Its extremes come from its five-minute buckets where there are any: plugs
 * that peak at different times of the hour did not peak together.
 */
export function householdHour(
  startS: number,
  devices: readonly HourBucket[],
  fine: readonly Bucket[],
): HourBucket {
  const sum = overDevices(startS, devices);
  const peaks = fine.length === 0 ? sum : inTime(startS, fine);
  return {
    ...sum,
    minMw: Math.min(sum.avgMw, peaks.minMw),
    maxMw: Math.max(sum.avgMw, peaks.maxMw),
    ...priceOf(sharesOf(devices)),
  };
}

/** Cost and price of an hour from the shares of its prices. */
export function priceOf(
  shares: readonly TariffShare[],
): Pick<HourBucket, 'costUc' | 'priceId' | 'shares'> {
  const costUc = shares.reduce((total, share) => total + share.costUc, 0);
  const [first, ...rest] = shares;
  const most = rest.reduce((a, b) => ((a?.energyMwh ?? 0) >= b.energyMwh ? a : b), first);
  return { costUc, priceId: most?.priceId ?? 0, ...(rest.length > 0 ? { shares } : {}) };
}

/** A day from its hours. */
export function dayOf(day: string, startS: number, hours: readonly HourBucket[]): DayBucket {
  const costUc = hours.reduce((total, hour) => total + hour.costUc, 0);
  return { ...inTime(startS, hours), day, costUc };
}

/** The shares of the prices in some hours, by price id. */
export function sharesOf(hours: readonly HourBucket[]): TariffShare[] {
  const shares = new Map<number, TariffShare>();
  for (const hour of hours) addHour(shares, hour);
  return [...shares.values()].sort((a, b) => a.priceId - b.priceId);
}

/** Adds the shares of an hour to those of the same prices. */
export function addHour(shares: Map<number, TariffShare>, hour: HourBucket): void {
  for (const share of hour.shares ?? [hour]) addShare(shares, share);
}

/** Adds a share to the one of the same price. */
export function addShare(shares: Map<number, TariffShare>, share: TariffShare): void {
  const { priceId } = share;
  const known = shares.get(priceId);
  shares.set(priceId, {
    priceId,
    energyMwh: (known?.energyMwh ?? 0) + share.energyMwh,
    costUc: (known?.costUc ?? 0) + share.costUc,
  });
}

/** Groups ordered buckets by the start of a longer stretch. */
export function grouped<B extends Bucket>(
  buckets: readonly B[],
  startOf: (startS: number) => number,
): Map<number, B[]> {
  const groups = new Map<number, B[]>();
  for (const bucket of buckets) {
    const startS = startOf(bucket.startS);
    const group = groups.get(startS);
    if (group === undefined) groups.set(startS, [bucket]);
    else group.push(bucket);
  }
  return groups;
}
