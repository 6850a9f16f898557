import assert from 'node:assert/strict';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import {
  costsJson,
  currentJson,
  historyCsv,
  historyJson,
  priceErrors,
  priceJson,
  priceInput,
  summaryJson,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy-wire.ts';
import {
  nasBorders,
  NasWatts,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/nas-watts.ts';
import { resolutionFor } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/periods.ts';
import {
  type Price,
  Tariffs,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/tariff.ts';
import { Bench } from './energy-bench.ts';
import { SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;

function price(change: Partial<Price>): Price {
  const open = { validFromS: null, validToS: null, weekdays: null };
  const window = { fromMinute: null, toMinute: null };
  const paid = { vatPercent: null, baseFeeUc: null, slots: 0 };
  return {
    id: 1,
    name: 'A',
    priceUcPerKwh: 1,
    isActive: true,
    ...open,
    ...window,
    ...paid,
    ...change,
  };
}

describe('energy answers', () => {
  let bench: Bench;
  let plug: SimulatedPlug;

  beforeEach(() => {
    bench = new Bench(fromS);
    plug = new SimulatedPlug(1, steady(fromS, 100), fromS, bench.time);
  });

  afterEach(() => {
    bench.close();
  });

  it('tells unknown devices, periods and ranges apart', () => {
    const { energy } = bench;
    assert.equal(energy.histories.history({ deviceId: 'nobody' }).kind, 'unknown_device');
    assert.equal(energy.costs({ deviceId: 'nobody' }).kind, 'unknown_device');
    assert.equal(energy.histories.history({ period: 'decade' }).kind, 'unknown_period');
    assert.equal(energy.histories.history({ resolution: 'second' }).kind, 'unknown_resolution');
    assert.equal(energy.histories.history({ from: 'yesterday' }).kind, 'bad_range');
    assert.equal(
      energy.histories.history({ from: '2026-05-12', to: '2026-05-11' }).kind,
      'bad_range',
    );
    assert.equal(
      energy.histories.history({ from: '1890-05-12', to: '1890-05-12' }).kind,
      'bad_range',
    );
  });

  it('answers for a beginning that lies before all clocks, and says which it was', async () => {
    const { energy } = bench;
    energy.record([plug.read(fromS, 0)]);
    await bench.moveTo(fromS + 3 * HOUR);
    const moments = { '1900-01-01': '1899-12-31T23:00:00Z', '0001-01-01T00:00:00Z': undefined };
    for (const [from, told] of Object.entries(moments)) {
      const [found, costs] = [
        energy.histories.history({ from, to: '2026-05-11' }),
        energy.costs({ from, to: '2026-05-11' }),
      ];
      assert.ok(found.kind === 'history' && costs.kind === 'costs', from);
      assert.ok(historyJson(found).from <= (told ?? from), historyJson(found).from);
      if (told !== undefined) assert.equal(costsJson(costs).from, told);
    }
    for (const from of ['0000-05-01', '0000-12-30T00:00:00Z', '9999-05-01']) {
      assert.equal(energy.histories.history({ from }).kind, 'bad_range', from);
    }
  });

  it('covers whole buckets of a range that begins or ends inside them, and says which', async () => {
    bench.run([plug], fromS, fromS + 30 * HOUR);
    await bench.moveTo(fromS + 30 * HOUR);
    const range = { from: '2026-05-11T10:30:00Z', to: '2026-05-11T12:10:00Z' };
    const whole = { from: '2026-05-11T10:00:00Z', to: '2026-05-11T13:00:00Z' };
    const answers = ['plug-1', undefined].flatMap((deviceId) => {
      const hours = bench.energy.histories.history({ ...range, deviceId, resolution: 'hour' });
      const costs = bench.energy.costs({ ...range, deviceId });
      assert.ok(hours.kind === 'history' && costs.kind === 'costs');
      const energyMwh = hours.points.reduce((sum, point) => sum + point.energyMwh, 0);
      assert.equal(costs.energyMwh, energyMwh);
      return [historyJson(hours), costsJson(costs)];
    });
    for (const { from, to } of answers) assert.deepEqual({ from, to }, whole);
    const told = (resolution: string): readonly string[] => {
      const found = bench.energy.histories.history({ ...range, deviceId: 'plug-1', resolution });
      assert.equal(found.kind, 'history');
      const { from, to } = historyJson(found);
      return [from, to];
    };
    assert.deepEqual(told('5m'), [range.from, range.to]);
    assert.deepEqual(told('raw'), [range.from, range.to]);
    assert.deepEqual(told('day'), ['2026-05-10T22:00:00Z', '2026-05-11T22:00:00Z']);
  });

  it('tells no cost of a time in which nothing was metered, and a real 0 where nothing was used', async () => {
    const idle = new SimulatedPlug(1, steady(fromS, 0), fromS, bench.time);
    bench.run([idle], fromS, fromS + 2 * HOUR);
    await bench.moveTo(fromS + 2 * HOUR);
    const told = (from: string, to: string) => {
      const costs = bench.energy.costs({ from, to });
      assert.equal(costs.kind, 'costs');
      const { total_kwh, cost_cents } = costsJson(costs);
      return [total_kwh, cost_cents];
    };
    assert.deepEqual(told('2026-05-01', '2026-05-02'), [null, null]);
    assert.deepEqual(told('2026-05-11', '2026-05-12'), [0, 0]);
  });

  it('says that a bucket which is not over ends now, and leaves a later end as it was asked', async () => {
    const nowS = fromS + 5 * HOUR + 1_800;
    bench.run([plug], fromS, nowS);
    await bench.moveTo(nowS);
    const toldTo = (toS: number): readonly (string | undefined)[] => {
      const query = { from: fromS * 1_000, to: toS * 1_000 };
      const hours = bench.energy.histories.history({ ...query, resolution: 'hour' });
      const costs = bench.energy.costs(query);
      assert.ok(hours.kind === 'history' && costs.kind === 'costs');
      return [historyJson(hours).to, costsJson(costs).to];
    };
    assert.deepEqual(toldTo(nowS - 900), ['2026-05-11T03:30:00Z', '2026-05-11T03:30:00Z']);
    assert.deepEqual(toldTo(nowS + 900), ['2026-05-11T03:45:00Z', '2026-05-11T03:45:00Z']);
  });

  it('counts whole days where their hours are no longer kept, and says so', async () => {
    await bench.energy.stop();
    bench.settings = { ...bench.settings, hourlyRetentionDays: 2 };
    bench.crash(fromS);
    bench.run([plug], fromS, fromS + 120 * HOUR);
    await bench.moveTo(fromS + 120 * HOUR);
    bench.energy.rollUp();
    bench.prune();
    const range = { from: '2026-05-11T10:30:00Z', to: '2026-05-12T12:10:00Z' };
    const costs = bench.energy.costs({ ...range, deviceId: 'plug-1' });
    const days = bench.energy.histories.history({
      ...range,
      deviceId: 'plug-1',
      resolution: 'hour',
    });
    assert.ok(costs.kind === 'costs' && days.kind === 'history');
    assert.equal(days.resolution, 'day');
    assert.equal(
      costs.energyMwh,
      days.points.reduce((sum, point) => sum + point.energyMwh, 0),
    );
    const whole = ['2026-05-10T22:00:00Z', '2026-05-12T22:00:00Z'];
    assert.deepEqual([costsJson(costs).from, costsJson(costs).to], whole);
    assert.deepEqual([historyJson(days).from, historyJson(days).to], whole);
  });

  it('shows the last reading across commits, marks it stale after 90 s, and never invents 0 W', async () => {
    assert.deepEqual(
      currentJson(bench.energy.current()).devices.map(({ power_w }) => power_w),
      [null, null, null],
    );
    assert.equal(bench.energy.current().totalPowerW, null);
    bench.energy.record([plug.read(fromS, 0)]);
    bench.energy.rollUp();
    await bench.moveTo(fromS + 85);
    const fresh = bench.energy.current();
    assert.deepEqual([fresh.devices[0]?.powerW, fresh.devices[0]?.isStale], [100, false]);
    assert.equal(fresh.totalPowerW, 100);
    await bench.moveTo(fromS + 91);
    const stale = bench.energy.current();
    assert.deepEqual([stale.devices[0]?.isStale, stale.devices[0]?.isOnline], [true, false]);
    assert.equal(stale.totalPowerW, null);
    await bench.moveTo(fromS + 700);
    assert.equal(bench.energy.current().devices[0]?.powerW, null);
  });

  it("tells the energy of our own day, whatever the plug's counter says", async () => {
    const late = fromS + 20 * HOUR;
    const counting = new SimulatedPlug(1, steady(fromS, 100), fromS, bench.time);
    await bench.moveTo(late);
    bench.run([counting], late, late + 2 * HOUR);
    await bench.moveTo(late + 2 * HOUR);
    const [today] = currentJson(bench.energy.current()).devices;
    // Its own counter says 2,200 Wh, but it was only read for two hours of the day.
    assert.ok(Math.abs((today?.energy_today_wh ?? 0) - 200) < 2, `${today?.energy_today_wh}`);
  });

  it('coarsens what would be more than 1,000 points and says to what', async () => {
    bench.run([plug], fromS, fromS + 30 * HOUR);
    await bench.moveTo(fromS + 30 * HOUR);
    const day = { deviceId: 'plug-1', from: fromS * 1_000, to: (fromS + 24 * HOUR) * 1_000 };
    const resolutionOf = (query: object): string => {
      const outcome = bench.energy.histories.history({ ...day, ...query });
      assert.equal(outcome.kind, 'history');
      assert.ok(outcome.points.length <= 1_000);
      return outcome.resolution;
    };
    assert.equal(resolutionOf({ resolution: 'raw' }), '5m');
    assert.equal(resolutionOf({ resolution: 'raw', to: (fromS + HOUR) * 1_000 }), 'raw');
    assert.equal(
      resolutionOf({ resolution: 'raw', deviceId: undefined, to: (fromS + HOUR) * 1_000 }),
      '5m',
    );
    assert.equal(resolutionOf({}), '5m');
    assert.equal(resolutionOf({ to: (fromS + 24 * HOUR * 30) * 1_000, resolution: '5m' }), 'hour');
    assert.equal(resolutionOf({ to: (fromS + 24 * HOUR * 300) * 1_000, resolution: '5m' }), 'day');
  });

  it('gives days for any range, unless more than 1,000 of them are known', async () => {
    bench.run([plug], fromS, fromS + 30 * HOUR);
    await bench.moveTo(fromS + 30 * HOUR);
    for (const resolution of ['5m', 'day', 'auto']) {
      const long = { deviceId: 'plug-1', from: '1990-01-01', to: '2050-01-01' };
      const outcome = bench.energy.histories.history({ ...long, resolution });
      assert.equal(outcome.kind, 'history');
      assert.deepEqual([outcome.resolution, outcome.points.length], ['day', 2]);
    }
    const known = (days: number): string[] => {
      const exists = (): boolean => true;
      const limits = { sampleIntervalS: 30, mostPoints: 1_000, exists, knownS: days * 24 * HOUR };
      const resolutions = ['5m', 'day', 'auto'] as const;
      return resolutions.map((resolution) =>
        resolutionFor(resolution, 0, 60 * 366 * 24 * HOUR, limits),
      );
    };
    assert.deepEqual(known(990), ['day', 'day', 'week']);
    assert.deepEqual(known(1_100), ['week', 'week', 'week']);
    assert.deepEqual(known(8_000), ['month', 'month', 'month']);
  });

  it('gives the same energy at every resolution, the hour that runs included', async () => {
    bench.run([plug], fromS, fromS + 5 * HOUR + 1_234);
    await bench.moveTo(fromS + 5 * HOUR + 1_240);
    const sums = ['5m', 'hour', 'day'].flatMap((resolution) =>
      ['plug-1', undefined].map((deviceId) => {
        const outcome = bench.energy.histories.history({ deviceId, resolution });
        assert.equal(outcome.kind, 'history');
        return outcome.points.reduce((sum, point) => sum + point.energyMwh, 0);
      }),
    );
    assert.deepEqual(new Set(sums).size, 1);
    const costs = bench.energy.costs({ period: 'day' });
    assert.equal(costs.kind, 'costs');
    assert.equal(costs.energyMwh, sums[0]);
    assert.equal(costs.costUc, (sums[0] ?? 0) * 32);
    assert.deepEqual(costsJson(costs).price_per_kwh_cents, 32);
    const json = historyJson(
      bench.energy.histories.history({ deviceId: 'plug-1', resolution: 'hour' }) as never,
    );
    assert.equal(json.data[0]?.timestamp, '2026-05-10T22:00:00Z');
    assert.equal(json.data[0]?.energy_wh, 100);
  });

  it('streams CSV without the limit', async () => {
    bench.run([plug], fromS, fromS + 12 * HOUR);
    await bench.moveTo(fromS + 12 * HOUR);
    const pages = bench.energy.histories.pages({ deviceId: 'plug-1', resolution: 'raw' });
    assert.equal(pages.kind, 'pages');
    let text = '';
    for await (const chunk of historyCsv(pages)) text += chunk;
    const lines = text.trimEnd().split('\r\n');
    assert.equal(lines.length, 1 + 12 * 120);
    assert.equal(lines[1], '2026-05-10T22:00:00Z,100,100,100,0.833,30,false,measured,0');
  });

  it('prices each hour by what was valid in it, and stored ones again only on request', async () => {
    bench.run([plug], fromS, fromS + 24 * HOUR + 60);
    await bench.moveTo(fromS + 24 * HOUR + 60);
    const day = { from: fromS * 1_000, to: (fromS + 24 * HOUR) * 1_000 };
    const costUc = (): number => {
      const outcome = bench.energy.costs(day);
      assert.equal(outcome.kind, 'costs');
      return outcome.costUc;
    };
    assert.equal(costUc(), 2_400_000 * 32);
    const made = bench.energy.prices.create(
      priceInput({
        name: 'Night',
        price_per_kwh_cents: 20.5,
        time_from: '22:00',
        time_to: '06:00',
      }),
    );
    assert.equal(made.kind, 'price');
    assert.equal(costUc(), 2_400_000 * 32);
    const outcome = await bench.energy.prices.recalculate('2026-05-11T02:00:00+02:00');
    assert.deepEqual(outcome, { kind: 'recalculated', changedHours: 6 });
    assert.equal(costUc(), 100_000 * (18 * 32 + 6 * 20.5));
    const costs = bench.energy.costs({ ...day, deviceId: 'plug-1' });
    assert.equal(costs.kind, 'costs');
    assert.deepEqual(costsJson(costs).by_tariff, [
      { name: 'Default', kwh: 1.8, cost_cents: 57.6 },
      { name: 'Night', kwh: 0.6, cost_cents: 12.3 },
    ]);
  });

  it('refuses prices that make no sense, and names each fault', () => {
    const outcome = bench.energy.prices.create(
      priceInput({
        name: '',
        price_per_kwh_cents: -100_001,
        time_from: '06:35',
        weekdays: [0],
        valid_from: 'soon',
      }),
    );
    assert.equal(outcome.kind, 'invalid');
    assert.deepEqual(
      priceErrors(outcome.faults).map(({ loc }) => loc.at(-1)),
      ['name', 'price_per_kwh_cents', 'valid_from', 'weekdays', 'time_from'],
    );
    assert.equal(bench.energy.prices.update(7, {}).kind, 'unknown_price');
    assert.equal(bench.energy.prices.remove(7).kind, 'unknown_price');
  });

  it('changes what is named, keeps the rest, and forgets a removed price but not its name', () => {
    const made = bench.energy.prices.create(
      priceInput({
        name: 'Day',
        price_per_kwh_cents: 30,
        valid_from: '2026-05-11',
        time_to: '00:00',
      }),
    );
    assert.equal(made.kind, 'price');
    const changed = bench.energy.prices.update(
      made.price.id,
      priceInput({ price_per_kwh_cents: 31 }),
    );
    assert.equal(changed.kind, 'price');
    assert.deepEqual(priceJson(changed.price), {
      id: made.price.id,
      name: 'Day',
      price_per_kwh_cents: 31,
      valid_from: '2026-05-10T22:00:00Z',
      valid_to: null,
      weekdays: null,
      time_from: null,
      time_to: '24:00',
      is_active: true,
      vat_percent: null,
      base_fee_cents_per_month: null,
      slots: 0,
    });
    assert.equal(bench.energy.prices.remove(made.price.id).kind, 'removed');
    assert.deepEqual(bench.energy.prices.list(), []);
  });

  it('knows nothing in the summary until there is a basis, then the average household day', async () => {
    const empty = summaryJson(bench.energy.summary());
    assert.equal(empty.avg_daily_kwh, null);
    assert.equal(empty.monthly_cost_estimate_cents, null);
    assert.equal(empty.saved_kwh_month, null);
    assert.equal(empty.nas_state, 'unknown');
    const plugs = [1, 2].map(
      (number) => new SimulatedPlug(number, steady(fromS, 40 * number), fromS, bench.time),
    );
    bench.run(plugs, fromS, fromS + 48 * HOUR + 60);
    await bench.moveTo(fromS + 48 * HOUR + 60);
    const summary = summaryJson(bench.energy.summary());
    assert.equal(summary.avg_daily_kwh, 2.88);
    assert.equal(summary.standby_w, 120);
    assert.equal(summary.nas_state, 'idle');
    assert.equal(summary.nas_asleep_hours_today, 0);
    assert.ok(Math.abs((summary.monthly_cost_estimate_cents ?? 0) - 21 * 2.88 * 32) < 2);
  });

  it('tells what the sleeping NAS saved against its own idle watts', async () => {
    const load = steady(fromS, 40).step(fromS + 6 * HOUR, 1.5);
    bench.run([new SimulatedPlug(1, load, fromS, bench.time)], fromS, fromS + 16 * HOUR);
    await bench.moveTo(fromS + 16 * HOUR);
    const summary = summaryJson(bench.energy.summary());
    assert.equal(summary.nas_state, 'off');
    assert.ok(Math.abs((summary.nas_asleep_hours_today ?? 0) - 10) < 0.1);
    assert.ok(Math.abs((summary.saved_kwh_month ?? 0) - 0.385) < 0.01);
    assert.ok(Math.abs((summary.saved_cents_month ?? 0) - 0.385 * 32) < 0.3);
  });

  it('tells what the NAS saved by what an admin put right, and as before when that is undone', async () => {
    const load = steady(fromS, 40).step(fromS + 6 * HOUR, 1.5);
    bench.run([new SimulatedPlug(1, load, fromS, bench.time)], fromS, fromS + 16 * HOUR);
    await bench.moveTo(fromS + 16 * HOUR);
    bench.energy.rollUp();
    const saved = (): readonly (number | null)[] => {
      const { saved_kwh_month, saved_cents_month } = summaryJson(bench.energy.summary());
      return [saved_kwh_month, saved_cents_month];
    };
    const before = saved();
    const [kwh] = before;
    const at = (hour: number): string => new Date((fromS + hour * HOUR) * 1_000).toISOString();
    const range = { deviceId: 'plug-1', from: at(7), to: at(12), why: 'it did not sleep' };
    for (const energyWh of [200, null]) {
      const done = bench.energy.correct({ ...range, energyWh }, 'admin');
      assert.equal(done.kind, 'corrected');
      assert.ok(Math.abs((saved()[0] ?? 0) - (kwh ?? 0) / 2) < 0.01, `${String(energyWh)} Wh`);
      assert.equal(bench.energy.undoCorrection(done.id, 'admin').kind, 'undone');
      assert.deepEqual(saved(), before, `${String(energyWh)} Wh, undone`);
    }
    // A correction of another plug does not concern the NAS.
    bench.energy.correct({ ...range, deviceId: 'plug-2', energyWh: 200 }, 'admin');
    assert.deepEqual(saved(), before);
  });

  it('reprices what the NAS saved with a recalculation, by the quarter hour', async () => {
    const load = steady(fromS, 40).step(fromS + 6 * HOUR, 1.5);
    bench.run([new SimulatedPlug(1, load, fromS, bench.time)], fromS, fromS + 16 * HOUR);
    await bench.moveTo(fromS + 16 * HOUR);
    const saved = (): number => summaryJson(bench.energy.summary()).saved_cents_month ?? 0;
    const before = saved();
    bench.energy.prices.create(priceInput({ name: 'Half', price_per_kwh_cents: 16 }));
    // The current hour has no stored cost.
    assert.ok(saved() < before && saved() > before * 0.9, `${saved()} of ${before}`);
    await bench.energy.prices.recalculate('2026-05-01');
    assert.ok(Math.abs(saved() - before / 2) < 0.01, `${saved()} of ${before}`);
    // Now three quarters of each hour cost nothing.
    const slots = Array.from({ length: 10 * 4 }, (_, index) => ({
      from: new Date((fromS + 6 * HOUR + index * 900) * 1_000).toISOString(),
      to: new Date((fromS + 6 * HOUR + (index + 1) * 900) * 1_000).toISOString(),
      pricePerKwhCents: index % 4 === 0 ? 16 : 0,
    }));
    bench.energy.prices.putSlots('Dynamic', slots);
    await bench.energy.prices.recalculate('2026-05-01');
    assert.ok(Math.abs(saved() - before / 8) < 0.2, `${saved()} of ${before}`);
  });
});

describe('energy tariffs', () => {
  const berlin = new LocalTime('Europe/Berlin');
  const at = (text: string): number => Date.parse(text) / 1_000;

  it('lets the later begin win, then the later id, and skips what is not active', () => {
    const prices = [
      price({ id: 3, name: 'always' }),
      price({ id: 1, name: 'old', validFromS: 1_000 }),
      price({ id: 2, name: 'new', validFromS: 1_000 }),
      price({ id: 4, name: 'off', validFromS: 2_000, isActive: false }),
    ];
    const tariffs = new Tariffs(prices, 5, berlin);
    assert.equal(tariffs.at(0).name, 'always');
    assert.equal(tariffs.at(3_600).name, 'new');
    assert.equal(new Tariffs([], 5, berlin).at(0).priceUcPerKwh, 5);
  });

  it('counts a window over midnight to the day it began on', () => {
    const night = price({ weekdays: [5], fromMinute: 22 * 60, toMinute: 6 * 60 });
    const tariffs = new Tariffs([night], 5, berlin);
    assert.equal(tariffs.at(at('2026-05-15T20:00:00Z')).priceId, 1);
    assert.equal(tariffs.at(at('2026-05-16T03:00:00Z')).priceId, 1);
    assert.equal(tariffs.at(at('2026-05-16T04:00:00Z')).priceId, 0);
    assert.equal(tariffs.at(at('2026-05-15T03:00:00Z')).priceId, 0);
  });

  it('keeps windows on local hours when the clocks change', () => {
    const tariffs = new Tariffs([price({ fromMinute: 120, toMinute: 240 })], 5, berlin);
    const hoursOn = (day: string): number => {
      const startS = berlin.dayStart(at(`${day}T12:00:00Z`));
      let count = 0;
      for (let atS = startS; atS < berlin.nextDayStart(startS); atS = berlin.hourEnd(atS)) {
        count += tariffs.at(atS).priceId;
      }
      return count;
    };
    assert.deepEqual(['2026-03-28', '2026-03-29', '2026-10-25'].map(hoursOn), [2, 1, 3]);
  });

  it('begins hours on whole local hours in half-hour zones', () => {
    const kolkata = new LocalTime('Asia/Kolkata');
    assert.equal(kolkata.hourStart(at('2026-05-10T12:45:00Z')), at('2026-05-10T12:30:00Z'));
    const howe = new LocalTime('Australia/Lord_Howe');
    for (const day of ['2026-04-04', '2026-10-03']) {
      let atS = howe.hourStart(at(`${day}T10:00:00Z`));
      const endS = at(`${day}T20:00:00Z`);
      while (atS < endS) {
        const nextS = howe.hourEnd(atS);
        assert.ok(nextS > atS && nextS - atS <= HOUR);
        assert.equal(howe.hourStart(nextS - 1), atS);
        assert.equal(howe.hourStart(nextS), nextS);
        atS = nextS;
      }
    }
  });
});

describe('whether the NAS is without power', () => {
  it('is known only while its plug is read, and never of a plug of another role', async () => {
    const bench = new Bench(fromS);
    try {
      const nas = new SimulatedPlug(1, steady(fromS, 0.5), fromS, bench.time);
      const lamp = new SimulatedPlug(2, steady(fromS, 60), fromS, bench.time);
      assert.equal(bench.energy.nasUnpoweredMs(), null);
      for (let second = 0; second <= 60; second += 30) {
        await bench.moveTo(fromS + second);
        const readings = [nas, lamp].map((plug) => plug.read(fromS + second, second * 1_000));
        bench.energy.record(readings);
      }
      assert.equal(bench.energy.nasUnpoweredMs(), 60_000);
      await bench.moveTo(fromS + 60 + 91);
      assert.equal(bench.energy.nasUnpoweredMs(), null, 'stale watts say nothing');
    } finally {
      bench.close();
    }
  });
});

describe('energy NAS watts', () => {
  it('changes state only for a clear and lasting change', () => {
    const watts = new NasWatts(nasBorders(30));
    const seen = [42, 62, 42, 70, 70, 58, 58, 50, 50, 50, 1.5, 1.5, 1.5].map((power, index) => {
      watts.note(power * 1_000, index * 30_000);
      return watts.state;
    });
    assert.deepEqual(seen, [
      ...['idle', 'idle', 'idle', 'idle', 'active', 'active', 'active', 'active'],
      ...['idle', 'idle', 'idle', 'off', 'off'],
    ]);
  });

  it('leaves off and standby at once for what runs, by the first reading that shows it', () => {
    const watts = new NasWatts(nasBorders(30));
    const seen = [0.4, 45, 45, 5, 5, 80].map((power, index) => {
      watts.note(power * 1_000, index * 30_000);
      return watts.state;
    });
    assert.deepEqual(seen, ['off', 'idle', 'idle', 'idle', 'standby', 'active']);
  });

  it('knows for how long the plug has fed next to nothing', () => {
    const watts = new NasWatts(nasBorders(30));
    const seen = [42, 1.2, 0.4, 1.9, 2.1, 0.3, 0.3].map((power, index) => {
      watts.note(power * 1_000, index * 30_000);
      return watts.unpoweredMs(index * 30_000);
    });
    assert.deepEqual(seen, [null, 0, 30_000, 60_000, null, 0, 30_000]);
    watts.forget();
    assert.equal(watts.unpoweredMs(300_000), null);
  });
});
