import { type Bar, BAR_PERIODS, type BarPeriod, type Costs } from '../lib/energy/energy.ts';
import type { Act } from '../lib/guard/acts.ts';
import type { ApiMessage } from '../lib/guard/call.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** A point of a chart of the Dashboard: `x` where, `y` how much, `series` of what. */
interface Point {
  readonly x: string | number;
  /** Null ends a line: nothing is known here. */
  readonly y: number | null;
  readonly series: string;
}

const MWH_PER_KWH = 1_000_000;
const UC_PER_EURO = 100_000_000;
/** The Dashboard keeps each point as a message of its own, so a chart gets no more. */
const MOST_POINTS = 500;
/** Of a point of the day's power. */
const MEAN_S = 300;
/** A gauge that is full now and then is one that can be read; it grows in these steps. */
const GAUGE_STEPS_W = [100, 200, 500, 1_000, 2_000, 3_500, 5_000, 10_000];
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

const kwh = (mwh: number): number => rounded(mwh / MWH_PER_KWH, 3);
const euro = (uc: number): number => rounded(uc / UC_PER_EURO, 2);

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** A number that is shown in the reader's way; a dash where there is none. */
function shown(value: number | null, digits: number, unit: string): string {
  return value === null ? '–' : `[[#${value.toFixed(digits)}]] ${unit}`;
}

function shownEuro(uc: number | null): string {
  return uc === null ? '–' : `[[#${(uc / UC_PER_EURO).toFixed(2)} €]]`;
}

function show(message: ApiMessage, payload: unknown): ApiMessage {
  message.payload = payload;
  return message;
}

/** A message to a chart may also say how it is drawn (ECharts' options). */
interface ChartMessage extends ApiMessage {
  ui_update?: unknown;
}

/** Legible on a light and on a dark page alike. */
const SOFT = '#8692a0';
const GRID = 'rgba(128, 128, 128, 0.22)';

/** The Dashboard cuts the labels below a chart off and draws a line at each bar. */
const CHART_LOOKS = {
  grid: { left: 8, right: 16, bottom: 10, containLabel: true },
  legend: { textStyle: { color: SOFT } },
  xAxis: { splitLine: { show: false }, axisTick: { show: false }, axisLabel: { color: SOFT } },
};

function draw(message: ChartMessage, points: readonly Point[], unit: string): ApiMessage {
  const yAxis = {
    name: '',
    axisLine: { show: false },
    axisLabel: { color: SOFT, formatter: `{value} ${unit}` },
    splitLine: { lineStyle: { color: GRID } },
  };
  message.ui_update = { chartOptions: { ...CHART_LOOKS, yAxis } };
  return show(message, points);
}

/** Each plug now, and how old that is. */
function now({ energy, clock }: Rooms, message: ChartMessage): ApiMessage {
  const { devices, totalPowerW } = energy.current();
  const nowMs = clock.nowMs();
  const max = GAUGE_STEPS_W.find((step) => step >= (totalPowerW ?? 0)) ?? 20_000;
  message.ui_update = { max };
  return show(message, {
    total_power_w: totalPowerW === null ? null : rounded(totalPowerW, 1),
    devices: devices.map((device) => ({
      id: device.deviceId,
      name: device.deviceName,
      power_w: device.powerW,
      today_kwh: device.energyTodayWh === null ? null : rounded(device.energyTodayWh / 1_000, 3),
      is_stale: device.isStale,
      is_online: device.isOnline,
      relay: device.relay,
      age_s: device.atMs === null ? null : Math.max(0, Math.round((nowMs - device.atMs) / 1_000)),
    })),
  });
}

function costsOf({ energy }: Rooms, period: BarPeriod, deviceId?: string): Costs | null {
  const found = energy.costs({ period, deviceId });
  return found.kind === 'costs' ? found : null;
}

/** How much of what is over of a period is known, and how much of its energy was estimated. */
function coverage(bars: readonly Bar[], nowS: number): Record<string, number | null> {
  const begun = bars.filter(({ startS, coveredS }) => startS < nowS && coveredS > 0);
  const first = begun[0]?.startS ?? nowS;
  const coveredS = begun.reduce((sum, bar) => sum + bar.coveredS, 0);
  const estimated = bars.reduce((sum, bar) => sum + bar.estimatedMwh, 0);
  const measured = bars.reduce((sum, bar) => sum + bar.measuredMwh, 0);
  const whole = estimated + measured;
  return {
    covered_percent: nowS > first ? Math.min(100, (100 * coveredS) / (nowS - first)) : null,
    estimated_percent: whole === 0 ? null : (100 * estimated) / whole,
    estimated_kwh: kwh(estimated),
  };
}

function glance(rooms: Rooms, message: ApiMessage): ApiMessage {
  const { energy, clock } = rooms;
  const summary = energy.summary();
  const euros = (uc: number | null): number | null => (uc === null ? null : euro(uc));
  const periods = BAR_PERIODS.map((period) => {
    const costs = costsOf(rooms, period);
    return [period, { kwh: kwh(costs?.energyMwh ?? 0), euro: euro(costs?.costUc ?? 0) }] as const;
  });
  return show(message, {
    ...Object.fromEntries(periods),
    price_cents: rounded(costsOf(rooms, 'day')?.pricePerKwhCents ?? 0, 1),
    forecast_euro: euros(summary.monthlyCostEstimateUc),
    daily_kwh: summary.avgDailyMwh === null ? null : kwh(summary.avgDailyMwh),
    standby_w: summary.standbyMw === null ? null : summary.standbyMw / 1_000,
    nas_state: summary.nasState,
    nas_asleep_hours:
      summary.nasAsleepSecondsToday === null ? null : summary.nasAsleepSecondsToday / 3_600,
    saved_kwh: summary.savedMwhMonth === null ? null : kwh(summary.savedMwhMonth),
    saved_euro: euros(summary.savedUcMonth),
    month_coverage: coverage(energy.bars('month'), Math.floor(clock.nowMs() / 1_000)),
  });
}

/** Five-minute means of each plug since midnight, and of all together. */
function power({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const { devices } = energy.current();
  const series = devices.map(({ deviceId, deviceName }) => ({ deviceId, name: deviceName }));
  const points = series.flatMap(({ deviceId, name }): Point[] => {
    const found = energy.history({ deviceId, period: 'day', resolution: '5m' });
    if (found.kind !== 'history') return [];
    return lineOf(name, found.points).slice(-MOST_POINTS);
  });
  return draw(message, points, 'W');
}

/** A line that is broken where nothing was measured, rather than drawn across. */
function lineOf(
  series: string,
  means: readonly { readonly startS: number; readonly avgMw: number }[],
): Point[] {
  return means.flatMap(({ startS, avgMw }, at): Point[] => {
    const point = { x: startS * 1_000, y: rounded(avgMw / 1_000, 1), series };
    const before = means[at - 1]?.startS ?? startS;
    if (startS - before <= MEAN_S) return [point];
    return [{ x: (before + MEAN_S) * 1_000, y: null, series }, point];
  });
}

function labelOf(period: BarPeriod, number: number): string {
  switch (period) {
    case 'day':
      return String(number).padStart(2, '0');
    case 'week':
      return `[[${WEEKDAYS[number - 1] ?? ''}]]`;
    case 'month':
      return String(number);
    case 'year':
      return `[[${MONTHS[number - 1] ?? ''}]]`;
  }
}

/** The household's energy of a period; what was estimated is a series of its own. */
function bars({ energy }: Rooms, message: ApiMessage, period: BarPeriod): ApiMessage {
  const known = energy.bars(period);
  const pointsOf = (series: string, mwhOf: (bar: Bar) => number): Point[] =>
    known.map((bar) => ({ x: labelOf(period, bar.number), y: kwh(mwhOf(bar)), series }));
  const measured = pointsOf('[[measured]]', ({ measuredMwh }) => measuredMwh);
  const estimated = pointsOf('[[estimated]]', ({ estimatedMwh }) => estimatedMwh);
  return draw(message, [...measured, ...estimated], 'kWh');
}

function tariffs(rooms: Rooms, message: ApiMessage): ApiMessage {
  const months = costsOf(rooms, 'month')?.byTariff ?? [];
  const points = months.map(({ name, costUc }): Point => ({
    x: name,
    y: euro(costUc),
    series: name,
  }));
  return draw(message, points, '€');
}

function ranking(rooms: Rooms, message: ApiMessage): ApiMessage {
  const months = rooms.energy.current().devices.map(({ deviceId, deviceName: name }) => {
    const costs = costsOf(rooms, 'month', deviceId);
    return { name, mwh: costs?.energyMwh ?? 0, uc: costs?.costUc ?? 0 };
  });
  const all = months.reduce((sum, { mwh }) => sum + mwh, 0);
  const rows = months
    .sort((a, b) => b.mwh - a.mwh)
    .map(({ name, mwh, uc }) => ({
      name,
      energy: shown(mwh / MWH_PER_KWH, 2, 'kWh'),
      cost: shownEuro(uc),
      share: all === 0 ? 0 : Math.round((100 * mwh) / all),
    }));
  return show(message, rows);
}

function standby({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const rows = energy.standby().map(({ deviceName: name, standbyMw, yearlyUc }) => ({
    name,
    standby: shown(standbyMw === null ? null : standbyMw / 1_000, 1, 'W'),
    year: shownEuro(yearlyUc),
  }));
  return show(message, rows);
}

/**
 * What the pages of the Dashboard show of energy, in the form their charts and tables take.
 * @param period for the bars; a day where it is none
 */
export function pageActs(period: string | undefined): Readonly<Record<string, Act<Rooms>>> {
  const known = BAR_PERIODS.find((candidate) => candidate === period) ?? 'day';
  return {
    'page-now': now,
    'page-glance': glance,
    'page-power': power,
    'page-bars': (rooms, message) => bars(rooms, message, known),
    'page-tariffs': tariffs,
    'page-ranking': ranking,
    'page-standby': standby,
  };
}
