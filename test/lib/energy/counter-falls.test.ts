import assert from 'node:assert/strict';
import type { Reading } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';
import { Bench } from './energy-bench.ts';
import { generator } from './simulated-plug.ts';

const START_S = Date.parse('2026-05-13T08:00:00Z') / 1_000;
const MINUTE = 60;
const HOUR = 3_600;
/** The most a plug carries, in W, and the mWh to which a stored bucket is rounded. */
const WIRE_W = 4_000;
const ROUNDED_W = 0.05;

interface Counters {
  readonly todayWh: number | null;
  readonly monthWh: number | null;
}

/** A plug whose counters report whatever a test says. */
class Liar {
  readonly #bench: Bench;
  readonly #watts: number;

  constructor(bench: Bench, watts = 40) {
    this.#bench = bench;
    this.#watts = watts;
  }

  says(atS: number, counters: Counters, watts = this.#watts): void {
    const monotonicMs = atS * 1_000 - (this.#bench.clock.nowMs() - this.#bench.clock.monotonicMs());
    const electric = { powerMw: watts * 1_000, voltageMv: null, currentMa: null };
    const reading: Reading = {
      ...{ deviceNumber: 1, monotonicMs, relay: 'on', ...electric },
      ...counters,
    };
    this.#bench.energy.record([reading]);
  }
}

/** Counters that rise by `watts`, and read `from` at that moment. */
function counting(atFromS: number, watts: number, from: Counters): (atS: number) => Counters {
  return (atS) => {
    const wh = Math.floor((watts * (atS - atFromS)) / HOUR);
    const on = (value: number | null): number | null => (value === null ? null : value + wh);
    return { todayWh: on(from.todayWh), monthWh: on(from.monthWh) };
  };
}

describe('counters that fall and jump', function () {
  this.timeout(30_000);
  let bench: Bench;
  let plug: Liar;

  beforeEach(() => {
    bench = new Bench(START_S);
    plug = new Liar(bench);
  });

  afterEach(() => {
    bench.close();
  });

  function booked(fromS: number, toS: number): { wh: number; coveredS: number; mostW: number } {
    const told = bench.energy.histories.history({
      deviceId: 'plug-1',
      from: fromS * 1_000,
      to: toS * 1_000,
      resolution: '5m',
    });
    assert.ok(told.kind === 'history');
    const wh = told.points.reduce((sum, { energyMwh }) => sum + energyMwh, 0) / 1_000;
    const coveredS = told.points.reduce((sum, point) => sum + point.coveredS, 0);
    const watts = told.points.map(
      ({ energyMwh, coveredS: s }) => (energyMwh * 3.6) / Math.max(s, 1),
    );
    return { wh, coveredS, mostW: Math.max(0, ...watts) };
  }

  /** Ten minutes of 40 W, a gap, and ten more minutes; the counters do not rise during the gap. */
  function gap(
    gapS: number,
    before: Counters,
    after: Counters,
  ): { wh: number; coveredS: number; mostW: number } {
    const leftS = START_S + 10 * MINUTE;
    const backS = leftS + gapS;
    const [was, is] = [counting(leftS, 40, before), counting(backS, 40, after)];
    for (let atS = START_S; atS <= leftS; atS += 30) plug.says(atS, was(atS));
    for (let atS = backS; atS <= backS + 10 * MINUTE; atS += 30) plug.says(atS, is(atS));
    const all = booked(START_S, backS + 10 * MINUTE);
    assert.ok(all.mostW <= WIRE_W + ROUNDED_W, `${all.mostW} W`);
    return { ...all, wh: all.wh - (40 * 20) / 60, coveredS: all.coveredS - 20 * MINUTE };
  }

  for (const minutes of [2, 10, 30, 60, 120]) {
    const gapS = minutes * MINUTE;
    const usedWh = Math.round((40 * gapS) / HOUR);

    it(`books nothing for a month's counter that is 1 Wh lower after ${minutes} minutes`, () => {
      const before = { todayWh: 500, monthWh: 12_000 };
      const { wh, coveredS } = gap(gapS, before, { todayWh: 499, monthWh: 11_999 });
      assert.ok(Math.abs(wh) <= 1, `${wh} Wh`);
      assert.ok(coveredS <= 1, `${coveredS} s`);
    });

    it(`takes today's counter where the month is one of thirty days and fell, ${minutes} minutes`, () => {
      const before = { todayWh: 500, monthWh: 12_000 };
      const { wh, coveredS } = gap(gapS, before, { todayWh: 500 + usedWh, monthWh: 11_990 });
      assert.ok(Math.abs(wh - usedWh) <= 2, `${wh} of ${usedWh} Wh`);
      assert.equal(coveredS, gapS);
    });
  }

  it('books what was counted since a wipe, as long as the power seen can have counted it', () => {
    const before = { todayWh: 500, monthWh: 12_000 };
    const { wh, coveredS } = gap(2 * HOUR, before, { todayWh: 40, monthWh: 40 });
    assert.ok(Math.abs(wh - 40) <= 1, `${wh} Wh`);
    assert.ok(Math.abs(coveredS - HOUR) <= 2, `${coveredS} s`);
  });

  it('leaves a fall uncovered that the power seen cannot have counted since', () => {
    const before = { todayWh: 500, monthWh: 5_000 };
    const { wh, coveredS } = gap(2 * HOUR, before, { todayWh: 420, monthWh: 4_990 });
    assert.ok(Math.abs(wh) <= 1 && coveredS <= 1, `${wh} Wh, ${coveredS} s`);
  });

  it('takes zeros at a reconnect and the old values behind them for no energy', () => {
    const old = counting(START_S, 40, { todayWh: 500, monthWh: 6_000 });
    for (let atS = START_S; atS <= START_S + 600; atS += 30) plug.says(atS, old(atS));
    const zeroS = START_S + 600 + 2 * HOUR;
    for (let atS = zeroS; atS <= zeroS + 300; atS += 30) {
      plug.says(atS, { todayWh: 0, monthWh: 0 });
    }
    const backS = zeroS + 300 + 2 * HOUR;
    for (let atS = backS; atS <= backS + 300; atS += 30) {
      plug.says(atS, old(atS));
    }
    const { wh, mostW } = booked(START_S, backS + 300);
    // Use while zeros were reported is counted once or not at all.
    assert.ok(wh <= (40 * (backS + 300 - START_S)) / HOUR + 1, `${wh} Wh`);
    assert.ok(mostW <= WIRE_W + ROUNDED_W);
  });

  it('loses nothing but the gap to zeros that are told for minutes behind it, nor to a wipe', () => {
    const good = counting(START_S, 60, { todayWh: 500, monthWh: 6_000 });
    const wipedS = START_S + 2 * HOUR;
    const anew = counting(wipedS, 60, { todayWh: 0, monthWh: 0 });
    for (let atS = START_S; atS <= START_S + 3 * HOUR; atS += 30) {
      const intoS = atS - START_S - HOUR;
      if (intoS > 0 && intoS < 600) continue;
      const isZero = intoS >= 600 && intoS < 1_200;
      const told = atS > wipedS ? anew(atS) : good(atS);
      plug.says(atS, isZero ? { todayWh: 0, monthWh: 0 } : told, 60);
    }
    const { wh, coveredS } = booked(START_S, START_S + 3 * HOUR);
    assert.ok(Math.abs(wh - 170) <= 1, `${wh} Wh`);
    assert.equal(coveredS, 3 * HOUR - 600);
  });

  it('follows the day where the month is one of thirty days, though each step is below 1 Wh', () => {
    for (const watts of [3, 40, 75, 300]) {
      bench.close();
      bench = new Bench(START_S);
      plug = new Liar(bench);
      const day = counting(START_S, watts, { todayWh: 500, monthWh: 43_000 });
      for (let atS = START_S; atS <= START_S + 6 * HOUR; atS += 30) {
        const leftWh = Math.floor((60 * (atS - START_S)) / HOUR);
        const { todayWh, monthWh } = day(atS);
        plug.says(atS, { todayWh, monthWh: (monthWh ?? 0) - leftWh }, watts);
      }
      const { wh } = booked(START_S, START_S + 6 * HOUR);
      assert.ok(Math.abs(wh - 6 * watts) <= 2, `${wh} of ${6 * watts} Wh`);
    }
  });

  it('does the same for zeros between two readings', () => {
    const good = counting(START_S, 40, { todayWh: 500, monthWh: 6_000 });
    for (let atS = START_S; atS <= START_S + HOUR; atS += 30) {
      const isZero = atS % 600 === 0;
      plug.says(atS, isZero ? { todayWh: 0, monthWh: 0 } : good(atS));
    }
    const { wh } = booked(START_S, START_S + HOUR);
    assert.ok(Math.abs(wh - 40) <= 2, `${wh} Wh`);
  });

  it('knows only a counter of the day: a fall without a midnight books no whole day', () => {
    const before = { todayWh: 900, monthWh: null };
    const { wh, coveredS } = gap(30 * MINUTE, before, { todayWh: 899, monthWh: null });
    assert.ok(Math.abs(wh) <= 1 && coveredS <= 1, `${wh} Wh, ${coveredS} s`);
  });

  it('books no whole month where the month became known behind the gap only', () => {
    const before = { todayWh: 900, monthWh: null };
    const { wh } = gap(30 * MINUTE, before, { todayWh: 899, monthWh: 12_000 });
    assert.ok(Math.abs(wh) <= 1, `${wh} Wh`);
  });

  it('leaves a jump beyond the wire uncovered, and takes one that the wire can carry', () => {
    const before = { todayWh: 500, monthWh: 5_000 };
    const far = gap(30 * MINUTE, before, { todayWh: 2_505, monthWh: 7_005 });
    assert.ok(Math.abs(far.wh) <= 1 && far.coveredS <= 1, `${far.wh} Wh`);
    bench.close();
    bench = new Bench(START_S);
    plug = new Liar(bench);
    const near = gap(30 * MINUTE, before, { todayWh: 2_500, monthWh: 7_000 });
    assert.ok(Math.abs(near.wh - 2_000) <= 1, `${near.wh} Wh`);
  });

  it('books no month that the plug has not begun yet, its clock being behind', () => {
    const beforeS = Date.parse('2026-05-31T21:50:00Z') / 1_000;
    bench.close();
    bench = new Bench(beforeS);
    plug = new Liar(bench);
    const goesOn = counting(beforeS, 40, { todayWh: null, monthWh: 12_000 });
    for (let atS = beforeS; atS <= beforeS + 300; atS += 30) plug.says(atS, goesOn(atS));
    const backS = beforeS + 30 * MINUTE;
    for (let atS = backS; atS <= backS + 300; atS += 30) plug.says(atS, goesOn(atS));
    const { wh, mostW } = booked(beforeS, backS + 300);
    assert.ok(wh <= 25 && mostW <= WIRE_W + ROUNDED_W, `${wh} Wh, ${mostW} W`);
  });

  it("keeps the plug's own hours within the wire too", async () => {
    const wildS = bench.time.hourStart(START_S) + HOUR;
    bench.history = {
      hours: () =>
        Promise.resolve([0, 1, 2].map((h) => ({ startS: wildS + h * HOUR, energyWh: 4_390 }))),
    };
    await bench.restart(START_S);
    plug = new Liar(bench);
    const old = counting(START_S, 40, { todayWh: 500, monthWh: 12_000 });
    for (let atS = START_S; atS <= START_S + 600; atS += 30) plug.says(atS, old(atS));
    const backS = START_S + 4 * HOUR;
    plug.says(backS, { todayWh: 499, monthWh: 11_999 });
    await bench.moveTo(backS + 1);
    const { wh, mostW } = booked(START_S, backS + 60);
    assert.ok(mostW <= WIRE_W + ROUNDED_W, `${mostW} W`);
    assert.ok(wh <= 3 * WIRE_W + 10);
  });

  it('follows a counter that moves in steps of two minutes under a large load', () => {
    for (let atS = START_S; atS <= START_S + HOUR; atS += 30) {
      const stepS = atS - ((atS - START_S) % (2 * MINUTE));
      plug.says(atS, counting(START_S, 3_000, { todayWh: 500, monthWh: 6_000 })(stepS), 3_000);
    }
    const { wh, mostW } = booked(START_S, START_S + HOUR);
    assert.ok(Math.abs(wh - 3_000) <= 2, `${wh} Wh`);
    assert.ok(mostW <= WIRE_W + ROUNDED_W, `${mostW} W`);
  });

  it('never books more than 4 kW x gap, whatever the counters do', () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const random = generator(seed);
      const one = new Bench(START_S - seed * 86_400 * 5);
      const liar = new Liar(one, 4);
      let atS = one.nowS;
      let [today, month] = [500, 9_000];
      const some = (most: number): number => Math.floor(random() * most);
      const moods: readonly (() => void)[] = [
        () => (month += some(3)),
        () => (month -= some(3)),
        () => (month = some(2) * some(20_000)),
        () => (today = some(2) * some(5_000)),
        () => ([today, month] = [0, 0]),
        () => ([today, month] = [today + some(400), month + some(400)]),
      ];
      const maybe = (value: number): number | null => (random() < 0.1 ? null : Math.max(0, value));
      let wireWs = 0;
      const beganS = atS;
      for (let step = 0; step < 1_500; step += 1) {
        const gapS = random() < 0.05 ? some(9 * HOUR) + 100 : 30;
        atS += gapS;
        moods[some(moods.length)]?.();
        liar.says(atS, { todayWh: maybe(today), monthWh: maybe(month) });
        wireWs += WIRE_W * gapS;
      }
      one.energy.rollUp();
      const worst = one.sum(
        `SELECT max(energy_mwh * 3.6 - ${WIRE_W} * covered_s) FROM energy_five_minutes`,
      );
      assert.ok(worst <= 4_000, `seed ${seed}: ${worst} Ws above the wire`);
      assert.ok(atS > beganS && wireWs > 0);
      one.close();
    }
  });
});
