import type { BucketView } from './bucket-view.ts';
import { type Bucket, inTime } from './buckets.ts';
import type { LocalTime } from './local-time.ts';

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
