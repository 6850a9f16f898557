import assert from 'node:assert/strict';
import { ENERGY_MIGRATIONS } from '../../nodes/lib/store/databases.ts';
import { Store } from '../../nodes/lib/store/store.ts';
import { Energy } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import {
  readTold,
  Sources,
  type Told,
} from '../../packages/node-red-contrib-balupi-tapo/lib/sources/sources.ts';
import { KeptLog } from '../fakes/kept-log.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

const INTERVAL_S = 30;

/** An energy store as the config node puts it together, with a clock that the test moves. */
class Bench {
  readonly clock = new ManualClock();
  readonly store = Store.open({
    file: ':memory:',
    name: 'energy',
    synchronous: 'NORMAL',
    migrations: ENERGY_MIGRATIONS,
  });
  sources = new Sources(this.store, this.clock, INTERVAL_S);
  readonly energy = new Energy({
    ...{ store: this.store, clock: this.clock, log: new KeptLog(), history: null },
    settings: {
      timeZone: 'Europe/Berlin',
      sampleIntervalSeconds: INTERVAL_S,
      rawRetentionDays: 7,
      hourlyRetentionDays: 365,
      defaultPriceCents: 30,
      commitSeconds: 60,
      nasPowerThresholdWatts: 30,
      co2GPerKwh: null,
    },
    devices: { list: () => this.sources.list(), forgotten: () => [] },
    seen: { flush: () => () => undefined },
    isClockTrusted: () => true,
    isClockProved: () => true,
  });

  constructor() {
    this.energy.start();
  }

  tell(...told: readonly Told[]): void {
    const readings = this.sources.readings(told);
    assert.ok(readings !== null);
    this.energy.record(readings);
  }

  /** Tells the same each interval for so long. */
  async tellFor(seconds: number, told: (atS: number) => Told): Promise<void> {
    for (let atS = 0; atS <= seconds; atS += INTERVAL_S) {
      this.tell(told(atS));
      await this.clock.advance(INTERVAL_S * 1_000);
    }
  }

  get todayWh(): number | null {
    return this.energy.current().devices[0]?.energyTodayWh ?? null;
  }
}

describe('What any meter tells', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  it('is one reading or a list of them; what is missing is unknown', () => {
    const one = { id: 'fridge', watts: 42 };
    assert.deepEqual(readTold(one), { kind: 'told', told: [one] });
    assert.deepEqual(readTold([one, { id: 'sun', watts: null }]).kind, 'told');
  });

  for (const [what, payload, problem] of [
    ['no object', 42, /Got number, wanted an object/],
    ['no id', { watts: 1 }, /The id is missing/],
    ['an id that is a number', { id: 7, watts: 1 }, /The id is 7/],
    ['watts as text', { id: 'a', watts: '42' }, /watts is "42", wanted a number/],
    ['a counter that is none', { id: 'a', watts: 1, wh: {} }, /wh is \{\}, wanted a number/],
    ['one wrong among right ones', [{ id: 'a', watts: 1 }, null], /Got null/],
  ] as const) {
    it(`is refused with what was got and wanted: ${what}`, () => {
      const outcome = readTold(payload);
      assert.match(outcome.kind === 'wrong' ? outcome.problem : '', problem);
    });
  }

  it('becomes energy by its watts where it has no counter', async () => {
    await bench.tellFor(3_600, () => ({ id: 'lamp', watts: 100 }));
    assert.ok(Math.abs((bench.todayWh ?? 0) - 100) < 1, `${bench.todayWh} Wh`);
  });

  it('is kept inside its counter, and a gap is filled with what that says', async () => {
    await bench.tellFor(600, (atS) => ({ id: 'pump', watts: 60, wh: 1_000 + atS / 60 }));
    await bench.clock.advance(3_600_000);
    bench.tell({ id: 'pump', watts: 60, wh: 1_010 + 61 });
    assert.ok(Math.abs((bench.todayWh ?? 0) - 71) <= 1.5, `${bench.todayWh} Wh`);
  });

  it('may have a counter of megawatt hours, which would be nonsense of a plug', async () => {
    await bench.tellFor(600, (atS) => ({ id: 'house', watts: 600, wh: 73_000_000 + atS / 6 }));
    assert.ok(Math.abs((bench.todayWh ?? 0) - 100) <= 1.5, `${bench.todayWh} Wh`);
  });

  it('is the same source by its id, over a restart and under another name', () => {
    bench.tell({ id: 'a', name: 'Old', watts: 1 });
    bench.sources = new Sources(bench.store, bench.clock, INTERVAL_S);
    assert.deepEqual(
      bench.sources.list().map(({ id, name, isOnline }) => [id, name, isOnline]),
      [['a', 'Old', false]],
    );
    bench.tell({ id: 'a', name: 'New', watts: 1 }, { id: 'b', watts: 2 });
    assert.deepEqual(
      bench.sources.list().map(({ id, name, number }) => [id, name, number]),
      [
        ['a', 'New', 1],
        ['b', 'b', 2],
      ],
    );
  });

  it('is refused whole where it would make more than 64 sources', () => {
    const many = Array.from({ length: 65 }, (_, at) => ({ id: `s${at}`, watts: 1 }));
    assert.equal(bench.sources.readings(many), null);
    assert.equal(bench.sources.list().length, 0);
  });
});
