import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketView } from './bucket-view.ts';
import { type Bucket, type HourBucket, HOUSEHOLD, inTime } from './buckets.ts';
import { rangeOf, type RangeOutcome, type RangeWish } from './periods.ts';
import type { Tariffs } from './tariff.ts';

/** What one plug did from the beginning of a calendar period until now. */
export interface PeriodStats {
  readonly fromS: number;
  readonly toS: number;
  readonly bucket: Bucket;
  /** Readings that a full grid has in the covered time. */
  readonly samples: number;
  /** Seconds from the first that is known in the period, at the earliest, until now. */
  readonly elapsedS: number;
}

/** One plug at a glance; a period of which nothing is known is null. */
export interface Dashboard {
  readonly today: PeriodStats | null;
  readonly week: PeriodStats | null;
  readonly month: PeriodStats | null;
  /** The last hours, oldest first. */
  readonly hours: readonly (Bucket & { readonly samples: number })[];
}

export function dashboardOf(
  deviceNumber: number,
  view: BucketView,
  nowS: number,
  time: LocalTime,
  sampleIntervalS: number,
  hours: number,
): Dashboard {
  const samplesIn = ({ coveredS }: Bucket): number => Math.round(coveredS / sampleIntervalS);
  const since = (fromS: number): PeriodStats | null => {
    const days = view.days(deviceNumber, fromS, nowS + 1).filter(({ startS }) => startS >= fromS);
    const [first] = days;
    if (first === undefined) return null;
    const [hour] = view.hours(deviceNumber, first.startS, nowS + 1);
    const knownS = hour?.startS ?? first.startS;
    const bucket = inTime(fromS, days);
    // The hour a plug was added in began before it; what is covered has surely passed.
    const elapsedS = Math.max(bucket.coveredS, nowS - knownS);
    return { fromS, toS: nowS, bucket, samples: samplesIn(bucket), elapsedS };
  };
  return {
    today: since(time.dayStart(nowS)),
    week: since(time.weekStart(nowS)),
    month: since(time.monthStart(nowS)),
    hours: view
      .hours(deviceNumber, time.hourStart(nowS - hours * 3_600), nowS + 1)
      .map((hour) => ({ ...hour, samples: samplesIn(hour) })),
  };
}

/** The hours of a stretch, oldest first, each with what it cost; those nobody knows of are missing. */
export interface HoursOf {
  readonly kind: 'hours';
  readonly hours: readonly (HourBucket & { readonly endS: number })[];
}

/**
 * @param deviceNumber null for the household
 * @param nowS where the hour that runs ends
 */
export function hoursOf(
  deviceNumber: number | null,
  wish: RangeWish,
  view: BucketView,
  nowS: number,
  time: LocalTime,
): HoursOf | Exclude<RangeOutcome, { kind: 'range' }> {
  const range = rangeOf(wish, 'day', nowS, time);
  if (range.kind !== 'range') return range;
  const [fromS, toS] = [time.hourStart(range.fromS), Math.min(range.toS, nowS + 1)];
  const hours = view.hours(deviceNumber ?? HOUSEHOLD, fromS, toS).map((hour) => {
    return { ...hour, endS: Math.min(nowS, time.hourEnd(hour.startS)) };
  });
  return { kind: 'hours', hours };
}

/** What a plug measured in a stretch of time. */
export interface StretchUse {
  readonly energyMwh: number;
  readonly costUc: number;
}

interface Asked {
  readonly deviceNumber: number;
  readonly fromS: number;
  readonly toS: number;
  readonly view: BucketView;
  readonly tariffs: Pick<Tariffs, 'at'>;
}

const SLOT_S = 300;
const HOUR_S = 3_600;
/** Longer ones are read by the hour: five minutes are kept for a month, and are many. */
const BY_HOUR_FROM_S = 3 * 86_400;
/** A plug is read twice a minute, so a stretch is not measured to its edges. */
const EDGES_S = 60;
const MOST_UNMEASURED = 0.1;

/**
 * What one plug used in any stretch, by the mean of each five minutes at its edges.
 * @returns null where more than a tenth of it was not measured
 */
export function useInStretch({
  deviceNumber,
  fromS,
  toS,
  view,
  tariffs,
}: Asked): StretchUse | null {
  const isLong = toS - fromS > BY_HOUR_FROM_S;
  const lengthS = isLong ? HOUR_S : SLOT_S;
  const buckets: readonly Bucket[] = isLong
    ? view.hours(deviceNumber, fromS - lengthS, toS)
    : view.fine(deviceNumber, fromS - lengthS, toS);
  let [energyMwh, costUc, measuredS] = [0, 0, 0];
  for (const { startS, coveredS, avgMw } of buckets) {
    const withinS = Math.min(toS, startS + lengthS) - Math.max(fromS, startS);
    const knownS = Math.min(withinS, coveredS);
    if (knownS <= 0) continue;
    const usedMwh = (Math.max(0, avgMw) * knownS) / HOUR_S;
    measuredS += knownS;
    energyMwh += usedMwh;
    costUc += (usedMwh * tariffs.at(startS).priceUcPerKwh) / 1_000_000;
  }
  const wantedS = (toS - fromS) * (1 - MOST_UNMEASURED) - EDGES_S;
  if (measuredS === 0 || measuredS < wantedS) return null;
  return { energyMwh: Math.round(energyMwh), costUc: Math.round(costUc) };
}
