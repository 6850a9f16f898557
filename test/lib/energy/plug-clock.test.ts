import assert from 'node:assert/strict';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import {
  judgePlugClock,
  withHonestCounters,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/recorder.ts';
import type { Reading } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';
import { Bench } from './energy-bench.ts';

const BERLIN = new LocalTime('Europe/Berlin');
const NOW_S = Date.parse('2026-07-01T10:00:00Z') / 1_000;

const READING: Reading = {
  deviceNumber: 1,
  monotonicMs: 0,
  powerMw: 1_000,
  voltageMv: null,
  currentMa: null,
  todayWh: 5,
  monthWh: 50,
  relay: 'on',
};

describe("A plug's own clock", () => {
  it('is right when it shows the local time of the household', () => {
    assert.equal(judgePlugClock('2026-07-01 12:00:03', NOW_S, BERLIN), 'right');
  });

  it('is wrong from five minutes on', () => {
    assert.equal(judgePlugClock('2026-07-01 12:04:59', NOW_S, BERLIN), 'right');
    assert.equal(judgePlugClock('2026-07-01 12:05:00', NOW_S, BERLIN), 'wrong');
    assert.equal(judgePlugClock('2026-07-01 11:55:00', NOW_S, BERLIN), 'wrong');
  });

  it('is wrong in another zone, and lost in the year 2000 and when it makes no sense', () => {
    assert.equal(judgePlugClock('2026-07-01 10:00:00', NOW_S, BERLIN), 'wrong');
    for (const text of ['2000-01-01 00:10:00', 'noon', '']) {
      assert.equal(judgePlugClock(text, NOW_S, BERLIN), 'lost', text);
    }
  });

  it('decides which counters of a reading count', () => {
    const counters = (clock: 'right' | 'wrong' | 'lost'): readonly (number | null)[] => {
      const { todayWh, monthWh, powerMw } = withHonestCounters(READING, clock);
      return [todayWh, monthWh, powerMw];
    };
    assert.deepEqual(counters('right'), [5, 50, 1_000]);
    assert.deepEqual(counters('wrong'), [null, 50, 1_000]);
    assert.deepEqual(counters('lost'), [null, null, 1_000]);
  });

  describe('in the meter', () => {
    let bench: Bench;
    let asked: number;

    beforeEach(async () => {
      bench = new Bench(NOW_S);
      asked = 0;
      bench.history = {
        hours: () => {
          asked += 1;
          return Promise.resolve(null);
        },
      };
      await bench.restart(NOW_S);
    });

    afterEach(() => {
      bench.close();
    });

    /** A reading every 30 s for ten minutes, then one more after two hours. */
    function metered(plugLocalTime: (atS: number) => string): void {
      const at = [...Array.from({ length: 21 }, (_, index) => index * 30), 7_800];
      for (const second of at) {
        const counters = { todayWh: 500 + Math.floor(second / 90), monthWh: 900 };
        bench.energy.record([
          {
            ...READING,
            ...{ ...counters, monthWh: 900 + Math.floor(second / 90) },
            ...{ powerMw: 40_000, monotonicMs: second * 1_000 },
            plugLocalTime: plugLocalTime(NOW_S + second),
          },
        ]);
      }
      bench.energy.rollUp();
    }

    const stored = (): unknown =>
      bench.store
        .prepare('SELECT count(today_wh) AS today, count(month_wh) AS month FROM energy_samples')
        .get();
    const local = (atS: number): string =>
      new Date((atS + BERLIN.offsetS(atS)) * 1_000).toISOString().slice(0, 19).replace('T', ' ');

    it('that is right leaves both counters, and the history is asked for', async () => {
      metered(local);
      await bench.moveTo(NOW_S + 61);
      bench.energy.rollUp();
      assert.equal(asked, 1);
      assert.equal(JSON.stringify(stored()), JSON.stringify({ today: 22, month: 22 }));
    });

    it('that is wrong leaves the month, and nobody asks for its history', () => {
      metered((atS) => local(atS + 3_600));
      assert.equal(asked, 0);
      assert.equal(JSON.stringify(stored()), JSON.stringify({ today: 0, month: 22 }));
      assert.ok(Math.abs(bench.dayWh(1, NOW_S) - 86.7) <= 2, String(bench.dayWh(1, NOW_S)));
      const [device] = bench.energy.current().devices;
      assert.ok(Math.abs((device?.energyTodayWh ?? 0) - 86.7) <= 2, "our own day, not the plug's");
    });

    it('that is lost leaves none', () => {
      metered(() => '2000-01-01 00:10:00');
      assert.equal(asked, 0);
      assert.equal(JSON.stringify(stored()), JSON.stringify({ today: 0, month: 0 }));
    });
  });
});
