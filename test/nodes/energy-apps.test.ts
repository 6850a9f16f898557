import assert from 'node:assert/strict';
import type { Current } from '../../nodes/lib/energy/latest.ts';
import type { Dashboard } from '../../nodes/lib/energy/dashboard.ts';
import type { TapoDevice } from '../../nodes/lib/tapo/tapo.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import type { FakeRooms } from '../fakes/fake-rooms.ts';
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

describe('The node balupi-energy-aggregator for the apps of BaluHost', () => {
  const open = stages();
  const rooms: FakeRooms = {
    clock: new ManualClock(),
    tapo: { list: () => [PLUG, { ...GONE, state: 'unreachable', stateHint: 'It is gone.' }] },
    energy: {
      current: () => ({ devices: [SHOWN, DEAD], totalPowerW: 42.5 }),
      dashboard: (number) => (number === 3 || number === 4 ? DASHBOARD : null),
    },
  };
  const opened = (op: string): Promise<Stage> => open({ type, op, rooms });

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
    const stage = await opened('app-dashboard');
    const params = { device_number: '9' };
    assert.equal(await codeOf(stage, 'energy-dashboard', { params }, 404), 'not_found');
  });
});
