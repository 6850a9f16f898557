import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { jsonBody } from './bodies.ts';
import { open, signedIn, type Route } from './router.ts';
import type { Space } from './space.ts';
import { json, refused } from './wire.ts';

const MEMORY_BYTES = 8 * 1024 ** 3;
const MEMORY_USED_BYTES = 3 * 1024 ** 3;

/** Health, the machine, and the energy plug-in without a single plug (recorded on 1.38). */
export class SystemRoutes {
  readonly #version: string;
  readonly #space: Space;
  readonly #clock: Clock;
  readonly #startedMs: number;

  constructor(version: string, space: Space, clock: Clock) {
    this.#version = version;
    this.#space = space;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
  }

  get healthRoutes(): readonly Route[] {
    return ['health', 'ping'].map((name) =>
      open(`GET /api/${name}`, { limit: 'health' }, () =>
        json({ status: 'ok', version: this.#version, api_version: '1', min_api_version: '1' }),
      ),
    );
  }

  get routes(): readonly Route[] {
    const info = { limit: 'system_info' } as const;
    return [
      signedIn('GET /api/system/info', info, () => json(this.#info())),
      signedIn('GET /api/system/quota', info, () => {
        const { usedBytes, quotaBytes, availableBytes } = this.#space;
        const percent = (usedBytes / quotaBytes) * 100;
        return json({
          used_bytes: usedBytes,
          limit_bytes: quotaBytes,
          available_bytes: availableBytes,
          percent_used: percent,
        });
      }),
    ];
  }

  get pluginRoutes(): readonly Route[] {
    return [
      signedIn('GET /api/mobile/power-summary', {}, () => json(this.#power())),
      signedIn('GET /api/energy/dashboard/{id}', {}, (exchange) => {
        throw refused(404, `Device ${exchange.param('id')} not found`);
      }),
      signedIn('GET /api/energy/price', {}, () =>
        json({
          id: 1,
          cost_per_kwh: 0.4,
          currency: 'EUR',
          updated_at: new Date(this.#clock.nowMs()).toISOString(),
          updated_by_user_id: null,
        }),
      ),
      signedIn('GET /api/smart-devices/power/summary', {}, () =>
        json({ total_watts: 0, device_count: 0, devices: [] }),
      ),
      signedIn('GET /api/smart-devices/', {}, () => json({ devices: [], total: 0 })),
      signedIn('POST /api/activity/report', {}, async (exchange) => {
        const body = await jsonBody(exchange, { activities: 'array' });
        return json({ accepted: body.activities.length, deduplicated: 0, rejected: 0 });
      }),
      signedIn('GET /api/activity/recent', {}, () =>
        json({ activities: [], total: 0, has_more: false }),
      ),
    ];
  }

  #info(): object {
    const uptime = (this.#clock.monotonicMs() - this.#startedMs) / 1000;
    const { usedBytes, quotaBytes, availableBytes } = this.#space;
    return {
      cpu: {
        usage: 18.5,
        cores: 2,
        frequency_mhz: 2596.124,
        temperature_celsius: 49,
        model: 'Practice CPU',
      },
      memory: {
        total: MEMORY_BYTES,
        used: MEMORY_USED_BYTES,
        free: MEMORY_BYTES - MEMORY_USED_BYTES,
        speed_mts: null,
        type: null,
      },
      disk: { total: quotaBytes, used: usedBytes, free: availableBytes },
      uptime,
      system_uptime: uptime,
      dev_mode: false,
    };
  }

  #power(): object {
    return {
      total_current_watts: 0,
      devices_online: 0,
      devices_total: 0,
      devices: [],
      today_energy_kwh: null,
      today_avg_watts: null,
      today_max_watts: null,
      estimated_cost_today: null,
      cost_per_kwh: 0.4,
      currency: 'EUR',
      power_profile: 'idle',
      power_profile_frequency_mhz: null,
      auto_scaling_enabled: true,
      active_demands_count: 0,
      has_smart_devices: false,
      timestamp: new Date(this.#clock.nowMs()).toISOString(),
    };
  }
}
