import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { jsonBody } from './bodies.ts';
import { signedIn, type Route } from './router.ts';
import { naive } from './times.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

interface PhoneFolder {
  readonly id: string;
  readonly deviceId: string;
  readonly createdAtMs: number;
  localPath: string;
  remotePath: string;
  syncType: string;
  autoSync: boolean;
  status: string;
  lastSyncMs: number | null;
}

/** A phone's folders and queue, without any check of whose device it is (measured on 1.38). */
export class PhoneFolderRoutes {
  readonly #clock: Clock;
  readonly #knows: (deviceId: string) => boolean;
  readonly #folders = new Map<string, PhoneFolder>();

  /** @param knows whether a device with this id is registered */
  constructor(clock: Clock, knows: (deviceId: string) => boolean) {
    this.#clock = clock;
    this.#knows = knows;
  }

  get routes(): readonly Route[] {
    const limit = { limit: 'mobile_sync' } as const;
    const path = '/api/mobile/sync/folders/{id}';
    return [
      signedIn(`GET ${path}`, limit, (exchange) => {
        const all = [...this.#folders.values()];
        return json(all.filter((folder) => folder.deviceId === exchange.param('id')).map(view));
      }),
      signedIn(`POST ${path}`, limit, (exchange) => this.#create(exchange)),
      signedIn(`PUT ${path}`, limit, (exchange) => this.#update(exchange)),
      signedIn(`DELETE ${path}`, limit, (exchange) => {
        if (!this.#folders.delete(exchange.param('id'))) {
          throw refused(404, 'Sync folder not found');
        }
        return { kind: 'empty', status: 204 };
      }),
      signedIn('GET /api/mobile/upload/queue/{id}', limit, () => json({ items: [] })),
    ];
  }

  async #create(exchange: Exchange): Promise<Answer> {
    const body = await jsonBody(exchange, {
      local_path: 'string',
      remote_path: 'string',
      sync_type: 'string?',
      auto_sync: 'boolean?',
    });
    // A row of an unknown device violates a constraint of the database (measured).
    if (!this.#knows(exchange.param('id'))) throw refused(500, '');
    const folder: PhoneFolder = {
      id: randomUUID(),
      deviceId: exchange.param('id'),
      localPath: body.local_path,
      remotePath: body.remote_path,
      syncType: body.sync_type ?? 'bidirectional',
      autoSync: body.auto_sync ?? true,
      createdAtMs: this.#clock.nowMs(),
      status: 'idle',
      lastSyncMs: null,
    };
    this.#folders.set(folder.id, folder);
    return json(view(folder));
  }

  async #update(exchange: Exchange): Promise<Answer> {
    const body = await jsonBody(exchange, {
      local_path: 'string?',
      remote_path: 'string?',
      sync_type: 'string?',
      auto_sync: 'boolean?',
      status: 'string?',
    });
    const folder = this.#folders.get(exchange.param('id'));
    if (folder === undefined) throw refused(404, 'Sync folder not found');
    folder.localPath = body.local_path ?? folder.localPath;
    folder.remotePath = body.remote_path ?? folder.remotePath;
    folder.syncType = body.sync_type ?? folder.syncType;
    folder.autoSync = body.auto_sync ?? folder.autoSync;
    if (body.status !== undefined) {
      folder.status = body.status;
      folder.lastSyncMs = this.#clock.nowMs();
    }
    return json(view(folder));
  }
}

function view(folder: PhoneFolder): object {
  return {
    local_path: folder.localPath,
    remote_path: folder.remotePath,
    sync_type: folder.syncType,
    auto_sync: folder.autoSync,
    id: folder.id,
    device_id: folder.deviceId,
    last_sync: folder.lastSyncMs === null ? null : naive(folder.lastSyncMs),
    status: folder.status,
    created_at: naive(folder.createdAtMs),
  };
}
