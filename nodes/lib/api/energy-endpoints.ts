import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { CORRECTION_ENDPOINTS } from './correction-endpoints.ts';
import { PRICE_ENDPOINTS } from './price-endpoints.ts';
import { count, flag, instant, moment, nullable, text, words } from './wire.ts';

const TAGS = ['energy'];
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
