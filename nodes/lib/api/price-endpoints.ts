import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { count, instant, MessageAnswer, moment, nullable, oneLine, rowId } from './wire.ts';

const TAGS = ['energy'];
const PATH = '/api/energy/prices';
const ID = 'Number of the tariff.';
const PARAMS = Type.Object({ id: rowId(ID) });

/** Windows begin and end on a quarter hour; `24:00` ends a day (contract 5). */
const quarterHour = () =>
  nullable(
    Type.String({
      pattern: '^(?:(?:[01][0-9]|2[0-3]):(?:00|15|30|45)|24:00)$',
      description: 'HH:MM local, on a quarter hour',
    }),
  );

/** ISO 8601 numbers of the days: 1 is Monday, 7 is Sunday. Null: every day. */
const weekdays = () =>
  nullable(
    Type.Array(Type.Integer({ minimum: 1, maximum: 7 }), {
      minItems: 1,
      maxItems: 7,
      uniqueItems: true,
      description: '1 is Monday, 7 is Sunday.',
    }),
  );

const SLOTS = 'How many prices by the quarter hour or hour it has.';

const FIELDS = {
  name: oneLine(100, { description: 'Name of the tariff.' }),
  price_per_kwh_cents: Type.Number({
    ...{ minimum: -100_000, maximum: 100_000 },
    description: 'The mean of its slots where it has some.',
  }),
};

const WHEN = {
  valid_from: nullable(moment('First moment it is valid, on a quarter hour; null: always was.')),
  valid_to: nullable(moment('End of its validity, not included, on a quarter hour; null: open.')),
  weekdays: weekdays(),
  time_from: quarterHour(),
  time_to: quarterHour(),
  is_active: Type.Boolean(),
  vat_percent: nullable(
    Type.Number({
      ...{ minimum: 0, maximum: 100 },
      description: 'Added to price and fee; null: they are what is paid.',
    }),
  ),
  base_fee_cents_per_month: nullable(Type.Number({ minimum: 0, maximum: 100_000 })),
};

export const EnergyPrice = Type.Object(
  {
    ...{ id: rowId(ID), ...FIELDS, ...WHEN },
    slots: count(SLOTS),
    already_costed_hours: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'After a change: stored hours in its time. They keep their cost until /recalculate.',
      }),
    ),
    recalculate_from: Type.Optional(
      nullable(
        instant('Of these hours the first, as /recalculate takes it; null where there is none.'),
      ),
    ),
  },
  { title: 'EnergyPrice' },
);
export type EnergyPrice = Static<typeof EnergyPrice>;

export const NewEnergyPriceBody = Type.Object(
  { ...FIELDS, ...Type.Partial(Type.Object(WHEN)).properties },
  { title: 'NewEnergyPriceBody' },
);
export type NewEnergyPriceBody = Static<typeof NewEnergyPriceBody>;

/** What a caller that changes a price as it was read sends along; the address says which it is. */
const AS_READ = {
  ...{ id: rowId(ID), slots: count(SLOTS), already_costed_hours: count('Passed over.') },
  recalculate_from: nullable(instant('Passed over.')),
};

/** A field that is absent stays as it is; `id`, `slots` and the counts are passed over. */
export const EnergyPriceChangeBody = Type.Partial(Type.Object({ ...FIELDS, ...WHEN, ...AS_READ }), {
  title: 'EnergyPriceChangeBody',
});
export type EnergyPriceChangeBody = Static<typeof EnergyPriceChangeBody>;

const MOST_SLOTS = 100_000;
/** A slot is written in under 120 bytes. */
const SLOTS_BODY_BYTES = 16 * 1024 * 1024;

export const PriceSlotsBody = Type.Object(
  {
    name: oneLine(100, { default: 'Dynamic', description: 'Name of the tariff they make.' }),
    slots: Type.Array(
      Type.Object({
        from: moment('Begin, on a quarter hour.'),
        to: moment('15 or 60 minutes later.'),
        price_per_kwh_cents: FIELDS.price_per_kwh_cents,
      }),
      { minItems: 1, maxItems: MOST_SLOTS },
    ),
  },
  { title: 'PriceSlotsBody' },
);
export type PriceSlotsBody = Static<typeof PriceSlotsBody>;

export const RecalculateBody = Type.Object(
  { from: moment('From here on stored costs are worked out anew.') },
  { title: 'RecalculateBody' },
);
export type RecalculateBody = Static<typeof RecalculateBody>;

export const RecalculateAnswer = Type.Object(
  { message: Type.String(), recalculated_hours: count('How many hours were worked out anew.') },
  { title: 'RecalculateAnswer' },
);
export type RecalculateAnswer = Static<typeof RecalculateAnswer>;

export const PRICE_ENDPOINTS = [
  endpoint({
    id: 'energy-prices-list',
    method: 'GET',
    path: PATH,
    summary: 'All prices.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(Type.Array(EnergyPrice), 'The prices.') },
  }),
  endpoint({
    id: 'energy-prices-add',
    method: 'POST',
    path: PATH,
    summary: 'Add a price.',
    tags: TAGS,
    access: 'admin',
    bodySchema: NewEnergyPriceBody,
    responses: { 201: json(EnergyPrice, 'The new price.') },
  }),
  endpoint({
    id: 'energy-prices-change',
    method: 'PUT',
    path: `${PATH}/{id}`,
    summary: 'Change a price. Costs already stored stay.',
    tags: TAGS,
    access: 'admin',
    params: PARAMS,
    bodySchema: EnergyPriceChangeBody,
    responses: { 200: json(EnergyPrice, 'The price as it is now.') },
    refusals: ['not_found'],
  }),
  endpoint({
    id: 'energy-prices-delete',
    method: 'DELETE',
    path: `${PATH}/{id}`,
    summary: 'Delete a price. Costs already stored stay.',
    tags: TAGS,
    access: 'admin',
    params: PARAMS,
    responses: { 200: json(MessageAnswer, 'It is gone.') },
    refusals: ['not_found'],
  }),
  endpoint({
    id: 'energy-prices-slots',
    method: 'POST',
    path: `${PATH}/slots`,
    summary:
      'Prices by the quarter hour or hour, in the place of all that the tariff of this name has in their range.',
    tags: TAGS,
    access: 'admin',
    bodySchema: PriceSlotsBody,
    maxBodyBytes: SLOTS_BODY_BYTES,
    responses: { 200: json(EnergyPrice, 'The tariff as it is now.') },
  }),
  endpoint({
    id: 'energy-prices-recalculate',
    method: 'POST',
    path: `${PATH}/recalculate`,
    summary: 'Work out stored costs anew with the prices of now.',
    tags: TAGS,
    access: 'admin',
    bodySchema: RecalculateBody,
    responses: { 200: json(RecalculateAnswer, 'Done.') },
  }),
] as const;
