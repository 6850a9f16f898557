import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { isRecord, jsonBody } from './bodies.ts';
import type { MetadataRow, MetadataRows } from './metadata-rows.ts';
import type { SleepSchedule } from './options.ts';
import { signedIn, type Route } from './router.ts';
import type { Sleep } from './sleep.ts';
import { naiveSeconds } from './times.ts';
import type { NasUser } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

interface SyncDevice {
  readonly deviceId: string;
  readonly deviceName: string;
  lastSyncMs: number;
  changeToken: string | null;
}

const TOKEN_NEEDED =
  'Registration token required. Generate a registration token via /api/mobile/token/generate and use it to register the device.';

/** The next `HH:MM`, today or tomorrow, local and without a zone, as the NAS computes it. */
function next(time: string, nowMs: number): string {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  const at = new Date(nowMs);
  at.setHours(hours, minutes, 0, 0);
  if (at.getTime() <= nowMs) at.setDate(at.getDate() + 1);
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

/** `/api/sync`: preflight, which never wakes, and the delta sync, which only compares names. */
export class SyncRoutes {
  readonly #rows: MetadataRows;
  readonly #sleep: Sleep;
  readonly #schedule: SleepSchedule | null;
  readonly #clock: Clock;
  readonly #devices = new Map<string, SyncDevice>();

  constructor(rows: MetadataRows, sleep: Sleep, schedule: SleepSchedule | null, clock: Clock) {
    this.#rows = rows;
    this.#sleep = sleep;
    this.#schedule = schedule;
    this.#clock = clock;
  }

  /** As an approved pairing does. */
  add(user: NasUser, deviceId: string, deviceName: string): void {
    const device = { deviceId, deviceName, lastSyncMs: this.#clock.nowMs(), changeToken: null };
    this.#devices.set(`${String(user.id)} ${deviceId}`, device);
  }

  /** As its user does. */
  remove(user: NasUser, deviceId: string): void {
    this.#devices.delete(`${String(user.id)} ${deviceId}`);
  }

  get routes(): readonly Route[] {
    const limit = { limit: 'sync' } as const;
    const guarded = { ...limit, syncGuarded: true } as const;
    return [
      signedIn('GET /api/sync/preflight', limit, (exchange) => this.#preflight(exchange)),
      signedIn('POST /api/sync/register', limit, async (exchange) => {
        await jsonBody(exchange, { device_id: 'string', device_name: 'string?' });
        throw refused(403, TOKEN_NEEDED);
      }),
      signedIn('POST /api/sync/register-desktop', limit, (exchange, user) =>
        this.#register(exchange, user),
      ),
      signedIn('GET /api/sync/status/{id}', limit, (exchange, user) =>
        this.#status(exchange, user),
      ),
      signedIn('POST /api/sync/changes', guarded, (exchange, user) =>
        this.#changes(exchange, user),
      ),
      signedIn('GET /api/sync/state', guarded, (_exchange, user) => this.#state(user)),
      signedIn('GET /api/sync/schedule/list', limit, () => json({ schedules: [] })),
    ];
  }

  #preflight(exchange: Exchange): Answer {
    const state = exchange.effect.lyingPreflight ?? this.#sleep.state;
    const awake = state === 'awake';
    const schedule = this.#schedule;
    const nowMs = this.#clock.nowMs();
    return json({
      sync_allowed: awake,
      current_sleep_state: state,
      sleep_schedule:
        schedule === null
          ? null
          : {
              enabled: true,
              sleep_time: schedule.sleepTime,
              wake_time: schedule.wakeTime,
              mode: schedule.mode,
            },
      next_sleep_at: schedule === null ? null : next(schedule.sleepTime, nowMs),
      next_wake_at: schedule === null ? null : next(schedule.wakeTime, nowMs),
      block_reason: awake ? null : 'sleep_active',
    });
  }

  async #register(exchange: Exchange, user: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, { device_id: 'string', device_name: 'string?' });
    const known = this.#device(user, body.device_id);
    const device: SyncDevice = known ?? {
      deviceId: body.device_id,
      deviceName: body.device_name ?? body.device_id,
      lastSyncMs: this.#clock.nowMs(),
      changeToken: null,
    };
    this.#devices.set(`${String(user.id)} ${device.deviceId}`, device);
    return json({
      device_id: device.deviceId,
      device_name: device.deviceName,
      status: known === undefined ? 'registered' : 'already_registered',
      change_token: device.changeToken,
    });
  }

  #status(exchange: Exchange, user: NasUser): Answer {
    const device = this.#device(user, exchange.param('id'));
    if (device === undefined) throw refused(404, 'Device not registered');
    return json({
      status: 'synced',
      device_id: device.deviceId,
      device_name: device.deviceName,
      last_sync: naiveSeconds(device.lastSyncMs),
      pending_changes: 0,
      conflicts: 0,
      change_token: device.changeToken,
    });
  }

  /** Whatever the client names and no row has is to be deleted; hashes are ignored (measured). */
  async #changes(exchange: Exchange, user: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, { device_id: 'string', file_list: 'array' });
    const device = this.#device(user, body.device_id);
    if (device === undefined) throw refused(400, 'Device not registered');
    const theirs = new Set(
      body.file_list.flatMap((entry) =>
        isRecord(entry) && typeof entry['path'] === 'string' ? entry['path'] : [],
      ),
    );
    const ours = this.#rows.ownedBy(user.id);
    const known = new Set(ours.map((row) => row.path));
    device.lastSyncMs = this.#clock.nowMs();
    device.changeToken = randomUUID();
    return json({
      to_download: ours.filter((row) => !theirs.has(row.path)).map(download),
      to_delete: [...theirs].filter((path) => !known.has(path)).map((path) => ({ path })),
      conflicts: [],
      change_token: device.changeToken,
    });
  }

  #state(user: NasUser): Answer {
    const files = this.#rows.ownedBy(user.id).filter((row) => !row.isDirectory);
    return json({
      files: files.map((row) => ({
        path: `/${row.path}`,
        size: row.sizeBytes,
        sha256: row.checksum,
        modified_at: row.updatedAtMs === null ? null : naiveSeconds(row.updatedAtMs),
      })),
    });
  }

  #device(user: NasUser, deviceId: string): SyncDevice | undefined {
    return this.#devices.get(`${String(user.id)} ${deviceId}`);
  }
}

function download(row: MetadataRow): object {
  return {
    path: row.path,
    action: row.isDirectory ? 'mkdir' : 'add',
    size: row.sizeBytes,
    modified_at: row.updatedAtMs === null ? null : naiveSeconds(row.updatedAtMs),
  };
}
