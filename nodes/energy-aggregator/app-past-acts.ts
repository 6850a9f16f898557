import type {
  CumulativeEnergy,
  CumulativeQuery,
  DeviceHistory,
  DeviceHistoryQuery,
  EnergyCostEstimate,
  EnergyCostQuery,
} from '../lib/api/api.ts';
import { type ApiMessage, callOf, withAnswer } from '../lib/guard/call.ts';
import { type Answer, answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

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
export function plugCost({ energy }: Rooms, message: ApiMessage): ApiMessage {
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
    return answer(payload);
  });
}

/** `GET /api/energy/cumulative/{device_number}`. */
export function plugGrowth({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return ofPlug(energy, message, (plug) => growth(energy, message, plug));
}

/** `GET /api/energy/cumulative/total`; BaluHost gives all plugs the number 0. */
export function growthOfAll({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, growth(energy, message, null));
}

/** `GET /api/smart-devices/{device_number}/history`. */
export function plugHistory({ energy, clock }: Rooms, message: ApiMessage): ApiMessage {
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
    return answer(payload);
  });
}

function samples(
  energy: Rooms['energy'],
  deviceId: string,
  from: number,
  to: number,
): DeviceHistory['samples'] {
  const found = energy.history({ deviceId, from, to, resolution: '5m' });
  if (found.kind !== 'history') return [];
  return found.points.map(({ startS, avgMw }) => ({
    timestamp: isoSeconds(startS * 1_000),
    watts: avgMw / 1_000,
    // Of the past watts alone are kept.
    ...{ voltage: null, current: null, energy_today_kwh: null },
  }));
}

function growth(energy: Rooms['energy'], message: ApiMessage, plug: Plug | null): Answer {
  const query = callOf(message).query as CumulativeQuery;
  const { period, start, end } = query;
  const fault = faultOf(query);
  if (fault !== null) return fault;
  const wish = start === undefined ? { period: PERIODS[period] } : { from: start, to: end };
  const found = energy.hours(plug?.number ?? null, wish);
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
  return answer(payload);
}

type Hours = Extract<ReturnType<Rooms['energy']['hours']>, { kind: 'hours' }>['hours'];

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
  energy: Rooms['energy'],
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
