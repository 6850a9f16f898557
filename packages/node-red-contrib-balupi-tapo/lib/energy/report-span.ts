import { dateOf, dayNumberOf, type LocalTime } from './local-time.ts';
import { momentS, type Period } from './periods.ts';

/** With nothing, with the stretch before it, or with the same a year earlier. */
export type Comparison = 'none' | 'previous' | 'year';

/** How wide the bars of a report are. */
export type BarUnit = 'hour' | 'day' | 'week' | 'month' | 'year';

export interface SpanWish {
  /** Its calendar period holds `date`; missing: a day. */
  readonly period?: Period | undefined;
  /** Any moment of the period as text; missing: now. */
  readonly date?: string | undefined;
  /** They win over the period, and mean all of the local days they touch; `to` is not included. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Whole local days, in epoch seconds. */
export interface Stretch {
  readonly fromS: number;
  readonly toS: number;
}

export interface Span extends Stretch {
  readonly kind: 'span';
  readonly period: Period | 'range';
  readonly unit: BarUnit;
}

export type SpanRefusal =
  | { readonly kind: 'bad_date' }
  /** The one that is no day, or that lies on the wrong side of the other, or too far from it. */
  | { readonly kind: 'bad_range'; readonly field: 'from' | 'to' };

export type SpanOutcome = Span | SpanRefusal;

/** One bar of a report, also where it is still to come. */
export interface BarSpan {
  /** Which one from the beginning of its span on; bars of two spans with one number are compared. */
  readonly number: number;
  readonly startS: number;
  readonly endS: number;
}

/** More would be bars nobody can tell apart. */
const LONGEST_DAYS = 40 * 366;
/** The first day whose year has one before it. */
const FIRST_DAY = dayNumberOf('0002-01-01') ?? 0;
/** The last day whose year has bars up to its end before the year 9999. */
const LAST_DAY = Date.UTC(9998, 11, 31) / 86_400_000;
const UNIT_OF: Readonly<Record<Period, BarUnit>> = {
  day: 'hour',
  week: 'day',
  month: 'day',
  year: 'month',
};

/** The stretch of time that a report is about: a whole calendar period, or whole local days. */
export function spanOf(wish: SpanWish, nowS: number, time: LocalTime): SpanOutcome {
  if (wish.from !== undefined || wish.to !== undefined) return rangeOf(wish, nowS, time);
  const atS = wish.date === undefined ? nowS : momentS(wish.date, time);
  if (atS === null || !isShown(time.dayNumber(atS))) return { kind: 'bad_date' };
  const period = wish.period ?? 'day';
  const [fromS, toS] = periodAt(period, atS, time);
  return { kind: 'span', period, unit: UNIT_OF[period], fromS, toS };
}

function rangeOf({ from, to }: SpanWish, nowS: number, time: LocalTime): SpanOutcome {
  const endS = to === undefined ? nowS : momentS(to, time);
  if (endS === null) return { kind: 'bad_range', field: 'to' };
  const beginS = from === undefined ? endS - 1 : momentS(from, time);
  if (beginS === null || beginS >= endS) return { kind: 'bad_range', field: 'from' };
  const [first, last] = [time.dayNumber(beginS), time.dayNumber(endS - 1)];
  if (!isShown(last)) return { kind: 'bad_range', field: 'to' };
  const isFar = !isShown(first) || last - first >= LONGEST_DAYS;
  if (isFar) return { kind: 'bad_range', field: 'from' };
  const [fromS, toS] = [time.startOfDay(first), time.startOfDay(last + 1)];
  return { kind: 'span', period: 'range', unit: unitFor(last - first + 1), fromS, toS };
}

function isShown(day: number): boolean {
  return day >= FIRST_DAY && day <= LAST_DAY;
}

function unitFor(days: number): BarUnit {
  if (days <= 2) return 'hour';
  if (days <= 62) return 'day';
  if (days <= 190) return 'week';
  return days <= 10 * 366 ? 'month' : 'year';
}

function periodAt(period: Period, atS: number, time: LocalTime): [number, number] {
  switch (period) {
    case 'day':
      return [time.dayStart(atS), time.nextDayStart(atS)];
    case 'week': {
      const startS = time.weekStart(atS);
      return [startS, time.startOfDay(time.dayNumber(startS) + 7)];
    }
    case 'month':
      return [time.monthStart(atS), time.monthStart(atS, 1)];
    case 'year':
      return [time.yearStart(atS), time.monthStart(time.yearStart(atS), 12)];
  }
}

/** What a span is compared with; null for nothing. */
export function comparedWith(span: Span, comparison: Comparison, time: LocalTime): Stretch | null {
  if (comparison === 'none') return null;
  const { fromS, toS, period } = span;
  if (period === 'month' || period === 'year') {
    const months = period === 'month' ? 1 : 12;
    const back = comparison === 'year' ? 12 : months;
    return { fromS: time.monthStart(fromS, -back), toS: time.monthStart(fromS, months - back) };
  }
  const first = time.dayNumber(fromS);
  const days = time.dayNumber(toS - 1) - first + 1;
  const start = comparison === 'previous' ? first - days : aYearBefore(first, period);
  return { fromS: time.startOfDay(start), toS: time.startOfDay(start + days) };
}

/** The same date; of a week the one with the same weekdays. */
function aYearBefore(day: number, period: Span['period']): number {
  if (period === 'week') return day - 364;
  const [year = '', month = '', date = ''] = dateOf(day).split('-');
  const before = String(Number(year) - 1).padStart(4, '0');
  return dayNumberOf(`${before}-${month}-${date}`) ?? dayNumberOf(`${before}-02-28`) ?? day - 365;
}

/**
 * How far into the other stretch the span has come by now, on the hour; null when the span is over
 * or has not begun.
 */
export function asFarAs(span: Span, other: Stretch, nowS: number, time: LocalTime): number | null {
  if (nowS <= span.fromS || nowS >= span.toS) return null;
  const days = time.dayNumber(nowS) - time.dayNumber(span.fromS);
  const dayS = time.startOfDay(time.dayNumber(other.fromS) + days);
  return Math.min(other.toS, time.hourStart(dayS + nowS - time.dayStart(nowS)));
}

/** The bars of a stretch, without gaps and in order. */
export function barsOf({ fromS, toS }: Stretch, unit: BarUnit, time: LocalTime): BarSpan[] {
  const bars: BarSpan[] = [];
  for (let atS = fromS; atS < toS;) {
    const endS = Math.min(toS, endOf(unit, atS, time));
    const number = numberOf(unit, fromS, atS, time);
    const known = bars.at(-1);
    // The hour that comes twice when the clocks go back is one bar of two hours.
    if (known?.number === number) bars.splice(-1, 1, { ...known, endS });
    else bars.push({ number, startS: atS, endS });
    atS = endS;
  }
  return bars;
}

function endOf(unit: BarUnit, atS: number, time: LocalTime): number {
  if (unit === 'hour') return time.hourEnd(atS);
  return periodAt(unit, atS, time)[1];
}

function numberOf(unit: BarUnit, fromS: number, atS: number, time: LocalTime): number {
  const days = time.dayNumber(atS) - time.dayNumber(fromS);
  switch (unit) {
    case 'hour':
      return days * 24 + time.hourOfDay(atS);
    case 'day':
      return days;
    case 'week':
      return Math.round((time.dayNumber(time.weekStart(atS)) - weekOf(fromS, time)) / 7);
    case 'month':
      return months(atS, time) - months(fromS, time);
    case 'year':
      return Math.floor(months(atS, time) / 12) - Math.floor(months(fromS, time) / 12);
  }
}

function weekOf(atS: number, time: LocalTime): number {
  return time.dayNumber(time.weekStart(atS));
}

/** Months since the year 0. */
function months(atS: number, time: LocalTime): number {
  const [year = '', month = ''] = time.date(atS).split('-');
  return Number(year) * 12 + Number(month) - 1;
}
