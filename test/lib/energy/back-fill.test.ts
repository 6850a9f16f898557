import assert from 'node:assert/strict';
import { Energy } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import type { Tapo } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { PatternCurve } from '../../practice/plug/load-curve.ts';
import type { PracticePlug } from '../../practice/plug/practice-plug.ts';
import { Bench } from '../tapo/setup.ts';
import { KeptLog } from '../../fakes/kept-log.ts';

const HOUR_MS = 3_600_000;
/** 14:30 UTC, where the bench's clock begins. */
const START_S = Date.parse('2026-02-22T14:00:00Z') / 1_000;

/** 10 W, and 600 W for the whole hour from 17:00 UTC on. */
function load(): PatternCurve {
  return new PatternCurve([
    { durationMs: 17 * HOUR_MS, fromW: 10, toW: 10 },
    { durationMs: HOUR_MS, fromW: 600, toW: 600 },
    { durationMs: 6 * HOUR_MS, fromW: 10, toW: 10 },
  ]);
}

describe('energy after the Pi was down, with a plug that remembers', () => {
  let bench: Bench;
  let plug: PracticePlug;
  let tapo: Tapo;

  beforeEach(() => {
    bench = new Bench();
  });

  afterEach(async () => {
    await bench.close();
  });

  function metering(): Energy {
    const energy = new Energy({
      store: bench.store,
      clock: bench.clock,
      settings: {
        timeZone: 'Europe/Berlin',
        sampleIntervalSeconds: 30,
        rawRetentionDays: 7,
        hourlyRetentionDays: 365,
        defaultPriceCents: 32,
        commitSeconds: 60,
        nasPowerThresholdWatts: 30,
        co2GPerKwh: null,
      },
      devices: {
        list: () => tapo.list().map((plug) => ({ ...plug, number: plug.deviceNumber })),
        forgotten: () => [],
      },
      seen: { flush: () => () => undefined },
      log: new KeptLog(),
      isClockTrusted: () => true,
      isClockProved: () => true,
      history: {
        hours: (number, fromMs, toMs, signal) => tapo.hours(number, fromMs, toMs, signal),
      },
    });
    energy.start();
    return energy;
  }

  async function sampled(energy: Energy, times: number): Promise<void> {
    const stop = tapo.onSample(({ deviceNumber, atMonotonicMs, outcome }) => {
      if (outcome.kind !== 'reading') return;
      const { powerMw, todayEnergyWh: todayWh, monthEnergyWh: monthWh } = outcome.reading;
      const electric = { powerMw, voltageMv: null, currentMa: null, todayWh, monthWh };
      energy.record([
        { deviceNumber, monotonicMs: atMonotonicMs, ...electric, relay: 'on' as const },
      ]);
    });
    for (let round = 0; round < times; round += 1) {
      await bench.until(tapo.pollAll());
      await bench.clock.advance(30_000);
    }
    stop();
  }

  /** Wh and mark of the hours from 15:00 to 19:00 UTC, after the Pi was down from about 14:45. */
  async function hoursAfter(sample: string): Promise<(readonly [number, number])[]> {
    const protocol = sample.endsWith('1.0.7') ? 'aes' : 'klap';
    plug = await bench.plug({ load: load(), sample, protocol });
    tapo = bench.tapo([plug]);
    await bench.until(tapo.discover());
    const [device] = tapo.list();
    if (device?.oldProtocol === 'asked') tapo.update(device.id, { confirmOldProtocol: true });
    const before = metering();
    await sampled(before, 30);
    await before.stop();
    await bench.clock.advance(5 * HOUR_MS);
    const after = metering();
    await sampled(after, 4);
    const day = after.histories.history({ resolution: 'day' });
    assert.ok(day.kind === 'history');
    const totalWh = (day.points[0]?.energyMwh ?? 0) / 1_000;
    const exactWh = plug.energyWhBetween(START_S * 1_000, plug.nowMs() - 30_000) - 5;
    assert.ok(Math.abs(totalWh - exactWh) <= 2, `${totalWh} of ${exactWh} Wh`);
    await after.stop();
    const rows = bench.store
      .prepare('SELECT * FROM energy_hourly WHERE device_number = 1 ORDER BY start_s')
      .all();
    return rows
      .filter(
        (row) => Number(row['start_s']) > START_S && Number(row['start_s']) < START_S + 18_000,
      )
      .map((row) => [Number(row['energy_mwh']) / 1_000, Number(row['estimated'])] as const);
  }

  it('puts each hour where the plug counted it, and marks it as estimated', async () => {
    const hours = await hoursAfter('P110M(EU)_1.0_1.2.3');
    const wanted = [10, 10, 600, 10];
    assert.equal(hours.length, 4);
    for (const [index, [energyWh, estimated]] of hours.entries()) {
      assert.ok(Math.abs(energyWh - (wanted[index] ?? 0)) <= 6, JSON.stringify(hours));
      assert.equal(estimated, 1);
    }
    assert.ok(plug.calls('get_energy_data') >= 1);
  });

  it('spreads it evenly where the firmware remembers no hours', async () => {
    const hours = await hoursAfter('P110(EU)_1.0_1.0.7');
    assert.equal(hours.length, 4);
    const [first = [0, 0]] = hours;
    for (const [energyWh, estimated] of hours) {
      assert.ok(Math.abs(energyWh - first[0]) <= 1, JSON.stringify(hours));
      assert.equal(estimated, 1);
    }
    assert.ok(first[0] > 100);
  });
});
