import {
  answerTo,
  type CumulativeEnergy,
  type CumulativeQuery,
  type DeviceHistory,
  type DeviceHistoryQuery,
  type EnergyCostEstimate,
  type EnergyCostQuery,
  type EnergyDashboard,
  type EnergyStats,
  type HourlyQuery,
  type HourlySamples,
  type PowerSummary,
  type SmartDeviceAnswer,
  type SmartDeviceList,
  type SmartDevicesQuery,
  type SmartDeviceTypes,
  TAPO_PLUGIN,
} from '../lib/api/api.ts';
import type {
  CurrentDevice,
  Dashboard,
  PeriodStats,
} from '../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import { type ApiMessage, callOf, withAnswer } from '../lib/guard/guard.ts';
import { type Answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { Services } from '../lib/services/services.ts';
import type { TapoDevice } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';

const CAPABILITIES = ['switch', 'power_monitor'];

/** Those that the Pi can read. */
const TYPES: SmartDeviceTypes = ['P110', 'P115'].map((model) => ({
  type_id: `tapo_${model.toLowerCase()}`,
  display_name: `Tapo ${model}`,
  manufacturer: 'TP-Link',
  capabilities: CAPABILITIES,
  config_schema: null,
  icon: 'plug',
  plugin_name: TAPO_PLUGIN,
}));

/** `GET /api/smart-devices`, as BaluHost 1.38 answers it. */
export function smartDevices({ tapo, energy }: Services, message: ApiMessage): ApiMessage {
  const { query, language } = callOf(message);
  const { plugin_name: plugin = TAPO_PLUGIN } = query as SmartDevicesQuery;
  const plugs = plugin === TAPO_PLUGIN ? tapo.list(language) : [];
  const readings = new Map(energy.current().devices.map((device) => [device.deviceNumber, device]));
  const devices = plugs.map((plug) => smartDevice(plug, readings.get(plug.deviceNumber)));
  const payload: SmartDeviceList = { devices, total: devices.length };
  return withAnswer(message, answerTo('smart-devices', payload));
}

/** `GET /api/smart-devices/power/summary`; leaves out plugs whose power is unknown. */
export function powerSummary({ energy }: Services, message: ApiMessage): ApiMessage {
  const { devices, totalPowerW } = energy.current();
  const known = devices.flatMap(({ deviceNumber, deviceName, powerW, isStale }) =>
    powerW === null || isStale
      ? []
      : [{ device_id: deviceNumber, name: deviceName, watts: powerW }],
  );
  const payload: PowerSummary = {
    total_watts: totalPowerW ?? 0,
    device_count: known.length,
    devices: known,
  };
  return withAnswer(message, answerTo('smart-devices-power', payload));
}

/** `GET /api/energy/dashboard/{device_number}`. */
export function dashboard({ energy, clock }: Services, message: ApiMessage): ApiMessage {
  const number = numberIn(message);
  const shown = energy.current().devices.find(({ deviceNumber }) => deviceNumber === number);
  const told = energy.dashboard(number);
  if (shown === undefined || told === null) return noPlug(message, number);
  const name = shown.deviceName;
  const payload: EnergyDashboard = {
    device_id: number,
    device_name: name,
    today: stats(number, name, told.today),
    week: stats(number, name, told.week),
    month: stats(number, name, told.month),
    hourly_samples: told.hours.map(hour),
    // BaluHost says 0 here for a plug it cannot read; apps take a missing field for the same.
    ...(shown.powerW === null || shown.isStale ? {} : { current_watts: shown.powerW }),
    is_online: shown.isOnline,
    last_updated: isoSeconds(shown.atMs ?? clock.nowMs()),
  };
  return withAnswer(message, answerTo('energy-dashboard', payload));
}

/** `GET /api/smart-devices/types`. */
export function deviceTypes(_services: Services, message: ApiMessage): ApiMessage {
  return withAnswer(message, answerTo('smart-device-types', TYPES));
}

/** `GET /api/smart-devices/{device_number}`. */
export function oneSmartDevice({ tapo, energy }: Services, message: ApiMessage): ApiMessage {
  const number = numberIn(message);
  const plug = tapo.list(callOf(message).language).find((one) => one.deviceNumber === number);
  if (plug === undefined) return noPlug(message, number);
  const reading = energy.current().devices.find(({ deviceNumber }) => deviceNumber === number);
  const payload: SmartDeviceAnswer = smartDevice(plug, reading);
  return withAnswer(message, answerTo('smart-device', payload));
}

/** `GET /api/energy/stats/{device_number}/{period}`; also for plugs that never metered anything. */
export function periodStats(services: Services, message: ApiMessage): ApiMessage {
  const number = numberIn(message);
  const told = services.energy.dashboard(number);
  const period = callOf(message).params['period'] as 'today' | 'week' | 'month';
  const payload: EnergyStats =
    told === null ? null : stats(number, nameOf(services, number), told[period]);
  return withAnswer(message, answerTo('energy-stats', payload));
}

/** `GET /api/energy/hourly/{device_number}`. */
export function hourly({ energy }: Services, message: ApiMessage): ApiMessage {
  const number = numberIn(message);
  const told = energy.dashboard(number, (callOf(message).query as HourlyQuery).hours);
  const payload: HourlySamples = told?.hours.map(hour) ?? [];
  return withAnswer(message, answerTo('energy-hourly', payload));
}

function numberIn(message: ApiMessage): number {
  return Number(callOf(message).params['device_number']);
}

function nameOf({ energy }: Services, number: number): string {
  const shown = energy.current().devices.find(({ deviceNumber }) => deviceNumber === number);
  return shown?.deviceName ?? '';
}

function noPlug(message: ApiMessage, number: number): ApiMessage {
  const detail = `There is no plug with the number ${number}.`;
  return withAnswer(message, refuse('not_found', { detail }));
}

function hour({ startS, avgMw, samples }: Dashboard['hours'][number]): HourlySamples[number] {
  return {
    timestamp: isoSeconds(startS * 1_000),
    avg_watts: avgMw / 1_000,
    sample_count: samples,
  };
}

function smartDevice(
  plug: TapoDevice,
  reading: CurrentDevice | undefined,
): SmartDeviceList['devices'][number] {
  return {
    id: plug.deviceNumber,
    name: plug.name,
    plugin_name: TAPO_PLUGIN,
    device_type_id: plug.model.startsWith('P115') ? 'tapo_p115' : 'tapo_p110',
    address: plug.ipAddress,
    mac_address: plug.macAddress,
    capabilities: CAPABILITIES,
    is_active: true,
    is_online: plug.isOnline,
    last_seen: plug.lastSeenMs === null ? null : isoSeconds(plug.lastSeenMs),
    last_error: plug.stateHint === '' ? null : plug.stateHint,
    state: stateOf(plug, reading),
    created_at: isoSeconds(plug.addedAtMs),
    updated_at: isoSeconds(plug.lastSeenMs ?? plug.addedAtMs),
  };
}

function stateOf(
  plug: TapoDevice,
  reading: CurrentDevice | undefined,
): SmartDeviceList['devices'][number]['state'] {
  const isKnown = reading !== undefined && reading.powerW !== null && !reading.isStale;
  if (plug.isOn === null && !isKnown) return null;
  return {
    ...(plug.isOn === null ? {} : { switch: { is_on: plug.isOn } }),
    ...(isKnown ? { power_monitor: powerOf(reading) } : {}),
  };
}

function powerOf(reading: CurrentDevice) {
  const { powerW, voltageV, currentA, energyTodayWh } = reading;
  const energy_today_kwh = energyTodayWh === null ? null : energyTodayWh / 1_000;
  return { watts: powerW ?? 0, voltage: voltageV, current: currentA, energy_today_kwh };
}

function stats(number: number, name: string, period: PeriodStats | null): EnergyDashboard['today'] {
  if (period === null) return null;
  const { bucket, elapsedS, samples } = period;
  return {
    device_id: number,
    device_name: name,
    start_time: isoSeconds(period.fromS * 1_000),
    end_time: isoSeconds(period.toS * 1_000),
    samples_count: samples,
    avg_watts: bucket.avgMw / 1_000,
    min_watts: bucket.minMw / 1_000,
    max_watts: bucket.maxMw / 1_000,
    total_energy_kwh: bucket.energyMwh / 1_000_000,
    uptime_percentage: elapsedS === 0 ? 0 : Math.round((bucket.coveredS / elapsedS) * 1_000) / 10,
    downtime_minutes: Math.round((elapsedS - bucket.coveredS) / 60),
  };
}

const MWH_PER_KWH = 1_000_000;
const UC_PER_EURO = 100_000_000;
const HOUR_MS = 3_600_000;
/** As long as BaluHost keeps its own samples, and no more than one answer may hold up. */
const LONGEST_MS = 32 * 24 * HOUR_MS;
const PERIODS = { today: 'day', week: 'week', month: 'month' } as const;
const PERIOD_NAMES = { today: 'Today', week: 'This Week', month: 'This Month' };
/** The only currency of the Pi's prices. */
const CURRENCY = 'EUR';

interface Plug {
  readonly id: string;
  readonly number: number;
  readonly name: string;
}

/** `GET /api/energy/cost/{device_number}`: by the price that is named, else by what was paid. */
export function plugCost({ energy }: Services, message: ApiMessage): ApiMessage {
  return ofPlug(energy, message, ({ id, number, name }) => {
    const query = callOf(message).query as EnergyCostQuery;
    const { period, cost_per_kwh: given, currency } = query;
    const costs = energy.costs({ deviceId: id, period: PERIODS[period] });
    if (costs.kind !== 'costs') throw new Error(`Today has no costs: ${costs.kind}.`);
    const kwh = costs.energyMwh / MWH_PER_KWH;
    const payload: EnergyCostEstimate = {
      device_id: number,
      device_name: name,
      period_name: PERIOD_NAMES[period],
      total_kwh: kwh,
      cost_per_kwh: given ?? costs.pricePerKwhCents / 100,
      estimated_cost: given === undefined ? costs.costUc / UC_PER_EURO : kwh * given,
      currency: given === undefined ? CURRENCY : currency,
    };
    return answerTo('energy-cost', payload);
  });
}

/** `GET /api/energy/cumulative/{device_number}`. */
export function plugCumulative({ energy }: Services, message: ApiMessage): ApiMessage {
  return ofPlug(energy, message, (plug) => growth(energy, message, plug));
}

/** `GET /api/energy/cumulative/total`; BaluHost gives all plugs the number 0. */
export function cumulativeOfAll({ energy }: Services, message: ApiMessage): ApiMessage {
  return withAnswer(message, growth(energy, message, null));
}

/** `GET /api/smart-devices/{device_number}/history`. */
export function plugHistory({ energy, clock }: Services, message: ApiMessage): ApiMessage {
  return ofPlug(energy, message, ({ id, number }) => {
    const { capability, hours } = callOf(message).query as DeviceHistoryQuery;
    const [from, to] = [clock.nowMs() - hours * HOUR_MS, clock.nowMs()];
    const payload: DeviceHistory = {
      device_id: number,
      capability,
      samples: capability === 'power_monitor' ? samples(energy, id, from, to) : [],
      period_start: isoSeconds(from),
      period_end: isoSeconds(to),
    };
    return answerTo('smart-device-history', payload);
  });
}

function samples(
  energy: Services['energy'],
  deviceId: string,
  from: number,
  to: number,
): DeviceHistory['samples'] {
  const found = energy.histories.history({ deviceId, from, to, resolution: '5m' });
  if (found.kind !== 'history') return [];
  return found.points.map(({ startS, avgMw }) => ({
    timestamp: isoSeconds(startS * 1_000),
    watts: avgMw / 1_000,
    // Only watts are kept of the past.
    ...{ voltage: null, current: null, energy_today_kwh: null },
  }));
}

function growth(energy: Services['energy'], message: ApiMessage, plug: Plug | null): Answer {
  const query = callOf(message).query as CumulativeQuery;
  const { period, start, end } = query;
  const fault = faultOf(query);
  if (fault !== null) return fault;
  const stretch = start === undefined ? { period: PERIODS[period] } : { from: start, to: end };
  const found = energy.hours(plug?.number ?? null, stretch);
  if (found.kind !== 'hours') return invalid('start', 'must be a time before end and before now');
  const points = pointsOf(found.hours);
  const last = points.at(-1) ?? { cumulative_kwh: 0, cumulative_cost: 0 };
  const { cumulative_kwh: kwh, cumulative_cost: cost } = last;
  const payload: CumulativeEnergy = {
    device_id: plug?.number ?? 0,
    device_name: plug?.name ?? 'Total',
    period,
    cost_per_kwh: kwh === 0 ? 0 : cost / kwh,
    currency: CURRENCY,
    total_kwh: kwh,
    total_cost: cost,
    data_points: points,
  };
  return answerTo('energy-cumulative', payload);
}

type Hours = Extract<ReturnType<Services['energy']['hours']>, { kind: 'hours' }>['hours'];

/** A curve that begins at 0 with the first hour and rises to the end of each. */
function pointsOf(hours: Hours): CumulativeEnergy['data_points'] {
  let [energyMwh, costUc] = [0, 0];
  const point = (atS: number, avgMw: number): CumulativeEnergy['data_points'][number] => ({
    timestamp: isoSeconds(atS * 1_000),
    cumulative_kwh: energyMwh / MWH_PER_KWH,
    cumulative_cost: costUc / UC_PER_EURO,
    instant_watts: avgMw / 1_000,
  });
  const begin = hours.slice(0, 1).map(({ startS, avgMw }) => point(startS, avgMw));
  const rise = hours.map((hour) => {
    energyMwh += hour.energyMwh;
    costUc += hour.costUc;
    return point(hour.endS, hour.avgMw);
  });
  return [...begin, ...rise];
}

function faultOf({ start, end }: CumulativeQuery): Answer | null {
  if ((start === undefined) !== (end === undefined)) {
    const missing = start === undefined ? 'start' : 'end';
    return invalid(missing, 'is needed with the other one');
  }
  if (start === undefined || end === undefined) return null;
  const isFar = Date.parse(end) - Date.parse(start) > LONGEST_MS;
  return isFar ? invalid('end', 'must be at most 32 days after start') : null;
}

function ofPlug(
  energy: Services['energy'],
  message: ApiMessage,
  tell: (plug: Plug) => Answer,
): ApiMessage {
  const number = Number(callOf(message).params['device_number']);
  const shown = energy.current().devices.find(({ deviceNumber }) => deviceNumber === number);
  if (shown === undefined) {
    const detail = `There is no plug with the number ${number}.`;
    return withAnswer(message, refuse('not_found', { detail }));
  }
  return withAnswer(message, tell({ id: shown.deviceId, number, name: shown.deviceName }));
}

function invalid(name: string, msg: string): Answer {
  return refuse('invalid', { errors: [{ loc: ['query', name], msg }] });
}
