import assert from 'node:assert/strict';
import type { Price } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/tariff.ts';
import type { FakeServices } from '../fakes/fake-services.ts';
import { answerOf, codeOf } from './described.ts';
import { type Stage, stages } from './stage.ts';

const type = 'balupi-energy-aggregator';
const PRICE: Price = {
  id: 1,
  name: 'Night',
  priceUcPerKwh: 28_000_000,
  validFromS: null,
  validToS: null,
  weekdays: null,
  fromMinute: 22 * 60,
  toMinute: 6 * 60,
  isActive: true,
  vatPercent: null,
  baseFeeUc: null,
  slots: 0,
};

type Prices = NonNullable<NonNullable<FakeServices['energy']>['prices']>;

describe('The prices of the node balupi-energy-aggregator', () => {
  const open = stages();
  const opened = (op: string, prices: Prices): Promise<Stage> =>
    open({ type, op, services: { energy: { prices } } });

  const body = { name: 'Night', price_per_kwh_cents: 28 };
  const costed = () => ({ hours: 12, fromS: 7_200 });
  const priced = () => ({ kind: 'price', price: PRICE }) as const;

  it('lists them', async () => {
    const stage = await opened('prices', { list: () => [PRICE] });
    const payload = await answerOf(stage, 'energy-prices-list');
    const shown = { id: 1, price_per_kwh_cents: 28, time_from: '22:00', time_to: '06:00' };
    assert.partialDeepStrictEqual(payload, [shown]);
  });

  it('adds one with 201', async () => {
    const stage = await opened('add-price', { create: priced, costed });
    const payload = await answerOf(stage, 'energy-prices-add', { body }, 201);
    const told = { already_costed_hours: 12, recalculate_from: '1970-01-01T02:00:00Z' };
    assert.partialDeepStrictEqual(payload, told);
  });

  it('changes the one of the address', async () => {
    let changed = 0;
    const update = (id: number) => {
      changed = id;
      return priced();
    };
    const stage = await opened('update-price', { update, costed });
    await answerOf(stage, 'energy-prices-change', { params: { id: '7' }, body });
    assert.equal(changed, 7);
  });

  it('names the fields that are wrong', async () => {
    const faults = [{ field: 'timeFrom', message: 'must be a whole hour' }] as const;
    const create = () => ({ kind: 'invalid', faults }) as const;
    const stage = await opened('add-price', { create });
    const payload = await answerOf(stage, 'energy-prices-add', { body }, 422);
    assert.partialDeepStrictEqual(payload, { errors: [{ loc: ['body', 'time_from'] }] });
  });

  it('knows none that is not there', async () => {
    const unknown = () => ({ kind: 'unknown_price' }) as const;
    const change = await opened('update-price', { update: unknown });
    const call = { params: { id: '7' }, body };
    assert.equal(await codeOf(change, 'energy-prices-change', call, 404), 'not_found');
    const remove = await opened('remove-price', { remove: unknown });
    assert.equal(await codeOf(remove, 'energy-prices-delete', call, 404), 'not_found');
  });

  it('takes slots, and names the place of what is wrong in them', async () => {
    const from = '2026-02-22T14:00:00Z';
    const slots = [{ from, to: '2026-02-22T15:00:00Z', price_per_kwh_cents: -3 }];
    const call = { body: { name: 'Dynamic', slots } };
    const stage = await opened('price-slots', { putSlots: priced, costed });
    await answerOf(stage, 'energy-prices-slots', call);
    const faults = [{ index: 3, field: 'to', message: 'must be later' }] as const;
    const putSlots = () => ({ kind: 'invalid', faults }) as const;
    const refused = await opened('price-slots', { putSlots });
    const payload = await answerOf(refused, 'energy-prices-slots', call, 422);
    assert.partialDeepStrictEqual(payload, { errors: [{ loc: ['body', 'slots', 3, 'to'] }] });
  });

  it('removes one', async () => {
    const stage = await opened('remove-price', { remove: () => ({ kind: 'removed' }) });
    await answerOf(stage, 'energy-prices-delete', { params: { id: '1' } });
  });

  it('recalculates from a time on, and refuses one that is none', async () => {
    const recalculate: Prices['recalculate'] = (from) =>
      Promise.resolve(
        from === 'tomorrow' ? { kind: 'bad_range' } : { kind: 'recalculated', changedHours: 24 },
      );
    const stage = await opened('recalculate', { recalculate });
    const good = { body: { from: '2026-02-01' } };
    const payload = await answerOf(stage, 'energy-prices-recalculate', good);
    assert.partialDeepStrictEqual(payload, { recalculated_hours: 24 });
    const bad = { body: { from: 'tomorrow' } };
    assert.equal(await codeOf(stage, 'energy-prices-recalculate', bad, 422), 'invalid');
  });
});
