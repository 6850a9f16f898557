import assert from 'node:assert/strict';
import {
  costsJson,
  currentJson,
  historyJson,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy-wire.ts';
import type { Reading } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';
import { Bench } from './energy-bench.ts';

const HOUR = 3_600;
/** Midnight in Berlin. */
const fromS = Date.parse('2026-06-10T22:00:00Z') / 1_000;
const iso = (atS: number): string => new Date(atS * 1_000).toISOString();

/**
 * 1 W at night; from 06:00 to 18:00 it falls in a straight line to 300 W fed in at noon, and back.
 */
function sunW(atS: number): number {
  const hour = ((atS - fromS) / HOUR) % 24;
  return hour <= 6 || hour >= 18 ? 1 : 1 - 301 * (1 - Math.abs(hour - 12) / 6);
}

describe('A plug through which a solar inverter feeds in', () => {
  let bench: Bench;
  /** Wh in either direction: what a plug counts that cannot tell the direction. */
  let countedWh: number;

  beforeEach(() => {
    bench = new Bench(fromS);
    countedWh = 0;
  });

  afterEach(() => {
    bench.close();
  });

  function read(atS: number): Reading {
    countedWh += Math.abs(sunW(atS)) * (30 / HOUR);
    const wh = Math.floor(countedWh);
    return {
      ...{ deviceNumber: 1, monotonicMs: (atS - fromS) * 1_000, relay: 'on' },
      ...{ powerMw: Math.round(sunW(atS) * 1_000), voltageMv: null, currentMa: null },
      ...{ todayWh: wh % 5_000, monthWh: 900 + wh },
    };
  }

  /** Readings every 30 s, except in [outS, backS). */
  async function meter(toS: number, outS = toS, backS = toS): Promise<void> {
    for (let atS = fromS; atS <= toS; atS += 30) {
      const reading = read(atS);
      if (atS >= outS && atS < backS) continue;
      bench.energy.record([reading]);
      if (atS % 600 === 0) bench.energy.rollUp();
    }
    await bench.moveTo(toS);
    bench.energy.rollUp();
  }

  function day(deviceId: string | undefined, resolution = 'day') {
    const outcome = bench.energy.histories.history({
      ...{ deviceId, resolution, from: iso(fromS), to: iso(fromS + 24 * HOUR) },
    });
    assert.equal(outcome.kind, 'history');
    return historyJson(outcome).data;
  }

  const sum = (points: readonly { feed_in_wh: number; energy_wh: number }[]) => ({
    used: points.reduce((total, point) => total + point.energy_wh, 0),
    fedIn: points.reduce((total, point) => total + point.feed_in_wh, 0),
  });
  const [usedWh, fedInWh] = [12.02, 300 * 6 * (300 / 301)];

  it('is metered as feed-in, never as consumption, at every resolution and in the household', async () => {
    await meter(fromS + 24 * HOUR + 60);
    for (const deviceId of ['plug-1', undefined]) {
      for (const resolution of ['day', 'hour', '5m']) {
        const { used, fedIn } = sum(day(deviceId, resolution));
        assert.ok(Math.abs(used - usedWh) < 0.2, `${used} Wh used, ${resolution}`);
        assert.ok(Math.abs(fedIn - fedInWh) < 2, `${fedIn} Wh fed in, ${resolution}`);
      }
    }
    const noon = day('plug-1', 'hour')[12];
    assert.ok((noon?.avg_power_w ?? 0) < -200 && noon?.energy_wh === 0);
    assert.ok((noon.min_power_w ?? 0) <= noon.avg_power_w && noon.max_power_w >= noon.avg_power_w);
    const told = bench.energy.costs({
      period: 'day',
      from: iso(fromS),
      to: iso(fromS + 24 * HOUR),
    });
    assert.equal(told.kind, 'costs');
    const costs = costsJson(told);
    assert.ok(Math.abs(costs.feed_in_kwh * 1_000 - fedInWh) < 2, `${costs.feed_in_kwh} kWh`);
    const cents = costs.cost_cents ?? Number.NaN;
    assert.ok(Math.abs(cents - (usedWh / 1_000) * 32) < 0.01, `${cents} ct`);
    assert.ok(bench.energy.summary().standbyMw === 1_000 || bench.energy.summary().standbyMw === 0);
  });

  it('shows its power below 0 now, and as it was read', async () => {
    await meter(fromS + 12 * HOUR);
    const [shown] = currentJson(bench.energy.current()).devices;
    assert.equal(shown?.power_w, -300);
    const raw = bench.energy.histories.history({
      ...{ deviceId: 'plug-1', resolution: 'raw' },
      ...{ from: iso(fromS + 11 * HOUR), to: iso(fromS + 12 * HOUR) },
    });
    assert.equal(raw.kind, 'history');
    const { used, fedIn } = sum(historyJson(raw).data);
    assert.ok(used === 0 && Math.abs(fedIn - 275) < 3, `${used} ${fedIn}`);
  });

  it('leaves a gap uncovered whatever its counters say, by day and over the day after one that fed in', async () => {
    await meter(fromS + 24 * HOUR + 60, fromS + 9 * HOUR, fromS + 15 * HOUR);
    const [first] = day('plug-1');
    assert.ok(Math.abs((first?.energy_wh ?? 0) - usedWh) < 0.2, `${first?.energy_wh} Wh`);
    assert.ok((first?.covered_seconds ?? 0) < 18.1 * HOUR);
    bench.close();
    bench = new Bench(fromS);
    countedWh = 0;
    await meter(fromS + 48 * HOUR, fromS + 25 * HOUR, fromS + 47 * HOUR);
    const outcome = bench.energy.histories.history({
      ...{ deviceId: 'plug-1', resolution: 'hour' },
      ...{ from: iso(fromS + 24 * HOUR), to: iso(fromS + 48 * HOUR) },
    });
    assert.equal(outcome.kind, 'history');
    const { used } = sum(historyJson(outcome).data);
    assert.ok(used < 3, `${used} Wh of a day nobody saw`);
  });

  it('keeps both sums over a kill, to the mWh', async () => {
    await meter(fromS + 13 * HOUR + 600);
    const before = sum(day('plug-1', 'hour'));
    bench.crash(fromS + 13 * HOUR + 600);
    assert.deepEqual(sum(day('plug-1', 'hour')), before);
  });

  it('keeps what was fed in when what was used is put right', async () => {
    await meter(fromS + 15 * HOUR);
    const before = day('plug-1', 'hour')[10];
    const [from, to] = [iso(fromS + 10 * HOUR), iso(fromS + 11 * HOUR)];
    const input = { deviceId: 'plug-1', from, to, why: 'a lamp' };
    assert.equal(bench.energy.correct({ ...input, energyWh: 4 }, 'anna').kind, 'corrected');
    const after = day('plug-1', 'hour')[10];
    assert.deepEqual([after?.feed_in_wh, after?.energy_wh], [before?.feed_in_wh, 4]);
    assert.equal(bench.energy.correct({ ...input, energyWh: null }, 'anna').kind, 'corrected');
    assert.equal(
      day('plug-1', 'hour').find(({ timestamp }) => timestamp === from),
      undefined,
    );
  });

  it('does not doubt the counters of a plug that only quivers around 0', async () => {
    for (let atS = fromS; atS <= fromS + 3 * HOUR; atS += 30) {
      if (atS > fromS + HOUR && atS < fromS + 2 * HOUR) continue;
      const powerMw = atS % 60 === 0 ? -200 : 400;
      const wh = Math.floor(((atS - fromS) / HOUR) * 50);
      bench.energy.record([{ ...read(atS), powerMw, todayWh: wh, monthWh: wh }]);
    }
    await bench.moveTo(fromS + 3 * HOUR);
    const [all] = day('plug-1');
    assert.ok(Math.abs((all?.energy_wh ?? 0) - 150) <= 1.1, `${all?.energy_wh} Wh`);
  });
});
