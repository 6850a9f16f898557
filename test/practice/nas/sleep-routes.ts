import { jsonBody, unprocessable } from './bodies.ts';
import type { PowerRight, SleepSchedule } from './options.ts';
import { adminOnly, signedIn, type Route } from './router.ts';
import type { Sleep } from './sleep.ts';
import { zulu } from './times.ts';
import type { NasUser } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

const RIGHTS: readonly PowerRight[] = [
  'can_soft_sleep',
  'can_wake',
  'can_suspend',
  'can_wol',
  'can_toggle_desktop',
  'can_unlock_session',
];

const SHORTEST_CLIENT_ID = 8;

function ensure(user: NasUser, right: PowerRight): void {
  if (user.role === 'admin' || user.power.has(right)) return;
  throw refused(403, `Insufficient permissions: power:${right.slice('can_'.length)} required`);
}

/** `/api/system/sleep` (recorded on 1.38). */
export class SleepRoutes {
  readonly #sleep: Sleep;
  readonly #schedule: SleepSchedule | null;
  readonly #macAddress: string;

  constructor(sleep: Sleep, schedule: SleepSchedule | null, macAddress: string) {
    this.#sleep = sleep;
    this.#schedule = schedule;
    this.#macAddress = macAddress;
  }

  get routes(): readonly Route[] {
    const admin = { limit: 'admin' } as const;
    const base = '/api/system/sleep';
    return [
      signedIn(`GET ${base}/status`, admin, () => json(this.#status())),
      signedIn(`POST ${base}/soft`, admin, async (_exchange, user) => {
        ensure(user, 'can_soft_sleep');
        if (this.#sleep.state !== 'awake') {
          throw refused(409, 'Cannot enter soft sleep from current state');
        }
        await this.#sleep.fallAsleep('soft');
        return json({ success: true, message: 'Entered soft sleep mode' });
      }),
      signedIn(`POST ${base}/wake`, admin, async (_exchange, user) => {
        ensure(user, 'can_wake');
        if (this.#sleep.state === 'awake') throw refused(409, 'Cannot wake from current state');
        await this.#sleep.wake();
        return json({ success: true, message: 'Exited soft sleep mode' });
      }),
      signedIn(`POST ${base}/suspend`, admin, (exchange, user) => this.#suspend(exchange, user)),
      signedIn(`POST ${base}/wol`, admin, (_exchange, user) => {
        ensure(user, 'can_wol');
        return json({ success: true, message: 'WoL packet sent' });
      }),
      signedIn(`POST ${base}/presence`, { limit: 'presence' }, (exchange) => presence(exchange)),
      adminOnly(`GET ${base}/config`, admin, () => json(this.#config())),
      adminOnly(`GET ${base}/capabilities`, admin, () => json(this.#capabilities())),
      signedIn(`GET ${base}/my-permissions`, admin, (_exchange, user) =>
        json(
          Object.fromEntries(
            RIGHTS.map((right) => [right, user.role === 'admin' || user.power.has(right)]),
          ),
        ),
      ),
    ];
  }

  #suspend(exchange: Exchange, user: NasUser): Answer {
    ensure(user, 'can_suspend');
    exchange.response.once('finish', () => {
      void this.#sleep.fallAsleep('suspend');
    });
    return json({ success: true, message: 'System suspended' });
  }

  #status(): object {
    return {
      current_state: this.#sleep.state,
      state_since: zulu(this.#sleep.sinceMs),
      idle_seconds: 0,
      idle_threshold_seconds: 0,
      activity_metrics: {
        cpu_usage_avg: 0,
        disk_io_avg_mbps: 0,
        active_uploads: 0,
        active_downloads: 0,
        http_requests_per_minute: 0,
      },
      paused_services: [],
      spun_down_disks: this.#sleep.state === 'awake' ? [] : ['/dev/sda', '/dev/sdb'],
      auto_idle_enabled: false,
      schedule_enabled: this.#schedule !== null,
      escalation_enabled: false,
      core_uptime: {
        enabled: false,
        active: false,
        current_window_label: null,
        current_window_ends_at: null,
        next_start: null,
      },
      always_awake: { enabled: false, until: null, expires_in_seconds: null },
      presence: {
        enabled: false,
        mode: 'active',
        anyone_present: false,
        active_session_count: 0,
        suppressing_suspend: false,
      },
    };
  }

  #config(): object {
    return {
      auto_idle_enabled: false,
      idle_timeout_minutes: 15,
      idle_cpu_threshold: 5,
      idle_disk_io_threshold: 0.5,
      idle_http_threshold: 5,
      auto_escalation_enabled: false,
      escalation_after_minutes: 60,
      schedule_enabled: this.#schedule !== null,
      schedule_sleep_time: this.#schedule?.sleepTime ?? '23:00',
      schedule_wake_time: this.#schedule?.wakeTime ?? '06:00',
      schedule_mode: this.#schedule?.mode ?? 'soft',
      wol_mac_address: null,
      wol_broadcast_address: null,
      pause_monitoring: true,
      pause_disk_io: true,
      reduced_telemetry_interval: 30,
      disk_spindown_enabled: true,
      core_uptime_enabled: false,
      core_uptime_suspend_on_exit: false,
      always_awake_enabled: false,
      always_awake_until: null,
      presence_enabled: true,
      presence_mode: 'active',
      presence_timeout_minutes: 3,
    };
  }

  #capabilities(): object {
    return {
      hdparm_available: true,
      rtcwake_available: true,
      systemctl_available: true,
      can_suspend: true,
      wol_interfaces: ['eth0'],
      data_disk_devices: ['/dev/sda', '/dev/sdb'],
      own_mac_address: this.#macAddress.toUpperCase(),
    };
  }
}

async function presence(exchange: Exchange): Promise<Answer> {
  const { client_id: clientId } = await jsonBody(exchange, { client_id: 'string' });
  if (clientId.length < SHORTEST_CLIENT_ID) {
    throw unprocessable({
      type: 'string_too_short',
      loc: ['body', 'client_id'],
      msg: `String should have at least ${String(SHORTEST_CLIENT_ID)} characters`,
      input: clientId,
      ctx: `{'min_length': ${String(SHORTEST_CLIENT_ID)}}`,
    });
  }
  return json({
    present: true,
    enabled: true,
    mode: 'active',
    heartbeat_interval_seconds: 45,
    timeout_minutes: 3,
  });
}
