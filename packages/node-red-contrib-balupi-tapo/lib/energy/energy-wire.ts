import type { Bucket } from './buckets.ts';
import type { NamedCorrection } from './corrections.ts';
import type { Costs } from './costs.ts';
import type { History, HistoryPages } from './history.ts';
import type { Current } from './latest.ts';
import type { PriceFault, PriceInput, SlotFault } from './price-input.ts';
import type { Costed } from './prices.ts';
import type { Report, ReportLine, ReportLines, Used } from './report.ts';
import type { Summary } from './summary.ts';
import { type Price, UC_PER_CENT } from './tariff.ts';
import type { UnusualHour } from './unusual.ts';

/** The contract's shapes (section 5), from the module's own. Nothing here decides anything. */

export function currentJson(current: Current) {
  return {
    devices: current.devices.map((device) => ({
      device_id: device.deviceId,
      device_name: device.deviceName,
      name: device.deviceName,
      power_w: device.powerW,
      voltage_v: device.voltageV,
      current_a: device.currentA,
      energy_today_wh: device.energyTodayWh,
      is_online: device.isOnline,
      is_stale: device.isStale,
      timestamp: device.atMs === null ? null : isoMs(device.atMs),
    })),
    total_power_w: current.totalPowerW,
  };
}

export function historyJson(history: History) {
  return {
    device_id: history.deviceId,
    device_name: history.deviceName,
    period: history.period,
    from: isoS(history.fromS),
    to: isoS(history.toS),
    resolution: history.resolution,
    data: history.points.map(pointJson),
  };
}

export function reportJson(report: Report) {
  const { device, span, compared } = report;
  return {
    device_id: device?.id ?? null,
    device_name: device?.name ?? null,
    period: span.period,
    from: isoS(span.fromS),
    to: isoS(span.toS),
    unit: span.unit,
    first_at: known(report.firstS, isoS),
    total: totalJson(report),
    by_tariff: report.tariffs.map((tariff) => ({
      price_id: tariff.priceId,
      name: tariff.name,
      energy_wh: thousandth(tariff.energyMwh),
      cost_cents: cents(tariff.costUc),
    })),
    compared: known(compared, comparedJson),
    buckets: report.bars.map(barJson),
    devices: report.devices.map(plugJson),
    power_step_seconds: report.curveStepS,
    power: report.curves.map(({ deviceId, points }) => ({
      device_id: deviceId,
      points: points.map(({ startS, avgMw }) => ({
        timestamp: isoS(startS),
        avg_power_w: thousandth(avgMw),
      })),
    })),
  };
}

function comparedJson({ fromS, toS, ...compared }: NonNullable<Report['compared']>) {
  return {
    from: isoS(fromS),
    to: isoS(toS),
    total: usedJson(compared.total),
    so_far: known(compared.soFar, usedJson),
    covered_seconds: compared.coveredS,
    elapsed_seconds: compared.elapsedS,
  };
}

function totalJson(report: Report) {
  return {
    ...usedJson(report.total),
    estimated_wh: thousandth(report.estimatedMwh),
    feed_in_wh: thousandth(report.feedInMwh),
    base_fee_cents: known(report.baseFeeUc, cents),
    co2_g: report.co2G,
    covered_seconds: report.coveredS,
    elapsed_seconds: report.elapsedS,
  };
}

function plugJson(plug: Report['devices'][number]) {
  return {
    device_id: plug.device.id,
    device_name: plug.device.name,
    forgotten: plug.isForgotten,
    ...usedJson(plug),
    feed_in_wh: thousandth(plug.feedInMwh),
    estimated: plug.isEstimated,
    corrected: plug.isCorrected,
    covered_seconds: plug.coveredS,
    compared: known(plug.compared, usedJson),
  };
}

function barJson(bar: Report['bars'][number]) {
  return {
    from: isoS(bar.startS),
    to: isoS(bar.endS),
    ...usedJson(bar),
    estimated_wh: thousandth(bar.estimatedMwh),
    feed_in_wh: thousandth(bar.feedInMwh),
    corrected: bar.isCorrected,
    covered_seconds: bar.coveredS,
    elapsed_seconds: bar.elapsedS,
    compared: known(bar.compared, usedJson),
    devices_wh: bar.ofDevices.map((mwh) => known(mwh, thousandth)),
  };
}

function usedJson({ energyMwh, costUc }: Used) {
  return { energy_wh: known(energyMwh, thousandth), cost_cents: known(costUc, cents) };
}

export function costsJson(costs: Costs) {
  // Where nothing was metered, use is unknown, not zero.
  const isKnown = costs.byTariff.length > 0;
  return {
    device_id: costs.deviceId,
    device_name: costs.deviceName,
    period: costs.period,
    from: isoS(costs.fromS),
    to: isoS(costs.toS),
    total_kwh: isKnown ? kwh(costs.energyMwh) : null,
    feed_in_kwh: kwh(costs.feedInMwh),
    cost_cents: isKnown ? cents(costs.costUc) : null,
    price_per_kwh_cents: costs.pricePerKwhCents,
    base_fee_cents: known(costs.baseFeeUc, cents),
    by_tariff: costs.byTariff.map((tariff) => ({
      name: tariff.name,
      kwh: kwh(tariff.energyMwh),
      cost_cents: cents(tariff.costUc),
    })),
  };
}

export function summaryJson(summary: Summary) {
  const { nasAsleepSecondsToday } = summary;
  return {
    total_devices: summary.totalDevices,
    total_power_w: summary.totalPowerW,
    avg_daily_kwh: known(summary.avgDailyMwh, kwh),
    monthly_cost_estimate_cents: known(summary.monthlyCostEstimateUc, cents),
    month_to_date_cents: known(summary.monthToDateUc, cents),
    feed_in_kwh_month: known(summary.feedInMwhMonth, kwh),
    standby_w: known(summary.standbyMw, thousandth),
    nas_state: summary.nasState ?? ('unknown' as const),
    nas_asleep_hours_today: known(nasAsleepSecondsToday, (seconds) => seconds / 3_600),
    saved_kwh_month: known(summary.savedMwhMonth, kwh),
    saved_cents_month: known(summary.savedUcMonth, cents),
  };
}

export function priceJson(price: Price) {
  return {
    id: price.id,
    name: price.name,
    price_per_kwh_cents: cents(price.priceUcPerKwh),
    valid_from: known(price.validFromS, isoS),
    valid_to: known(price.validToS, isoS),
    weekdays: price.weekdays === null ? null : [...price.weekdays],
    time_from: known(price.fromMinute, clockTime),
    time_to: known(price.toMinute, clockTime),
    is_active: price.isActive,
    vat_percent: price.vatPercent,
    base_fee_cents_per_month: known(price.baseFeeUc, cents),
    slots: price.slots,
  };
}

/** What a price change left as it was, and from when `/recalculate` would reprice it. */
export function costedJson({ hours, fromS }: Costed) {
  return { already_costed_hours: hours, recalculate_from: known(fromS, isoS) };
}

export function correctionJson(correction: NamedCorrection) {
  const { undoneAtS, energyMwh, originalMwh } = correction;
  return {
    id: correction.id,
    device_id: correction.deviceId,
    device_name: correction.deviceName,
    from: isoS(correction.fromS),
    to: isoS(correction.toS),
    energy_wh: known(energyMwh, thousandth),
    clear: energyMwh === null,
    original_energy_wh: known(originalMwh, thousandth),
    why: correction.why,
    corrected_by: correction.madeBy,
    corrected_at: isoS(correction.madeAtS),
    undone_by: correction.undoneBy,
    undone_at: known(undoneAtS, isoS),
  };
}

/** What a flow gets when consumption becomes unusual, or usual again. */
export function unusualJson(hour: UnusualHour) {
  return {
    device_id: hour.deviceId,
    device_name: hour.deviceName,
    hour: isoS(hour.hourStartS),
    level: hour.level,
    power_w: thousandth(hour.powerMw),
    usual_power_w: thousandth(hour.usualMw),
    margin_w: thousandth(hour.marginMw),
    weeks: hour.basis,
  };
}

const PRICE_FIELDS: Readonly<Record<keyof PriceInput, string>> = {
  name: 'name',
  pricePerKwhCents: 'price_per_kwh_cents',
  validFrom: 'valid_from',
  validTo: 'valid_to',
  weekdays: 'weekdays',
  timeFrom: 'time_from',
  timeTo: 'time_to',
  isActive: 'is_active',
  vatPercent: 'vat_percent',
  baseFeeCentsPerMonth: 'base_fee_cents_per_month',
};

/** A price from a JSON body; fields it does not name stay absent. */
export function priceInput(body: Readonly<Record<string, unknown>>): PriceInput {
  const named = Object.entries(PRICE_FIELDS).filter(([, field]) => body[field] !== undefined);
  return Object.fromEntries(named.map(([name, field]) => [name, body[field]]));
}

/** The faults of a price as `errors[]` of a 422. */
export function priceErrors(faults: readonly PriceFault[]) {
  return faults.map(({ field, message }) => {
    const place = PRICE_FIELDS[field];
    return { loc: ['body', place], msg: `${place} ${message}` };
  });
}

/** The faults of slots as `errors[]` of a 422. */
export function slotErrors(faults: readonly SlotFault[]) {
  return faults.map(({ index, field, message }) => ({
    loc: index === null ? ['body', field] : ['body', 'slots', index, field],
    msg: `${field} ${message}`,
  }));
}

const CSV_HEAD =
  'timestamp,avg_power_w,max_power_w,min_power_w,energy_wh,covered_seconds,estimated,quality,feed_in_wh\r\n';

/** A history as CSV (RFC 4180), in chunks. */
export async function* historyCsv(history: HistoryPages): AsyncGenerator<string> {
  yield CSV_HEAD;
  for await (const page of history.pages) yield page.map(csvLine).join('');
}

function csvLine(bucket: Bucket): string {
  return `${Object.values(pointJson(bucket)).join(',')}\r\n`;
}

/** The columns, in their order. */
const CSV_COLUMNS = [
  ...(['localTime', 'utc', 'minutes', 'plugId', 'plug', 'energy', 'cost'] as const),
  ...(['coveredMinutes', 'quality', 'feedIn'] as const),
];

/**
 * How a spreadsheet of one language reads a CSV: the names of the columns and qualities, the
 * separators of fields and decimals, and a date with `YYYY`, `MM` and `DD`.
 */
export type CsvWords = Readonly<
  Record<
    (typeof CSV_COLUMNS)[number] | ReturnType<typeof qualityOf> | 'between' | 'decimal' | 'date',
    string
  >
>;

/**
 * Tells a spreadsheet that UTF-8 follows; with commas between the fields, programs read it, so it
 * is left out.
 */
const UTF8_MARK = '\uFEFF';

/** Hours or days of plugs as CSV (RFC 4180), in chunks. */
export async function* reportCsv({ pages }: ReportLines, words: CsvWords): AsyncGenerator<string> {
  const mark = words.between === ',' ? '' : UTF8_MARK;
  yield `${mark}${CSV_COLUMNS.map((column) => words[column]).join(words.between)}\r\n`;
  for await (const page of pages) {
    yield page.map((line) => `${plugLine(line, words).join(words.between)}\r\n`).join('');
  }
}

function plugLine({ device, bucket, endS, date, minute }: ReportLine, words: CsvWords): string[] {
  const { startS, energyMwh, costUc, coveredS } = bucket;
  const number = (value: number, digits: number): string =>
    value.toFixed(digits).replace('.', words.decimal);
  return [
    `${csvDate(date, words.date)} ${clockTime(minute)}`,
    isoS(startS),
    number((endS - startS) / 60, 0),
    csvText(device.id, words.between),
    csvText(device.name, words.between),
    number(kwh(energyMwh), 6),
    number(cents(costUc) / 100, 6),
    number(coveredS / 60, 1),
    words[qualityOf(bucket)],
    number(kwh(bucket.feedInMwh ?? 0), 6),
  ];
}

/** @param date YYYY-MM-DD */
function csvDate(date: string, form: string): string {
  const [year = '', month = '', day = ''] = date.split('-');
  return form.replace('YYYY', year).replace('MM', month).replace('DD', day);
}

/** A name never acts as a formula, whatever it begins with, and its separators are quoted. */
function csvText(text: string, between: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  const isQuoted = plain.includes(between) || /["\r\n]/.test(plain);
  return isQuoted ? `"${plain.replaceAll('"', '""')}"` : plain;
}

function pointJson(bucket: Bucket) {
  return {
    timestamp: isoS(bucket.startS),
    avg_power_w: thousandth(bucket.avgMw),
    max_power_w: thousandth(bucket.maxMw),
    min_power_w: thousandth(bucket.minMw),
    energy_wh: thousandth(bucket.energyMwh),
    covered_seconds: bucket.coveredS,
    estimated: bucket.isEstimated,
    quality: qualityOf(bucket),
    feed_in_wh: thousandth(bucket.feedInMwh ?? 0),
  };
}

function qualityOf({ isCorrected, isEstimated }: Bucket): 'corrected' | 'estimated' | 'measured' {
  if (isCorrected === true) return 'corrected';
  return isEstimated ? 'estimated' : 'measured';
}

function known<T, U>(value: T | null, show: (value: T) => U): U | null {
  return value === null ? null : show(value);
}

function thousandth(value: number): number {
  return value / 1_000;
}

function kwh(energyMwh: number): number {
  return energyMwh / 1_000_000;
}

function cents(uc: number): number {
  return uc / UC_PER_CENT;
}

function clockTime(minute: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

function isoS(atS: number): string {
  return isoMs(atS * 1_000);
}

function isoMs(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
