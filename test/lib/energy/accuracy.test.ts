import assert from 'node:assert/strict';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import { Bench, type Weather } from './energy-bench.ts';
import { runRandomWorld } from './random-world.ts';
import {
  type CounterFaults,
  devicesOf,
  fridge,
  generator,
  kettle,
  type Load,
  nas,
  SimulatedPlug,
  steady,
} from './simulated-plug.ts';

const berlin = new LocalTime('Europe/Berlin');
const HOUR = 3_600;

interface World {
  readonly fromS: number;
  readonly toS: number;
  readonly weather?: Weather;
  readonly faults?: CounterFaults;
}

function loads(fromS: number, toS: number, seed: number): Record<string, Load> {
  const random = generator(seed);
  return {
    steady: steady(fromS, 100),
    fridge: fridge(fromS, toS, random),
    kettle: kettle(fromS, toS, random),
    nas: nas(fromS, toS, random),
  };
}

/**
 * Runs the four loads, as four plugs of one house, and compares each whole local day with the exact
 * integral.
 */
function checkDays(world: World, share: number, wh: number, seed = 7): void {
  const { fromS, toS } = world;
  const named = Object.entries(loads(fromS, toS, seed));
  const bench = new Bench(fromS);
  try {
    bench.devices = devicesOf(...named.map((_, at) => at + 1));
    const plugs = named.map(
      ([, load], at) => new SimulatedPlug(at + 1, load, fromS, bench.time, world.faults),
    );
    bench.run(plugs, fromS, toS + 60, { seed, ...world.weather });
    for (const [at, [name, load]] of named.entries()) {
      for (let dayS = berlin.dayStart(fromS); dayS < toS; dayS = berlin.nextDayStart(dayS)) {
        const exact = load.whBetween(
          Math.max(fromS, dayS),
          Math.min(toS, berlin.nextDayStart(dayS)),
        );
        const off = Math.abs(bench.dayWh(at + 1, dayS) - exact);
        // The last day also holds the minute that closes its last interval.
        const allowed = Math.max(exact * share, wh) + (berlin.nextDayStart(dayS) > toS ? 0.1 : 0);
        assert.ok(
          off <= allowed,
          `${name} on ${berlin.date(dayS)}: off by ${off.toFixed(3)} of ${exact.toFixed(1)} Wh`,
        );
      }
    }
  } finally {
    bench.close();
  }
}

function local(text: string): number {
  const ms = Date.parse(`${text}Z`);
  return ms / 1_000 - berlin.offsetS(ms / 1_000 - 7_200);
}

describe('energy accuracy', function () {
  this.timeout(20_000);

  const twoDays = { fromS: local('2026-05-11T00:00:00'), toS: local('2026-05-13T00:00:00') };

  it('meters 100 W for a day as 100 Wh every hour and 2,400 Wh the day', () => {
    const fromS = twoDays.fromS;
    const bench = new Bench(fromS);
    try {
      const plug = new SimulatedPlug(1, steady(fromS, 100), fromS, bench.time);
      bench.run([plug], fromS, fromS + 24 * HOUR + 60);
      const hours = bench.energy.histories.history({
        deviceId: 'plug-1',
        from: fromS * 1_000,
        to: (fromS + 24 * HOUR) * 1_000,
        resolution: 'hour',
      });
      assert.equal(hours.kind, 'history');
      assert.deepEqual(
        hours.points.map(({ energyMwh, coveredS }) => [energyMwh, coveredS]),
        Array.from({ length: 24 }, () => [100_000, 3_600]),
      );
      assert.equal(bench.dayWh(1, fromS), 2_400);
    } finally {
      bench.close();
    }
  });

  it('stays within 0.5 % or 2 Wh a day without loss', () => {
    checkDays(twoDays, 0.005, 2);
  });

  it('stays within 0.5 % or 2 Wh a day with 20 % loss and jitter, whatever the seed', () => {
    for (const seed of [1, 2, 3, 4]) {
      checkDays({ ...twoDays, weather: { loss: 0.2, jitterS: 4 } }, 0.005, 2, seed);
    }
  });

  it('stays within 0.5 % or 2 Wh a day when polled every 37 s', () => {
    checkDays({ ...twoDays, weather: { intervalS: 37 } }, 0.005, 2);
  });

  it('stays within 1 % or 2 Wh a day with outages of 6 h and 40 min', () => {
    const outages = [
      [local('2026-05-11T02:10:00'), local('2026-05-11T08:10:00')],
      [local('2026-05-12T13:37:10'), local('2026-05-12T14:17:10')],
    ] as const;
    checkDays({ ...twoDays, weather: { outages, loss: 0.05 } }, 0.01, 2);
  });

  it('splits an outage over midnight where the plug does', () => {
    const outages = [[local('2026-05-11T21:30:00'), local('2026-05-12T02:30:00')]] as const;
    checkDays({ ...twoDays, weather: { outages } }, 0.01, 2);
  });

  it('knows the day of 23 hours and the day of 25 hours', () => {
    const spring = { fromS: local('2026-03-28T00:00:00'), toS: local('2026-03-31T00:00:00') };
    const autumn = { fromS: local('2026-10-24T00:00:00'), toS: local('2026-10-27T00:00:00') };
    assert.equal(spring.toS - spring.fromS, 71 * HOUR);
    assert.equal(autumn.toS - autumn.fromS, 73 * HOUR);
    for (const days of [spring, autumn]) checkDays({ ...days, weather: { loss: 0.1 } }, 0.005, 2);
  });

  it('follows the counters over the end of a month', () => {
    const days = { fromS: local('2026-05-31T00:00:00'), toS: local('2026-06-02T00:00:00') };
    checkDays({ ...days, weather: { loss: 0.2 } }, 0.005, 2);
  });

  it('survives a wiped counter', () => {
    checkDays({ ...twoDays, faults: { wipedS: local('2026-05-11T15:12:13') } }, 0.005, 2);
  });

  it('stays within 1 Wh of the plug’s own counter over any span', () => {
    const { fromS, toS } = twoDays;
    for (const seed of [11, 12, 13]) {
      const load = kettle(fromS, toS + 3_600, generator(seed));
      const bench = new Bench(fromS);
      try {
        const plug = new SimulatedPlug(1, load, fromS, bench.time);
        const weather = { loss: 0.2, seed };
        for (let atS = fromS; atS < toS; atS += 6 * HOUR) {
          bench.run([plug], atS, atS + 6 * HOUR, { ...weather, seed: seed + atS });
          // What the last sample of the stretch showed, and what had been metered by then.
          const last = bench.store
            .prepare('SELECT at_s, month_wh FROM energy_samples ORDER BY at_s DESC LIMIT 1')
            .get();
          const metered = bench.dayWh(1, fromS) + bench.dayWh(1, toS - 1);
          const drift = metered - Number(last?.['month_wh']);
          assert.ok(Math.abs(drift) <= 1, `${seed}: ${drift}`);
        }
      } finally {
        bench.close();
      }
    }
  });

  it('does without counters within 1 % at 5 % loss, and tells what it covered', () => {
    const { fromS, toS } = twoDays;
    const random = generator(3);
    // Without a counter nobody sees what happens between samples, so no peaks of two seconds here.
    const seen = { steady: steady(fromS, 42), fridge: fridge(fromS, toS, random, 90) };
    for (const [name, load] of Object.entries({ ...seen, nas: nas(fromS, toS, random) })) {
      const bench = new Bench(fromS);
      try {
        const plug = new SimulatedPlug(1, load, fromS, bench.time, { isMissing: true });
        const outages = [[fromS + 2 * HOUR, fromS + 3 * HOUR]] as const;
        bench.run([plug], fromS, toS + 60, { loss: 0.05, seed: 9, outages });
        const known =
          load.whBetween(fromS, toS) - load.whBetween(fromS + 2 * HOUR, fromS + 3 * HOUR);
        const metered = bench.dayWh(1, fromS) + bench.dayWh(1, toS - 1);
        assert.ok(Math.abs(metered - known) <= known * 0.01 + 1, `${name}: ${metered} of ${known}`);
        const covered = bench.sum(
          'SELECT covered_s FROM energy_hourly WHERE device_number = 1 AND start_s = ?',
          fromS + 2 * HOUR,
        );
        assert.ok(covered < 200, `${name}: ${covered}`);
      } finally {
        bench.close();
      }
    }
  });

  it('finds out that a counter is frozen and counts itself', () => {
    const { fromS } = twoDays;
    const bench = new Bench(fromS);
    try {
      const faults = { frozenS: fromS + 2 * HOUR };
      const plug = new SimulatedPlug(1, steady(fromS, 44), fromS, bench.time, faults);
      bench.run([plug], fromS, fromS + 24 * HOUR + 60);
      assert.ok(Math.abs(bench.dayWh(1, fromS) - 1_056) <= 2, String(bench.dayWh(1, fromS)));
      assert.equal(bench.warnings.length, 1);
    } finally {
      bench.close();
    }
  });

  it('is not fooled by a burst that only the samples saw', () => {
    const { fromS } = twoDays;
    const load = steady(fromS, 1);
    for (let atS = fromS + 600; atS < fromS + 20 * HOUR; atS += 7_200) {
      load.step(atS, 2_000).step(atS + 1, 1);
    }
    const bench = new Bench(fromS);
    try {
      const plug = new SimulatedPlug(1, load, fromS, bench.time);
      bench.run([plug], fromS, fromS + 24 * HOUR + 60);
      const exact = load.whBetween(fromS, fromS + 24 * HOUR);
      assert.ok(Math.abs(bench.dayWh(1, fromS) - exact) <= 1.1, String(bench.dayWh(1, fromS)));
      assert.deepEqual(bench.warnings, []);
    } finally {
      bench.close();
    }
  });
});

describe('energy in households nobody tuned to', function () {
  this.timeout(60_000);

  for (const [trouble, share] of [
    ['polls', 0.005],
    ['outages', 0.01],
  ] as const) {
    it(`stays within ${share * 100} % or 2 Wh a day with trouble of the kind ${trouble}`, async () => {
      for (const seed of [45, 52, 74, 1_001]) {
        const { days, counterDriftWh, brokenSums } = await runRandomWorld(seed, trouble);
        for (const { what, exactWh, meteredWh, covered } of days) {
          const said = `${what}, seed ${seed}: ${meteredWh} of ${exactWh} Wh`;
          const limitWh = Math.max(exactWh * share, 2);
          assert.ok(meteredWh - exactWh <= limitWh, said);
          assert.ok(covered < 0.995 || exactWh - meteredWh <= limitWh, said);
        }
        assert.ok(counterDriftWh <= 1, `${counterDriftWh} Wh a day off the counter`);
        assert.equal(brokenSums, 0);
      }
    });
  }
});
