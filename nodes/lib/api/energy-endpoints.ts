import { type Static, Type } from '@sinclair/typebox';
import {
  count,
  endpoint,
  flag,
  instant,
  json,
  MessageAnswer,
  moment,
  nullable,
  oneLine,
  rowId,
  text,
  words,
} from './endpoint.ts';

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

const CORRECTION_PATH = '/api/energy/corrections';
const CORRECTION_PARAMS = Type.Object({ id: rowId('Number of the correction.') });

export const CorrectionBody = Type.Object(
  {
    device_id: Type.String({ minLength: 1, maxLength: 128, description: 'Id of the plug.' }),
    from: moment('Begin, on a quarter hour.'),
    to: moment('End, not included, on a quarter hour; not in the future.'),
    energy_wh: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 10_000_000,
        description: 'What was used from begin to end, spread evenly; at most 4 kW all the time.',
      }),
    ),
    clear: Type.Optional(
      Type.Boolean({ description: 'True instead of energy_wh: nothing is known of it.' }),
    ),
    why: oneLine(500, { description: 'The reason, for whoever asks later.' }),
  },
  { title: 'CorrectionBody' },
);
export type CorrectionBody = Static<typeof CorrectionBody>;

export const CorrectionAnswer = Type.Object(
  { id: rowId('Number of the correction.') },
  { title: 'CorrectionAnswer' },
);
export type CorrectionAnswer = Static<typeof CorrectionAnswer>;

export const EnergyCorrection = Type.Object(
  {
    id: rowId('Number of the correction.'),
    device_id: nullable(text('Id of the plug; null where nobody knows it any more.')),
    device_name: nullable(text('Name of the plug; null where nobody knows it any more.')),
    from: instant('Begin.'),
    to: instant('End, not included.'),
    energy_wh: nullable(Type.Number({ description: 'What it was put to; null where cleared.' })),
    clear: flag('True: nothing is known of the range.'),
    original_energy_wh: nullable(Type.Number({ description: 'What stood there before.' })),
    why: text('The reason that was given.'),
    corrected_by: text('Name of who did it.'),
    corrected_at: instant('When it was done.'),
    undone_by: nullable(text('Name of who took it back; null while it counts.')),
    undone_at: nullable(instant('When it was taken back; null while it counts.')),
  },
  { title: 'EnergyCorrection' },
);
export type EnergyCorrection = Static<typeof EnergyCorrection>;

export const CorrectionsQuery = Type.Object({
  undone: Type.Boolean({ default: false, description: 'True: also those that were undone.' }),
});
export type CorrectionsQuery = Static<typeof CorrectionsQuery>;

export const CORRECTION_ENDPOINTS = [
  endpoint({
    id: 'energy-history-correct',
    method: 'PATCH',
    path: '/api/energy/history',
    summary: 'Put a range of one plug right. What was metered is kept beside it; costs follow.',
    tags: TAGS,
    access: 'admin',
    bodySchema: CorrectionBody,
    responses: { 200: json(CorrectionAnswer, 'It is corrected.') },
    refusals: ['not_found', 'conflict'],
  }),
  endpoint({
    id: 'energy-corrections-list',
    method: 'GET',
    path: CORRECTION_PATH,
    summary: 'What was put right, by whom and why, and what stood there before.',
    tags: TAGS,
    access: 'caller',
    query: CorrectionsQuery,
    responses: { 200: json(Type.Array(EnergyCorrection), 'The corrections, oldest first.') },
  }),
  endpoint({
    id: 'energy-corrections-undo',
    method: 'DELETE',
    path: `${CORRECTION_PATH}/{id}`,
    summary: 'Take a correction back: what was metered counts again.',
    tags: TAGS,
    access: 'admin',
    params: CORRECTION_PARAMS,
    responses: { 200: json(MessageAnswer, 'It is undone.') },
    refusals: ['not_found', 'conflict'],
  }),
] as const;

const PERIODS = ['day', 'week', 'month', 'year'] as const;
const RESOLUTIONS = ['raw', '5m', 'hour', 'day', 'auto'] as const;

const deviceId = () =>
  Type.String({
    minLength: 1,
    maxLength: 128,
    description: 'Id of a plug; without it, the sum of all.',
  });
/** The same as JSON, chosen by `Accept: text/csv`. */
const csv = () =>
  Type.String({ description: 'A line of names, then a line each, oldest first; as a file.' });
const measured = (description?: string) => nullable(Type.Number(), description);

export const EnergyCurrent = Type.Object(
  {
    devices: Type.Array(
      Type.Object({
        device_id: text('Id of the plug.'),
        device_name: text('Name of the plug.'),
        name: Type.String({ description: 'The same, as the Pi page of BaluHost reads it.' }),
        power_w: measured(),
        voltage_v: measured(),
        current_a: measured(),
        energy_today_wh: measured(),
        is_online: Type.Boolean(),
        is_stale: Type.Boolean(),
        timestamp: nullable(instant('When the plug was last read.')),
      }),
      { description: 'The plugs.' },
    ),
    total_power_w: measured(),
  },
  { title: 'EnergyCurrent' },
);
export type EnergyCurrent = Static<typeof EnergyCurrent>;

const PERIOD = 'The calendar day, week (from Monday), month or year in TIMEZONE, up to now.';

/** The span `from`–`to` wins over the period, which is a calendar one in TIMEZONE up to now. */
const SPAN = {
  device_id: Type.Optional(deviceId()),
  from: Type.Optional(moment('Begin; wins over the period.')),
  to: Type.Optional(moment('End, not included.')),
};

export const EnergyHistoryQuery = Type.Object({
  ...SPAN,
  period: words(PERIODS, { default: 'day', description: PERIOD }),
  resolution: words(RESOLUTIONS, {
    default: 'auto',
    description: 'At most 1,000 points: a finer wish is coarsened, and the answer says to what.',
  }),
});
export type EnergyHistoryQuery = Static<typeof EnergyHistoryQuery>;

/** The household's sum has no device: both are null. */
const OF_DEVICE = { device_id: nullable(Type.String()), device_name: nullable(Type.String()) };

export const EnergyHistory = Type.Object(
  {
    ...OF_DEVICE,
    period: words(PERIODS),
    from: instant('Begin of the first bucket: buckets are whole, also where the range is not.'),
    to: instant('End of the last bucket; of one that is not over, now.'),
    resolution: words(['raw', '5m', 'hour', 'day', 'week', 'month'], {
      description: 'How long a bucket is; longer than asked for where there were too many.',
    }),
    data: Type.Array(
      Type.Object({
        timestamp: instant('Begin of the bucket.'),
        avg_power_w: measured(),
        max_power_w: measured(),
        min_power_w: measured(),
        energy_wh: measured(),
        covered_seconds: Type.Number({ minimum: 0 }),
        estimated: Type.Boolean(),
        quality: words(['measured', 'estimated', 'corrected']),
        feed_in_wh: Type.Number({
          minimum: 0,
          description: 'Fed in through the plug; no part of energy_wh. Powers are below 0 then.',
        }),
      }),
      { description: 'The buckets, oldest first.' },
    ),
  },
  { title: 'EnergyHistory' },
);
export type EnergyHistory = Static<typeof EnergyHistory>;

export const EnergyCostsQuery = Type.Object({
  ...SPAN,
  period: words(PERIODS, { default: 'month', description: PERIOD }),
});
export type EnergyCostsQuery = Static<typeof EnergyCostsQuery>;

export const EnergyCosts = Type.Object(
  {
    ...OF_DEVICE,
    period: words(PERIODS),
    from: instant('Begin of the first hour that is counted: hours count whole.'),
    to: instant('End of the last one; of days, where these alone are kept.'),
    total_kwh: measured('Energy used in kWh; null where nothing was measured.'),
    feed_in_kwh: Type.Number({ minimum: 0, description: 'Fed in; costs and pays nothing.' }),
    cost_cents: measured(),
    price_per_kwh_cents: nullable(Type.Number({ description: 'Mean price paid.' })),
    base_fee_cents: nullable(
      Type.Number({ description: 'The fee of that time; not in cost_cents. Null for one plug.' }),
    ),
    by_tariff: Type.Array(
      Type.Object({
        name: text('Name of the tariff.'),
        kwh: Type.Number(),
        cost_cents: Type.Number(),
      }),
      { description: 'What fell into the time of each tariff.' },
    ),
  },
  { title: 'EnergyCosts' },
);
export type EnergyCosts = Static<typeof EnergyCosts>;

const COMPARISONS = ['none', 'previous', 'year'] as const;

export const EnergyReportQuery = Type.Object({
  device_id: Type.Optional(deviceId()),
  period: words(PERIODS, { default: 'day', description: 'The whole calendar period.' }),
  date: Type.Optional(moment('Any day of the period; default: today.')),
  from: Type.Optional(moment('Begin; wins over the period. Whole local days.')),
  to: Type.Optional(moment('End, not included.')),
  compare: words(COMPARISONS, {
    default: 'none',
    description: 'With the stretch before it, or with the same a year earlier.',
  }),
  resolution: words(['hour', 'day'], { default: 'hour', description: 'Of the CSV.' }),
  language: words(['en', 'de'], {
    default: 'en',
    description: 'Of the CSV; de: semicolons, decimal commas and German words.',
  }),
});
export type EnergyReportQuery = Static<typeof EnergyReportQuery>;

const USED = { energy_wh: measured(), cost_cents: measured() };
const Used = Type.Object(USED);

export const EnergyReport = Type.Object(
  {
    ...OF_DEVICE,
    period: words([...PERIODS, 'range'], { description: 'As asked for; range: from and to were.' }),
    from: instant('Begin.'),
    to: instant('End, not included; later than now where the period is not over.'),
    unit: words(['hour', 'day', 'week', 'month', 'year'], { description: 'How long a bucket is.' }),
    first_at: nullable(instant('When metering began.')),
    total: Type.Object(
      {
        ...USED,
        estimated_wh: Type.Number(),
        feed_in_wh: Type.Number({ minimum: 0, description: 'No part of energy_wh.' }),
        base_fee_cents: nullable(Type.Number({ description: 'Not in cost_cents.' })),
        co2_g: nullable(Type.Number({ description: 'Null without ENERGY_CO2_G_PER_KWH.' })),
        covered_seconds: count(),
        elapsed_seconds: count(),
      },
      { description: 'All of it.' },
    ),
    by_tariff: Type.Array(
      Type.Object({
        price_id: count(),
        name: text('Name of the tariff.'),
        energy_wh: Type.Number(),
        cost_cents: Type.Number(),
      }),
      { description: 'What fell into the time of each tariff.' },
    ),
    compared: nullable(
      Type.Object({
        from: instant('Begin.'),
        to: instant('End, not included.'),
        total: Type.Object(USED, { description: 'All of it.' }),
        so_far: nullable(
          Type.Object(USED, { description: 'As far as the period itself has come by now.' }),
        ),
        covered_seconds: count(),
        elapsed_seconds: count(),
      }),
      'What it is compared with; null where nothing was asked for.',
    ),
    buckets: Type.Array(
      Type.Object({
        from: instant('Begin.'),
        to: instant('End, not included.'),
        ...USED,
        estimated_wh: Type.Number(),
        feed_in_wh: Type.Number({ minimum: 0 }),
        corrected: Type.Boolean(),
        covered_seconds: count(),
        elapsed_seconds: count(),
        compared: nullable(Used, 'The bucket at the same place of the other stretch.'),
        devices_wh: Type.Array(measured(), { description: 'In the order of devices.' }),
      }),
      { description: 'The bars, oldest first.' },
    ),
    devices: Type.Array(
      Type.Object({
        device_id: text('Id of the plug.'),
        device_name: text('Name of the plug.'),
        forgotten: flag('Whether the plug was forgotten.'),
        ...USED,
        feed_in_wh: Type.Number({ minimum: 0 }),
        estimated: Type.Boolean(),
        corrected: Type.Boolean(),
        covered_seconds: count(),
        compared: nullable(Used, 'The same plug in the other stretch.'),
      }),
      { description: 'The plugs.' },
    ),
    power_step_seconds: nullable(
      Type.Integer({ minimum: 1, description: 'Seconds between two points of power.' }),
    ),
    power: Type.Array(
      Type.Object({
        device_id: text('Id of the plug.'),
        points: Type.Array(Type.Object({ timestamp: instant(), avg_power_w: Type.Number() }), {
          description: 'Oldest first.',
        }),
      }),
      { description: 'What was measured; for at most nine days.' },
    ),
  },
  { title: 'EnergyReport' },
);
export type EnergyReport = Static<typeof EnergyReport>;

export const NAS_STATES = ['off', 'standby', 'idle', 'active', 'unknown'] as const;

export const EnergySummary = Type.Object(
  {
    total_devices: count('How many plugs there are.'),
    total_power_w: measured(),
    avg_daily_kwh: measured('What a usual day takes, in kWh; null while not known.'),
    monthly_cost_estimate_cents: measured('What this month may cost in all; null while not known.'),
    month_to_date_cents: measured('What this month cost so far; null while not known.'),
    feed_in_kwh_month: measured('What was fed in this month, in kWh; null while not known.'),
    standby_w: measured(
      'What the plugs draw when the house rests, in watts; null while not known.',
    ),
    nas_state: words(NAS_STATES),
    nas_asleep_hours_today: measured('Hours of today that the NAS slept; null without its plug.'),
    saved_kwh_month: measured('What its sleep saved this month, in kWh; null while not known.'),
    saved_cents_month: measured('The same in cents; null while not known.'),
  },
  { title: 'EnergySummary' },
);
export type EnergySummary = Static<typeof EnergySummary>;

export const ENERGY_ENDPOINTS = [
  endpoint({
    id: 'energy-current',
    method: 'GET',
    path: '/api/energy/current',
    summary: 'What every plug draws now. Unknown is null, never 0.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(EnergyCurrent, 'The plugs.') },
  }),
  endpoint({
    id: 'energy-history',
    method: 'GET',
    path: '/api/energy/history',
    summary: 'Power and energy over time, oldest first; with Accept: text/csv all of it as CSV.',
    tags: TAGS,
    access: 'caller',
    query: EnergyHistoryQuery,
    responses: {
      200: {
        description: 'The buckets.',
        content: { ...json(EnergyHistory).content, 'text/csv': csv() },
        headers: ['Content-Disposition'],
      },
    },
    refusals: ['not_found'],
  }),
  endpoint({
    id: 'energy-report',
    method: 'GET',
    path: '/api/energy/report',
    summary: 'Any stretch of the past in bars and by plug, compared; as CSV hour by hour.',
    tags: TAGS,
    access: 'caller',
    query: EnergyReportQuery,
    responses: {
      200: {
        description: 'The report.',
        content: { ...json(EnergyReport).content, 'text/csv': csv() },
        headers: ['Content-Disposition'],
      },
    },
    refusals: ['not_found'],
  }),
  endpoint({
    id: 'energy-costs',
    method: 'GET',
    path: '/api/energy/costs',
    summary: 'What the energy cost, every quarter hour at the price that was valid in it.',
    tags: TAGS,
    access: 'caller',
    query: EnergyCostsQuery,
    responses: { 200: json(EnergyCosts, 'The costs.') },
    refusals: ['not_found'],
  }),
  endpoint({
    id: 'energy-summary',
    method: 'GET',
    path: '/api/energy/summary',
    summary: 'The household at a glance, and what the sleeping NAS saved.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(EnergySummary, 'The summary.') },
  }),
  ...CORRECTION_ENDPOINTS,
  ...PRICE_ENDPOINTS,
] as const;
