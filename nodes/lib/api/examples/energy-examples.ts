import type { Examples } from './example.ts';

const NAS = 'c31e7fb1-4454-4fc8-ab71-e7404f753f33';
const FRIDGE = '8eecfdd1-33e3-46ae-bc43-e2f761966aa6';
const BEGIN = '2026-02-21T23:00:00Z';
const NEXT = '2026-02-22T00:00:00Z';
const END = '2026-02-22T23:00:00Z';
const NOW = '2026-02-22T14:30:00Z';

const HOUR = {
  energy_wh: 72.4,
  cost_cents: 2.45,
  estimated_wh: 0,
  feed_in_wh: 0,
  corrected: false,
  covered_seconds: 3_600,
  elapsed_seconds: 3_600,
  compared: null,
};
const PRICE = {
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
const STATS = {
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
const SMART_DEVICE = {
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
const CUMULATIVE = {
  period: 'today',
  cost_per_kwh: 0.339,
  currency: 'EUR',
  total_kwh: 0.53,
  total_cost: 0.18,
  data_points: [
    { timestamp: NEXT, cumulative_kwh: 0.034, cumulative_cost: 0.01, instant_watts: 34.1 },
  ],
};

export const ENERGY_EXAMPLES: Examples = {
  'energy-current': {
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
          device_id: NAS,
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
  'energy-history': {
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
  'energy-report': {
    answer: {
      device_id: null,
      device_name: null,
      period: 'day',
      from: BEGIN,
      to: END,
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
      buckets: [{ from: BEGIN, to: NEXT, ...HOUR, devices_wh: [38.3, 34.1] }],
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
  'energy-costs': {
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
  'energy-summary': {
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
  'energy-history-correct': {
    body: {
      device_id: FRIDGE,
      from: '2026-02-20T10:00:00Z',
      to: '2026-02-20T12:00:00Z',
      energy_wh: 70,
      why: 'The plug fed a heater for two hours.',
    },
    answer: { id: 3 },
  },
  'energy-corrections-list': {
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
  'energy-corrections-undo': { answer: { message: 'Undone' } },
  'energy-prices-list': { answer: [PRICE] },
  'energy-prices-add': {
    body: {
      name: 'Night',
      price_per_kwh_cents: 26.4,
      time_from: '22:00',
      time_to: '06:00',
    },
    answer: PRICE,
  },
  'energy-prices-change': {
    body: { price_per_kwh_cents: 27.1 },
    answer: {
      ...PRICE,
      price_per_kwh_cents: 27.1,
      already_costed_hours: 176,
      recalculate_from: '2026-01-31T23:00:00Z',
    },
  },
  'energy-prices-delete': { answer: { message: 'Deleted' } },
  'energy-prices-slots': {
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
  'energy-prices-recalculate': {
    body: { from: '2026-02-01' },
    answer: { message: 'Recalculated', recalculated_hours: 518 },
  },
  'smart-devices': { answer: { devices: [SMART_DEVICE], total: 1 } },
  'smart-devices-power': {
    answer: {
      total_watts: 95.7,
      device_count: 1,
      devices: [{ device_id: 2, name: 'Fridge', watts: 95.7 }],
    },
  },
  'energy-dashboard': {
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
  'smart-device-types': {
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
  'smart-device': { answer: SMART_DEVICE },
  'energy-stats': { answer: STATS },
  'energy-hourly': { answer: [{ timestamp: BEGIN, avg_watts: 34.1, sample_count: 720 }] },
  'energy-cost': {
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
  'energy-cumulative-total': {
    answer: { device_id: 0, device_name: 'All plugs', ...CUMULATIVE },
  },
  'energy-cumulative': { answer: { device_id: 2, device_name: 'Fridge', ...CUMULATIVE } },
  'smart-device-history': {
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
};
