import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { count, instant, moment, nullable, words } from './wire.ts';

/**
 * What BaluHost's apps ask for power and energy, in BaluHost's shapes (its OpenAPI document), told
 * from the Pi's own meters. `device_id` is the plug's `device_number`.
 */
const TAGS = ['apps'];

/** The plug-in of BaluHost whose devices these stand for. */
export const TAPO_PLUGIN = 'tapo_smart_plug';

const SmartDevice = Type.Object({
  id: count(),
  name: Type.String(),
  plugin_name: Type.String(),
  device_type_id: Type.String(),
  address: Type.String(),
  mac_address: nullable(Type.String()),
  capabilities: Type.Array(Type.String()),
  is_active: Type.Boolean(),
  is_online: Type.Boolean(),
  last_seen: nullable(instant()),
  last_error: nullable(Type.String()),
  state: nullable(
    Type.Object({
      switch: Type.Optional(Type.Object({ is_on: Type.Boolean() })),
      power_monitor: Type.Optional(
        Type.Object({
          watts: Type.Number(),
          voltage: nullable(Type.Number()),
          current: nullable(Type.Number()),
          energy_today_kwh: nullable(Type.Number()),
        }),
      ),
    }),
  ),
  created_at: instant(),
  updated_at: instant(),
});

export const SmartDeviceAnswer = Type.Composite([SmartDevice], { title: 'SmartDevice' });
export type SmartDeviceAnswer = Static<typeof SmartDeviceAnswer>;

export const SmartDeviceList = Type.Object(
  { devices: Type.Array(SmartDevice), total: count() },
  { title: 'SmartDeviceList' },
);
export type SmartDeviceList = Static<typeof SmartDeviceList>;

export const SmartDeviceTypes = Type.Array(
  Type.Object({
    type_id: Type.String(),
    display_name: Type.String(),
    manufacturer: Type.String(),
    capabilities: Type.Array(Type.String()),
    config_schema: Type.Null(),
    icon: Type.String(),
    plugin_name: Type.String(),
  }),
  { title: 'SmartDeviceTypes' },
);
export type SmartDeviceTypes = Static<typeof SmartDeviceTypes>;

export const SmartDevicesQuery = Type.Object({
  plugin_name: Type.Optional(Type.String({ maxLength: 128 })),
});
export type SmartDevicesQuery = Static<typeof SmartDevicesQuery>;

export const PowerSummary = Type.Object(
  {
    total_watts: Type.Number(),
    device_count: count(),
    devices: Type.Array(
      Type.Object({ device_id: count(), name: Type.String(), watts: Type.Number() }),
      { description: 'Those whose power is known now.' },
    ),
  },
  { title: 'PowerSummary' },
);
export type PowerSummary = Static<typeof PowerSummary>;

const EnergyPeriodStats = Type.Object({
  device_id: count(),
  device_name: Type.String(),
  start_time: instant(),
  end_time: instant(),
  samples_count: count(),
  avg_watts: Type.Number(),
  min_watts: Type.Number(),
  max_watts: Type.Number(),
  total_energy_kwh: Type.Number(),
  uptime_percentage: Type.Number({ description: 'Share of the time that was metered.' }),
  downtime_minutes: count(),
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
  hours: Type.Integer({ minimum: 1, maximum: 168, default: 24 }),
});
export type HourlyQuery = Static<typeof HourlyQuery>;

export const EnergyDashboard = Type.Object(
  {
    device_id: count(),
    device_name: Type.String(),
    today: nullable(EnergyPeriodStats),
    week: nullable(EnergyPeriodStats),
    month: nullable(EnergyPeriodStats),
    hourly_samples: Type.Array(HourlySample),
    current_watts: Type.Optional(Type.Number({ description: 'Missing while it is not known.' })),
    is_online: Type.Boolean(),
    last_updated: instant(),
  },
  { title: 'EnergyDashboard' },
);
export type EnergyDashboard = Static<typeof EnergyDashboard>;

const PERIOD = words(['today', 'week', 'month'], { default: 'today' });

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
    device_id: count(),
    device_name: Type.String(),
    period_name: Type.String(),
    total_kwh: Type.Number(),
    cost_per_kwh: Type.Number(),
    estimated_cost: Type.Number(),
    currency: Type.String(),
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
    device_name: Type.String(),
    period: PERIOD,
    cost_per_kwh: Type.Number({ description: 'Mean price paid.' }),
    currency: Type.String(),
    total_kwh: Type.Number(),
    total_cost: Type.Number(),
    data_points: Type.Array(
      Type.Object({
        timestamp: instant(),
        cumulative_kwh: Type.Number(),
        cumulative_cost: Type.Number(),
        instant_watts: Type.Number({ description: 'Mean of the hour that ends then.' }),
      }),
    ),
  },
  { title: 'CumulativeEnergy' },
);
export type CumulativeEnergy = Static<typeof CumulativeEnergy>;

export const DeviceHistoryQuery = Type.Object({
  capability: Type.String({ maxLength: 64, default: 'switch' }),
  hours: Type.Integer({ minimum: 1, maximum: 720, default: 24 }),
});
export type DeviceHistoryQuery = Static<typeof DeviceHistoryQuery>;

export const DeviceHistory = Type.Object(
  {
    device_id: count(),
    capability: Type.String(),
    samples: Type.Array(
      Type.Object({
        timestamp: instant('Begin of a bucket.'),
        watts: Type.Number({ description: 'Mean of the bucket.' }),
        voltage: Type.Null(),
        current: Type.Null(),
        energy_today_kwh: Type.Null(),
      }),
      { description: 'Of power_monitor; when a plug was switched is not kept.' },
    ),
    period_start: instant(),
    period_end: instant(),
  },
  { title: 'DeviceHistory' },
);
export type DeviceHistory = Static<typeof DeviceHistory>;

const DASHBOARD_PARAMS = Type.Object({
  device_number: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
});

const STATS_PARAMS = Type.Object({
  device_number: DASHBOARD_PARAMS.properties.device_number,
  period: words(['today', 'week', 'month']),
});

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
  }),
  endpoint({
    id: 'smart-devices-power',
    method: 'GET',
    path: '/api/smart-devices/power/summary',
    summary: 'What all plugs draw now, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(PowerSummary, 'The powers.') },
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
  }),
  endpoint({
    id: 'smart-device-types',
    method: 'GET',
    path: '/api/smart-devices/types',
    summary: 'What kinds of plugs there are, in the shape of BaluHost.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(SmartDeviceTypes, 'The kinds.') },
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
  }),
] as const;
