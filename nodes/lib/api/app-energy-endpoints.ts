import { type Static, Type } from '@sinclair/typebox';
import {
  count,
  endpoint,
  flag,
  instant,
  json,
  moment,
  nullable,
  rowId,
  text,
  words,
} from './endpoint.ts';

/**
 * What BaluHost's apps ask for power and energy, in BaluHost's shapes (its OpenAPI document),
 * answered from the Pi's own meters. `device_id` is the plug's `device_number`.
 */
const TAGS = ['apps'];

/** BaluHost's plug-in whose devices these stand in for. */
export const TAPO_PLUGIN = 'tapo_smart_plug';

const NUMBER = "The plug's device_number.";

const SmartDevice = Type.Object({
  id: count(NUMBER),
  name: text('Name of the plug.'),
  plugin_name: Type.String(),
  device_type_id: text('One of /api/smart-devices/types.'),
  address: text('Its address in the network.'),
  mac_address: nullable(Type.String()),
  capabilities: Type.Array(Type.String()),
  is_active: flag('True: a forgotten plug is not listed.'),
  is_online: Type.Boolean(),
  last_seen: nullable(instant()),
  last_error: nullable(text('What is wrong with it; null where nothing is.')),
  state: nullable(
    Type.Object({
      switch: Type.Optional(
        Type.Object(
          { is_on: flag('Whether it feeds what is plugged in.') },
          { description: 'Missing while it is not known.' },
        ),
      ),
      power_monitor: Type.Optional(
        Type.Object(
          {
            watts: Type.Number(),
            voltage: nullable(Type.Number({ description: 'Volts.' })),
            current: nullable(Type.Number({ description: 'Amperes.' })),
            energy_today_kwh: nullable(Type.Number({ description: 'kWh since midnight.' })),
          },
          { description: 'Missing while the power is not known.' },
        ),
      ),
    }),
    'As it was read last; null before the first time.',
  ),
  created_at: instant('When the plug was added.'),
  updated_at: instant('When it was read last, else when it was added.'),
});

export const SmartDeviceAnswer = Type.Composite([SmartDevice], { title: 'SmartDevice' });
export type SmartDeviceAnswer = Static<typeof SmartDeviceAnswer>;

export const SmartDeviceList = Type.Object(
  {
    devices: Type.Array(SmartDevice, { description: 'The plugs.' }),
    total: count('How many there are.'),
  },
  { title: 'SmartDeviceList' },
);
export type SmartDeviceList = Static<typeof SmartDeviceList>;

export const SmartDeviceTypes = Type.Array(
  Type.Object({
    type_id: text('The kind, as device_type_id names it.'),
    display_name: text('Its name for people.'),
    manufacturer: text('Who makes it.'),
    capabilities: Type.Array(Type.String()),
    config_schema: Type.Null({ description: 'Nothing is to be set.' }),
    icon: text('Name of its icon in the app.'),
    plugin_name: Type.String(),
  }),
  { title: 'SmartDeviceTypes' },
);
export type SmartDeviceTypes = Static<typeof SmartDeviceTypes>;

export const SmartDevicesQuery = Type.Object({
  plugin_name: Type.Optional(
    Type.String({ maxLength: 128, description: 'Only those of this plug-in; others have none.' }),
  ),
});
export type SmartDevicesQuery = Static<typeof SmartDevicesQuery>;

export const PowerSummary = Type.Object(
  {
    total_watts: Type.Number({ description: 'Power of all of them now in watts.' }),
    device_count: count('How many plugs tell their power now.'),
    devices: Type.Array(
      Type.Object({
        device_id: count(NUMBER),
        name: text('Name of the plug.'),
        watts: Type.Number(),
      }),
      { description: 'Those whose power is known now.' },
    ),
  },
  { title: 'PowerSummary' },
);
export type PowerSummary = Static<typeof PowerSummary>;

const EnergyPeriodStats = Type.Object({
  device_id: count(NUMBER),
  device_name: text('Name of the plug.'),
  start_time: instant('Begin.'),
  end_time: instant('End; of a period that is not over, now.'),
  samples_count: count('How many values it is made of.'),
  avg_watts: Type.Number(),
  min_watts: Type.Number(),
  max_watts: Type.Number(),
  total_energy_kwh: Type.Number({ description: 'Energy used in kWh.' }),
  uptime_percentage: Type.Number({ description: 'Share of the time that was metered.' }),
  downtime_minutes: count('Minutes that were not metered.'),
});

const HourlySample = Type.Object({
  timestamp: instant(),
  avg_watts: Type.Number(),
  sample_count: count(),
});

export const EnergyStats = Type.Union([EnergyPeriodStats, Type.Null()], { title: 'EnergyStats' });
export type EnergyStats = Static<typeof EnergyStats>;

export const HourlySamples = Type.Array(HourlySample, { title: 'HourlySamples' });
export type HourlySamples = Static<typeof HourlySamples>;

export const HourlyQuery = Type.Object({
  hours: Type.Integer({
    minimum: 1,
    maximum: 168,
    default: 24,
    description: 'How many hours back from now.',
  }),
});
export type HourlyQuery = Static<typeof HourlyQuery>;

export const EnergyDashboard = Type.Object(
  {
    device_id: count(NUMBER),
    device_name: text('Name of the plug.'),
    today: nullable(EnergyPeriodStats, 'Since midnight; null while nothing was metered.'),
    week: nullable(EnergyPeriodStats, 'Since Monday; null while nothing was metered.'),
    month: nullable(EnergyPeriodStats, 'Since the first; null while nothing was metered.'),
    hourly_samples: Type.Array(HourlySample, {
      description: 'The hours of the last day, oldest first.',
    }),
    current_watts: Type.Optional(Type.Number({ description: 'Missing while it is not known.' })),
    is_online: Type.Boolean(),
    last_updated: instant('When the plug was read last.'),
  },
  { title: 'EnergyDashboard' },
);
export type EnergyDashboard = Static<typeof EnergyDashboard>;

const CALENDAR = 'The day, the week from Monday or the month in TIMEZONE, up to now.';
const PERIOD = words(['today', 'week', 'month'], { default: 'today', description: CALENDAR });

export const EnergyCostQuery = Type.Object({
  period: PERIOD,
  cost_per_kwh: Type.Optional(
    Type.Number({
      ...{ exclusiveMinimum: 0, maximum: 1_000 },
      description: 'Missing: what was paid by the prices of the Pi.',
    }),
  ),
  currency: Type.String({ maxLength: 3, default: 'EUR', description: 'That of cost_per_kwh.' }),
});
export type EnergyCostQuery = Static<typeof EnergyCostQuery>;

export const EnergyCostEstimate = Type.Object(
  {
    device_id: count(NUMBER),
    device_name: text('Name of the plug.'),
    period_name: text('The period, as it was asked for.'),
    total_kwh: Type.Number({ description: 'Energy used in kWh.' }),
    cost_per_kwh: Type.Number({ description: 'As asked for, else the mean price paid.' }),
    estimated_cost: Type.Number({ description: 'What it cost, in whole units of the currency.' }),
    currency: text('As asked for.'),
  },
  { title: 'EnergyCostEstimate' },
);
export type EnergyCostEstimate = Static<typeof EnergyCostEstimate>;

export const CumulativeQuery = Type.Object({
  period: PERIOD,
  start: Type.Optional(moment('Begin; wins over the period, with end.')),
  end: Type.Optional(moment('End; at most 32 days later.')),
});
export type CumulativeQuery = Static<typeof CumulativeQuery>;

export const CumulativeEnergy = Type.Object(
  {
    device_id: Type.Integer({ minimum: 0, description: '0 for all plugs.' }),
    device_name: text('Name of the plug, or of all together.'),
    period: PERIOD,
    cost_per_kwh: Type.Number({ description: 'Mean price paid.' }),
    currency: text('That of the costs.'),
    total_kwh: Type.Number({ description: 'Energy used in kWh.' }),
    total_cost: Type.Number({ description: 'What it cost, in whole units of the currency.' }),
    data_points: Type.Array(
      Type.Object({
        timestamp: instant('End of an hour.'),
        cumulative_kwh: Type.Number({ description: 'Energy used until then in kWh.' }),
        cumulative_cost: Type.Number({ description: 'What that cost.' }),
        instant_watts: Type.Number({ description: 'Mean of the hour that ends then.' }),
      }),
      { description: 'Hour by hour, oldest first.' },
    ),
  },
  { title: 'CumulativeEnergy' },
);
export type CumulativeEnergy = Static<typeof CumulativeEnergy>;

export const DeviceHistoryQuery = Type.Object({
  capability: Type.String({
    maxLength: 64,
    default: 'switch',
    description: 'power_monitor; of anything else nothing is kept.',
  }),
  hours: Type.Integer({
    minimum: 1,
    maximum: 720,
    default: 24,
    description: 'How many hours back from now.',
  }),
});
export type DeviceHistoryQuery = Static<typeof DeviceHistoryQuery>;

export const DeviceHistory = Type.Object(
  {
    device_id: count(NUMBER),
    capability: text('As asked for.'),
    samples: Type.Array(
      Type.Object({
        timestamp: instant('Begin of a bucket.'),
        watts: Type.Number({ description: 'Mean of the bucket.' }),
        voltage: Type.Null({ description: 'Not kept.' }),
        current: Type.Null({ description: 'Not kept.' }),
        energy_today_kwh: Type.Null({ description: 'Not kept.' }),
      }),
      { description: 'Of power_monitor; when a plug was switched is not kept.' },
    ),
    period_start: instant('Begin.'),
    period_end: instant('End.'),
  },
  { title: 'DeviceHistory' },
);
export type DeviceHistory = Static<typeof DeviceHistory>;

const DASHBOARD_PARAMS = Type.Object({
  device_number: rowId('The plug, by its device_number in /api/tapo/devices.'),
});

const STATS_PARAMS = Type.Object({
  device_number: DASHBOARD_PARAMS.properties.device_number,
  period: words(['today', 'week', 'month'], { description: CALENDAR }),
});

const BEGIN = '2026-02-21T23:00:00Z';
const NOW = '2026-02-22T14:30:00Z';
const STATS: Static<typeof EnergyPeriodStats> = {
  device_id: 2,
  device_name: 'Fridge',
  start_time: BEGIN,
  end_time: NOW,
  samples_count: 11_160,
  avg_watts: 34.2,
  min_watts: 1.9,
  max_watts: 118.4,
  total_energy_kwh: 0.53,
  uptime_percentage: 100,
  downtime_minutes: 0,
};
const SMART_DEVICE: SmartDeviceAnswer = {
  id: 2,
  name: 'Fridge',
  plugin_name: 'tapo_smart_plug',
  device_type_id: 'tapo_p110',
  address: '192.168.1.42',
  mac_address: '02:50:4C:00:00:02',
  capabilities: ['switch', 'power_monitor'],
  is_active: true,
  is_online: true,
  last_seen: NOW,
  last_error: null,
  state: {
    switch: { is_on: true },
    power_monitor: { watts: 95.7, voltage: 230, current: 0.416, energy_today_kwh: 0.53 },
  },
  created_at: BEGIN,
  updated_at: NOW,
};
const CUMULATIVE: Omit<CumulativeEnergy, 'device_id' | 'device_name'> = {
  period: 'today',
  cost_per_kwh: 0.339,
  currency: 'EUR',
  total_kwh: 0.53,
  total_cost: 0.18,
  data_points: [
    {
      timestamp: '2026-02-22T00:00:00Z',
      cumulative_kwh: 0.034,
      cumulative_cost: 0.01,
      instant_watts: 34.1,
    },
  ],
};

export const APP_ENERGY_ENDPOINTS = [
  endpoint({
    id: 'smart-devices',
    method: 'GET',
    path: '/api/smart-devices',
    summary: 'The plugs as BaluHost lists smart devices.',
    tags: TAGS,
    access: 'caller',
    query: SmartDevicesQuery,
    isBaluHosts: true,
    responses: { 200: json(SmartDeviceList, 'The plugs.') },
    example: { answer: { devices: [SMART_DEVICE], total: 1 } },
  }),
  endpoint({
    id: 'smart-devices-power',
    method: 'GET',
    path: '/api/smart-devices/power/summary',
    summary: 'What all plugs draw now, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(PowerSummary, 'The powers.') },
    example: {
      answer: {
        total_watts: 95.7,
        device_count: 1,
        devices: [{ device_id: 2, name: 'Fridge', watts: 95.7 }],
      },
    },
  }),
  endpoint({
    id: 'energy-dashboard',
    method: 'GET',
    path: '/api/energy/dashboard/{device_number}',
    summary: 'Today, week, month and last day of one plug, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    params: DASHBOARD_PARAMS,
    responses: { 200: json(EnergyDashboard, 'The plug.') },
    refusals: ['not_found'],
    example: {
      answer: {
        device_id: 2,
        device_name: 'Fridge',
        today: STATS,
        week: null,
        month: null,
        hourly_samples: [{ timestamp: BEGIN, avg_watts: 34.1, sample_count: 720 }],
        current_watts: 95.7,
        is_online: true,
        last_updated: NOW,
      },
    },
  }),
  endpoint({
    id: 'smart-device-types',
    method: 'GET',
    path: '/api/smart-devices/types',
    summary: 'What kinds of plugs there are, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(SmartDeviceTypes, 'The kinds.') },
    example: {
      answer: [
        {
          type_id: 'tapo_p110',
          display_name: 'Tapo P110',
          manufacturer: 'TP-Link',
          capabilities: ['switch', 'power_monitor'],
          config_schema: null,
          icon: 'plug',
          plugin_name: 'tapo_smart_plug',
        },
      ],
    },
  }),
  endpoint({
    id: 'smart-device',
    method: 'GET',
    path: '/api/smart-devices/{device_number}',
    summary: 'One plug as BaluHost shows a smart device.',
    tags: TAGS,
    access: 'caller',
    params: DASHBOARD_PARAMS,
    responses: { 200: json(SmartDeviceAnswer, 'The plug.') },
    refusals: ['not_found'],
    example: { answer: SMART_DEVICE },
  }),
  endpoint({
    id: 'energy-stats',
    method: 'GET',
    path: '/api/energy/stats/{device_number}/{period}',
    summary:
      'One plug from the beginning of today, this week or this month, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    params: STATS_PARAMS,
    responses: { 200: json(EnergyStats, 'What was metered; null while nothing was.') },
    example: { answer: STATS },
  }),
  endpoint({
    id: 'energy-hourly',
    method: 'GET',
    path: '/api/energy/hourly/{device_number}',
    summary: 'The last hours of one plug, oldest first, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    params: DASHBOARD_PARAMS,
    query: HourlyQuery,
    responses: { 200: json(HourlySamples, 'The hours.') },
    example: { answer: [{ timestamp: BEGIN, avg_watts: 34.1, sample_count: 720 }] },
  }),
  endpoint({
    id: 'energy-cost',
    method: 'GET',
    path: '/api/energy/cost/{device_number}',
    summary: 'What one plug cost today, this week or this month, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    params: DASHBOARD_PARAMS,
    query: EnergyCostQuery,
    responses: { 200: json(EnergyCostEstimate, 'The cost.') },
    refusals: ['not_found'],
    example: {
      answer: {
        device_id: 2,
        device_name: 'Fridge',
        period_name: 'today',
        total_kwh: 0.53,
        cost_per_kwh: 0.339,
        estimated_cost: 0.18,
        currency: 'EUR',
      },
    },
  }),
  endpoint({
    id: 'energy-cumulative-total',
    method: 'GET',
    path: '/api/energy/cumulative/total',
    summary: 'What all plugs used and cost, growing hour by hour, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    query: CumulativeQuery,
    responses: { 200: json(CumulativeEnergy, 'The curve.') },
    example: {
      answer: { device_id: 0, device_name: 'All plugs', ...CUMULATIVE },
    },
  }),
  endpoint({
    id: 'energy-cumulative',
    method: 'GET',
    path: '/api/energy/cumulative/{device_number}',
    summary: 'What one plug used and cost, growing hour by hour, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    params: DASHBOARD_PARAMS,
    query: CumulativeQuery,
    responses: { 200: json(CumulativeEnergy, 'The curve.') },
    refusals: ['not_found'],
    example: { answer: { device_id: 2, device_name: 'Fridge', ...CUMULATIVE } },
  }),
  endpoint({
    id: 'smart-device-history',
    method: 'GET',
    path: '/api/smart-devices/{device_number}/history',
    summary: 'The power of one plug in the last hours, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    params: DASHBOARD_PARAMS,
    query: DeviceHistoryQuery,
    responses: { 200: json(DeviceHistory, 'The samples.') },
    refusals: ['not_found'],
    example: {
      answer: {
        device_id: 2,
        capability: 'power_monitor',
        samples: [
          {
            timestamp: BEGIN,
            watts: 34.1,
            voltage: null,
            current: null,
            energy_today_kwh: null,
          },
        ],
        period_start: BEGIN,
        period_end: NOW,
      },
    },
  }),
] as const;
