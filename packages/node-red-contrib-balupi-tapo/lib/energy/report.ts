import { setImmediate as nextTurn } from 'node:timers/promises';
import { dateOf, dayNumberOf, type LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketRows } from './bucket-rows.ts';
import type { BucketView } from './bucket-view.ts';
import { type Bucket, HOUSEHOLD } from './buckets.ts';
import type { TariffCost } from './costs.ts';
import type { Histories } from './history.ts';
import { momentS, type Period } from './periods.ts';
import type { Prices } from './prices.ts';
import type { EnergyDevice, EnergyDevices } from './sample.ts';

export interface ReportQuery extends SpanQuery {
  /** Missing: the household. */
  readonly deviceId?: string | undefined;
  readonly compare?: Comparison | undefined;
}

export type ReportRefusal = { readonly kind: 'unknown_device' } | SpanRefusal;

/** Energy and what it cost; null where nothing is known. */
export interface Used {
  readonly energyMwh: number | null;
  /** Micro-cents, without the base fee. */
  readonly costUc: number | null;
}

export interface ReportBar extends BarSpan, Used {
  /** The part of the energy taken from the plugs' own counters after a gap. */
  readonly estimatedMwh: number;
  /** What was fed in; no part of the energy. */
  readonly feedInMwh: number;
  readonly isCorrected: boolean;
  /** Seconds of it that are known. */
  readonly coveredS: number;
  /** Seconds of it that have passed since metering began. */
  readonly elapsedS: number;
  /** The bar with the same number in the other stretch; empty where there is none. */
  readonly compared: Used | null;
  /** What each plug had in it, in the order of {@link Report.devices}; null: nothing is known. */
  readonly ofDevices: readonly (number | null)[];
}

interface ReportDevice extends Used {
  readonly device: EnergyDevice;
  readonly isForgotten: boolean;
  readonly feedInMwh: number;
  readonly isEstimated: boolean;
  readonly isCorrected: boolean;
  readonly coveredS: number;
  readonly compared: Used | null;
}

interface ReportTariff extends TariffCost {
  readonly priceId: number;
}

/** Measured power of one plug; nothing where it was not measured. */
interface ReportCurve {
  readonly deviceId: string;
  readonly points: readonly { readonly startS: number; readonly avgMw: number }[];
}

interface ComparedStretch extends Stretch {
  readonly total: Used;
  /** Compared only as far as the span itself has progressed; null when it is over or to come. */
  readonly soFar: Used | null;
  /** The known seconds of it, and all of its seconds, up to where it is compared. */
  readonly coveredS: number;
  readonly elapsedS: number;
}

export interface Report {
  readonly kind: 'report';
  readonly device: EnergyDevice | null;
  readonly span: Span;
  /** When the first value was metered; null: none yet. */
  readonly firstS: number | null;
  readonly total: Used;
  readonly estimatedMwh: number;
  readonly feedInMwh: number;
  readonly coveredS: number;
  readonly elapsedS: number;
  /** For the household alone. */
  readonly baseFeeUc: number | null;
  /** Null where ENERGY_CO2_G_PER_KWH is not set, or nothing is known. */
  readonly co2G: number | null;
  readonly tariffs: readonly ReportTariff[];
  readonly compared: ComparedStretch | null;
  readonly bars: readonly ReportBar[];
  readonly devices: readonly ReportDevice[];
  /** Seconds from point to point; null where the span is too long for a curve. */
  readonly curveStepS: number | null;
  readonly curves: readonly ReportCurve[];
}

/** One row of an export: an hour of one plug, or a day where its hours are no longer kept. */
export interface ReportLine {
  readonly device: EnergyDevice;
  readonly bucket: Known;
  readonly endS: number;
  /** `YYYY-MM-DD` and minute of the day of its beginning, local. */
  readonly date: string;
  readonly minute: number;
}

export interface ReportLines {
  readonly kind: 'lines';
  /** First and last local day, `YYYY-MM-DD`. */
  readonly firstDay: string;
  readonly lastDay: string;
  readonly pages: AsyncIterable<readonly ReportLine[]>;
}

type Known = Bucket & { readonly costUc: number };

interface Deps {
  readonly histories: Pick<Histories, 'subject'>;
  readonly devices: EnergyDevices;
  readonly buckets: BucketRows;
  readonly prices: Prices;
  readonly time: LocalTime;
  readonly co2GPerKwh: number | null;
  readonly view: () => BucketView;
  readonly nowS: () => number;
}

/** The parts of one report. */
interface Question {
  readonly number: number;
  readonly span: Span;
  readonly other: Stretch | null;
  readonly view: BucketView;
  readonly nowS: number;
}

const DAY_S = 86_400;
const FINE_S = 300;
const HOUR_S = 3_600;
const MWH_PER_KWH = 1_000_000;
/** A curve has at most some 300 points: two days by five minutes are smoothed by the screen. */
const FINE_CURVE_DAYS = 2;
const HOURLY_CURVE_DAYS = 9;
const NOTHING: Used = { energyMwh: null, costUc: null };
/** Days of one plug that are written at a time. */
const PAGE_DAYS = 30;

/** Any stretch of the past for a page: bars, plugs, costs, and a stretch to compare with. */
export class Reports {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  report(query: ReportQuery): Report | ReportRefusal {
    const { time, histories } = this.#deps;
    const subject = histories.subject(query.deviceId);
    if (subject.kind !== 'subject') return subject;
    const nowS = this.#deps.nowS();
    const span = spanOf(query, nowS, time);
    if (span.kind !== 'span') return span;
    const other = comparedWith(span, query.compare ?? 'none', time);
    const question = { number: subject.number, span, other, view: this.#deps.view(), nowS };
    return this.#answer(question, subject.device);
  }

  /** All plugs, or one, row by row for an export. */
  lines(query: ReportQuery & { readonly byDay: boolean }): ReportLines | ReportRefusal {
    const { time, histories } = this.#deps;
    const subject = histories.subject(query.deviceId);
    if (subject.kind !== 'subject') return subject;
    const span = spanOf(query, this.#deps.nowS(), time);
    if (span.kind !== 'span') return span;
    const all = this.#everyDevice().map(({ device }) => device);
    const wanted = subject.device === null ? all : [subject.device];
    return {
      kind: 'lines',
      firstDay: time.date(span.fromS),
      lastDay: time.date(span.toS - 1),
      pages: this.#pages(wanted, span, query.byDay),
    };
  }

  #answer(question: Question, device: EnergyDevice | null): Report {
    const { span, number, view, nowS } = question;
    const { prices, co2GPerKwh } = this.#deps;
    const firstS = this.#firstS(question);
    const parts = knownIn(view, number, span, span.unit, nowS);
    const total = usedIn(parts);
    const devices = this.#devices(question);
    const bars = this.#bars(question, parts, devices, firstS);
    const sum = (of: (bar: ReportBar) => number): number => bars.reduce((s, b) => s + of(b), 0);
    const isWhole = device === null;
    const { energyMwh } = total;
    return {
      kind: 'report',
      ...{ device, span, firstS, total, bars },
      estimatedMwh: sum(({ estimatedMwh }) => estimatedMwh),
      feedInMwh: sum(({ feedInMwh }) => feedInMwh),
      coveredS: sum(({ coveredS }) => coveredS),
      elapsedS: sum(({ elapsedS }) => elapsedS),
      baseFeeUc: isWhole ? prices.tariffs.baseFeeUc(span.fromS, Math.min(span.toS, nowS)) : null,
      co2G:
        co2GPerKwh === null || energyMwh === null ? null : (energyMwh / MWH_PER_KWH) * co2GPerKwh,
      tariffs: this.#tariffs(question),
      compared: this.#compared(question),
      devices: devices.map(({ shown }) => shown),
      ...this.#curves(question, device),
    };
  }

  /** When the plug's metering began, to the hour where that lies in the span. */
  #firstS({ number, span, view, nowS }: Question): number | null {
    const { buckets, time } = this.#deps;
    const stored = buckets.oldestDayS(number);
    if (stored !== null && (stored < time.dayStart(span.fromS) || stored >= span.toS))
      return stored;
    const fromS = stored ?? time.dayStart(nowS - DAY_S);
    const [hour] = view.hours(number, fromS, stored === null ? nowS + 1 : time.nextDayStart(fromS));
    return hour?.startS ?? stored;
  }

  #bars(
    question: Question,
    parts: readonly Known[],
    devices: readonly DeviceParts[],
    firstS: number | null,
  ): ReportBar[] {
    const { span, other, view, number, nowS } = question;
    const { time } = this.#deps;
    const bars = barsOf(span, span.unit, time);
    const own = inBars(parts, bars);
    const compared = other === null ? null : this.#comparedBars(question, other);
    const columns = devices.map((device) => inBars(device.parts, bars));
    return bars.map((bar, at) => {
      const held = own[at] ?? [];
      const sinceS = Math.max(bar.startS, firstS ?? nowS);
      const isEstimated = held.some((part) => part.isEstimated);
      return {
        ...{ ...bar, ...usedIn(held) },
        estimatedMwh: isEstimated ? view.estimatedMwh(number, bar.startS, bar.endS) : 0,
        feedInMwh: fedIn(held),
        isCorrected: held.some((part) => part.isCorrected === true),
        coveredS: held.reduce((sum, { coveredS }) => sum + coveredS, 0),
        elapsedS: Math.max(0, Math.min(bar.endS, nowS) - sinceS),
        compared: compared === null ? null : (compared.get(bar.number) ?? NOTHING),
        ofDevices: columns.map((column) => usedIn(column[at] ?? []).energyMwh),
      };
    });
  }

  #comparedBars({ span, number, view, nowS }: Question, other: Stretch): Map<number, Used> {
    const bars = barsOf(other, span.unit, this.#deps.time);
    const held = inBars(knownIn(view, number, other, span.unit, nowS), bars);
    return new Map(bars.map((bar, at) => [bar.number, usedIn(held[at] ?? [])]));
  }

  #compared({ span, other, view, number, nowS }: Question): Report['compared'] {
    if (other === null) return null;
    const { time } = this.#deps;
    const cutS = asFarAs(span, other, nowS, time);
    const soFar = cutS === null ? null : this.#sharesIn(view, number, other.fromS, cutS);
    const endS = Math.min(cutS ?? other.toS, nowS);
    return {
      ...{ ...other, soFar, total: this.#sharesIn(view, number, other.fromS, other.toS) },
      coveredS: this.#coveredS(view, number, other.fromS, endS),
      elapsedS: Math.max(0, endS - other.fromS),
    };
  }

  #coveredS(view: BucketView, number: number, fromS: number, toS: number): number {
    if (toS <= fromS) return 0;
    const lastS = this.#deps.time.dayStart(toS);
    const days = lastS <= fromS ? [] : view.days(number, fromS, lastS);
    const parts = [...days, ...view.hours(number, lastS, toS)];
    return parts.reduce((sum, { coveredS }) => sum + coveredS, 0);
  }

  #sharesIn(view: BucketView, number: number, fromS: number, toS: number): Used {
    const shares = toS <= fromS ? [] : view.shares(number, fromS, toS);
    return usedIn(shares);
  }

  #tariffs({ view, number, span, nowS }: Question): ReportTariff[] {
    const nameOf = this.#deps.prices.nameOf();
    const untilS = Math.min(span.toS, nowS + 1);
    const shares = untilS <= span.fromS ? [] : view.shares(number, span.fromS, untilS);
    return shares.map((share) => ({ ...share, name: nameOf(share.priceId) }));
  }

  /** Every current plug, and the former ones with data in one of the stretches. */
  #devices({ span, other, view, nowS }: Question): DeviceParts[] {
    return this.#everyDevice().flatMap(({ device, isForgotten }): DeviceParts[] => {
      const { number } = device;
      const parts = knownIn(view, number, span, span.unit, nowS);
      const compared = other === null ? null : this.#sharesIn(view, number, other.fromS, other.toS);
      const hasAny = parts.length > 0 || (compared?.energyMwh ?? null) !== null;
      if (isForgotten && !hasAny) return [];
      const shown = {
        ...{ device, isForgotten, compared, ...usedIn(parts) },
        feedInMwh: fedIn(parts),
        isEstimated: parts.some((part) => part.isEstimated),
        isCorrected: parts.some((part) => part.isCorrected === true),
        coveredS: parts.reduce((sum, { coveredS }) => sum + coveredS, 0),
      };
      return [{ parts, shown }];
    });
  }

  #everyDevice(): { readonly device: EnergyDevice; readonly isForgotten: boolean }[] {
    const { devices } = this.#deps;
    return [
      ...devices.list().map((device) => ({ device, isForgotten: false })),
      ...devices.forgotten().map((device) => ({ device, isForgotten: true })),
    ];
  }

  /** Measured values only: an estimate tells how much, but not when. */
  #curves(question: Question, device: EnergyDevice | null): Pick<Report, 'curveStepS' | 'curves'> {
    const { span, view, nowS } = question;
    const days = Math.round((span.toS - span.fromS) / DAY_S);
    if (days > HOURLY_CURVE_DAYS) return { curveStepS: null, curves: [] };
    const [fromS, toS] = [span.fromS, Math.min(span.toS, nowS + 1)];
    const wanted = device === null ? this.#everyDevice().map((one) => one.device) : [device];
    const isFine = days <= FINE_CURVE_DAYS && this.#hasFine(fromS);
    const curves = wanted.map(({ id, number }) => {
      const all = isFine ? view.fine(number, fromS, toS) : view.hours(number, fromS, toS);
      const points = all.filter(({ isEstimated, isCorrected, coveredS }) => {
        return !isEstimated && isCorrected !== true && coveredS > 0;
      });
      return { deviceId: id, points };
    });
    return { curveStepS: isFine ? FINE_S : HOUR_S, curves };
  }

  #hasFine(fromS: number): boolean {
    const { buckets } = this.#deps;
    const oldestS = buckets.oldestFineS();
    const oldestHourS = buckets.oldestHourS(HOUSEHOLD);
    if (oldestS === null || fromS >= oldestS) return true;
    // Nothing that fine was pruned yet.
    return oldestS < (oldestHourS ?? oldestS) + HOUR_S;
  }

  async *#pages(
    devices: readonly EnergyDevice[],
    span: Span,
    byDay: boolean,
  ): AsyncGenerator<readonly ReportLine[]> {
    const { time, buckets, nowS } = this.#deps;
    for (const device of devices) {
      const oldestS = buckets.oldestDayS(device.number) ?? time.dayStart(nowS() - DAY_S);
      const untilS = Math.min(span.toS, nowS() + 1);
      for (let atS = Math.max(span.fromS, oldestS); atS < untilS;) {
        const endS = Math.min(untilS, time.startOfDay(time.dayNumber(atS) + PAGE_DAYS));
        const page = this.#page(device, { fromS: atS, toS: endS }, byDay);
        if (page.length > 0) yield page;
        await nextTurn();
        atS = endS;
      }
    }
  }

  #page(device: EnergyDevice, { fromS, toS }: Stretch, byDay: boolean): ReportLine[] {
    const { time, buckets, view, nowS } = this.#deps;
    const { number } = device;
    const oldestHourS = byDay ? toS : (buckets.oldestHourS(number) ?? nowS() - DAY_S);
    const keptS = Math.min(toS, byDay ? toS : time.dayStart(oldestHourS));
    const seen = view();
    const days = keptS <= fromS ? [] : seen.days(number, fromS, keptS);
    const hours = keptS >= toS ? [] : seen.hours(number, Math.max(fromS, keptS), toS);
    const line = (bucket: Known, endS: number): ReportLine => {
      const { startS } = bucket;
      return { device, bucket, endS, date: time.date(startS), minute: time.minuteOfDay(startS) };
    };
    return [
      ...days.map((day) => line(day, time.nextDayStart(day.startS))),
      ...hours.map((hour) => line(hour, time.hourEnd(hour.startS))),
    ];
  }
}

interface DeviceParts {
  readonly parts: readonly Known[];
  readonly shown: ReportDevice;
}

/** Hours or days of a plug, up to now. */
function knownIn(
  view: BucketView,
  number: number,
  { fromS, toS }: Stretch,
  unit: Span['unit'],
  nowS: number,
): readonly Known[] {
  const untilS = Math.min(toS, nowS + 1);
  if (untilS <= fromS) return [];
  return unit === 'hour' ? view.hours(number, fromS, untilS) : view.days(number, fromS, untilS);
}

function usedIn(parts: readonly { readonly energyMwh: number; readonly costUc: number }[]): Used {
  if (parts.length === 0) return NOTHING;
  let [energyMwh, costUc] = [0, 0];
  for (const part of parts) {
    energyMwh += part.energyMwh;
    costUc += part.costUc;
  }
  return { energyMwh, costUc };
}

function fedIn(parts: readonly Known[]): number {
  return parts.reduce((sum, { feedInMwh = 0 }) => sum + feedInMwh, 0);
}

/** Which parts lie in which bar; both are in order. */
function inBars(parts: readonly Known[], bars: readonly BarSpan[]): Known[][] {
  const held: Known[][] = bars.map(() => []);
  let at = 0;
  for (const part of parts) {
    while (part.startS >= (bars[at]?.endS ?? Number.POSITIVE_INFINITY)) at += 1;
    held[at]?.push(part);
  }
  return held;
}

/** With nothing, with the stretch before it, or with the same a year earlier. */
type Comparison = 'none' | 'previous' | 'year';

/** How wide the bars of a report are. */
type BarUnit = 'hour' | 'day' | 'week' | 'month' | 'year';

interface SpanQuery {
  /** Its calendar period holds `date`; missing: a day. */
  readonly period?: Period | undefined;
  /** Any moment of the period as text; missing: now. */
  readonly date?: string | undefined;
  /** They override the period, and mean all of the local days they touch; `to` is not included. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Whole local days, in epoch seconds. */
interface Stretch {
  readonly fromS: number;
  readonly toS: number;
}

interface Span extends Stretch {
  readonly kind: 'span';
  readonly period: Period | 'range';
  readonly unit: BarUnit;
}

type SpanRefusal =
  | { readonly kind: 'bad_date' }
  /** The one that is not a day, or lies on the wrong side of the other, or too far from it. */
  | { readonly kind: 'bad_range'; readonly field: 'from' | 'to' };

type SpanOutcome = Span | SpanRefusal;

/** One bar of a report, also where it is still to come. */
interface BarSpan {
  /** Its number from the start of the span; bars of two spans with the same number are compared. */
  readonly number: number;
  readonly startS: number;
  readonly endS: number;
}

/** More bars than this could not be told apart. */
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
function spanOf(query: SpanQuery, nowS: number, time: LocalTime): SpanOutcome {
  if (query.from !== undefined || query.to !== undefined) return rangeOf(query, nowS, time);
  const atS = query.date === undefined ? nowS : momentS(query.date, time);
  if (atS === null || !isShown(time.dayNumber(atS))) return { kind: 'bad_date' };
  const period = query.period ?? 'day';
  const [fromS, toS] = periodAt(period, atS, time);
  return { kind: 'span', period, unit: UNIT_OF[period], fromS, toS };
}

function rangeOf({ from, to }: SpanQuery, nowS: number, time: LocalTime): SpanOutcome {
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
function comparedWith(span: Span, comparison: Comparison, time: LocalTime): Stretch | null {
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

/** Up to which hour the other stretch is compared; null when the span is over or has not begun. */
function asFarAs(span: Span, other: Stretch, nowS: number, time: LocalTime): number | null {
  if (nowS <= span.fromS || nowS >= span.toS) return null;
  const days = time.dayNumber(nowS) - time.dayNumber(span.fromS);
  const dayS = time.startOfDay(time.dayNumber(other.fromS) + days);
  return Math.min(other.toS, time.hourStart(dayS + nowS - time.dayStart(nowS)));
}

/** The bars of a stretch, without gaps and in order. */
function barsOf({ fromS, toS }: Stretch, unit: BarUnit, time: LocalTime): BarSpan[] {
  const bars: BarSpan[] = [];
  for (let atS = fromS; atS < toS;) {
    const endS = Math.min(toS, endOf(unit, atS, time));
    const number = numberOf(unit, fromS, atS, time);
    const known = bars.at(-1);
    // The hour that occurs twice when the clocks go back is one bar of two hours.
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
