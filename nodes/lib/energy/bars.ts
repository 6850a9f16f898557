import type { BucketView } from './bucket-view.ts';
import { type Bucket, grouped, HOUSEHOLD } from './buckets.ts';
import type { LocalTime } from './local-time.ts';

export const BAR_PERIODS = ['day', 'week', 'month', 'year'] as const;
/** A whole calendar day by the hour, week or month by the day, year by the month. */
export type BarPeriod = (typeof BAR_PERIODS)[number];

/** One hour, day or month of the household, also where it is still to come. */
export interface Bar {
  /** Hour 0 to 23, weekday 1 to 7 (ISO 8601), day of the month, or month 1 to 12. */
  readonly number: number;
  /** Epoch seconds. */
  readonly startS: number;
  readonly endS: number;
  readonly measuredMwh: number;
  /** What was taken from the plugs' own counters after a gap. */
  readonly estimatedMwh: number;
  /** Seconds of it that are known. */
  readonly coveredS: number;
}

interface Stretch {
  readonly number: number;
  readonly startS: number;
  readonly endS: number;
}

/** The household's calendar period in bars, the coming ones empty, so that the axis stands still. */
export function barsOf(
  period: BarPeriod,
  view: BucketView,
  time: LocalTime,
  nowS: number,
): readonly Bar[] {
  const stretches = stretchesOf(period, time, nowS);
  const [first, last] = [stretches[0], stretches.at(-1)];
  if (first === undefined || last === undefined) return [];
  const toS = Math.min(last.endS, nowS + 1);
  const parts =
    period === 'year'
      ? daysOf(view, time, first.startS, toS)
      : view.hours(HOUSEHOLD, first.startS, toS);
  const starts = stretches.map(({ startS }) => startS);
  const groups = grouped(parts, (atS) => starts.findLast((startS) => startS <= atS) ?? atS);
  return stretches.map((stretch) => {
    const known = groups.get(stretch.startS) ?? [];
    return {
      ...stretch,
      measuredMwh: energyOf(known.filter(({ isEstimated }) => !isEstimated)),
      estimatedMwh: energyOf(known.filter(({ isEstimated }) => isEstimated)),
      coveredS: known.reduce((sum, { coveredS }) => sum + coveredS, 0),
    };
  });
}

/** Days, but hours for those of which a part was estimated: the rest of them was measured. */
function daysOf(view: BucketView, time: LocalTime, fromS: number, toS: number): Bucket[] {
  return view.days(HOUSEHOLD, fromS, toS).flatMap((day): Bucket[] => {
    if (!day.isEstimated) return [day];
    const hours = view.hours(HOUSEHOLD, day.startS, time.nextDayStart(day.startS));
    return hours.length === 0 ? [day] : hours;
  });
}

function energyOf(buckets: readonly Bucket[]): number {
  return buckets.reduce((sum, { energyMwh }) => sum + energyMwh, 0);
}

function stretchesOf(period: BarPeriod, time: LocalTime, nowS: number): Stretch[] {
  const [startS, endS, next, numberOf] = calendar(period, time, nowS);
  const stretches: Stretch[] = [];
  for (let atS = startS; atS < endS; atS = next(atS)) {
    const known = stretches.at(-1);
    const number = numberOf(atS);
    // The hour that comes twice when the clocks go back is one bar of two hours.
    if (known?.number === number) {
      stretches.splice(-1, 1, { ...known, endS: next(atS) });
    } else stretches.push({ number, startS: atS, endS: next(atS) });
  }
  return stretches;
}

type Calendar = [number, number, (atS: number) => number, (atS: number) => number];

function calendar(period: BarPeriod, time: LocalTime, nowS: number): Calendar {
  const nextDay = (atS: number): number => time.nextDayStart(atS);
  switch (period) {
    case 'day': {
      const startS = time.dayStart(nowS);
      return [startS, nextDay(startS), (atS) => time.hourEnd(atS), (atS) => time.hourOfDay(atS)];
    }
    case 'week': {
      const startS = time.weekStart(nowS);
      const endS = time.startOfDay(time.dayNumber(startS) + 7);
      return [startS, endS, nextDay, (atS) => time.weekday(atS)];
    }
    case 'month': {
      const day = (atS: number): number => Number(time.date(atS).slice(8));
      return [time.monthStart(nowS), time.monthStart(nowS, 1), nextDay, day];
    }
    case 'year': {
      const startS = time.yearStart(nowS);
      const month = (atS: number): number => Number(time.date(atS).slice(5, 7));
      return [startS, time.monthStart(startS, 12), (atS) => time.monthStart(atS, 1), month];
    }
  }
}
