import assert from 'node:assert/strict';
import { Bench } from './energy-bench.ts';
import { generator, nas, SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
/** Midnight in Berlin. */
const fromS = Date.parse('2026-05-30T22:00:00Z') / 1_000;
const toS = fromS + 76 * HOUR;
const iso = (atS: number): string => new Date(atS * 1_000).toISOString();

describe('Another time zone', function () {
  this.timeout(20_000);
  let bench: Bench;

  beforeEach(async () => {
    bench = new Bench(fromS);
    const loads = [nas(fromS, toS, generator(5)), steady(fromS, 50)];
    const plugs = loads.map((load, at) => new SimulatedPlug(at + 1, load, fromS, bench.time));
    const night = { timeFrom: '22:00', timeTo: '06:00' };
    bench.energy.prices.create({ name: 'Night', pricePerKwhCents: 20, ...night });
    bench.run(plugs, fromS, toS);
    await bench.moveTo(toS);
    bench.energy.rollUp();
  });

  afterEach(() => {
    bench.close();
  });

  const HOURS = ['energy_hourly', 'energy_five_minutes', 'energy_hour_tariffs'];
  const rows = (tables: readonly string[]): string[] => tables.map((table) => bench.rows(table));

  const sums = (table: string): unknown =>
    bench.store
      .prepare(
        `SELECT device_number, sum(energy_mwh) AS mwh, sum(cost_uc) AS uc FROM ${table}
         GROUP BY device_number ORDER BY device_number`,
      )
      .all();

  /** Energy by local day, put together here from the hours. */
  function daysOf(device: number): Record<string, number> {
    const days: Record<string, number> = {};
    const hours = bench.store
      .prepare('SELECT start_s, energy_mwh FROM energy_hourly WHERE device_number = ?')
      .all(device);
    for (const { start_s: startS, energy_mwh: mwh } of hours) {
      const day = bench.time.date(Number(startS));
      days[day] = (days[day] ?? 0) + Number(mwh);
    }
    return days;
  }

  const stored = (device: number): Record<string, number> =>
    Object.fromEntries(
      bench.store
        .prepare('SELECT day, energy_mwh FROM energy_daily WHERE device_number = ? ORDER BY day')
        .all(device)
        .map(({ day, energy_mwh: mwh }) => [String(day), Number(mwh)]),
    );

  for (const zone of ['America/New_York', 'Pacific/Auckland', 'Asia/Kolkata']) {
    it(`leaves the hours and puts the days together again from them, in ${zone}, and says so`, async () => {
      await bench.restart(toS);
      const [hours, cents] = [rows(HOURS), sums('energy_hourly')];
      await bench.restartIn(zone, toS);
      assert.deepEqual(rows(HOURS), hours);
      for (const device of [0, 1, 2]) assert.deepEqual(stored(device), daysOf(device));
      assert.deepEqual(sums('energy_daily'), cents);
      assert.deepEqual(sums('energy_daily_tariffs'), cents);
      const said = bench.warnings.filter((line) => line.includes('time zone'));
      assert.equal(said.length, 1);
      assert.match(said[0] ?? '', /Berlin/);
      const days = rows(['energy_daily', 'energy_daily_tariffs']);
      await bench.restart(toS);
      assert.deepEqual(rows(['energy_daily', 'energy_daily_tariffs']), days);
      assert.equal(bench.warnings.filter((line) => line.includes('time zone')).length, 1);
    });
  }

  it('loses no day whose hours are no longer kept, and none of its energy', async () => {
    await bench.restart(toS);
    const before = sums('energy_daily');
    bench.store.prepare('DELETE FROM energy_hourly WHERE start_s < ?').run(fromS + 24 * HOUR);
    for (const zone of ['America/New_York', 'Asia/Tokyo', 'Europe/Berlin']) {
      await bench.restartIn(zone, toS);
      assert.deepEqual(sums('energy_daily'), before, zone);
      assert.deepEqual(sums('energy_daily_tariffs'), before, zone);
    }
  });

  it('is metered on in, and months go by it', async () => {
    await bench.restartIn('America/New_York', toS);
    const plug = new SimulatedPlug(2, steady(fromS, 50), fromS, bench.time);
    bench.run([plug], toS, toS + 12 * HOUR);
    await bench.moveTo(toS + 12 * HOUR);
    const may = bench.energy.histories.history({
      ...{ deviceId: 'plug-2', resolution: 'day', from: '2026-05-01', to: '2026-06-01' },
    });
    assert.equal(may.kind, 'history');
    const wh = may.points.reduce((sum, { energyMwh }) => sum + energyMwh, 0) / 1_000;
    // From midnight in Berlin on the 31st to midnight in New York, 30 hours later.
    assert.ok(Math.abs(wh - 30 * 50) < 2, `${wh} Wh`);
  });

  it('prices hours that begin at another minute as they are, and refuses to correct them', async () => {
    await bench.restart(toS);
    const before = sums('energy_hourly');
    await bench.restartIn('Asia/Kolkata', toS);
    const [price] = bench.energy.prices.list();
    bench.energy.prices.remove(price?.id ?? 0);
    await bench.energy.prices.recalculate(fromS * 1_000);
    const energy = (told: unknown): unknown => (told as { mwh: number }[]).map(({ mwh }) => mwh);
    assert.deepEqual(energy(sums('energy_hourly')), energy(before));
    const wrong = bench.sum(
      'SELECT count(*) FROM energy_hourly WHERE device_number > 0 AND cost_uc <> energy_mwh * 32',
    );
    assert.equal(wrong, 0);
    const range = { from: iso(fromS + 10 * HOUR), to: iso(fromS + 11 * HOUR), energyWh: 1 };
    const refused = bench.energy.correct({ deviceId: 'plug-1', why: 'so', ...range }, 'anna');
    assert.equal(refused.kind, 'too_old');
  });
});
