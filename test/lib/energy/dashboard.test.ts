import assert from 'node:assert/strict';
import type { RangeQuery } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/periods.ts';
import { Bench } from './energy-bench.ts';
import { SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
/** Monday, 2026-05-11 in Berlin. */
const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;

describe('the dashboard of one plug', () => {
  it('tells calendar periods up to now, the last day by the hour, and what was not metered', async () => {
    const bench = new Bench(fromS);
    try {
      const plug = new SimulatedPlug(1, steady(fromS, 120), fromS, bench.time, { isMissing: true });
      const toS = fromS + 30 * HOUR;
      const outages = [[fromS + 26 * HOUR, fromS + 28 * HOUR]] as const;
      bench.run([plug], fromS, toS, { outages });
      await bench.moveTo(toS - 30);
      const told = bench.energy.dashboard(1);
      assert.ok(told?.today && told.week && told.month);
      assert.equal(told.today.fromS, fromS + 24 * HOUR);
      assert.equal(told.week.fromS, fromS);
      assert.equal(told.month.fromS, Date.parse('2026-04-30T22:00:00Z') / 1_000);
      const missedS = told.today.elapsedS - told.today.bucket.coveredS;
      assert.ok(Math.abs(missedS - 2 * HOUR) <= 60, String(missedS));
      assert.equal(told.week.bucket.energyMwh, told.month.bucket.energyMwh);
      assert.ok(Math.abs(told.week.bucket.energyMwh / 1_000 - 28 * 120) < 5);
      assert.ok(Math.abs(told.today.samples - 4 * 120) <= 2);
      assert.ok(told.hours.length <= 25 && told.hours.every(({ avgMw }) => avgMw === 120_000));
      assert.equal(bench.energy.dashboard(9), null);
      assert.deepEqual(bench.energy.dashboard(2)?.month, null);
    } finally {
      bench.close();
    }
  });

  it('tells each hour with its cost, of one plug and of all, up to now', async () => {
    const bench = new Bench(fromS);
    try {
      const plugs = [1, 2].map((number) => {
        return new SimulatedPlug(number, steady(fromS, 120), fromS, bench.time);
      });
      const toS = fromS + 3 * HOUR + 900;
      bench.run(plugs, fromS, toS);
      await bench.moveTo(toS);
      const told = (number: number | null, query: RangeQuery) => {
        const found = bench.energy.hours(number, query);
        assert.equal(found.kind, 'hours');
        return found.hours.map(({ startS, endS, energyMwh, costUc }) => {
          assert.ok(Math.abs(costUc - energyMwh * 32) <= 32, `${costUc} for ${energyMwh}`);
          return [startS - fromS, endS - fromS, Math.round(energyMwh / 1_000)];
        });
      };
      const hours = [
        [0, HOUR, 120],
        [HOUR, 2 * HOUR, 120],
        [2 * HOUR, 3 * HOUR, 120],
      ];
      assert.deepEqual(told(1, { period: 'day' }).slice(0, 3), hours);
      assert.deepEqual(told(1, { period: 'day' })[3]?.slice(0, 2), [3 * HOUR, 3 * HOUR + 900]);
      const range = { from: (fromS + HOUR + 60) * 1_000, to: (fromS + 2 * HOUR) * 1_000 };
      assert.deepEqual(told(null, range), [[HOUR, 2 * HOUR, 240]]);
      assert.equal(bench.energy.hours(1, { from: 'x' }).kind, 'bad_range');
    } finally {
      bench.close();
    }
  });
});
