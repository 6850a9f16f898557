import assert from 'node:assert/strict';
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
});
