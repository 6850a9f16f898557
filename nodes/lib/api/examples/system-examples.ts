import type { Examples } from './example.ts';

/** The begin of what the NAS tells of itself as it goes. */
const SNAPSHOT = {
  version: 1,
  generated_at: '2026-02-22T14:29:58Z',
  baluhost_version: '1.38.0',
  users: { total: 1, list: [{ username: 'alice', role: 'user' }] },
};

export const SYSTEM_EXAMPLES: Examples = {
  health: {
    answer: {
      status: 'ok',
      version: '0.1.0',
      service: 'balupi',
      cache_enabled: true,
      energy_enabled: true,
      api_version: '1',
      min_api_version: '1',
      hostname: 'balupi',
      checks: {
        queue_db: 'ok',
        cache_db: 'ok',
        energy_db: 'ok',
        nas: 'asleep',
        clock: 'ok',
        disk: 'ok',
        memory: 'ok',
        uploads: 'ok',
        backup: 'ok',
        flows: 'ok',
        update: 'ok',
      },
    },
  },
  ping: { answer: { status: 'ok' } },
  'system-status': {
    answer: {
      cpu_percent: 7.5,
      cpu_temp_celsius: 48.3,
      temperature_c: 48.3,
      hostname: 'balupi',
      memory_total_mb: 905.3,
      memory_used_mb: 312.6,
      memory_percent: 34.5,
      disk_total_gb: 62.19,
      disk_used_gb: 18.4,
      disk_percent: 29.6,
      uptime_seconds: 86_400,
      load_avg: [0.12, 0.18, 0.15],
    },
  },
  'system-doctor': {
    answer: {
      findings: [
        { level: 'ok', subject: 'Data disk', found: '43.8 GB free', advice: '' },
        {
          level: 'warn',
          subject: 'Backup',
          found: 'The last one is 9 days old.',
          advice: 'Look at the log of balupi-backup.service.',
        },
      ],
    },
  },
  metrics: {
    answer: null,
    texts: {
      'text/plain':
        '# HELP balupi_power_watts Power now.\n# TYPE balupi_power_watts gauge\nbalupi_power_watts{device="fridge"} 95.7\n',
    },
  },
  openapi: { answer: { openapi: '3.1.0' } },
  docs: { answer: null, texts: { 'text/html': '<!doctype html>\n<title>BaluPi API</title>\n' } },
  'docs-asset': { answer: null, texts: { '*/*': 'window.SwaggerUIBundle({});\n' } },
  'nas-status': {
    answer: {
      online: false,
      version: '1.38.0',
      url: 'http://nas.lan',
      nas_state: 'standby',
      sleep_state: 'true_suspend',
      reachable_by: 'power',
      power_w: 1.5,
      since: '2026-02-22T14:30:00Z',
      last_seen: '2026-02-22T14:29:55Z',
      wake: { state: 'idle', started_at: null, attempts: 0 },
    },
  },
  'system-care': {
    answer: {
      version: '0.1.0',
      on_trial: false,
      newer: null,
      backups: [
        {
          to: 'disk',
          problem: null,
          made_at: '2026-02-22T02:10:44Z',
          where: '/mnt/backup/balupi',
          size_bytes: 184211456,
        },
      ],
    },
  },
  activity: {
    answer: {
      entries: [
        {
          id: 812,
          kind: 'upload_delivered',
          at: '2026-02-22T14:01:10Z',
          ended_at: '2026-02-22T14:04:42Z',
          username: 'alice',
          cause: null,
          sleep_state: null,
          energy_wh: null,
          cost_cents: null,
          path: 'alice/Photos',
          conflict_path: null,
          what: 'upload',
          files: 31,
          size_bytes: 93482117,
          detail: null,
          device_id: null,
          device_name: null,
          address: null,
        },
        {
          id: 811,
          kind: 'nas_awake',
          at: '2026-02-22T14:00:31Z',
          ended_at: '2026-02-22T14:25:02Z',
          username: 'alice',
          cause: 'user',
          sleep_state: null,
          energy_wh: 18.4,
          cost_cents: 0.59,
          path: null,
          conflict_path: null,
          what: null,
          files: null,
          size_bytes: null,
          detail: null,
          device_id: null,
          device_name: null,
          address: null,
        },
      ],
      next_before: 811,
    },
  },
  'nas-wol': {
    answer: {
      success: true,
      mac_address: '02:50:4C:00:00:10',
      wol_sent: true,
      nas_previous_state: 'true_suspend',
      estimated_boot_time_s: 90,
    },
  },
  'system-sleep-wake': { answer: { success: true, message: 'The NAS is being woken.' } },
  'nas-credentials': {
    answer: {
      credentials: [
        {
          username: 'alice',
          kind: 'device',
          state: 'ok',
          last_used: null,
          expires_at: '2026-08-21T00:30:29Z',
          created_at: '2026-02-22T00:30:29Z',
          detail: null,
        },
      ],
    },
  },
  'nas-credentials-put': {
    body: { api_key: 'an API key of the NAS' },
    answer: {
      username: 'alice',
      kind: 'api_key',
      state: 'ok',
      last_used: null,
      expires_at: null,
      created_at: '2026-02-22T14:30:00Z',
      detail: null,
    },
  },
  'nas-credentials-drop': { answer: { message: 'Forgotten' } },
  'handshake-goodbye': {
    body: SNAPSHOT,
    answer: { acknowledged: true, dns_switched: true },
  },
  'handshake-hello': {
    body: {},
    answer: { acknowledged: true, inbox_flushed: false, files_transferred: 0 },
  },
  'handshake-status': {
    answer: {
      nas_state: 'offline',
      since: '2026-02-22T14:30:00Z',
      last_snapshot: '2026-02-22T14:29:58Z',
      inbox_size_mb: 12.5,
      inbox_files: 3,
    },
  },
  'handshake-snapshot': { answer: SNAPSHOT },
};
