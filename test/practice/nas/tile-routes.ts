import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { adminOnly, open, signedIn, type Route } from './router.ts';
import { json } from './wire.ts';

/** What the apps' dashboards request beside `system/info`, in the formats of BaluHost 1.38. */
export class TileRoutes {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get routes(): readonly Route[] {
    const info = { limit: 'system_info' } as const;
    const uptime = () => json({ uptime: this.#clock.monotonicMs() / 1_000 });
    return [
      open('GET /assets/{name:path}', {}, () => ({
        ...{ kind: 'text', status: 200, type: 'text/javascript; charset=utf-8' },
        body: 'globalThis.practice = true;\n',
        headers: { 'cache-control': 'public, max-age=31536000, immutable', etag: '"practice"' },
      })),
      signedIn('GET /api/system/info/local', info, uptime),
      signedIn('GET /api/system/raid/status', info, () => json({ arrays: [] })),
      signedIn('GET /api/system/smart/status', info, () => json({ devices: [] })),
      signedIn('GET /api/system/telemetry/history', info, () => json({ cpu: [], memory: [] })),
      signedIn('GET /api/system/storage/aggregated', info, () =>
        json({ total_capacity: 0, total_used: 0, total_available: 0 }),
      ),
      adminOnly('GET /api/system/raid/available-disks', info, () => json({ disks: [] })),
      signedIn('GET /api/shares/statistics', {}, () =>
        json({ total_file_shares: 0, active_file_shares: 0, files_shared_with_me: 0 }),
      ),
      signedIn('GET /api/activity/recent-files', {}, () => json({ files: [] })),
      signedIn('GET /api/files/mountpoints', {}, () =>
        json({
          mountpoints: [{ id: 'practice', name: 'Practice', type: 'storage', path: '' }],
          default_mountpoint: 'practice',
        }),
      ),
    ];
  }
}
