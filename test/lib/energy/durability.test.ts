import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import type { Reading } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';
import { Bench } from './energy-bench.ts';
import { fridge, generator, kettle, nas, SimulatedPlug, steady } from './simulated-plug.ts';

const berlin = new LocalTime('Europe/Berlin');
const HOUR = 3_600;
const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;
const TABLES = [
  'energy_five_minutes',
  'energy_hourly',
  'energy_daily',
  'energy_daily_tariffs',
  'energy_nas_hours',
];

function household(bench: Bench, toS: number): SimulatedPlug[] {
  const random = generator(21);
  return [nas(fromS, toS, random), fridge(fromS, toS, random), kettle(fromS, toS, random)].map(
    (load, index) => new SimulatedPlug(index + 1, load, fromS, bench.time),
  );
}

function rowsOf(bench: Bench): Record<string, string> {
  return Object.fromEntries(TABLES.map((table) => [table, bench.rows(table)]));
}

describe('energy durability', function () {
  this.timeout(20_000);
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench(fromS);
  });

  afterEach(() => {
    bench.close();
  });

  it('keeps sums exact: hours make days, plugs make the household, and so do costs', () => {
    const toS = fromS + 50 * HOUR;
    bench.energy.prices.create({
      name: 'Night',
      pricePerKwhCents: 21.55,
      timeFrom: '22:00',
      timeTo: '06:00',
    });
    bench.run(household(bench, toS), fromS, toS, { loss: 0.2, seed: 4 });
    const ends = bench.sum('SELECT max(start_s) FROM energy_hourly');
    assert.ok(ends > fromS + 47 * HOUR);
    const sums = (table: string, where: string): unknown =>
      bench.store
        .prepare(`SELECT sum(energy_mwh) AS mwh, sum(cost_uc) AS uc FROM ${table} WHERE ${where}`)
        .get();
    for (const device of [0, 1, 2, 3]) {
      const hours = sums('energy_hourly', `device_number = ${device}`);
      assert.deepEqual(sums('energy_daily', `device_number = ${device}`), hours);
      assert.deepEqual(sums('energy_daily_tariffs', `device_number = ${device}`), hours);
    }
    for (const table of ['energy_hourly', 'energy_daily']) {
      assert.deepEqual(sums(table, 'device_number = 0'), sums(table, 'device_number > 0'));
    }
    const fine = 'SELECT sum(energy_mwh) FROM energy_five_minutes WHERE device_number = 2';
    assert.equal(
      bench.sum(fine),
      bench.sum('SELECT sum(energy_mwh) FROM energy_hourly WHERE device_number = 2'),
    );
    const wrong = bench.store
      .prepare('SELECT * FROM energy_hourly WHERE device_number > 0')
      .all()
      .filter((row) => {
        const cents = row['price_id'] === 1 ? 21.55 : 32;
        return (
          Number(row['cost_uc']) !== Math.round((Number(row['energy_mwh']) * cents * 1e6) / 1e6)
        );
      });
    assert.deepEqual(wrong, []);
  });

  it('gives identical rows when killed and started over the same database at any moment', () => {
    const toS = fromS + 14 * HOUR;
    const other = new Bench(fromS);
    try {
      const plugs = household(bench, toS);
      const random = generator(99);
      let atS = fromS;
      while (atS < toS) {
        const stepS = 60 * (1 + Math.floor(random() * 90));
        const untilS = Math.min(toS, atS + stepS);
        bench.run(plugs, atS, untilS, { seed: atS });
        bench.energy.rollUp();
        other.run(household(other, toS), atS, untilS, { seed: atS });
        other.energy.rollUp();
        other.crash(untilS);
        atS = untilS;
      }
      assert.deepEqual(rowsOf(other), rowsOf(bench));
    } finally {
      other.close();
    }
  });

  it('gives identical rows where a version on trial laid readings aside and was taken back', () => {
    const toS = fromS + 5 * HOUR;
    // Across the end of an hour, which must not be closed without these samples.
    const [triedS, backS] = [fromS + 3 * HOUR - 300, fromS + 3 * HOUR + 300];
    const other = new Bench(fromS);
    try {
      bench.run(household(bench, toS), fromS, toS);
      bench.energy.rollUp();
      const plugs = household(other, toS);
      other.run(plugs, fromS, triedS);
      other.energy.rollUp();
      const before = rowsOf(other);
      other.isOnTrial = true;
      other.crash(triedS);
      other.run(plugs, triedS, backS);
      assert.deepEqual(rowsOf(other), before);
      other.isOnTrial = false;
      other.crash(backS);
      other.run(plugs, backS, toS);
      other.energy.rollUp();
      assert.deepEqual(rowsOf(other), rowsOf(bench));
      assert.deepEqual(other.warnings, []);
      // Metered exactly once, whoever starts next.
      const file = join(other.folder, 'readings-aside.jsonl');
      assert.equal(existsSync(file), false);
    } finally {
      other.close();
    }
  });

  it('leaves out what of the readings laid aside was cut, is too old or lies ahead', () => {
    const file = join(bench.folder, 'readings-aside.jsonl');
    const reading = { deviceNumber: 1, powerMw: 5_000, relay: 'on' };
    const line = (aheadS: number): string =>
      JSON.stringify({ atMs: (fromS + HOUR + aheadS) * 1_000, reading });
    writeFileSync(file, [line(-HOUR), line(-60), line(60), line(-30).slice(0, 40)].join('\n'));
    bench.crash(fromS + HOUR);
    bench.energy.rollUp();
    assert.equal(bench.sum('SELECT count(*) FROM energy_samples'), 1);
    assert.equal(bench.sum('SELECT at_s FROM energy_samples'), fromS + HOUR - 60);
  });

  it('writes the same rows when it rolls up twice', () => {
    const toS = fromS + 5 * HOUR;
    bench.run(household(bench, toS), fromS, toS);
    bench.energy.rollUp();
    const once = rowsOf(bench);
    bench.energy.rollUp();
    assert.deepEqual(rowsOf(bench), once);
  });

  it('rebuilds the meters from raw samples when their state is lost, leaving full hours alone', () => {
    const toS = fromS + 6 * HOUR + 600;
    bench.run(household(bench, toS), fromS, toS);
    bench.energy.rollUp();
    const before = rowsOf(bench);
    bench.store.prepare('DELETE FROM energy_samples WHERE at_s < ?').run(fromS + 1_800);
    bench.store.prepare(`UPDATE energy_meters SET state = '{broken'`).run();
    bench.crash(toS);
    bench.energy.rollUp();
    assert.equal(rowsOf(bench)['energy_daily']?.length, before['energy_daily']?.length);
    const first = 'SELECT covered_s FROM energy_hourly WHERE device_number = 1 AND start_s = ?';
    assert.equal(bench.sum(first, fromS), 3_600);
    assert.equal(bench.warnings.length, 1);
  });

  it('covers the time it was off from the counters, marked as estimated', async () => {
    const random = generator(5);
    const toS = fromS + 24 * HOUR;
    const load = nas(fromS, toS, random);
    const plug = new SimulatedPlug(1, load, fromS, bench.time);
    bench.run([plug], fromS, fromS + 8 * HOUR + 17);
    await bench.restart(fromS + 13 * HOUR);
    bench.run([plug], fromS + 13 * HOUR, toS + 60);
    const exact = load.whBetween(fromS, toS);
    assert.ok(Math.abs(bench.dayWh(1, fromS) - exact) <= Math.max(2, exact * 0.01));
    const marks = bench.store
      .prepare(
        'SELECT covered_s, estimated FROM energy_hourly WHERE device_number = 1 AND start_s = ?',
      )
      .get(fromS + 10 * HOUR);
    assert.deepEqual({ ...marks }, { covered_s: 3_600, estimated: 1 });
  });

  it('spreads a long gap by the plug’s own hours where it tells them', async () => {
    const load = steady(fromS, 10)
      .step(fromS + 3 * HOUR, 200)
      .step(fromS + 4 * HOUR, 10);
    const plug = new SimulatedPlug(1, load, fromS, bench.time);
    bench.history = {
      hours: (_number, gapFromMs, gapToMs) =>
        Promise.resolve(
          [0, 1, 2, 3, 4, 5, 6]
            .map((hour) => fromS + hour * HOUR)
            .filter((startS) => startS * 1_000 >= gapFromMs - 7_200_000 && startS * 1_000 < gapToMs)
            .map((startS) => ({
              startS,
              energyWh: Math.round(load.whBetween(startS, startS + HOUR)),
            })),
        ),
    };
    await bench.restart(fromS);
    bench.run([plug], fromS, fromS + 1_800);
    await bench.restart(fromS + 6 * HOUR);
    bench.run([plug], fromS + 6 * HOUR, fromS + 6 * HOUR + 31);
    await bench.moveTo(fromS + 6 * HOUR + 40);
    bench.energy.rollUp();
    const wh = (hour: number): number =>
      bench.sum(
        'SELECT energy_mwh FROM energy_hourly WHERE device_number = 1 AND start_s = ?',
        fromS + hour * HOUR,
      ) / 1_000;
    assert.ok(Math.abs(wh(3) - 200) <= 3, String(wh(3)));
    assert.ok(Math.abs(wh(2) - 10) <= 1, String(wh(2)));
    const once = rowsOf(bench);
    bench.store.prepare('DELETE FROM energy_meters').run();
    bench.store.prepare('DELETE FROM energy_hourly').run();
    bench.crash(fromS + 6 * HOUR + 60);
    bench.energy.rollUp();
    assert.equal(bench.rows('energy_hourly'), once['energy_hourly']);
  });

  it('does not wait for ever for a plug’s history', async () => {
    const plug = new SimulatedPlug(1, steady(fromS, 60), fromS, bench.time);
    bench.history = { hours: () => new Promise(() => {}) };
    await bench.restart(fromS);
    bench.run([plug], fromS, fromS + 1_800);
    await bench.restart(fromS + 6 * HOUR);
    bench.energy.record([plug.read(fromS + 6 * HOUR, 0)]);
    assert.equal(bench.energy.current().devices[0]?.powerW, 60);
    await bench.moveTo(fromS + 6 * HOUR + 61);
    assert.ok(Math.abs(bench.dayWh(1, fromS) - 360) <= 2, String(bench.dayWh(1, fromS)));
  });

  for (const stepHours of [1, -1]) {
    it(`keeps the day’s energy when the clock is stepped by ${stepHours} h and back`, () => {
      const toS = fromS + 24 * HOUR;
      const load = nas(fromS, toS, generator(8));
      const plug = new SimulatedPlug(1, load, fromS, bench.time);
      bench.run([plug], fromS, fromS + 6 * HOUR);
      bench.stepMs = stepHours * HOUR * 1_000;
      bench.clock.stepWallTo(bench.clock.nowMs() + bench.stepMs);
      bench.run([plug], fromS + 6 * HOUR, fromS + 15 * HOUR);
      bench.clock.stepWallTo(bench.clock.nowMs() - bench.stepMs);
      bench.stepMs = 0;
      bench.run([plug], fromS + 15 * HOUR, toS + 60);
      const exact = load.whBetween(fromS, toS);
      assert.ok(Math.abs(bench.dayWh(1, fromS) - exact) <= Math.max(2, exact * 0.005));
      assert.equal(bench.sum('SELECT count(*) FROM energy_hourly WHERE device_number = 1'), 24);
    });
  }

  it('keeps the day’s energy when NTP pulls the clock to and fro', () => {
    const toS = fromS + 24 * HOUR;
    const load = nas(fromS, toS, generator(8));
    const plug = new SimulatedPlug(1, load, fromS, bench.time);
    const random = generator(31);
    for (let atS = fromS; atS < toS; atS += 600) {
      const pulledMs = (random() - 0.5) * 4_000;
      bench.clock.stepWallTo(bench.clock.nowMs() - bench.stepMs + pulledMs);
      bench.stepMs = pulledMs;
      bench.run([plug], atS, atS + 600, { seed: atS });
    }
    bench.run([plug], toS, toS + 60);
    const exact = load.whBetween(fromS, toS);
    assert.ok(Math.abs(bench.dayWh(1, fromS) - exact) <= Math.max(2, exact * 0.005));
    assert.equal(bench.sum('SELECT count(*) FROM energy_hourly WHERE device_number = 1'), 24);
  });

  it('neither makes nor loses energy when a clock that was 6 h late is put right', async () => {
    const [lateS, days] = [6 * HOUR, 3];
    const load = steady(fromS, 90);
    // Its own counters follow the same late calendar, so that only the step is tested.
    const plug = new SimulatedPlug(1, load, fromS, bench.time);
    bench.run([plug], fromS, fromS + 2 * HOUR);
    await bench.clock.advance(2 * HOUR * 1_000);
    bench.clock.stepWallTo(bench.clock.nowMs() + lateS * 1_000);
    bench.stepMs = lateS * 1_000;
    for (let hour = 2; hour < 24 * days; hour += 1) {
      bench.run([plug], fromS + hour * HOUR, fromS + (hour + 1) * HOUR);
      await bench.clock.advance(HOUR * 1_000);
    }
    bench.energy.rollUp();
    const history = bench.energy.histories.history({
      deviceId: 'plug-1',
      from: 0,
      resolution: 'day',
    });
    assert.ok(history.kind === 'history');
    const totalWh = history.points.reduce((sum, { energyMwh }) => sum + energyMwh, 0) / 1_000;
    const exactWh = 90 * 24 * days;
    assert.ok(Math.abs(totalWh - exactWh) <= exactWh * 0.005, `${totalWh} of ${exactWh} Wh`);
  });

  it('places what it measured in 1970 once the clock is set', async () => {
    const load = steady(fromS, 120);
    const plug = new SimulatedPlug(1, load, fromS, bench.time);
    bench.isTrusted = false;
    await bench.restart(1_000);
    for (let second = 0; second < 3_600; second += 30) {
      bench.energy.record([plug.read(fromS + second, second * 1_000)]);
    }
    bench.energy.rollUp();
    assert.equal(bench.sum('SELECT count(*) FROM energy_samples'), 0);
    assert.equal(bench.energy.current().devices[0]?.powerW, 120);
    bench.isTrusted = true;
    await bench.clock.advance(3_600_000);
    bench.isTrusted = false;
    bench.clock.stepWallTo((fromS + HOUR) * 1_000);
    bench.isTrusted = true;
    bench.energy.rollUp();
    assert.equal(bench.sum('SELECT count(*) FROM energy_samples'), 120);
  });

  describe('after a clock that was ahead', () => {
    const aheadS = fromS + 9 * 365 * 86_400;
    const plug = new SimulatedPlug(1, steady(fromS, 60), fromS, berlin);

    const runAhead = async (): Promise<void> => {
      bench.run([plug], fromS, fromS + HOUR);
      bench.isClockProved = false;
      await bench.restart(aheadS);
      bench.stepMs = (aheadS - fromS - HOUR) * 1_000;
      bench.run([plug], fromS + HOUR, fromS + 4 * HOUR);
    };
    const meter = async (fromHour: number, toHour: number): Promise<void> => {
      for (let atS = fromS + fromHour * HOUR; atS < fromS + toHour * HOUR; atS += 900) {
        bench.run([plug], atS, atS + 900);
        await bench.clock.advance(900_000);
      }
    };
    const ahead = (table: string, column = 'start_s'): number =>
      bench.sum(`SELECT count(*) FROM ${table} WHERE ${column} > ?`, fromS + 86_400);
    const aheadInAll = (): number =>
      ahead('energy_samples', 'at_s') +
      ahead('energy_meters', 'at_s') +
      ['energy_hourly', 'energy_five_minutes', 'energy_daily', 'energy_nas_hours']
        .map((table) => ahead(table))
        .reduce((sum, count) => sum + count);

    it('moves what this run placed to where it belongs, once the time is proved', async () => {
      await runAhead();
      assert.ok(ahead('energy_samples', 'at_s') > 300 && ahead('energy_hourly') > 0);
      await bench.clock.advance(3 * HOUR * 1_000);
      bench.clock.stepWallTo((fromS + 4 * HOUR) * 1_000);
      bench.stepMs = 0;
      bench.energy.rollUp();
      assert.ok(ahead('energy_samples', 'at_s') > 300, 'by a proof, not by a step');
      bench.isClockProved = true;
      await meter(4, 6);
      await bench.restart(fromS + 6 * HOUR);
      assert.equal(aheadInAll(), 0);
      assert.equal(bench.sum('SELECT count(*) FROM energy_samples'), 6 * 120);
      const wh = bench.dayWh(1, fromS);
      assert.ok(Math.abs(wh - 6 * 60) < 4, `${wh} Wh`);
    });

    it('drops what an earlier run placed ahead, and meters on', async () => {
      await runAhead();
      await bench.restart(fromS + 4 * HOUR);
      bench.stepMs = 0;
      await meter(4, 5);
      assert.ok(ahead('energy_samples', 'at_s') > 300);
      bench.isClockProved = true;
      await meter(5, 6);
      assert.equal(aheadInAll(), 0);
      assert.equal(bench.sum('SELECT count(*) FROM energy_samples'), 3 * 120);
      const wh = bench.dayWh(1, fromS);
      assert.ok(wh > 2.9 * 60 && wh < 6.1 * 60, `${wh} Wh`);
    });

    it('meters what a plug told while the clock was behind what is stored, once the time is proved', async () => {
      bench.run([plug], fromS, fromS + 2 * HOUR);
      await bench.restart(fromS + HOUR);
      bench.stepMs = -HOUR * 1_000;
      bench.run([plug], fromS + 2 * HOUR, fromS + 2 * HOUR + 1_800);
      await bench.clock.advance(1_800_000);
      assert.equal(bench.sum('SELECT count(*) FROM energy_samples'), 240);
      bench.clock.stepWallTo((fromS + 2 * HOUR + 1_800) * 1_000);
      bench.stepMs = 0;
      bench.isClockProved = true;
      bench.energy.rollUp();
      assert.equal(bench.sum('SELECT count(*) FROM energy_samples'), 300);
      const wh = bench.dayWh(1, fromS);
      assert.ok(Math.abs(wh - 150) <= 2, `${wh} Wh`);
    });

    it('prunes nothing while the time is not proved', () => {
      bench.isClockProved = false;
      bench.run([plug], fromS, fromS + 9 * 86_400, { intervalS: 90 });
      const before = bench.sum('SELECT count(*) FROM energy_samples');
      assert.equal(bench.energy.prune(), false);
      assert.equal(bench.sum('SELECT count(*) FROM energy_samples'), before);
      bench.prune();
      assert.ok(bench.sum('SELECT count(*) FROM energy_samples') < before);
    });
  });

  describe('after a clock that was behind', () => {
    /** Off for nine hours over midnight; the clock resumes where the Pi was switched off. */
    const offS = fromS + 20 * HOUR;
    const onS = fromS + 29 * HOUR;
    const runS = 3 * HOUR;
    const load = nas(fromS, fromS + 72 * HOUR, generator(12));

    async function runBehind(history: boolean): Promise<SimulatedPlug> {
      const plug = new SimulatedPlug(1, load, fromS, bench.time);
      const lamp = new SimulatedPlug(2, steady(fromS, 60), fromS, bench.time);
      bench.run([plug, lamp], fromS, offS);
      if (history) bench.energy.rollUp();
      await bench.restart(offS + 300);
      bench.stepMs = (offS + 300 - onS) * 1_000;
      for (let atS = onS; atS < onS + runS; atS += 900) {
        bench.run([plug, lamp], atS, atS + 900);
        await bench.clock.advance(900_000);
      }
      return plug;
    }

    async function proveTime(plug: SimulatedPlug): Promise<void> {
      bench.clock.stepWallTo((onS + runS) * 1_000);
      bench.stepMs = 0;
      bench.isClockProved = true;
      const lamp = new SimulatedPlug(2, steady(fromS, 60), fromS, bench.time);
      for (let atS = onS + runS; atS < onS + runS + 2 * HOUR; atS += 900) {
        bench.run([plug, lamp], atS, atS + 900);
        await bench.clock.advance(900_000);
      }
      bench.energy.rollUp();
    }

    it('moves what was stored to where it belongs, so that nothing is a day off', async () => {
      const plug = await runBehind(true);
      assert.ok(bench.sum('SELECT max(at_s) FROM energy_samples') < fromS + 24 * HOUR);
      await proveTime(plug);
      const between = 'SELECT count(*) FROM energy_samples WHERE at_s BETWEEN ? AND ?';
      assert.equal(bench.sum(between, offS, onS - 1), 0);
      assert.equal(bench.sum(between, onS, onS + runS - 1), (2 * runS) / 30);
      const endS = onS + runS + 2 * HOUR;
      for (const dayS of [fromS, fromS + 24 * HOUR]) {
        const exact = load.whBetween(dayS, Math.min(endS, dayS + 24 * HOUR));
        const off = bench.dayWh(1, dayS) - exact;
        assert.ok(Math.abs(off) <= Math.max(2, exact * 0.01), `${off} of ${exact} Wh`);
        const lampWh = (60 * (Math.min(endS, dayS + 24 * HOUR) - dayS)) / HOUR;
        assert.ok(Math.abs(bench.dayWh(2, dayS) - lampWh) <= 2, `${bench.dayWh(2, dayS)}`);
      }
    });

    it('has the same rows after a kill as without one, and sums that meet', async () => {
      await proveTime(await runBehind(true));
      const once = rowsOf(bench);
      bench.isClockProved = false;
      bench.crash(bench.nowS);
      bench.energy.rollUp();
      assert.deepEqual(rowsOf(bench), once);
      for (const table of ['energy_hourly', 'energy_daily']) {
        const sum = (where: string): number =>
          bench.sum(`SELECT sum(energy_mwh) FROM ${table} WHERE ${where}`);
        assert.equal(sum('device_number = 0'), sum('device_number > 0'), table);
      }
      assert.equal(
        bench.sum('SELECT sum(energy_mwh) FROM energy_daily'),
        bench.sum('SELECT sum(energy_mwh) FROM energy_hourly'),
      );
    });
  });

  it('loses no sample when the database refuses a commit', () => {
    const plug = new SimulatedPlug(1, steady(fromS, 60), fromS, bench.time);
    bench.store
      .prepare(
        "CREATE TRIGGER no_room BEFORE INSERT ON energy_samples BEGIN SELECT RAISE(ABORT, 'full'); END",
      )
      .run();
    const readings: Reading[] = [0, 30, 60].map((second) =>
      plug.read(fromS + second, second * 1_000),
    );
    bench.energy.record(readings);
    assert.throws(() => {
      bench.energy.rollUp();
    }, /full/);
    bench.store.prepare('DROP TRIGGER no_room').run();
    bench.energy.rollUp();
    assert.equal(bench.sum('SELECT count(*) FROM energy_samples'), 3);
  });

  it('prunes nothing unless it is asked to, however long it runs', async () => {
    const plug = new SimulatedPlug(1, steady(fromS, 60), fromS, bench.time);
    bench.run([plug], fromS, fromS + 10 * 86_400, { intervalS: 90 });
    await bench.restart(fromS + 10 * 86_400);
    bench.isClockProved = true;
    const oldestS = bench.sum('SELECT min(at_s) FROM energy_samples');
    await bench.clock.advance(6 * HOUR * 1_000);
    assert.equal(bench.sum('SELECT min(at_s) FROM energy_samples'), oldestS);
    bench.prune();
    assert.ok(bench.sum('SELECT min(at_s) FROM energy_samples') > oldestS);
  });

  it('prunes raw samples after their days in slices, and never for a clock that jumps', async () => {
    const days = 10;
    const plug = new SimulatedPlug(1, steady(fromS, 60), fromS, bench.time);
    bench.run([plug], fromS, fromS + days * 86_400, { intervalS: 90 });
    await bench.restart(fromS + days * 86_400);
    bench.prune();
    const oldestS = bench.sum('SELECT min(at_s) FROM energy_samples');
    const newestS = bench.sum('SELECT max(at_s) FROM energy_samples');
    assert.ok(Math.abs(newestS - oldestS - 7 * 86_400) < 5 * HOUR, String(newestS - oldestS));
    assert.equal(bench.sum('SELECT count(*) FROM energy_daily WHERE device_number = 1'), days);
    const before = bench.sum('SELECT count(*) FROM energy_samples');
    const farS = Date.parse('2038-01-19T03:00:00Z') / 1_000;
    await bench.restart(farS);
    bench.run([new SimulatedPlug(1, steady(fromS, 60), fromS, berlin)], farS, farS + 2 * HOUR);
    bench.prune();
    const after = bench.sum('SELECT count(*) FROM energy_samples');
    const added = 2 * 40;
    const lost = before + added - after;
    assert.ok(lost <= (86_400 / 90) * 1.01 && lost <= before * 0.2, `${lost} of ${before} lost`);
  });

  it('loses no hour or day to a clock that jumps to and fro', async () => {
    const plug = new SimulatedPlug(1, steady(fromS, 60), fromS, bench.time);
    bench.run([plug], fromS, fromS + 9 * 86_400, { intervalS: 90 });
    const hours = bench.sum('SELECT count(*) FROM energy_hourly');
    const samples = bench.sum('SELECT count(*) FROM energy_samples');
    for (const year of [2037, 2031, 2034]) {
      const jumpS = Date.parse(`${year}-06-01T00:00:00Z`) / 1_000;
      await bench.restart(jumpS);
      bench.run([new SimulatedPlug(1, steady(fromS, 60), fromS, berlin)], jumpS, jumpS + 600);
      bench.prune();
    }
    await bench.restart(fromS + 9 * 86_400);
    bench.run([plug], fromS + 9 * 86_400, fromS + 9 * 86_400 + HOUR);
    bench.prune();
    const kept = bench.sum('SELECT count(*) FROM energy_hourly WHERE start_s < ?', fromS + 800_000);
    assert.ok(kept >= hours, `${hours} hours, ${kept} left`);
    const left = bench.sum('SELECT count(*) FROM energy_samples');
    // Two days exceed the seven, and each wild clock adds another.
    assert.ok(left >= samples * (4 / 9), `${samples} samples, ${left} left`);
  });
});
