import assert from 'node:assert/strict';
import type { PiLoad } from '../../nodes/lib/system/system.ts';
import { AWAKE, type FakeServices } from '../fakes/fake-services.ts';
import { answerOf, codeOf } from './described.ts';
import { stages } from './stage.ts';

const type = 'balupi-system';
const LOAD: PiLoad = {
  cpuPercent: 12.5,
  cpuTempCelsius: null,
  memoryTotalMb: 905,
  memoryUsedMb: 300,
  memoryPercent: 33.1,
  diskTotalGb: 64,
  diskUsedGb: 16,
  diskPercent: 25,
  uptimeSeconds: 3_600,
  loadAvg: [0.1, 0.2, 0.3],
};
const DEVICE = {
  deviceNumber: 1,
  voltageV: null,
  currentA: null,
  energyTodayWh: null,
  relay: 'on',
  isOnline: true,
  atMs: 0,
} as const;

const COUNTED: FakeServices = {
  energy: {
    current: () => ({
      devices: [
        { ...DEVICE, deviceId: 'a', deviceName: 'Bob\'s "NAS"\\', powerW: 30.5, isStale: false },
        { ...DEVICE, deviceNumber: 2, deviceId: 'b', deviceName: 'Old', powerW: 4, isStale: true },
        { ...DEVICE, deviceId: 'c', deviceName: 'New', powerW: null, isStale: false },
      ],
      totalPowerW: 30.5,
    }),
    counters: {
      of: (number) => ({
        energyMwh: 1_250_000,
        feedInMwh: number === 2 ? 500_000 : 0,
        storedMwh: 1_000_000,
      }),
      cost: { costUc: 40_500_000, creditUc: 1_500_000, storedUc: -2_000_000 },
    },
  },
  cache: {
    stats: () => ({
      fileCount: 2,
      totalBytes: 3_000,
      maxBytes: 9,
      capacityBytes: 9,
      hits: 7,
      misses: 1,
      hitBytes: 0,
      missBytes: 0,
      evictions: 0,
      nasWakesAvoided: 5,
      prefetchedFiles: 6,
      prefetchedBytes: 600,
      usedFiles: 3,
      usedBytes: 300,
    }),
  },
  upload: { queuedCount: () => 4, queuedBytes: () => 400 },
  nas: { presence: { state: AWAKE } },
  system: { load: () => LOAD },
};

describe('The node balupi-system', () => {
  const open = stages();

  it('runs the checks and asks nobody else', async () => {
    const report = { status: 'degraded', checks: { disk: 'full' }, version: '0.1.0' } as const;
    const versions = { apiVersion: '1', minApiVersion: '1', hostname: 'pi' };
    const services: FakeServices = { system: { health: () => ({ ...report, ...versions }) } };
    const stage = await open({ type, op: 'health', services });
    const payload = await answerOf(stage, 'health', { caller: null });
    assert.partialDeepStrictEqual(payload, { status: 'degraded', checks: { disk: 'full' } });
  });

  it('gives the last look at the Pi', async () => {
    const services: FakeServices = { system: { load: () => LOAD, hostname: 'pi' } };
    const stage = await open({ type, op: 'load', services });
    const payload = await answerOf(stage, 'system-status');
    assert.partialDeepStrictEqual(payload, {
      cpu_percent: 12.5,
      cpu_temp_celsius: null,
      temperature_c: null,
      hostname: 'pi',
    });
  });

  it('asks to come again before the first look', async () => {
    const stage = await open({ type, op: 'load', services: { system: { load: () => null } } });
    assert.equal(await codeOf(stage, 'system-status', {}, 503), 'restarting');
  });

  it('writes metrics with escaped names, and no line for what is unknown or stale', async () => {
    const stage = await open({ type, op: 'metrics', services: COUNTED });
    const { status, payload, headers } = await stage.ask();
    assert.equal(status, 200);
    const words = new Set(headers.get('content-type')?.split('; '));
    assert.deepEqual(words, new Set(['text/plain', 'version=0.0.4', 'charset=utf-8']));
    const lines = String(payload).split('\n');
    const plugs = lines.filter((line) => line.startsWith('balupi_plug_power_watts'));
    assert.deepEqual(plugs, ['balupi_plug_power_watts{device="a"} 30.5']);
    for (const line of [
      'balupi_cache_hits_total 7',
      'balupi_plug_energy_watt_hours_total{device="b"} 1250',
      'balupi_plug_feed_in_watt_hours_total{device="b"} 500',
      'balupi_plug_stored_watt_hours{device="b"} 1000',
      'balupi_energy_cost_cents_total 40.5',
      'balupi_energy_credit_cents_total 1.5',
      'balupi_energy_stored_cost_cents -2',
      'balupi_plug_online{device="c"} 1',
      'balupi_plug_info{device="a",name="Bob\'s \\"NAS\\"\\\\"} 1',
      '# TYPE balupi_plug_info gauge',
      'balupi_nas_awake 1',
      'balupi_cpu_percent 12.5',
    ]) {
      assert.ok(lines.includes(line), line);
    }
    const fedIn = lines.filter((line) => line.startsWith('balupi_plug_feed_in'));
    assert.equal(fedIn.length, 1, 'a plug that never fed in has no such counter');
    assert.ok(lines.includes('# TYPE balupi_cache_hits_total counter'));
    assert.ok(!lines.some((line) => line.startsWith('balupi_cpu_celsius ')));
  });
});
