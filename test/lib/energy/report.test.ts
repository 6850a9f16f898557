import assert from 'node:assert/strict';
import {
  reportCsv,
  reportJson,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy-wire.ts';
import type {
  Report,
  ReportQuery,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/report.ts';
import { WORDS } from '../../../nodes/lib/words/words.ts';
import { Bench } from './energy-bench.ts';
import { devicesOf, SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
const DAY = 86_400;
/** Monday, 2026-05-11 in Berlin. */
const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;
const iso = (atS: number): string => new Date(atS * 1_000).toISOString();

function reported(bench: Bench, query: ReportQuery): Report {
  const outcome = bench.energy.reports.report(query);
  assert.equal(outcome.kind, 'report');
  return outcome;
}

async function csvOf(bench: Bench, query: object, language: 'en' | 'de'): Promise<string[]> {
  const outcome = bench.energy.reports.lines({ byDay: false, ...query });
  assert.equal(outcome.kind, 'lines');
  const chunks: string[] = [];
  for await (const chunk of reportCsv(outcome, WORDS.of(language).csv)) chunks.push(chunk);
  return chunks.join('').trimEnd().split('\r\n');
}

describe('A report of a period', () => {
  let bench: Bench;

  /** Thirty hours of 120 W, and beside them 50 W for the first ten; two hours without a reading. */
  beforeEach(async () => {
    bench = new Bench(fromS, { co2GPerKwh: 400 });
    const plug = new SimulatedPlug(1, steady(fromS, 120), fromS, bench.time);
    const other = new SimulatedPlug(2, steady(fromS, 50), fromS, bench.time);
    const outages = { outages: [[fromS + 3 * HOUR, fromS + 5 * HOUR]] } as const;
    bench.run([plug, other], fromS, fromS + 10 * HOUR, outages);
    bench.run([plug], fromS + 10 * HOUR, fromS + 30 * HOUR);
    await bench.moveTo(fromS + 30 * HOUR - 30);
  });

  afterEach(() => {
    bench.close();
  });

  it('has the bars of the whole calendar, also those to come, which are unknown and not 0', () => {
    const count = (period: 'day' | 'week' | 'month' | 'year'): number =>
      reported(bench, { period }).bars.length;
    assert.deepEqual([count('day'), count('week'), count('month'), count('year')], [24, 7, 31, 12]);
    const { bars } = reported(bench, { period: 'day' });
    assert.ok((bars[0]?.energyMwh ?? 0) > 0);
    const coming = bars[20];
    assert.deepEqual([coming?.energyMwh, coming?.costUc, coming?.elapsedS], [null, null, 0]);
  });

  it('adds up to the same, however wide its bars are', () => {
    const whole = (period: 'week' | 'month' | 'year') => {
      const { total, estimatedMwh, bars } = reported(bench, { period });
      const sum = bars.reduce((mwh, bar) => mwh + (bar.energyMwh ?? 0), 0);
      return [total.energyMwh, total.costUc, estimatedMwh, sum];
    };
    const week = whole('week');
    assert.deepEqual(whole('month'), week);
    assert.deepEqual(whole('year'), week);
    assert.ok(Math.abs((week[0] ?? 0) / 1_000 - 30 * 120 - 10 * 50) <= 6, String(week[0]));
    assert.equal(week[0], week[3]);
  });

  it('tells what was estimated apart, by the hour', () => {
    const { estimatedMwh, total } = reported(bench, { period: 'year' });
    assert.ok(estimatedMwh > 0 && estimatedMwh < (total.energyMwh ?? 0) / 4);
    const day = reported(bench, { period: 'day', date: '2026-05-11' });
    const guessed = day.bars.filter((bar) => bar.estimatedMwh > 0).map(({ number }) => number);
    assert.ok(guessed.includes(3) && guessed.includes(4) && !guessed.includes(8), String(guessed));
  });

  it('draws no curve where nothing was measured, nor of what was estimated', () => {
    const { curveStepS, curves } = reported(bench, { period: 'day', date: '2026-05-11' });
    assert.equal(curveStepS, 300);
    const [first, second] = curves;
    const inGap = (first?.points ?? []).filter(
      ({ startS }) => startS > fromS + 3 * HOUR && startS < fromS + 5 * HOUR - 300,
    );
    assert.deepEqual([inGap.length, (first?.points.length ?? 0) > 200], [0, true]);
    assert.ok((second?.points ?? []).every(({ startS }) => startS <= fromS + 10 * HOUR));
    assert.equal(reported(bench, { period: 'month' }).curveStepS, null);
  });

  it('keeps plugs of one name apart', () => {
    const list = devicesOf(1, 2)
      .list()
      .map((device) => ({ ...device, name: 'Lamp' }));
    bench.devices = { list: () => list, forgotten: () => [] };
    const { devices, bars } = reported(bench, { period: 'day', date: '2026-05-11' });
    assert.deepEqual(
      devices.map(({ device }) => [device.name, device.id]),
      [
        ['Lamp', 'plug-1'],
        ['Lamp', 'plug-2'],
      ],
    );
    const [one, two] = bars[1]?.ofDevices ?? [];
    assert.deepEqual([Math.round((one ?? 0) / 1_000), Math.round((two ?? 0) / 1_000)], [120, 50]);
  });

  it('is compared with the time before as far as it has come itself', () => {
    const { compared, bars, total } = reported(bench, { period: 'day', compare: 'previous' });
    assert.ok(compared);
    const whOf = (used: { readonly energyMwh: number | null } | null | undefined): number =>
      (used?.energyMwh ?? 0) / 1_000;
    assert.deepEqual([compared.fromS, compared.toS], [fromS, fromS + DAY]);
    // Five hours of 120 W and 50 W, up to the hour that has begun.
    assert.ok(Math.abs(whOf(compared.soFar) - 5 * 170) < 6);
    assert.ok(whOf(compared.total) > whOf(total));
    assert.deepEqual([compared.coveredS, compared.elapsedS], [5 * HOUR, 5 * HOUR]);
    assert.ok(whOf(bars[20]?.compared) > 0, 'a bar to come has one to compare with');
  });

  it('says when nothing is known of what it is compared with', () => {
    const query = { period: 'day', date: '2026-05-11', compare: 'previous' } as const;
    const { compared } = reported(bench, query);
    assert.deepEqual([compared?.soFar, compared?.total.energyMwh], [null, null]);
    assert.deepEqual([compared?.coveredS, compared?.elapsedS], [0, DAY]);
  });

  it('is compared with the same a year before', () => {
    const spans = (period: 'day' | 'week' | 'month' | 'year', date: string) => {
      const { compared } = reported(bench, { period, date, compare: 'year' });
      return [compared?.fromS, compared?.toS].map((atS) => bench.time.date(atS ?? 0));
    };
    assert.deepEqual(spans('day', '2026-05-11'), ['2025-05-11', '2025-05-12']);
    assert.deepEqual(spans('day', '2024-02-29'), ['2023-02-28', '2023-03-01']);
    assert.deepEqual(spans('week', '2026-05-13'), ['2025-05-12', '2025-05-19']);
    assert.deepEqual(spans('month', '2026-02-10'), ['2025-02-01', '2025-03-01']);
    assert.deepEqual(spans('year', '2026-02-10'), ['2025-01-01', '2026-01-01']);
  });

  it('takes any days, and finds the width of its bars by itself', () => {
    const of = (from: string, to: string) => {
      const { span, bars } = reported(bench, { from, to });
      return [span.period, span.unit, bars.length];
    };
    assert.deepEqual(of('2026-05-11', '2026-05-13'), ['range', 'hour', 48]);
    assert.deepEqual(of('2026-05-11T08:00:00Z', '2026-05-20T08:00:00Z'), ['range', 'day', 10]);
    assert.deepEqual(of('2026-01-01', '2026-06-01'), ['range', 'week', 22]);
    assert.deepEqual(of('2024-01-01', '2026-06-01'), ['range', 'month', 29]);
    assert.deepEqual(of('2000-01-01', '2026-06-01'), ['range', 'year', 27]);
  });

  it('refuses what is no stretch of time', () => {
    const kind = (query: ReportQuery): string => bench.energy.reports.report(query).kind;
    assert.equal(kind({ date: 'yesterday' }), 'bad_date');
    assert.equal(kind({ date: '2026-02-30' }), 'bad_date');
    assert.equal(kind({ from: '2026-05-13', to: '2026-05-13' }), 'bad_range');
    assert.equal(kind({ from: '1980-01-01', to: '2026-05-13' }), 'bad_range');
    assert.equal(kind({ from: 'x' }), 'bad_range');
    assert.equal(kind({ deviceId: 'nobody' }), 'unknown_device');
    const field = (query: ReportQuery): string => {
      const refused = bench.energy.reports.report(query);
      assert.equal(refused.kind, 'bad_range');
      return refused.field;
    };
    assert.equal(field({ from: '1980-01-01', to: '2026-05-13' }), 'from');
    assert.equal(field({ from: '2026-05-01', to: 'x' }), 'to');
    assert.equal(field({ to: '0001-05-01' }), 'to');
  });

  it('is about the days that were asked for, before 1970 too, or refused', () => {
    const told = (query: ReportQuery): readonly string[] => {
      const { from, to, buckets } = reportJson(reported(bench, query));
      assert.ok(buckets.every(({ energy_wh }) => energy_wh === null));
      return [from, to];
    };
    const may = ['1949-04-30T22:00:00Z', '1949-05-31T22:00:00Z'];
    assert.deepEqual(told({ period: 'month', date: '1949-05-11' }), may);
    assert.deepEqual(told({ from: '1949-05-01', to: '1949-06-01' }), may);
    const [from] = told({ period: 'year', date: '0099-07-01', compare: 'year' });
    assert.match(from ?? '', /^0098-12-31T23:/);
    for (const period of ['day', 'week', 'month', 'year'] as const) {
      told({ period, date: '0002-01-01', compare: 'year' });
      assert.equal(
        bench.energy.reports.report({ period, date: '0001-12-31' }).kind,
        'bad_date',
        period,
      );
    }
  });

  it('tells when metering began, what is covered of the time since, and the CO2', () => {
    const { firstS, coveredS, elapsedS, co2G, total } = reported(bench, { period: 'month' });
    assert.equal(firstS, fromS);
    assert.ok(Math.abs(elapsedS - 30 * HOUR) <= 60, String(elapsedS));
    assert.ok(coveredS > 0.9 * elapsedS && coveredS <= elapsedS);
    assert.equal(co2G, ((total.energyMwh ?? 0) / 1_000_000) * 400);
    const before = reported(bench, { period: 'day', date: '2026-05-01' });
    assert.deepEqual([before.total.energyMwh, before.firstS, before.elapsedS], [null, fromS, 0]);
  });

  it('is about one plug where it is asked for, and still tells of all', () => {
    const query = { deviceId: 'plug-2', period: 'day', date: '2026-05-11' } as const;
    const { device, total, devices, baseFeeUc, curves } = reported(bench, query);
    assert.deepEqual([device?.id, baseFeeUc, curves.length], ['plug-2', null, 1]);
    assert.ok(Math.abs((total.energyMwh ?? 0) / 1_000 - 500) < 6);
    assert.equal(devices.filter(({ energyMwh }) => energyMwh !== null).length, 2);
  });

  it('marks what an admin put right', () => {
    bench.energy.rollUp();
    const range = { from: iso(fromS + 6 * HOUR), to: iso(fromS + 7 * HOUR) };
    const made = bench.energy.correct(
      { ...range, deviceId: 'plug-1', energyWh: 300, why: 'it ran' },
      'anna',
    );
    assert.equal(made.kind, 'corrected');
    const day = reported(bench, { period: 'day', date: '2026-05-11' });
    assert.deepEqual(
      day.bars.filter(({ isCorrected }) => isCorrected).map(({ number }) => number),
      [6],
    );
    const [curve] = day.curves;
    const drawn = curve?.points.some(
      ({ startS }) => startS >= fromS + 6 * HOUR && startS < fromS + 7 * HOUR,
    );
    assert.equal(drawn, false);
  });

  it('is written hour by hour and plug by plug, local and in UTC, in two ways', async () => {
    const names = new Map([
      [1, 'Fridge; "old", big'],
      [2, '=cmd|x'],
    ]);
    const list = devicesOf(1, 2)
      .list()
      .map((device) => ({ ...device, name: names.get(device.number) ?? '' }));
    bench.devices = { list: () => list, forgotten: () => [] };
    const query = { period: 'day', date: '2026-05-11' };
    const english = await csvOf(bench, query, 'en');
    assert.equal(english.length, 1 + 24 + 10);
    assert.match(english[0] ?? '', /^local_time,utc,minutes,plug_id,plug,energy_kwh,cost_eur/);
    assert.match(
      english[1] ?? '',
      /^2026-05-11 00:00,2026-05-10T22:00:00Z,60,plug-1,"Fridge; ""old"", big",0\.1\d+,0\.0\d+,60\.0,measured,0\.0+$/,
    );
    assert.match(english[25] ?? '', /,'=cmd\|x,/);
    const german = await csvOf(bench, query, 'de');
    assert.match(german[0] ?? '', /^\uFEFFOrtszeit;UTC;/);
    assert.match(german[1] ?? '', /^11\.05\.2026 00:00;2026-05-10T22:00:00Z;60;plug-1;/);
    assert.match(german[4] ?? '', /;0,\d+;0,\d+;\d+,\d;geschätzt;0,0+$/);
    const days = await csvOf(bench, { ...query, byDay: true }, 'en');
    assert.deepEqual(
      days.slice(1).map((line) => line.split(',')[2]),
      ['1440', '1440'],
    );
  });

  it('becomes JSON that says unknown where nothing is known', () => {
    const json = reportJson(reported(bench, { period: 'day', compare: 'year' }));
    assert.equal(json.compared?.total.energy_wh, null);
    assert.deepEqual(json.buckets.at(-1)?.devices_wh, [null, null, null]);
    assert.equal(json.to, iso(fromS + 2 * DAY).replace('.000Z', 'Z'));
  });
});

describe('A report of a day on which the clocks change', () => {
  for (const [date, hours] of [
    ['2026-03-28T23:00:00Z', 23],
    ['2026-10-24T22:00:00Z', 24],
  ] as const) {
    it(`has ${hours} bars on the day that begins at ${date}`, () => {
      const bench = new Bench(Date.parse(date) / 1_000);
      try {
        const { bars } = reported(bench, { period: 'day' });
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

describe('A report of a time whose hours are gone', () => {
  it('still has its days, in its bars, as estimated, and in its rows', async () => {
    const bench = new Bench(fromS, { hourlyRetentionDays: 1 });
    try {
      const plug = new SimulatedPlug(1, steady(fromS, 120), fromS, bench.time);
      const outages = { outages: [[fromS + 3 * HOUR, fromS + 5 * HOUR]] } as const;
      bench.run([plug], fromS, fromS + 4 * DAY, { ...outages, intervalS: 60 });
      await bench.moveTo(fromS + 4 * DAY);
      bench.energy.rollUp();
      const before = reported(bench, { period: 'week' });
      bench.prune();
      const after = reported(bench, { period: 'week' });
      assert.deepEqual(after.total, before.total);
      const [monday] = after.bars;
      assert.equal(monday?.estimatedMwh, monday?.energyMwh);
      const lines = await csvOf(bench, { period: 'week' }, 'en');
      const minutes = lines.slice(1).map((line) => Number(line.split(',')[2]));
      assert.equal(
        minutes.reduce((sum, one) => sum + one, 0),
        4 * 1_440,
      );
      assert.ok(minutes.includes(1_440) && minutes.includes(60));
    } finally {
      bench.close();
    }
  });
});
