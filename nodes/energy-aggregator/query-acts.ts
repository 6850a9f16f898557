import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { EnergyCostsQuery, EnergyHistoryQuery, EnergyReportQuery } from '../lib/api/api.ts';
import {
  type Costs,
  costsJson,
  currentJson,
  historyCsv,
  historyJson,
  type HistoryWish,
  homeAssistantFarewells,
  homeAssistantSensors,
  homeAssistantStates,
  reportCsv,
  reportJson,
  type ReportRefusal,
  summaryJson,
  type WishRefusal,
} from '../lib/energy/energy.ts';
import { type ApiMessage, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { type Answer, answer, refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

const RANGE = {
  from: 'must be a day or a time of the years 1 to 9998, before to or, without one, before now',
  to: 'must be a day or a time of the years 1 to 9998',
};
const REPORT_RANGE = {
  from: 'must be a day of the years 2 to 9998, before to and at most 40 years before it',
  to: 'must be a day of the years 2 to 9998',
};

export function current({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(currentJson(energy.current())));
}

export function summary({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(summaryJson(energy.summary())));
}

export function costs({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const { device_id: deviceId, ...rest } = callOf(message).query as EnergyCostsQuery;
  const found = energy.costs({ deviceId, ...rest });
  return withAnswer(message, found.kind === 'costs' ? answer(costsJson(found)) : refusal(found));
}

/** JSON, or with `Accept: text/csv` all points as a stream. */
export async function history({ energy }: Rooms, message: ApiMessage): Promise<unknown> {
  const { device_id: deviceId, ...rest } = callOf(message).query as EnergyHistoryQuery;
  const wish: HistoryWish = { deviceId, ...rest };
  if (takesCsv(message.req?.headers.accept ?? '')) {
    const pages = energy.historyPages(wish);
    if (pages.kind !== 'pages') return withAnswer(message, refusal(pages));
    return await sendCsv(message, 'energy.csv', historyCsv(pages));
  }
  const found = energy.history(wish);
  return withAnswer(
    message,
    found.kind === 'history' ? answer(historyJson(found)) : refusal(found),
  );
}

/** JSON, or with `Accept: text/csv` each plug's hours as a stream. */
export async function report({ energy }: Rooms, message: ApiMessage): Promise<unknown> {
  const { query } = callOf(message);
  const { device_id: deviceId, resolution, language, ...rest } = query as EnergyReportQuery;
  const wish = { deviceId, ...rest };
  if (takesCsv(message.req?.headers.accept ?? '')) {
    const lines = energy.reportLines({ ...wish, byDay: resolution === 'day' });
    if (lines.kind !== 'lines') return withAnswer(message, reportRefusal(lines));
    const name = [...new Set([lines.firstDay, lines.lastDay])].join('_');
    return await sendCsv(message, `energy-${name}.csv`, reportCsv(lines, language));
  }
  const found = energy.report(wish);
  return withAnswer(
    message,
    found.kind === 'report' ? answer(reportJson(found)) : reportRefusal(found),
  );
}

async function sendCsv(
  message: ApiMessage,
  name: string,
  pieces: AsyncIterable<string>,
): Promise<null> {
  const response = responseOf(message);
  response.setHeader('Content-Type', 'text/csv; charset=utf-8');
  response.setHeader('Content-Disposition', `attachment; filename="${name}"`);
  await pipeline(Readable.from(pieces), response);
  return null;
}

function reportRefusal(refused: ReportRefusal): Answer {
  switch (refused.kind) {
    case 'bad_date':
      return invalid('date', 'must be a day of the years 2 to 9998');
    case 'bad_range':
      return invalid(refused.field, REPORT_RANGE[refused.field]);
    case 'unknown_device':
      return refusal(refused);
  }
}

function refusal(refused: WishRefusal): Answer {
  switch (refused.kind) {
    case 'unknown_device':
      return refuse('not_found', { detail: 'There is no plug with this id.' });
    case 'unknown_resolution':
      return invalid('resolution', 'must be raw, 5m, hour, day or auto');
    case 'unknown_period':
      return invalid('period', 'must be day, week, month or year');
    case 'bad_range':
      return invalid(refused.field, RANGE[refused.field]);
  }
}

function invalid(name: string, msg: string): Answer {
  return refuse('invalid', { errors: [{ loc: ['query', name], msg }] });
}

/** Whether an `Accept` asks for CSV; a weight of 0 is how it says no (RFC 9110, 12.4.2). */
function takesCsv(accept: string): boolean {
  return accept.split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return type === 'text/csv' && !parameters.some((one) => /^q\s*=\s*0(?:\.0*)?$/.test(one));
  });
}

const MWH_PER_KWH = 1_000_000;
const UC_PER_EURO = 100_000_000;
const PERIODS = ['day', 'week', 'month', 'year'];

const kwh = (mwh: number): number => rounded(mwh / MWH_PER_KWH, 3);
const euro = (uc: number): number => rounded(uc / UC_PER_EURO, 2);

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function show(message: ApiMessage, payload: unknown): ApiMessage {
  message.payload = payload;
  return message;
}

/** Each plug now, and how old that is. */
function now({ energy, clock }: Rooms, message: ApiMessage): ApiMessage {
  const { devices, totalPowerW } = energy.current();
  const nowMs = clock.nowMs();
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

function costsOf({ energy }: Rooms, period: string): Costs | null {
  const found = energy.costs({ period });
  return found.kind === 'costs' ? found : null;
}

const NOTHING = { kwh: null, euro: null } as const;

function glance(rooms: Rooms, message: ApiMessage): ApiMessage {
  const summary = rooms.energy.summary();
  const euros = (uc: number | null): number | null => (uc === null ? null : euro(uc));
  const periods = PERIODS.map((period) => {
    const costs = costsOf(rooms, period);
    // Nothing was booked is not nothing was used.
    if (costs === null || costs.byTariff.length === 0) return [period, NOTHING] as const;
    return [period, { kwh: kwh(costs.energyMwh), euro: euro(costs.costUc) }] as const;
  });
  return show(message, {
    ...Object.fromEntries(periods),
    price_cents: rounded(costsOf(rooms, 'day')?.pricePerKwhCents ?? 0, 1),
    forecast_euro: euros(summary.monthlyCostEstimateUc),
    daily_kwh: summary.avgDailyMwh === null ? null : kwh(summary.avgDailyMwh),
    standby_w: summary.standbyMw === null ? null : summary.standbyMw / 1_000,
    saved_kwh: summary.savedMwhMonth === null ? null : kwh(summary.savedMwhMonth),
  });
}

function standby({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const rows = energy.standby().map(({ deviceId, deviceName: name, standbyMw, yearlyUc }) => ({
    device_id: deviceId,
    name,
    standby_w: standbyMw === null ? null : standbyMw / 1_000,
    year_euro: yearlyUc === null ? null : euro(yearlyUc),
  }));
  return show(message, rows);
}

/** What the page Energy shows of the present, in the form its gauges and tables take. */
export const PAGE_ACTS = {
  'page-now': now,
  'page-glance': glance,
  'page-standby': standby,
};

/** Descriptions of all sensors, and of none for plugs that are gone, a message each, for an `mqtt out` node. */
export function announce({ tapo, energy }: Rooms): unknown {
  const now = new Map(energy.current().devices.map((device) => [device.deviceId, device]));
  const plugs = tapo.list().map(({ id, name, model, firmware, deviceNumber }) => {
    const hasVolts = (now.get(id)?.voltageV ?? null) !== null;
    const { energyMwh, feedInMwh, storedMwh } = energy.counted(deviceNumber);
    const known = { hasVolts, feedsIn: feedInMwh > 0, isPutRight: storedMwh !== energyMwh };
    return { id, name, model, firmware, ...known };
  });
  const descriptions = [...homeAssistantSensors(plugs), ...homeAssistantFarewells(tapo.goneIds())];
  return [descriptions];
}

/** What the sensors show now, a message each. */
export function publishStates({ energy }: Rooms): unknown {
  const states = energy.current().devices.map((device) => {
    const { deviceId: id, isStale } = device;
    const { energyMwh, feedInMwh, storedMwh } = energy.counted(device.deviceNumber);
    const isRead = device.atMs !== null;
    return {
      id,
      powerW: isStale ? null : device.powerW,
      voltageV: isStale ? null : device.voltageV,
      currentA: isStale ? null : device.currentA,
      energyMwh: isRead ? energyMwh : null,
      feedInMwh: isRead && feedInMwh > 0 ? feedInMwh : null,
      storedMwh: isRead && storedMwh !== energyMwh ? storedMwh : null,
    };
  });
  return [homeAssistantStates(states)];
}
