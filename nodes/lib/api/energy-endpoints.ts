import { type Static, Type } from '@sinclair/typebox';
import { WORDS } from '../words/words.ts';
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

/** A field that is absent stays as it is; `id`, `slots` and the counts are ignored. */
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
  { from: moment('Stored costs are recalculated from here on.') },
  { title: 'RecalculateBody' },
);
export type RecalculateBody = Static<typeof RecalculateBody>;

export const RecalculateAnswer = Type.Object(
  { message: Type.String(), recalculated_hours: count('How many hours were recalculated.') },
  { title: 'RecalculateAnswer' },
);
export type RecalculateAnswer = Static<typeof RecalculateAnswer>;

const PRICE: EnergyPrice = {
  id: 2,
  name: 'Night',
  price_per_kwh_cents: 26.4,
  valid_from: null,
  valid_to: null,
  weekdays: null,
  time_from: '22:00',
  time_to: '06:00',
  is_active: true,
  vat_percent: null,
  base_fee_cents_per_month: null,
  slots: 0,
};

export const PRICE_ENDPOINTS = [
  endpoint({
    id: 'energy-prices-list',
    method: 'GET',
    path: PATH,
    summary: 'All prices.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(Type.Array(EnergyPrice), 'The prices.') },
    example: { answer: [PRICE] },
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
    example: {
      body: {
        name: 'Night',
        price_per_kwh_cents: 26.4,
        time_from: '22:00',
        time_to: '06:00',
      },
      answer: PRICE,
    },
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
    example: {
      body: { price_per_kwh_cents: 27.1 },
      answer: {
        ...PRICE,
        price_per_kwh_cents: 27.1,
        already_costed_hours: 176,
        recalculate_from: '2026-01-31T23:00:00Z',
      },
    },
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
    example: { answer: { message: 'Deleted' } },
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
    example: {
      body: {
        name: 'Dynamic',
        slots: [
          { from: '2026-02-23T00:00:00Z', to: '2026-02-23T01:00:00Z', price_per_kwh_cents: 21.3 },
        ],
      },
      answer: {
        ...PRICE,
        id: 4,
        name: 'Dynamic',
        price_per_kwh_cents: 21.3,
        time_from: null,
        time_to: null,
        slots: 4,
      },
    },
  }),
  endpoint({
    id: 'energy-prices-recalculate',
    method: 'POST',
    path: `${PATH}/recalculate`,
    summary: 'Recalculate stored costs with the prices of now.',
    tags: TAGS,
    access: 'admin',
    bodySchema: RecalculateBody,
    responses: { 200: json(RecalculateAnswer, 'Done.') },
    example: {
      body: { from: '2026-02-01' },
      answer: { message: 'Recalculated', recalculated_hours: 518 },
    },
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

const FRIDGE = '8eecfdd1-33e3-46ae-bc43-e2f761966aa6';
const NOW = '2026-02-22T14:30:00Z';

export const CORRECTION_ENDPOINTS = [
  endpoint({
    id: 'energy-history-correct',
    method: 'PATCH',
    path: '/api/energy/history',
    summary: 'Put a range of one plug right. What was metered is kept with it; costs follow.',
    tags: TAGS,
    access: 'admin',
    bodySchema: CorrectionBody,
    responses: { 200: json(CorrectionAnswer, 'It is corrected.') },
    refusals: ['not_found', 'conflict'],
    example: {
      body: {
        device_id: FRIDGE,
        from: '2026-02-20T10:00:00Z',
        to: '2026-02-20T12:00:00Z',
        energy_wh: 70,
        why: 'The plug fed a heater for two hours.',
      },
      answer: { id: 3 },
    },
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
    example: {
      answer: [
        {
          id: 3,
          device_id: FRIDGE,
          device_name: 'Fridge',
          from: '2026-02-20T10:00:00Z',
          to: '2026-02-20T12:00:00Z',
          energy_wh: 70,
          clear: false,
          original_energy_wh: 412.5,
          why: 'The plug fed a heater for two hours.',
          corrected_by: 'admin',
          corrected_at: NOW,
          undone_by: null,
          undone_at: null,
        },
      ],
    },
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
    example: { answer: { message: 'Undone' } },
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
    description: 'At most 1,000 points: a finer one is coarsened, and the answer says to what.',
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
  language: words(
    WORDS.languages.map(({ id }) => id),
    {
      default: 'en',
      description:
        'Of the CSV, any that BaluPi has a catalogue of: its words, and how its spreadsheets write numbers and dates. de: semicolons and decimal commas.',
    },
  ),
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

export const EnergyStandby = Type.Object(
  {
    devices: Type.Array(
      Type.Object({
        device_id: text('Id of the plug.'),
        device_name: text('Name of the plug.'),
        standby_w: measured(
          'What it always draws, in watts: 5 % of the last seven days were below. Null before half a day was metered.',
        ),
        yearly_cost_cents: measured('What that costs in a year, in cents; null as standby_w is.'),
      }),
      { description: 'The plugs.' },
    ),
  },
  { title: 'EnergyStandby' },
);
export type EnergyStandby = Static<typeof EnergyStandby>;

const BEGIN = '2026-02-21T23:00:00Z';

export const ENERGY_ENDPOINTS = [
  endpoint({
    id: 'energy-current',
    method: 'GET',
    path: '/api/energy/current',
    summary: 'What every plug draws now. Unknown is null, never 0.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(EnergyCurrent, 'The plugs.') },
    example: {
      answer: {
        devices: [
          {
            device_id: FRIDGE,
            device_name: 'Fridge',
            name: 'Fridge',
            power_w: 95.7,
            voltage_v: 230,
            current_a: 0.416,
            energy_today_wh: 530.2,
            is_online: true,
            is_stale: false,
            timestamp: NOW,
          },
          {
            device_id: 'c31e7fb1-4454-4fc8-ab71-e7404f753f33',
            device_name: 'NAS',
            name: 'NAS',
            power_w: null,
            voltage_v: null,
            current_a: null,
            energy_today_wh: 36,
            is_online: false,
            is_stale: true,
            timestamp: BEGIN,
          },
        ],
        total_power_w: 95.7,
      },
    },
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
    example: {
      answer: {
        device_id: null,
        device_name: null,
        period: 'day',
        from: BEGIN,
        to: NOW,
        resolution: 'hour',
        data: [
          {
            timestamp: BEGIN,
            avg_power_w: 72.4,
            max_power_w: 140.9,
            min_power_w: 3.4,
            energy_wh: 72.4,
            covered_seconds: 3_600,
            estimated: false,
            quality: 'measured',
            feed_in_wh: 0,
          },
        ],
      },
      texts: {
        'text/csv':
          'timestamp,avg_power_w,max_power_w,min_power_w,energy_wh,covered_seconds,estimated,quality,feed_in_wh\n' +
          `${BEGIN},72.4,140.9,3.4,72.4,3600,false,measured,0\n`,
      },
    },
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
    example: {
      answer: {
        device_id: null,
        device_name: null,
        period: 'day',
        from: BEGIN,
        to: '2026-02-22T23:00:00Z',
        unit: 'hour',
        first_at: '2026-01-12T23:00:00Z',
        total: {
          energy_wh: 72.4,
          cost_cents: 2.45,
          estimated_wh: 0,
          feed_in_wh: 0,
          base_fee_cents: 40,
          co2_g: null,
          covered_seconds: 3_600,
          elapsed_seconds: 3_600,
        },
        by_tariff: [{ price_id: 2, name: 'Night', energy_wh: 72.4, cost_cents: 2.45 }],
        compared: null,
        buckets: [
          {
            from: BEGIN,
            to: '2026-02-22T00:00:00Z',
            energy_wh: 72.4,
            cost_cents: 2.45,
            estimated_wh: 0,
            feed_in_wh: 0,
            corrected: false,
            covered_seconds: 3_600,
            elapsed_seconds: 3_600,
            compared: null,
            devices_wh: [38.3, 34.1],
          },
        ],
        devices: [
          {
            device_id: FRIDGE,
            device_name: 'Fridge',
            forgotten: false,
            energy_wh: 34.1,
            cost_cents: 1.16,
            feed_in_wh: 0,
            estimated: false,
            corrected: false,
            covered_seconds: 3_600,
            compared: null,
          },
        ],
        power_step_seconds: 300,
        power: [{ device_id: FRIDGE, points: [{ timestamp: BEGIN, avg_power_w: 34.1 }] }],
      },
      texts: {
        'text/csv':
          'local_time,utc,minutes,plug_id,plug,energy_kwh,cost_eur,covered_minutes,quality,feed_in_kwh\n' +
          `2026-02-22 00:00,${BEGIN},60,${FRIDGE},Fridge,0.034100,0.011600,60,measured,0.000000\n`,
      },
    },
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
    example: {
      answer: {
        device_id: null,
        device_name: null,
        period: 'month',
        from: '2026-01-31T23:00:00Z',
        to: NOW,
        total_kwh: 18.3,
        feed_in_kwh: 0,
        cost_cents: 590.4,
        price_per_kwh_cents: 32.26,
        base_fee_cents: 880,
        by_tariff: [
          { name: 'Day', kwh: 14.3, cost_cents: 484.8 },
          { name: 'Night', kwh: 4, cost_cents: 105.6 },
        ],
      },
    },
  }),
  endpoint({
    id: 'energy-summary',
    method: 'GET',
    path: '/api/energy/summary',
    summary: 'The household at a glance, and what the sleeping NAS saved.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(EnergySummary, 'The summary.') },
    example: {
      answer: {
        total_devices: 2,
        total_power_w: 95.7,
        avg_daily_kwh: 0.83,
        monthly_cost_estimate_cents: 792.9,
        month_to_date_cents: 590.4,
        feed_in_kwh_month: 0,
        standby_w: 2.7,
        nas_state: 'standby',
        nas_asleep_hours_today: 13.2,
        saved_kwh_month: 25.4,
        saved_cents_month: 788.6,
      },
    },
  }),
  endpoint({
    id: 'energy-standby',
    method: 'GET',
    path: '/api/energy/standby',
    summary: 'What each plug draws even when nobody uses what is behind it, and what that costs.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(EnergyStandby, 'The plugs.') },
    example: {
      answer: {
        devices: [
          {
            device_id: FRIDGE,
            device_name: 'Fridge',
            standby_w: 1.9,
            yearly_cost_cents: 564,
          },
        ],
      },
    },
  }),
  ...CORRECTION_ENDPOINTS,
  ...PRICE_ENDPOINTS,
] as const;
