import assert from 'node:assert/strict';
import {
  costsJson,
  historyJson,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy-wire.ts';
import { Bench } from './energy-bench.ts';
import { SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
const TABLES = [
  'energy_five_minutes',
  'energy_hourly',
  'energy_hour_tariffs',
  'energy_daily',
  'energy_daily_tariffs',
];
/** Midnight in Berlin. */
const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;
const iso = (atS: number): string => new Date(atS * 1_000).toISOString();

describe('Corrections of the past', () => {
  let bench: Bench;
  let plug: SimulatedPlug;

  beforeEach(async () => {
    bench = new Bench(fromS);
    plug = new SimulatedPlug(1, steady(fromS, 100), fromS, bench.time);
    const other = new SimulatedPlug(2, steady(fromS, 50), fromS, bench.time);
    bench.run([plug, other], fromS, fromS + 6 * HOUR + 600);
    await bench.moveTo(fromS + 6 * HOUR + 600);
    bench.energy.rollUp();
  });

  afterEach(() => {
    bench.close();
  });

  function correct(change: object): ReturnType<typeof bench.energy.correct> {
    const input = { deviceId: 'plug-1', from: iso(fromS + HOUR), to: iso(fromS + 2 * HOUR) };
    return bench.energy.correct({ ...input, energyWh: 250, why: 'it ran', ...change }, 'anna');
  }

  function points(deviceId: string | undefined, resolution: string) {
    const outcome = bench.energy.histories.history({
      deviceId,
      resolution,
      from: iso(fromS),
      to: iso(bench.clock.nowMs() / 1_000),
    });
    assert.equal(outcome.kind, 'history');
    return historyJson(outcome).data;
  }

  const whOf = (deviceId: string | undefined, resolution: string): number =>
    points(deviceId, resolution).reduce((sum, { energy_wh }) => sum + energy_wh, 0);

  const rows = (): string[] => TABLES.map((table) => bench.rows(table));

  function costCents(deviceId?: string): number {
    const outcome = bench.energy.costs({ deviceId, from: iso(fromS), to: iso(fromS + 24 * HOUR) });
    assert.equal(outcome.kind, 'costs');
    return costsJson(outcome).cost_cents ?? Number.NaN;
  }

  it('change energy, costs, totals and quality together, at every resolution', () => {
    const [before, whole, cost] = [whOf('plug-1', 'hour'), whOf(undefined, 'hour'), costCents()];
    const outcome = correct({ energyWh: 250 });
    assert.equal(outcome.kind, 'corrected');
    const added = 250 - 100;
    for (const resolution of ['5m', 'hour', 'day']) {
      assert.ok(Math.abs(whOf('plug-1', resolution) - before - added) < 0.1, resolution);
      assert.ok(Math.abs(whOf(undefined, resolution) - whole - added) < 0.1, resolution);
    }
    assert.ok(Math.abs(costCents() - cost - 0.15 * 32) < 0.01);
    assert.equal(costCents(), costCents('plug-1') + costCents('plug-2'));
    const qualities = (id?: string): string[] => points(id, 'hour').map(({ quality }) => quality);
    assert.deepEqual(qualities('plug-1').slice(0, 3), ['measured', 'corrected', 'measured']);
    assert.deepEqual(qualities().slice(0, 3), ['measured', 'corrected', 'measured']);
    const [hour] = points('plug-1', 'hour').slice(1);
    assert.deepEqual([hour?.energy_wh, hour?.covered_seconds], [250, HOUR]);
  });

  it('are told to those who listen, and so is that one is undone', () => {
    const told: unknown[] = [];
    bench.energy.onCorrection(({ by, isUndone, correction }) => {
      told.push([by, isUndone, correction.deviceId]);
    });
    const made = correct({ energyWh: 250 });
    assert.ok(made.kind === 'corrected');
    assert.equal(bench.energy.undoCorrection(made.id, 'bert').kind, 'undone');
    correct({ from: 'never' });
    assert.deepEqual(told, [
      ['anna', false, 'plug-1'],
      ['bert', true, 'plug-1'],
    ]);
  });

  it('are listed with what stood there, who and when, and undone to the very same rows', () => {
    const before = rows();
    const first = correct({ energyWh: 250 });
    const second = correct({ energyWh: null, from: iso(fromS + 900), to: iso(fromS + 5_400) });
    assert.ok(first.kind === 'corrected' && second.kind === 'corrected');
    const [one, two] = bench.energy.corrections();
    assert.partialDeepStrictEqual(one, { madeBy: 'anna', why: 'it ran', deviceId: 'plug-1' });
    assert.ok(Math.abs((one?.originalMwh ?? 0) - 100_000) < 100);
    assert.ok(Math.abs((two?.originalMwh ?? 0) - 75_000 - 125_000) < 100, `${two?.originalMwh}`);
    assert.ok(Math.abs(whOf('plug-1', '5m') - 25 - 125 - 400 - 16.7) < 1);
    // The earlier one is undone first; the later one still applies.
    assert.equal(bench.energy.undoCorrection(first.id, 'bert').kind, 'undone');
    assert.equal(bench.energy.undoCorrection(first.id, 'bert').kind, 'unknown_correction');
    assert.ok(Math.abs(whOf('plug-1', '5m') - 25 - 50 - 400 - 16.7) < 1);
    assert.equal(bench.energy.undoCorrection(second.id, 'bert').kind, 'undone');
    assert.deepEqual(rows(), before);
    assert.partialDeepStrictEqual(bench.energy.corrections(), [
      { undoneBy: 'bert', undoneAtS: fromS + 6 * HOUR + 600 },
      { undoneBy: 'bert' },
    ]);
    assert.equal(bench.energy.undoCorrection(99, 'bert').kind, 'unknown_correction');
  });

  it('lie over what is metered afterwards, in the hour that runs and in a gap that is covered later', async () => {
    const input = { from: iso(fromS + 6 * HOUR), to: iso(fromS + 6 * HOUR + 900), energyWh: 200 };
    assert.equal(correct(input).kind, 'invalid');
    await bench.moveTo(fromS + 6 * HOUR + 1_000);
    const corrected = correct(input);
    assert.ok(corrected.kind === 'corrected');
    const quarter = (): number =>
      points('plug-1', '5m')
        .slice(72, 75)
        .reduce((sum, { energy_wh }) => sum + energy_wh, 0);
    assert.equal(quarter(), 200);
    bench.run([plug], fromS + 8 * HOUR, fromS + 9 * HOUR + 300);
    await bench.moveTo(fromS + 9 * HOUR + 300);
    bench.energy.rollUp();
    assert.equal(quarter(), 200);
    assert.ok(Math.abs(whOf('plug-1', 'hour') - 908 - 175) < 3, `${whOf('plug-1', 'hour')}`);
    bench.crash(fromS + 9 * HOUR + 360);
    assert.equal(quarter(), 200);
    assert.equal(bench.energy.undoCorrection(corrected.id, 'anna').kind, 'undone');
    assert.ok(Math.abs(whOf('plug-1', 'hour') - 908) < 3, `${whOf('plug-1', 'hour')}`);
  });

  it('fill and clear what nobody metered, and leave no trace when undone', async () => {
    await bench.moveTo(fromS + 30 * HOUR);
    bench.energy.rollUp();
    const before = rows();
    const filled = correct({ from: iso(fromS + 24 * HOUR), to: iso(fromS + 25 * HOUR) });
    const cleared = correct({ energyWh: null, from: iso(fromS), to: iso(fromS + 24 * HOUR) });
    assert.ok(filled.kind === 'corrected' && cleared.kind === 'corrected');
    assert.equal(bench.energy.corrections()[0]?.originalMwh, null);
    assert.deepEqual(
      points('plug-1', 'hour').map(({ energy_wh, quality }) => [energy_wh, quality]),
      [[250, 'corrected']],
    );
    for (const { id } of [cleared, filled]) bench.energy.undoCorrection(id, 'anna');
    assert.deepEqual(rows(), before);
  });

  it('are refused with their place: quarters, order, future, length, and more than a wire carries', () => {
    const to = iso(fromS + 2 * HOUR);
    const cases: [object, string][] = [
      [{ from: iso(fromS + 420) }, 'from'],
      [{ from: 'yesterday' }, 'from'],
      [{ to: iso(fromS + 2 * HOUR + 1) }, 'to'],
      [{ from: to, to }, 'to'],
      [{ from: to, to: iso(fromS + HOUR) }, 'to'],
      [{ to: iso(fromS + 7 * HOUR) }, 'future'],
      [{ from: iso(fromS - 40 * 24 * HOUR) }, 'too_long'],
      [{ energyWh: 4_001 }, 'too_much'],
    ];
    const before = rows();
    for (const [change, fault] of cases) {
      assert.deepEqual(correct(change), { kind: 'invalid', fault }, JSON.stringify(change));
    }
    assert.deepEqual(correct({ deviceId: 'nobody' }), { kind: 'unknown_device' });
    assert.deepEqual(rows(), before);
    assert.equal(correct({ energyWh: 4_000 }).kind, 'corrected');
    assert.equal(correct({ energyWh: 0 }).kind, 'corrected');
  });

  it('refuse a time of which only the days are kept', () => {
    bench.store.prepare('DELETE FROM energy_hourly WHERE start_s < ?').run(fromS + 3 * 24 * HOUR);
    bench.store
      .prepare('INSERT INTO energy_hourly SELECT 0, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0')
      .run(fromS + 3 * 24 * HOUR);
    assert.equal(correct({}).kind, 'too_old');
  });
});
