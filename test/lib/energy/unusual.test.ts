import assert from 'node:assert/strict';
import type { UnusualHour } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import type { Bucket } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/buckets.ts';
import { unusualJson } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy-wire.ts';
import { judgeHour } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/unusual.ts';
import { Bench } from './energy-bench.ts';
import { generator } from './simulated-plug.ts';

const HOUR = 3_600;
const WEEK = 7 * 24 * HOUR;
const berlin = new LocalTime('Europe/Berlin');
/** Monday, 2026-06-15, 14:00 in Berlin. */
const NOW_S = Date.parse('2026-06-15T12:00:00Z') / 1_000;

function hour(startS: number, watts: number, change: Partial<Bucket> = {}): Bucket {
  const mw = Math.round(watts * 1_000);
  const powers = { energyMwh: mw, avgMw: mw, minMw: mw, maxMw: mw };
  return { startS, coveredS: HOUR, isEstimated: false, ...powers, ...change };
}

/** Some weeks of hours of `watts` up to the previous one, then `last`. */
function weeks(count: number, watts: (atS: number) => number, last: Bucket): Bucket[] {
  const hours: Bucket[] = [];
  for (let atS = last.startS - count * WEEK; atS < last.startS; atS += HOUR) {
    hours.push(hour(atS, watts(atS)));
  }
  return [...hours, last];
}

const LAST_S = NOW_S - HOUR;

describe('unusual consumption', () => {
  it('is told of an hour far above or below the same hour of other weeks', () => {
    const random = generator(4);
    const fridge = (): number => 38 + 6 * random();
    const level = (watts: number): unknown =>
      judgeHour(weeks(8, fridge, hour(LAST_S, watts)), berlin)?.level;
    assert.deepEqual(
      [level(41), level(49), level(160), level(0)],
      ['usual', 'usual', 'high', 'low'],
    );
  });

  it('goes by the hour of the week: what is usual on Monday noon is not on Sunday night', () => {
    const office = (atS: number): number =>
      berlin.weekday(atS) <= 5 && berlin.hourOfDay(atS) >= 8 && berlin.hourOfDay(atS) < 18
        ? 220
        : 8;
    assert.equal(judgeHour(weeks(6, office, hour(LAST_S, 215)), berlin)?.level, 'usual');
    const nightS = LAST_S - 12 * HOUR;
    assert.equal(judgeHour(weeks(6, office, hour(nightS, 215)), berlin)?.level, 'high');
  });

  it('is not told before there are four weeks, nor of an hour half known or estimated', () => {
    const steady = (): number => 40;
    assert.equal(judgeHour(weeks(3, steady, hour(LAST_S, 400)), berlin), null);
    assert.equal(judgeHour(weeks(4, steady, hour(LAST_S, 400)), berlin)?.level, 'high');
    const half = hour(LAST_S, 400, { coveredS: 1_800 });
    assert.equal(judgeHour(weeks(8, steady, half), berlin), null);
    const guessed = hour(LAST_S, 400, { isEstimated: true });
    assert.equal(judgeHour(weeks(8, steady, guessed), berlin), null);
  });

  it('takes a kettle used at any hour for what it is', () => {
    const random = generator(9);
    const kettle = (): number => (random() < 0.12 ? 60 + 60 * random() : 0.6);
    assert.equal(judgeHour(weeks(8, kettle, hour(LAST_S, 95)), berlin)?.level, 'usual');
    assert.equal(judgeHour(weeks(8, kettle, hour(LAST_S, 900)), berlin)?.level, 'high');
  });

  it('still knows after a day of fault what is unusual', () => {
    const fault = (atS: number): number =>
      LAST_S - atS < 3 * WEEK + 86_400 && LAST_S - atS > 3 * WEEK ? 300 : 40;
    assert.equal(judgeHour(weeks(8, fault, hour(LAST_S, 300)), berlin)?.level, 'high');
  });

  it('seldom tells of a load that is only restless', () => {
    const random = generator(77);
    const restless = (): number => 20 + 80 * random() * random();
    let told = 0;
    const hours = weeks(10, restless, hour(LAST_S, 40));
    for (let end = hours.length - 300; end < hours.length; end += 1) {
      const compared = judgeHour(hours.slice(Math.max(0, end - 8 * 168), end), berlin);
      if (compared !== null && compared.level !== 'usual') told += 1;
    }
    assert.ok(told <= 6, `${told} of 300 hours`);
  });

  describe('of a plug', () => {
    let bench: Bench;
    let told: UnusualHour[];

    beforeEach(() => {
      bench = new Bench(NOW_S + 60);
      told = [];
      bench.energy.unusual.listen((hour) => told.push(hour));
    });

    afterEach(() => {
      bench.close();
    });

    function store(atS: number, watts: number): void {
      bench.store
        .prepare('INSERT OR REPLACE INTO energy_hourly VALUES (2, ?, ?, 3600, ?, ?, ?, 0, 0, 0, 0)')
        .run(atS, watts * 1_000, watts * 1_000, watts * 1_000, watts * 1_000);
    }

    function lookAtAll(): void {
      for (let minute = 0; minute < 6; minute += 1) bench.energy.unusual.look();
    }

    it('is told once when it begins and once when it is over', async () => {
      for (let atS = LAST_S - 6 * WEEK; atS < LAST_S; atS += HOUR) store(atS, 40);
      store(LAST_S, 260);
      lookAtAll();
      assert.deepEqual(told.map(unusualJson), [
        {
          device_id: 'plug-2',
          device_name: 'Plug 2',
          hour: '2026-06-15T11:00:00Z',
          level: 'high',
          power_w: 260,
          usual_power_w: 40,
          margin_w: 10,
          weeks: 6,
        },
      ]);
      for (const watts of [255, 41]) {
        const lastS = bench.time.hourStart(bench.nowS);
        store(lastS, watts);
        await bench.moveTo(lastS + HOUR + 60);
        lookAtAll();
      }
      assert.deepEqual(
        told.map(({ level }) => level),
        ['high', 'usual'],
      );
    });

    it('says nothing more to who has stopped listening', () => {
      const others: UnusualHour[] = [];
      const stop = bench.energy.unusual.listen((hour) => others.push(hour));
      stop();
      for (let atS = LAST_S - 6 * WEEK; atS < LAST_S; atS += HOUR) store(atS, 40);
      store(LAST_S, 260);
      lookAtAll();
      assert.deepEqual([told.length, others.length], [1, 0]);
    });
  });
});
