import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Energy,
  type EnergyDevice,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import type {
  Reading,
  SeenPlugs,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';
import { ENERGY_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { TapoRows } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo-rows.ts';
import type { Clock } from '../../../nodes/lib/time/clock.ts';

export const DAY_S = 86_400;
export const START_S = Date.parse('2026-02-01T00:00:00Z') / 1_000;
export const INTERVAL_S = 30;

export interface World {
  readonly energy: Energy;
  readonly store: Store;
  readonly clock: BenchClock;
  readonly folder: string;
}

function plugs(count: number): EnergyDevice[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `plug-${index + 1}`,
    number: index + 1,
    name: `Plug ${index + 1}`,
    role: index === 0 ? 'nas' : 'generic',
    addedAtMs: 0,
    isOnline: true,
  }));
}

/** The bench sets its time; nothing is scheduled on it. */
class BenchClock implements Clock {
  second = 0;

  nowMs(): number {
    return (START_S + this.second) * 1_000;
  }

  monotonicMs(): number {
    return this.second * 1_000;
  }

  after(): () => void {
    return () => {};
  }

  sleep(): Promise<void> {
    return Promise.resolve();
  }
}

export function openWorld(count: number): World {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-energy-bench-'));
  const store = Store.open({
    file: join(folder, 'energy.db'),
    name: 'energy',
    synchronous: 'NORMAL',
    migrations: ENERGY_MIGRATIONS,
  });
  const devices = plugs(count);
  const clock = new BenchClock();
  const quiet = (): void => {};
  const energy = new Energy({
    store,
    clock,
    settings: {
      timeZone: 'Europe/Berlin',
      sampleIntervalSeconds: INTERVAL_S,
      rawRetentionDays: 7,
      hourlyRetentionDays: 365,
      defaultPriceCents: 32,
      commitSeconds: 60,
      nasPowerThresholdWatts: 30,
      co2GPerKwh: null,
    },
    devices: { list: () => devices, forgotten: () => [] },
    seen: seenIn(store, count),
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    isClockTrusted: () => true,
    isClockProved: () => true,
    history: null,
  });
  energy.start();
  return { energy, store, clock, folder };
}

/** Rows of plugs whose state stays and which are always seen. */
function seenIn(store: Store, count: number): SeenPlugs {
  const rows = new TapoRows(store);
  const kept = plugs(count).map(({ id, name, role }) =>
    rows.insert({
      ...{ id, name, role, isNamed: true, ip: '192.0.2.1', port: 80, model: 'P110' },
      ...{ deviceId: null, discoveryId: null, mac: null, firmware: '1.2.3', protocol: 'klap' },
      ...{ oldProtocolMac: null, state: 'ok', lastSeenMs: null, createdMs: 0 },
    }),
  );
  let lastSeenMs = 0;
  return {
    flush: (isFull) => {
      lastSeenMs += 1;
      if (isFull) for (const row of kept) rows.markSeen({ ...row, lastSeenMs });
      return () => undefined;
    },
  };
}

/** Every plug at its own second of the grid, as the sampler reads them. */
export function fill(world: World, count: number, fromDay: number, days: number): void {
  for (let atS = fromDay * DAY_S; atS < (fromDay + days) * DAY_S; atS += INTERVAL_S) {
    world.clock.second = atS;
    const readings = Array.from({ length: count }, (_, index) => reading(index + 1, atS));
    world.energy.record(readings);
    if (atS % 60 === 30) world.energy.rollUp();
    if (atS % 3_600 === 30) while (world.energy.prune());
  }
}

export function reading(deviceNumber: number, second: number): Reading {
  const atS = second + ((deviceNumber * 7) % INTERVAL_S);
  const watts = 20 + deviceNumber + 15 * Math.sin(atS / 900 + deviceNumber);
  const countedWh = Math.floor(((20 + deviceNumber) * atS) / 3_600);
  return {
    deviceNumber,
    monotonicMs: atS * 1_000,
    powerMw: Math.round(watts * 1_000),
    voltageMv: 230_000,
    currentMa: Math.round((watts / 230) * 1_000),
    todayWh: countedWh % 500,
    monthWh: countedWh,
    relay: 'on',
  };
}

export function closeWorld(world: World): void {
  world.store.close();
  rmSync(world.folder, { recursive: true, force: true });
}
