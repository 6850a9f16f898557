import type { DayBucket } from './buckets.ts';
import type { LocalTime } from './local-time.ts';

/** Days of which less is known say too little about a whole day. */
const LEAST_COVERED_S = 3_600;
const DAY_S = 86_400;

/** Energy and cost of a usual day. */
interface UsualDay {
  readonly energyMwh: number;
  readonly costUc: number;
}

/** What a usual day takes, weighted by the time that is known of each; null without any. */
export function usualDay(days: readonly DayBucket[]): UsualDay | null {
  const known = days.filter(({ coveredS }) => coveredS >= LEAST_COVERED_S);
  const coveredS = known.reduce((sum, day) => sum + day.coveredS, 0);
  if (coveredS === 0) return null;
  const perDay = (of: (day: DayBucket) => number): number =>
    (known.reduce((sum, day) => sum + of(day), 0) / coveredS) * DAY_S;
  return { energyMwh: perDay((day) => day.energyMwh), costUc: perDay((day) => day.costUc) };
}

/**
 * The month's cost at its end: what it cost so far, and for the rest of today and every day to come
 * what its weekday usually costs.
 * @param days complete days of the last weeks
 * @returns micro-cents, null without a complete day
 */
export function monthEstimateUc(
  days: readonly DayBucket[],
  toDateUc: number,
  nowS: number,
  time: LocalTime,
): number | null {
  const usual = usualDay(days);
  if (usual === null) return null;
  const endS = time.monthStart(nowS, 1);
  let sumUc = toDateUc;
  for (let dayS = time.dayStart(nowS); dayS < endS; dayS = time.nextDayStart(dayS)) {
    const weekday = time.weekday(dayS);
    const alike = days.filter(({ startS }) => time.weekday(startS) === weekday);
    const { costUc } = usualDay(alike) ?? usual;
    const nextS = time.nextDayStart(dayS);
    sumUc += (costUc * (nextS - Math.max(dayS, nowS))) / (nextS - dayS);
  }
  return Math.round(sumUc);
}

/**
 * What is always on: the 5th percentile of the five-minute means.
 * @returns mW, null for less than half a day of them
 */
export function standbyMw(meansMw: readonly number[]): number | null {
  if (meansMw.length < 144) return null;
  const sorted = Int32Array.from(meansMw).sort();
  return sorted[Math.floor((sorted.length - 1) * 0.05)] ?? null;
}
