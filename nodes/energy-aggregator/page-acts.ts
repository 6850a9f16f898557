import type { Costs } from '../lib/energy/energy.ts';
import type { ApiMessage } from '../lib/guard/call.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';
import { type Said, said, saidEuro, saidNumber } from '../lib/viewers/viewers.ts';

const MWH_PER_KWH = 1_000_000;
const UC_PER_EURO = 100_000_000;
const PERIODS = ['day', 'week', 'month', 'year'];
/** A gauge that is full now and then is one that can be read; it grows in these steps. */
const GAUGE_STEPS_W = [100, 200, 500, 1_000, 2_000, 3_500, 5_000, 10_000];

const kwh = (mwh: number): number => rounded(mwh / MWH_PER_KWH, 3);
const euro = (uc: number): number => rounded(uc / UC_PER_EURO, 2);

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** A number that is shown in the reader's way; a dash where there is none. */
function shown(value: number | null, digits: number, unit: string): string | Said {
  return value === null ? '–' : said`${saidNumber(value, digits)} ${unit}`;
}

function shownEuro(uc: number | null): string | Said {
  return uc === null ? '–' : saidEuro(uc / UC_PER_EURO);
}

function show(message: ApiMessage, payload: unknown): ApiMessage {
  message.payload = payload;
  return message;
}

/** Each plug now, and how old that is. */
function now({ energy, clock }: Rooms, message: ApiMessage & { ui_update?: unknown }): ApiMessage {
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
  const rows = energy.standby().map(({ deviceName: name, standbyMw, yearlyUc }) => ({
    name,
    standby: shown(standbyMw === null ? null : standbyMw / 1_000, 1, 'W'),
    year: shownEuro(yearlyUc),
  }));
  return show(message, rows);
}

/** What the page Energy shows of the present, in the form its gauges and tables take. */
export const PAGE_ACTS = {
  'page-now': now,
  'page-glance': glance,
  'page-standby': standby,
};
