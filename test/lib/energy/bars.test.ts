import assert from 'node:assert/strict';
import type { Bar, BarPeriod } from '../../../nodes/lib/energy/energy.ts';
import { Bench } from './energy-bench.ts';
import { SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
/** Monday, 2026-05-11 in Berlin. */
const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;

const sumOf = (bars: readonly Bar[]): number =>
  bars.reduce((sum, { measuredMwh, estimatedMwh }) => sum + measuredMwh + estimatedMwh, 0);

describe('the bars of a period', () => {
  let bench: Bench;

  beforeEach(async () => {
    bench = new Bench(fromS);
    const plug = new SimulatedPlug(1, steady(fromS, 120), fromS, bench.time);
    const toS = fromS + 30 * HOUR;
    bench.run([plug], fromS, toS, { outages: [[fromS + 3 * HOUR, fromS + 5 * HOUR]] });
    await bench.moveTo(toS - 30);
  });

  afterEach(() => {
    bench.close();
  });

  it('are all of the calendar, also those to come', () => {
    const numbers = (period: BarPeriod): number[] =>
      bench.energy.bars(period).map(({ number }) => number);
    const upTo = (count: number, first = 1): number[] =>
      Array.from({ length: count }, (_, index) => first + index);
    assert.deepEqual(numbers('day'), upTo(24, 0));
    assert.deepEqual(numbers('week'), upTo(7));
    assert.deepEqual(numbers('month'), upTo(31));
    assert.deepEqual(numbers('year'), upTo(12));
  });

  it('add up to the same, however wide they are', () => {
    const week = sumOf(bench.energy.bars('week'));
    assert.equal(sumOf(bench.energy.bars('month')), week);
    assert.equal(sumOf(bench.energy.bars('year')), week);
    assert.ok(Math.abs(week / 1_000 - 30 * 120) <= 5, String(week));
  });

  it('tell what was estimated apart, as finely in the year as in the week', () => {
    const estimated = (period: BarPeriod): number =>
      bench.energy.bars(period).reduce((sum, bar) => sum + bar.estimatedMwh, 0);
    assert.ok(estimated('week') > 0);
    assert.ok(estimated('week') < sumOf(bench.energy.bars('week')) / 4);
    assert.equal(estimated('year'), estimated('week'));
  });
});

describe('the bars of a day on which the clocks change', () => {
  for (const [date, hours] of [
    ['2026-03-28T23:00:00Z', 23],
    ['2026-10-24T22:00:00Z', 24],
  ] as const) {
    it(`are ${hours} on the day that begins at ${date}`, () => {
      const bench = new Bench(Date.parse(date) / 1_000);
      try {
        const bars = bench.energy.bars('day');
        assert.equal(bars.length, hours);
        assert.equal(new Set(bars.map(({ number }) => number)).size, hours);
        const long = bars.filter(({ startS, endS }) => endS - startS === 2 * HOUR);
        assert.equal(long.length, hours === 24 ? 1 : 0, 'the hour that comes twice is one bar');
      } finally {
        bench.close();
      }
    });
  }
});
