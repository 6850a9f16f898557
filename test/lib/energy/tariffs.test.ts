import assert from 'node:assert/strict';
import {
  costsJson,
  priceJson,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy-wire.ts';
import type { SlotInput } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/price-input.ts';
import { Bench } from './energy-bench.ts';
import { SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
const QUARTER = 900;
/** Midnight in Berlin. */
const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;
const iso = (atS: number): string => new Date(atS * 1_000).toISOString();

function slots(startS: number, widthS: number, prices: readonly number[]): SlotInput[] {
  return prices.map((pricePerKwhCents, index) => {
    const beginS = startS + index * widthS;
    return { from: iso(beginS), to: iso(beginS + widthS), pricePerKwhCents };
  });
}

describe('Tariffs as they are sold', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench(fromS);
  });

  afterEach(() => {
    bench.close();
  });

  /** 400 W, 100 Wh each quarter hour. */
  async function meter(hours: number): Promise<void> {
    const plug = new SimulatedPlug(1, steady(fromS, 400), fromS, bench.time);
    bench.run([plug], fromS, fromS + hours * HOUR + 120);
    await bench.moveTo(fromS + hours * HOUR + 120);
    bench.energy.rollUp();
  }

  function costs(toS: number, deviceId?: string) {
    const outcome = bench.energy.costs({ deviceId, from: iso(fromS), to: iso(toS) });
    assert.equal(outcome.kind, 'costs');
    return costsJson(outcome);
  }

  function create(input: object): ReturnType<typeof bench.energy.prices.create> {
    return bench.energy.prices.create({ name: 'A', pricePerKwhCents: 30, ...input });
  }

  it('begin and end on the local quarter hour, or are refused with their place', () => {
    const wrong: [object, string][] = [
      [{ validFrom: '2026-12-01T00:07:00Z' }, 'validFrom'],
      [{ validFrom: '2026-12-01T00:00:31Z' }, 'validFrom'],
      [{ validTo: '2026-12-01T00:15:00.500Z' }, 'validTo'],
      [{ timeFrom: '06:07' }, 'timeFrom'],
      [{ timeTo: '24:15' }, 'timeTo'],
      [{ vatPercent: -1 }, 'vatPercent'],
      [{ vatPercent: '19' }, 'vatPercent'],
      [{ baseFeeCentsPerMonth: -5 }, 'baseFeeCentsPerMonth'],
      [{ pricePerKwhCents: -100_001 }, 'pricePerKwhCents'],
    ];
    for (const [input, field] of wrong) {
      const outcome = create(input);
      assert.equal(outcome.kind, 'invalid', JSON.stringify(input));
      assert.deepEqual(
        outcome.faults.map((fault) => fault.field),
        [field],
      );
    }
    const good = { timeFrom: '06:15', timeTo: '07:45', validFrom: '2026-12-01T00:15:00Z' };
    const outcome = create({ ...good, pricePerKwhCents: -5.5, vatPercent: 19 });
    assert.equal(outcome.kind, 'price');
    assert.partialDeepStrictEqual(priceJson(outcome.price), {
      ...{ time_from: '06:15', time_to: '07:45', valid_from: '2026-12-01T00:15:00Z' },
      ...{ price_per_kwh_cents: -5.5, vat_percent: 19, base_fee_cents_per_month: null },
    });
  });

  it('cost to the quarter hour, a window that begins in the hour apart', async () => {
    create({ name: 'Day' });
    create({ name: 'Peak', pricePerKwhCents: 50, timeFrom: '00:45', timeTo: '01:15' });
    await meter(3);
    const { by_tariff: shares, cost_cents: cents } = costs(fromS + 2 * HOUR);
    const named = new Map(shares.map((share) => [share.name, share]));
    assert.ok(Math.abs((named.get('Peak')?.kwh ?? 0) - 0.2) < 0.001);
    assert.ok(Math.abs((named.get('Day')?.kwh ?? 0) - 0.6) < 0.001);
    assert.ok(Math.abs((cents ?? 0) - 0.2 * 50 - 0.6 * 30) < 0.05);
    assert.equal(costs(fromS + 2 * HOUR, 'plug-1').cost_cents, cents);
  });

  it('add VAT to a price, also below zero, and tell the fee of the time apart', async () => {
    create({ pricePerKwhCents: -10, vatPercent: 20, baseFeeCentsPerMonth: 3_100 });
    await meter(3);
    await bench.moveTo(fromS + 24 * HOUR);
    const found = costs(fromS + 24 * HOUR);
    const { cost_cents: cents, total_kwh: kwh } = found;
    assert.ok(cents !== null && kwh !== null && Math.abs(cents + kwh * 12) < 0.01);
    // May has 31 days.
    assert.ok(Math.abs((found.base_fee_cents ?? 0) - 120) < 0.01, `${found.base_fee_cents}`);
    assert.equal(costs(fromS + 24 * HOUR, 'plug-1').base_fee_cents, null);
  });

  it('come by the slot, one tariff and one row however many, costed exactly', async () => {
    create({ name: 'Day' });
    const quarters = [10, 20, -30, 40];
    const outcome = bench.energy.prices.putSlots('Spot', slots(fromS, QUARTER, quarters));
    assert.equal(outcome.kind, 'price');
    bench.energy.prices.putSlots('Spot', slots(fromS + HOUR, HOUR, [60]));
    await meter(4);
    assert.deepEqual(
      bench.energy.prices.list().map(({ name, slots: count }) => [name, count]),
      [
        ['Day', 0],
        ['Spot', 5],
      ],
    );
    const found = costs(fromS + 3 * HOUR);
    assert.equal(found.by_tariff.length, 2);
    const spot = found.by_tariff.find(({ name }) => name === 'Spot');
    assert.ok(Math.abs((spot?.kwh ?? 0) - 0.8) < 0.001);
    assert.ok(Math.abs((spot?.cost_cents ?? 0) - 0.1 * 40 - 0.4 * 60) < 0.05);
  });

  it('replace their range by the slot, the same again changing nothing', () => {
    bench.energy.prices.putSlots('Spot', slots(fromS, HOUR, [10, 20, 30]));
    const rows = (): string => bench.rows('energy_price_slots');
    const told = (): (string | number | null)[][] =>
      bench.store
        .prepare(
          'SELECT (start_s - ?) / 900 AS a, (end_s - ?) / 900 AS b, price_uc_per_kwh / 1000000 AS c FROM energy_price_slots',
        )
        .all(fromS, fromS)
        .map((row) => Object.values(row).map(Number));
    const middle = slots(fromS + 3 * QUARTER, QUARTER, [1, 2]);
    bench.energy.prices.putSlots('Spot', [...middle].reverse());
    const after = [
      [0, 3, 10],
      [3, 4, 1],
      [4, 5, 2],
      [5, 8, 20],
      [8, 12, 30],
    ];
    assert.deepEqual(told(), after);
    const before = rows();
    bench.energy.prices.putSlots('Spot', middle);
    assert.equal(rows(), before);
    assert.equal(bench.energy.prices.list().length, 1);
    const [price] = bench.energy.prices.list();
    assert.equal(bench.energy.prices.remove(price?.id ?? 0).kind, 'removed');
    assert.equal(rows(), '[]');
  });

  it('refuse slots off the quarter, of another length, over each other, and of no price', () => {
    const good = slots(fromS, HOUR, [10, 20]);
    const [first] = good;
    assert.ok(first !== undefined);
    const wrong: [SlotInput, string][] = [
      [{ ...first, from: iso(fromS + 420), to: iso(fromS + 420 + HOUR) }, 'from'],
      [{ ...first, from: 'soon' }, 'from'],
      [{ ...first, to: iso(fromS + 1_800) }, 'to'],
      [{ ...first, to: first.from }, 'to'],
      [{ ...first, pricePerKwhCents: 1e9 }, 'price_per_kwh_cents'],
    ];
    for (const [slot, field] of wrong) {
      const outcome = bench.energy.prices.putSlots('Spot', [...good.slice(1), slot]);
      assert.equal(outcome.kind, 'invalid');
      assert.partialDeepStrictEqual(outcome.faults, [{ index: 1, field }]);
    }
    const twice = bench.energy.prices.putSlots('Spot', [
      ...good,
      ...slots(fromS + QUARTER, QUARTER, [1]),
    ]);
    assert.equal(twice.kind, 'invalid');
    assert.deepEqual(bench.energy.prices.list(), []);
  });

  it('are taken by the hundred thousand', () => {
    const many = slots(
      fromS,
      QUARTER,
      Array.from({ length: 100_000 }, (_, index) => index % 50),
    );
    const outcome = bench.energy.prices.putSlots('Spot', many);
    assert.equal(outcome.kind === 'price' && outcome.price.slots, 100_000);
  });

  it('change stored costs by recalculation alone, and say how much has a cost already', async () => {
    await meter(6);
    const before = costs(fromS + 6 * HOUR).cost_cents;
    const outcome = bench.energy.prices.putSlots(
      'Spot',
      slots(fromS + HOUR, QUARTER, [0, 0, 0, 100]),
    );
    assert.ok(outcome.kind === 'price');
    assert.deepEqual(bench.energy.prices.costed(outcome.price), { hours: 1, fromS: fromS + HOUR });
    assert.equal(costs(fromS + 6 * HOUR).cost_cents, before);
    const done = await bench.energy.prices.recalculate(iso(fromS));
    assert.deepEqual(done, { kind: 'recalculated', changedHours: 1 });
    const after = costs(fromS + 6 * HOUR).cost_cents;
    assert.ok(before !== null && after !== null);
    assert.ok(Math.abs(after - before - (0.1 * 100 - 0.4 * 32)) < 0.05);
  });

  it('tell what standby costs in a year by the mean over the hours', async () => {
    create({ name: 'Night', pricePerKwhCents: 10, timeFrom: '00:00', timeTo: '06:00' });
    create({ name: 'Day', pricePerKwhCents: 30, timeFrom: '06:00', timeTo: '24:00' });
    await meter(13);
    const [standby] = bench.energy.standby();
    assert.ok(Math.abs((standby?.yearlyUc ?? 0) / 1e6 - 0.4 * 8_766 * 25) < 20);
  });
});
