import assert from 'node:assert/strict';
import { Bench } from './energy-bench.ts';
import { generator, nas, SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
/** Midnight in Berlin, in the last days of a year. */
const fromS = Date.parse('2026-12-30T23:00:00Z') / 1_000;
const iso = (atS: number): string => new Date(atS * 1_000).toISOString();

describe('The counters for others', function () {
  this.timeout(20_000);
  let bench: Bench;
  let plugs: SimulatedPlug[];
  /** Their previous values. */
  let seen: number[];
  let nowS: number;

  beforeEach(() => {
    bench = new Bench(fromS);
    const loads = [nas(fromS, fromS + 90 * HOUR, generator(3)), steady(fromS, 60)];
    plugs = loads.map((load, index) => new SimulatedPlug(index + 1, load, fromS, bench.time));
    seen = [];
    nowS = fromS;
  });

  afterEach(() => {
    bench.close();
  });

  const values = (): number[] => [
    ...[1, 2].map((number) => bench.energy.counters.of(number).energyMwh),
    ...[1, 2].map((number) => bench.energy.counters.of(number).feedInMwh),
    bench.energy.counters.cost.costUc,
    bench.energy.counters.cost.creditUc,
  ];

  /** Scrapes as Prometheus does. */
  function look(what: string): number[] {
    const now = values();
    const fell = seen.findIndex((value, index) => (now[index] ?? 0) < value);
    assert.equal(fell, -1, `${what}: ${seen.join()} then ${now.join()}`);
    seen = now;
    return now;
  }

  async function meter(seconds: number): Promise<void> {
    for (const endS = nowS + seconds; nowS < endS; nowS += 300) {
      bench.run(plugs, nowS, nowS + 300, { seed: nowS });
      await bench.moveTo(nowS + 300);
      bench.energy.rollUp();
      look(iso(nowS));
    }
  }

  const storedMwh = (): number =>
    bench.sum('SELECT sum(energy_mwh) FROM energy_daily WHERE device_number = 1');

  it('never fall by a kill at any moment, and what they told was stored', async () => {
    const random = generator(7);
    for (let kill = 0; kill < 12; kill += 1) {
      await meter(300 * (1 + Math.floor(random() * 20)));
      // Recorded and never committed.
      bench.energy.record(plugs.map((plug) => plug.read(nowS + 10, bench.clock.monotonicMs())));
      look('before a kill');
      bench.crash(nowS + 60);
      look('after a kill');
    }
    assert.ok(seen.slice(0, 2).every((mwh) => mwh > 100_000));
  });

  it('go on over the end of a year, a month and a clean restart', async () => {
    await meter(23 * HOUR);
    await bench.restart(nowS);
    await meter(3 * HOUR);
    const [all] = look('in the new year');
    assert.ok((all ?? 0) > storedMwh() * 0.9 && (all ?? 0) > 500_000);
    assert.equal(bench.energy.counters.cost.creditUc, 0);
  });

  it('stand when the past is put right, and when that is taken back; what is stored is told beside', async () => {
    await meter(6 * HOUR);
    const before = look('before');
    for (const energyWh of [0, 4_000, null]) {
      const range = { from: iso(fromS + HOUR), to: iso(fromS + 2 * HOUR), energyWh };
      const made = bench.energy.correct({ deviceId: 'plug-1', why: 'so', ...range }, 'anna');
      assert.ok(made.kind === 'corrected');
      await meter(300);
      const [one = 0] = look('corrected');
      assert.ok(one - (before[0] ?? 0) < 60_000, 'no 4 kWh in a moment');
      await meter(300);
      const { energyMwh, storedMwh: stored } = bench.energy.counters.of(1);
      assert.ok(energyWh === 4_000 ? stored > energyMwh + 3_000_000 : stored < energyMwh);
      bench.crash(nowS);
      look('after a kill');
      assert.equal(bench.energy.undoCorrection(made.id, 'anna').kind, 'undone');
      await meter(600);
    }
    const { energyMwh, storedMwh: stored } = bench.energy.counters.of(1);
    assert.equal(stored, energyMwh);
  });

  it('stand when costs are recalculated', async () => {
    await meter(4 * HOUR);
    bench.energy.prices.create({ name: 'Cheap', pricePerKwhCents: 1 });
    await bench.energy.prices.recalculate(fromS * 1_000);
    await meter(900);
    const { costUc, storedUc } = bench.energy.counters.cost;
    assert.ok(storedUc < costUc / 5, `${storedUc} of ${costUc}`);
    bench.crash(nowS);
    look('after a kill');
  });

  it('let the credit grow, and the cost stand, while a price is below zero', async () => {
    await meter(HOUR);
    bench.energy.prices.create({ name: 'Wind', pricePerKwhCents: -20 });
    await meter(2 * HOUR);
    const { costUc, creditUc, storedUc } = bench.energy.counters.cost;
    assert.ok(creditUc > 1_000_000 && storedUc < costUc, `${creditUc}`);
    bench.crash(nowS);
    look('after a kill');
    await meter(900);
    assert.equal(bench.energy.counters.cost.costUc, costUc);
  });

  it('of a plug that takes the place of another go on from its own', async () => {
    const [old, successor] = plugs;
    assert.ok(old !== undefined && successor !== undefined);
    plugs = [old];
    await meter(3 * HOUR);
    plugs = [successor];
    await meter(2 * HOUR);
    const [, two = 0, , , cost = 0] = look('before');
    assert.equal(bench.energy.metering.handOver(1, 2, 'anna').kind, 'handed_over');
    await meter(900);
    const [, after = 0, , , costAfter = 0] = look('handed over');
    assert.ok(after - two < 60_000 && costAfter - cost < 3_000_000, `${after - two} mWh`);
    assert.ok(bench.energy.counters.of(2).storedMwh > after + 50_000);
  });
});
