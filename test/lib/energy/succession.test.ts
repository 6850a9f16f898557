import assert from 'node:assert/strict';
import { Bench } from './energy-bench.ts';
import { SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;
const iso = (atS: number): string => new Date(atS * 1_000).toISOString();

describe('A plug that takes the place of another', () => {
  let bench: Bench;
  const toS = fromS + 30 * HOUR + 1_800;

  beforeEach(async () => {
    bench = new Bench(fromS);
    const old = new SimulatedPlug(1, steady(fromS, 100), fromS, bench.time);
    const other = new SimulatedPlug(3, steady(fromS, 40), fromS, bench.time);
    bench.run([old, other], fromS, fromS + 30 * HOUR + 600);
    const next = new SimulatedPlug(2, steady(fromS, 200), fromS, bench.time);
    bench.run([next, other], fromS + 30 * HOUR + 900, toS);
    await bench.moveTo(toS);
  });

  afterEach(() => {
    bench.close();
  });

  function wh(deviceId: string | undefined, resolution = 'hour', endS = toS): number {
    const outcome = bench.energy.histories.history({
      deviceId,
      resolution,
      from: iso(fromS),
      to: iso(endS),
    });
    assert.equal(outcome.kind, 'history');
    return outcome.points.reduce((sum, point) => sum + point.energyMwh, 0) / 1_000;
  }

  function cost(deviceId?: string): number {
    const outcome = bench.energy.costs({ deviceId, from: iso(fromS), to: iso(toS) });
    assert.equal(outcome.kind, 'costs');
    return outcome.costUc;
  }

  it('has the history of both, at every resolution; the household stays what it was', () => {
    const [one, two, all] = [wh('plug-1'), wh('plug-2'), wh(undefined)];
    const [costs, cents] = [cost(), cost('plug-1') + cost('plug-2')];
    assert.ok(two > 45 && one > 3_000);
    assert.deepEqual(bench.energy.metering.handOver(1, 2, 'anna'), { kind: 'handed_over' });
    for (const resolution of ['hour', 'day']) {
      assert.ok(Math.abs(wh('plug-2', resolution) - one - two) < 0.01, resolution);
      assert.ok(Math.abs(wh(undefined, resolution) - all) < 0.01, resolution);
    }
    assert.ok(Math.abs(wh('plug-2', '5m') - one - two) < 0.01);
    assert.equal(wh('plug-1'), 0);
    assert.ok(Math.abs(cost() - costs) <= 32 && Math.abs(cost('plug-2') - cents) <= 32);
    assert.deepEqual(bench.sum('SELECT count(*) FROM energy_hourly WHERE device_number = 1'), 0);
  });

  it('keeps it over a crash, and when the hour of the exchange is over', async () => {
    const [two, all] = [wh('plug-1') + wh('plug-2'), wh(undefined)];
    assert.equal(bench.energy.metering.handOver(1, 2, 'anna').kind, 'handed_over');
    bench.crash(toS + 30);
    assert.ok(Math.abs(wh('plug-2') - two) < 2, `${wh('plug-2')} ${two}`);
    assert.ok(Math.abs(wh(undefined) - all) < 2);
    await bench.moveTo(toS + 2 * HOUR);
    bench.energy.rollUp();
    assert.ok(Math.abs(wh('plug-2') - two) < 2);
    assert.ok(Math.abs(wh(undefined) - all) < 2);
    assert.equal(wh('plug-1'), 0);
  });

  it('has its raw samples, its corrections too, and hands them on in its turn', async () => {
    const from = iso(fromS + HOUR);
    const input = { deviceId: 'plug-1', from, to: iso(fromS + 2 * HOUR), why: 'it ran' };
    const made = bench.energy.correct({ ...input, energyWh: 500 }, 'anna');
    assert.ok(made.kind === 'corrected');
    const whole = wh('plug-1') + wh('plug-2');
    bench.energy.metering.handOver(1, 2, 'anna');
    assert.equal(bench.energy.corrections()[0]?.deviceId, 'plug-2');
    assert.equal(bench.energy.undoCorrection(made.id, 'anna').kind, 'undone');
    assert.ok(Math.abs(wh('plug-2') - (whole - 400)) < 0.1);
    const third = new SimulatedPlug(4, steady(fromS, 10), fromS, bench.time);
    bench.run([third], toS, toS + 300);
    await bench.moveTo(toS + 330);
    assert.equal(bench.energy.metering.handOver(2, 4, 'anna').kind, 'handed_over');
    const raw = bench.store.prepare('SELECT successor_number AS n FROM energy_successors');
    assert.deepEqual(
      raw.all().map(({ n }) => n),
      [4, 4],
    );
  });

  it('is refused for plugs side by side, and for one that was not read since', () => {
    const before = bench.rows('energy_hourly');
    assert.equal(bench.energy.metering.handOver(1, 3, 'anna').kind, 'side_by_side');
    assert.equal(bench.energy.metering.handOver(2, 1, 'anna').kind, 'successor_not_read');
    assert.equal(bench.energy.metering.handOver(1, 5, 'anna').kind, 'successor_not_read');
    assert.equal(bench.rows('energy_hourly'), before);
    assert.ok(wh('plug-1') > 3_000);
  });
});
