import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Energy, type EnergyDevice, type Reading } from '../../nodes/lib/energy/energy.ts';
import { historyCsv } from '../../nodes/lib/energy/energy-wire.ts';
import { ENERGY_MIGRATIONS } from '../../nodes/lib/store/databases.ts';
import { Store } from '../../nodes/lib/store/store.ts';
import type { Clock } from '../../nodes/lib/time/clock.ts';

const DAY_S = 86_400;
const START_S = Date.parse('2026-02-01T00:00:00Z') / 1_000;
const INTERVAL_S = 30;

interface World {
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

/** Time as the bench sets it; nothing is planned on it. */
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

function open(count: number): World {
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
    },
    devices: { list: () => devices },
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    isClockTrusted: () => true,
    history: null,
  });
  energy.start();
  return { energy, store, clock, folder };
}

/** Every plug on its own second of the grid, as the sampler reads them. */
function fill(world: World, count: number, fromDay: number, days: number): void {
  for (let atS = fromDay * DAY_S; atS < (fromDay + days) * DAY_S; atS += INTERVAL_S) {
    world.clock.second = atS;
    const readings = Array.from({ length: count }, (_, index) => reading(index + 1, atS));
    world.energy.record(readings);
    if (atS % 60 === 30) world.energy.rollUp();
    if (atS % 3_600 === 30) while (world.energy.prune());
  }
}

function reading(deviceNumber: number, second: number): Reading {
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

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Bytes handed to write() by this process; null where the system does not tell. */
function writtenBytes(): number | null {
  try {
    const match = /^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'));
    return match === null ? null : Number(match[1]);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

async function benchHistory(print: (line: string) => void): Promise<void> {
  const count = 20;
  const world = open(count);
  try {
    const cpu = process.cpuUsage();
    const beganMs = performance.now();
    fill(world, count, 0, 40);
    const used = process.cpuUsage(cpu);
    print(
      `energy: 40 days of ${count} plugs metered in ${((performance.now() - beganMs) / 1_000).toFixed(1)} s, ` +
        `${((used.user + used.system) / 1e6).toFixed(1)} s CPU`,
    );
    for (const spanS of [3_600, DAY_S, 7 * DAY_S, 20 * DAY_S, 39 * DAY_S]) {
      measure(world, spanS, print);
    }
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const pages = world.energy.historyPages({
      deviceId: 'plug-1',
      from: (START_S + 34 * DAY_S) * 1_000,
      to: (START_S + 40 * DAY_S) * 1_000,
      resolution: 'raw',
    });
    let bytes = 0;
    if (pages.kind === 'pages') for await (const piece of historyCsv(pages)) bytes += piece.length;
    delay.disable();
    print(
      `energy: CSV of all raw samples, ${bytes} bytes, loop held ${(delay.max / 1e6).toFixed(1)} ms`,
    );
  } finally {
    world.store.close();
    rmSync(world.folder, { recursive: true, force: true });
  }
}

function measure(world: World, spanS: number, print: (line: string) => void): void {
  const endS = START_S + 40 * DAY_S;
  const times: number[] = [];
  let most = 0;
  const cpu = process.cpuUsage();
  for (let round = 0; round < 100; round += 1) {
    const toS = endS - ((round * 7_919) % (DAY_S / 2));
    const beganMs = performance.now();
    for (const device of [1, 5, 9, 13, 17]) {
      const outcome = world.energy.history({
        deviceId: `plug-${device}`,
        from: (toS - spanS) * 1_000,
        to: toS * 1_000,
      });
      if (outcome.kind === 'history') most = Math.max(most, outcome.points.length);
    }
    times.push(performance.now() - beganMs);
  }
  const used = process.cpuUsage(cpu);
  print(
    `energy: history of ${spanS / 3_600} h, 5 of 20 plugs, ${most} points each: ` +
      `p50 ${percentile(times, 0.5).toFixed(2)} ms, p95 ${percentile(times, 0.95).toFixed(2)} ms, ` +
      `${((used.user + used.system) / 100_000).toFixed(2)} ms CPU each (goal 15 ms)`,
  );
}

function benchBytes(print: (line: string) => void): void {
  const count = 5;
  const world = open(count);
  try {
    fill(world, count, 0, 9);
    const before = writtenBytes();
    const cpu = process.cpuUsage();
    fill(world, count, 9, 1);
    const used = process.cpuUsage(cpu);
    const after = writtenBytes();
    const told =
      before === null || after === null ? 'unknown' : ((after - before) / 1e6).toFixed(1);
    print(
      `energy: ${told} MB written a day for ${count} plugs (goal 15 MB), ` +
        `${((used.user + used.system) / 1e6).toFixed(2)} s CPU a day`,
    );
  } finally {
    world.store.close();
    rmSync(world.folder, { recursive: true, force: true });
  }
}

/** History latency on a database of 20 plugs, and bytes written a day for 5. */
export async function benchEnergy(print: (line: string) => void): Promise<void> {
  benchBytes(print);
  await benchHistory(print);
}
