import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketView } from './bucket-view.ts';
import {
  type Bucket,
  type DayBucket,
  grouped,
  type HourBucket,
  HOUSEHOLD,
  inTime,
  usedMw,
} from './buckets.ts';
import type { NasHour, NasHourRows } from './nas-hour-rows.ts';
import { type NasBorders, nasHourOf, type NasPowerState, nasSavings } from './nas-watts.ts';
import { rangeOf, type RangeOutcome, type RangeQuery } from './periods.ts';
import type { Prices } from './prices.ts';
import type { EnergyDevice } from './sample.ts';
import type { Tariffs } from './tariff.ts';

/** The household at a glance; what is not yet known is null. */
export interface Summary {
  readonly totalDevices: number;
  readonly totalPowerW: number | null;
  readonly avgDailyMwh: number | null;
  readonly monthlyCostEstimateUc: number | null;
  readonly monthToDateUc: number | null;
  readonly feedInMwhMonth: number | null;
  readonly standbyMw: number | null;
  readonly nasState: NasPowerState | null;
  readonly nasAsleepSecondsToday: number | null;
  readonly savedMwhMonth: number | null;
  readonly savedUcMonth: number | null;
}

/** Standby of one plug. */
export interface DeviceStandby {
  readonly deviceId: string;
  readonly deviceName: string;
  readonly standbyMw: number | null;
  /** A year of it at the mean price of all hours of a week, micro-cents. */
  readonly yearlyUc: number | null;
}

interface SummaryDeps {
  readonly view: BucketView;
  readonly nasHours: NasHourRows;
  readonly time: LocalTime;
  readonly nowS: number;
  /** The NAS's hours that only memory has. */
  readonly liveNasHours: readonly NasHour[];
}

const DAY_S = 86_400;
const WEEKDAYS_BASIS_S = 56 * DAY_S;
const AVERAGE_BASIS_S = 30 * DAY_S;
const STANDBY_BASIS_S = 7 * DAY_S;
const IDLE_BASIS_S = 30 * DAY_S;
const YEAR_HOURS = 8_766;

type Costs = Pick<
  Summary,
  'avgDailyMwh' | 'monthlyCostEstimateUc' | 'monthToDateUc' | 'feedInMwhMonth' | 'standbyMw'
>;

export function householdSummary(deps: SummaryDeps): Costs {
  const { view, time, nowS } = deps;
  const todayS = time.dayStart(nowS);
  const complete = view
    .days(HOUSEHOLD, nowS - WEEKDAYS_BASIS_S, nowS)
    .filter(({ startS }) => startS < todayS);
  const recent = complete.filter(({ startS }) => startS >= nowS - AVERAGE_BASIS_S);
  const average = usualDay(recent);
  const monthS = time.monthStart(nowS);
  const shares = view.shares(HOUSEHOLD, monthS, nowS);
  const toDateUc = shares.reduce((sum, share) => sum + share.costUc, 0);
  return {
    avgDailyMwh: average === null ? null : Math.round(average.energyMwh),
    monthlyCostEstimateUc: monthEstimateUc(complete, toDateUc, nowS, time),
    monthToDateUc: shares.length === 0 ? null : toDateUc,
    feedInMwhMonth: shares.length === 0 ? null : view.feedInMwh(HOUSEHOLD, monthS, nowS),
    standbyMw: standbyOf(view.fine(HOUSEHOLD, nowS - STANDBY_BASIS_S, nowS)),
  };
}

type Sleep = Pick<Summary, 'nasAsleepSecondsToday' | 'savedMwhMonth' | 'savedUcMonth'>;

/** Without a plug of role `nas`. */
export const NO_NAS: Sleep = {
  nasAsleepSecondsToday: null,
  savedMwhMonth: null,
  savedUcMonth: null,
};

/** The plug of the NAS. */
export interface NasPlug {
  readonly number: number;
  readonly borders: NasBorders;
  /** Where an admin corrected its past. */
  readonly corrected: readonly { readonly fromS: number; readonly toS: number }[];
}

export function nasSummary(deps: SummaryDeps, nas: NasPlug): Sleep {
  const { time, nowS } = deps;
  const monthS = time.monthStart(nowS);
  const todayS = time.dayStart(nowS);
  const basisS = Math.min(monthS, nowS - IDLE_BASIS_S);
  const stored = deps.nasHours.range(basisS, nowS);
  const hours = mergedHours(putRight(stored, basisS, deps, nas), deps.liveNasHours);
  const today = hours.filter(({ startS }) => startS >= todayS);
  const month = hours.filter(({ startS }) => startS >= monthS);
  const savings = nasSavings(month, hours);
  return {
    nasAsleepSecondsToday:
      today.length === 0 ? null : today.reduce((sum, hour) => sum + hour.asleepS, 0),
    savedMwhMonth: savings?.savedMwh ?? null,
    savedUcMonth: savings?.savedUc ?? null,
  };
}

export function standbyOfDevices(
  devices: readonly EnergyDevice[],
  view: BucketView,
  prices: Prices,
  nowS: number,
  time: LocalTime,
): DeviceStandby[] {
  const { tariffs } = prices;
  const todayS = time.dayStart(nowS);
  // Slot prices are only known for the past; other prices predict the days to come.
  const isPast = tariffs.hasSlotAt(todayS - DAY_S);
  const weekS = isPast ? todayS - STANDBY_BASIS_S : todayS;
  const priceUcPerKwh = tariffs.meanUcPerKwh(weekS, weekS + STANDBY_BASIS_S);
  const numbers = devices.map(({ number }) => number);
  const fine = view.fineOfPlugs(numbers, nowS - STANDBY_BASIS_S, nowS);
  return devices.map((device) => {
    const watts = standbyOf(fine.get(device.number) ?? []);
    const yearlyUc =
      watts === null ? null : Math.round((watts * YEAR_HOURS * priceUcPerKwh) / 1_000_000);
    return { deviceId: device.id, deviceName: device.name, standbyMw: watts, yearlyUc };
  });
}

function standbyOf(buckets: readonly Bucket[]): number | null {
  return standbyMw(buckets.filter(({ isEstimated }) => !isEstimated).map(usedMw));
}

/**
 * The hours with corrections applied. The stored ones are as metered, and count again once a
 * correction is undone.
 */
function putRight(
  stored: readonly NasHour[],
  basisS: number,
  { view, time, nowS }: SummaryDeps,
  { number, borders, corrected }: NasPlug,
): readonly NasHour[] {
  const hours = new Map(stored.map((hour) => [hour.startS, hour]));
  for (const { fromS, toS } of corrected) {
    const firstS = Math.max(basisS, time.hourStart(fromS));
    const endS = time.hourEnd(Math.min(toS, nowS) - 1);
    if (endS <= firstS) continue;
    const fine = grouped(view.fine(number, firstS, endS), (startS) => time.hourStart(startS));
    const known = new Map(view.hours(number, firstS, endS).map((hour) => [hour.startS, hour]));
    for (const { startS, priceUcPerKwh } of stored) {
      if (startS < firstS || startS >= endS) continue;
      const hour = known.get(startS);
      const parts = fine.get(startS) ?? (hour === undefined ? [] : [hour]);
      hours.set(startS, nasHourOf(startS, parts, priceUcPerKwh, borders));
    }
  }
  return [...hours.values()];
}

function mergedHours(stored: readonly NasHour[], live: readonly NasHour[]): NasHour[] {
  const hours = new Map([...stored, ...live].map((hour) => [hour.startS, hour]));
  return [...hours.values()];
}

/** Days with less coverage say too little about a whole day. */
const LEAST_COVERED_S = 3_600;
/** Energy and cost of a usual day. */
interface UsualDay {
  readonly energyMwh: number;
  readonly costUc: number;
}

/** The energy of a usual day, weighted by how much of each day is known; null without any. */
function usualDay(days: readonly DayBucket[]): UsualDay | null {
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
function monthEstimateUc(
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
function standbyMw(meansMw: readonly number[]): number | null {
  if (meansMw.length < 144) return null;
  const sorted = Int32Array.from(meansMw).sort();
  return sorted[Math.floor((sorted.length - 1) * 0.05)] ?? null;
}

/** What one plug used from the start of a calendar period until now. */
export interface PeriodStats {
  readonly fromS: number;
  readonly toS: number;
  readonly bucket: Bucket;
  /** Readings that a complete grid has in the covered time. */
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
    // The hour in which a plug was added began before it; the covered part has surely passed.
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

/** The hours of a stretch, oldest first, each with its cost; unknown ones are missing. */
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
  query: RangeQuery,
  view: BucketView,
  nowS: number,
  time: LocalTime,
): HoursOf | Exclude<RangeOutcome, { kind: 'range' }> {
  const range = rangeOf(query, 'day', nowS, time);
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
/** A plug is read twice a minute, so a stretch is never measured right to its edges. */
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
