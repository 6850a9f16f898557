import { dayNumberOf, type LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';

export const PERIODS = ['day', 'week', 'month', 'year'] as const;
export type Period = (typeof PERIODS)[number];

/** From fine to coarse. `week` and `month` are for more days than an answer may have points. */
export const RESOLUTIONS = ['raw', '5m', 'hour', 'day', 'week', 'month'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

export interface RangeQuery {
  readonly period?: string | undefined;
  /** Epoch ms or a text as {@link parseMoment} takes it. They override the period. */
  readonly from?: number | string | undefined;
  readonly to?: number | string | undefined;
}

export type RangeOutcome =
  | {
      readonly kind: 'range';
      /** As requested, or the default; also where `from` and `to` override it. */
      readonly period: Period;
      readonly fromS: number;
      readonly toS: number;
    }
  | { readonly kind: 'unknown_period' }
  /** `field`: the one that is not a valid time, or lies on the wrong side of the other. */
  | { readonly kind: 'bad_range'; readonly field: 'from' | 'to' };

const STEP_S: Readonly<Record<Exclude<Resolution, 'raw'>, number>> = {
  '5m': 300,
  hour: 3_600,
  day: 86_400,
  week: 7 * 86_400,
  month: 30 * 86_400,
};

export const MOST_POINTS = 1_000;

/** The stretch of time a caller means. Periods run from their local beginning up to now. */
export function rangeOf(
  query: RangeQuery,
  standard: Period,
  nowS: number,
  time: LocalTime,
): RangeOutcome {
  const period = PERIODS.find((candidate) => candidate === (query.period ?? standard));
  if (period === undefined) return { kind: 'unknown_period' };
  if (query.from === undefined && query.to === undefined) {
    return { kind: 'range', period, fromS: periodStart(period, nowS, time), toS: nowS };
  }
  const toS = query.to === undefined ? nowS : momentS(query.to, time);
  if (toS === null) return { kind: 'bad_range', field: 'to' };
  const fromS =
    query.from === undefined ? periodStart(period, toS - 1, time) : momentS(query.from, time);
  if (fromS === null || fromS >= toS) return { kind: 'bad_range', field: 'from' };
  return { kind: 'range', period, fromS, toS };
}

/**
 * A time as callers write it: `2026-02-22T14:30:00Z`, with an offset, without one (local), or a
 * date alone, which means its first instant.
 * @returns epoch ms, null when it is neither
 */
export function parseMoment(text: string, time: LocalTime): number | null {
  const day = dayNumberOf(text);
  if (day !== null) return time.startOfDay(day) * 1_000;
  if (!/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(text)) return null;
  const isZoned = /(?:[Zz]|[+-]\d{2}:?\d{2})$/.test(text);
  // An unescaped plus sign in a query arrives as a space.
  const ms = Date.parse(isZoned ? text.replace(' ', 'T') : `${text.replace(' ', 'T')}Z`);
  if (Number.isNaN(ms)) return null;
  return isZoned ? ms : ms - time.offsetS(ms / 1_000 - time.offsetS(ms / 1_000)) * 1_000;
}

export interface ResolutionLimits {
  readonly sampleIntervalS: number;
  /** The part of the range with any data: a day without data makes no point. */
  readonly knownS: number;
  /** Whether buckets that fine still exist for the whole range. */
  readonly exists: (resolution: Resolution) => boolean;
  /** Without a limit the query is kept however many points that makes. */
  readonly mostPoints: number;
}

/** The requested resolution, or the next coarser one that is available. */
export function resolutionFor(
  query: Resolution | 'auto',
  fromS: number,
  toS: number,
  limits: ResolutionLimits,
): Resolution {
  const spanS = toS - fromS;
  const asked = query === 'auto' ? automatic(spanS, limits.knownS) : query;
  const candidates = RESOLUTIONS.slice(RESOLUTIONS.indexOf(asked));
  const fits = (resolution: Resolution): boolean => {
    const stepS = resolution === 'raw' ? limits.sampleIntervalS : STEP_S[resolution];
    const ofS = stepS < STEP_S.day ? spanS : limits.knownS;
    return ofS / stepS + 2 <= limits.mostPoints && limits.exists(resolution);
  };
  return candidates.find(fits) ?? 'month';
}

/** The first instant of the bucket that holds `atS`. */
export function bucketStart(resolution: Resolution, atS: number, time: LocalTime): number {
  switch (resolution) {
    case 'raw':
      return atS;
    case '5m':
      return Math.floor(atS / 300) * 300;
    case 'hour':
      return time.hourStart(atS);
    case 'day':
      return time.dayStart(atS);
    case 'week':
      return time.weekStart(atS);
    case 'month':
      return time.monthStart(atS);
  }
}

/** The first instant behind the bucket that holds `atS`. */
function bucketEnd(resolution: Resolution, atS: number, time: LocalTime): number {
  switch (resolution) {
    case 'raw':
      return atS + 1;
    case '5m':
      return bucketStart(resolution, atS, time) + STEP_S['5m'];
    case 'hour':
      return time.hourEnd(atS);
    case 'day':
      return time.nextDayStart(atS);
    case 'week':
      return time.startOfDay(time.dayNumber(time.weekStart(atS)) + 7);
    case 'month':
      return time.monthStart(atS, 1);
  }
}

/**
 * The end of a range in whole buckets; an unfinished one ends now, and a later query includes it.
 */
export function endOfBuckets(
  resolution: Resolution,
  toS: number,
  nowS: number,
  time: LocalTime,
): number {
  return toS >= nowS ? toS : Math.min(nowS, bucketEnd(resolution, toS - 1, time));
}

/** At most 500 points, the most a chart shows. */
function automatic(spanS: number, knownS: number): Resolution {
  if (spanS <= 26 * 3_600) return '5m';
  if (spanS <= 8 * 86_400) return 'hour';
  if (knownS <= 490 * 86_400) return 'day';
  return knownS <= 3_400 * 86_400 ? 'week' : 'month';
}

function periodStart(period: Period, atS: number, time: LocalTime): number {
  switch (period) {
    case 'day':
      return time.dayStart(atS);
    case 'week':
      return time.weekStart(atS);
    case 'month':
      return time.monthStart(atS);
    case 'year':
      return time.yearStart(atS);
  }
}

/** 0001-01-01 wherever that comes first, to 9999-01-01: other years have no four digits. */
const [FIRST_S, LAST_S] = [-62_135_683_200, 253_370_764_800];

/** A moment as epoch seconds, below 0 before 1970; null when it is none from the year 1 to 9998. */
export function momentS(moment: number | string, time: LocalTime): number | null {
  const ms = typeof moment === 'number' ? moment : parseMoment(moment, time);
  if (ms === null || !Number.isFinite(ms)) return null;
  const atS = Math.floor(ms / 1_000);
  return atS < FIRST_S || atS > LAST_S ? null : atS;
}
