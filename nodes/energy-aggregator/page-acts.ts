import type { Costs } from '../lib/energy/energy.ts';
import type { ApiMessage } from '../lib/guard/call.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

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
