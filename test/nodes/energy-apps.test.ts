import assert from 'node:assert/strict';
import type { Current } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/latest.ts';
import type { EndpointId } from '../../nodes/lib/api/api.ts';
import type { Costs } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/costs.ts';
import type {
  Dashboard,
  HoursOf,
} from '../../packages/node-red-contrib-balupi-tapo/lib/energy/summary.ts';
import type { History } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/history.ts';
import type { TapoDevice } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import type { FakeServices } from '../fakes/fake-services.ts';
import { answerOf, codeOf } from './described.ts';
import { type Stage, stages } from './stage.ts';

const type = 'balupi-energy-aggregator';
const AT_MS = Date.parse('2026-02-22T14:29:30Z');
const PLUG: TapoDevice = {
  id: 'a',
  name: 'NAS',
  ipAddress: '192.168.178.60',
  macAddress: '02:50:4C:00:00:01',
  model: 'P115',
  role: 'nas',
  isOnline: true,
  isOn: true,
  firmware: '1.2.3',
  lastSeenMs: AT_MS,
  state: 'ok',
  stateHint: '',
  oldProtocol: null,
  deviceNumber: 3,
  addedAtMs: AT_MS - 86_400_000,
};
const SHOWN: Current['devices'][number] = {
  deviceId: 'a',
  deviceNumber: 3,
  deviceName: 'NAS',
  powerW: 42.5,
  voltageV: 230.1,
  currentA: null,
  energyTodayWh: 310,
  relay: 'on',
  isOnline: true,
  isStale: false,
  atMs: AT_MS,
};
const GONE = { ...PLUG, id: 'b', deviceNumber: 4, name: 'Cellar', isOnline: false, isOn: null };
const GONE_SHOWN = { ...SHOWN, deviceId: 'b', deviceNumber: 4, deviceName: 'Cellar' };
const DEAD: Current['devices'][number] = {
  ...GONE_SHOWN,
  powerW: null,
  isOnline: false,
  isStale: true,
  atMs: null,
};
const HOUR = {
  startS: AT_MS / 1_000 - 1_770,
  energyMwh: 41_000,
  coveredS: 1_710,
  avgMw: 42_000,
  minMw: 40_000,
  maxMw: 45_500,
  isEstimated: false,
};
const DASHBOARD: Dashboard = {
  today: { fromS: 1_771_714_800, toS: AT_MS / 1_000, bucket: HOUR, samples: 57, elapsedS: 1_770 },
  week: null,
  month: null,
  hours: [{ ...HOUR, samples: 57 }],
};

const COSTS: Costs = {
  ...{ kind: 'costs', deviceId: 'a', deviceName: 'NAS', period: 'week', fromS: 0, toS: 1 },
  ...{ energyMwh: 2_000_000, feedInMwh: 0, costUc: 64_000_000, pricePerKwhCents: 32 },
  ...{ baseFeeUc: null, byTariff: [] },
};
const BAD_RANGE = { kind: 'bad_range', field: 'from' } as const;
const HISTORY: History = {
  ...{ kind: 'history', deviceId: 'a', deviceName: 'NAS', period: 'day', fromS: 0, toS: 1 },
  ...{ resolution: '5m', points: [HOUR] },
};

/** Two hours of one plug at 50 cents; nothing is known of all together. */
function hoursOf(number: number | null): HoursOf {
  const priced = { ...HOUR, costUc: 2_050_000, priceId: 0 };
  const [first, last] = [
    { ...priced, endS: HOUR.startS + 1_200 },
    { ...priced, endS: AT_MS / 1_000 },
  ];
  return { kind: 'hours', hours: number === null ? [] : [first, last] };
}

describe('The node balupi-energy-aggregator for the apps of BaluHost', () => {
  const open = stages();
  const services: FakeServices = {
    clock: new ManualClock(),
    tapo: { list: () => [PLUG, { ...GONE, state: 'unreachable', stateHint: 'It is gone.' }] },
    energy: {
      current: () => ({ devices: [SHOWN, DEAD], totalPowerW: 42.5 }),
      dashboard: (number) => (number === 3 || number === 4 ? DASHBOARD : null),
      costs: () => COSTS,
      hours: (number, { from }) => (from === undefined ? hoursOf(number) : BAD_RANGE),
      histories: { history: () => HISTORY },
    },
  };
  const opened = (op: string): Promise<Stage> => open({ type, op, services });
  const answered = async (op: string, id: EndpointId, call: object, status = 200) =>
    answerOf(await opened(op), id, call, status);

  it('lists the plugs as smart devices that can switch and meter', async () => {
    const payload = await answerOf(await opened('app-devices'), 'smart-devices', { query: {} });
    assert.partialDeepStrictEqual(payload, {
      total: 2,
      devices: [
        {
          id: 3,
          name: 'NAS',
          plugin_name: 'tapo_smart_plug',
          device_type_id: 'tapo_p115',
          capabilities: ['switch', 'power_monitor'],
          is_active: true,
          is_online: true,
          last_seen: '2026-02-22T14:29:30Z',
          last_error: null,
          state: {
            switch: { is_on: true },
            power_monitor: { watts: 42.5, energy_today_kwh: 0.31 },
          },
        },
        { id: 4, is_online: false, last_error: 'It is gone.', state: null },
      ],
    });
  });

  it('lists none for another plug-in', async () => {
    const query = { plugin_name: 'hue_lamps' };
    const payload = await answerOf(await opened('app-devices'), 'smart-devices', { query });
    assert.deepEqual(payload, { devices: [], total: 0 });
  });

  it('sums the powers that are known, and leaves out a plug that is not read', async () => {
    const payload = await answerOf(await opened('app-power'), 'smart-devices-power');
    const devices = [{ device_id: 3, name: 'NAS', watts: 42.5 }];
    assert.deepEqual(payload, { total_watts: 42.5, device_count: 1, devices });
  });

  it('tells one plug by its number', async () => {
    const params = { device_number: '3' };
    const payload = await answerOf(await opened('app-dashboard'), 'energy-dashboard', { params });
    assert.partialDeepStrictEqual(payload, {
      device_id: 3,
      device_name: 'NAS',
      today: {
        samples_count: 57,
        avg_watts: 42,
        min_watts: 40,
        max_watts: 45.5,
        total_energy_kwh: 0.041,
        uptime_percentage: 96.6,
        downtime_minutes: 1,
      },
      week: null,
      month: null,
      hourly_samples: [{ timestamp: '2026-02-22T14:00:00Z', avg_watts: 42, sample_count: 57 }],
      current_watts: 42.5,
      is_online: true,
      last_updated: '2026-02-22T14:29:30Z',
    });
  });

  it('tells no watts of a plug that nobody can read, rather than 0', async () => {
    const params = { device_number: '4' };
    const payload = await answerOf(await opened('app-dashboard'), 'energy-dashboard', { params });
    assert.ok(!Object.hasOwn(payload as object, 'current_watts'));
    assert.partialDeepStrictEqual(payload, { is_online: false, today: { samples_count: 57 } });
  });

  it('does not know a plug nobody added', async () => {
    for (const [op, id] of [
      ['app-dashboard', 'energy-dashboard'],
      ['app-cost', 'energy-cost'],
      ['app-growth', 'energy-cumulative'],
      ['app-history', 'smart-device-history'],
    ] as const) {
      const params = { device_number: '9' };
      assert.equal(await codeOf(await opened(op), id, { params }, 404), 'not_found');
    }
  });

  it('tells what a plug cost by what was paid, or by the price that is asked for', async () => {
    const told = (given: object) => {
      const query = { period: 'week', currency: 'CHF', ...given };
      return answered('app-cost', 'energy-cost', { params: { device_number: '3' }, query });
    };
    assert.deepEqual(await told({}), {
      ...{ device_id: 3, device_name: 'NAS', period_name: 'This Week', total_kwh: 2 },
      ...{ cost_per_kwh: 0.32, estimated_cost: 0.64, currency: 'EUR' },
    });
    const asked = { cost_per_kwh: 0.5, estimated_cost: 1, currency: 'CHF' };
    assert.partialDeepStrictEqual(await told({ cost_per_kwh: 0.5 }), asked);
  });

  it('lets energy and cost grow hour by hour, from 0 to now', async () => {
    const params = { device_number: '3' };
    const query = { period: 'today' };
    const payload = await answered('app-growth', 'energy-cumulative', { params, query });
    const watts = { instant_watts: 42 };
    assert.deepEqual(payload, {
      ...{ device_id: 3, device_name: 'NAS', period: 'today', currency: 'EUR' },
      ...{ cost_per_kwh: 0.5, total_kwh: 0.082, total_cost: 0.041 },
      data_points: [
        { timestamp: '2026-02-22T14:00:00Z', cumulative_kwh: 0, cumulative_cost: 0, ...watts },
        {
          ...{ timestamp: '2026-02-22T14:20:00Z', ...watts },
          ...{ cumulative_kwh: 0.041, cumulative_cost: 0.0205 },
        },
        {
          ...{ timestamp: '2026-02-22T14:29:30Z', ...watts },
          ...{ cumulative_kwh: 0.082, cumulative_cost: 0.041 },
        },
      ],
    });
    const all = await answered('app-growth-of-all', 'energy-cumulative-total', { query });
    assert.partialDeepStrictEqual(all, { device_id: 0, device_name: 'Total', total_kwh: 0 });
  });

  it('refuses half a range, one that is too long, and one that is none', async () => {
    const fault = async (given: object) => {
      const query = { period: 'today', ...given };
      const payload = await answered(
        'app-growth-of-all',
        'energy-cumulative-total',
        { query },
        422,
      );
      return (payload as { errors: { loc: unknown }[] }).errors.map(({ loc }) => loc);
    };
    assert.deepEqual(await fault({ start: '2026-02-01' }), [['query', 'end']]);
    assert.deepEqual(await fault({ end: '2026-02-01' }), [['query', 'start']]);
    assert.deepEqual(await fault({ start: '2025-12-01', end: '2026-02-01' }), [['query', 'end']]);
    assert.deepEqual(await fault({ start: '2026-02-02', end: '2026-02-01' }), [['query', 'start']]);
  });

  it('tells the watts of the last hours, and nothing of what is not kept', async () => {
    const told = (capability: string) => {
      const query = { capability, hours: 24 };
      const call = { params: { device_number: '3' }, query };
      return answered('app-history', 'smart-device-history', call);
    };
    const rest = { voltage: null, current: null, energy_today_kwh: null };
    assert.partialDeepStrictEqual(await told('power_monitor'), {
      ...{ device_id: 3, capability: 'power_monitor' },
      samples: [{ timestamp: '2026-02-22T14:00:00Z', watts: 42, ...rest }],
    });
    assert.partialDeepStrictEqual(await told('switch'), { capability: 'switch', samples: [] });
  });
});
