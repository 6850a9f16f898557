import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { asRecord } from './nas-client.ts';

/** What is kept of the NAS over its sleep and over a restart. */
export interface ServerProfile {
  readonly url: string;
  readonly macAddress: string | null;
  readonly version: string | null;
  /** JSON text, as the NAS told it. */
  readonly sleepSchedule: string | null;
  /** ISO 8601, as the NAS told it. */
  readonly nextWakeAt: string | null;
  /** Epoch ms. */
  readonly lastSeenMs: number | null;
}

/** The one row of table `servers` (queue database). */
export class ServerRows {
  readonly #read: StatementSync;
  readonly #write: StatementSync;

  constructor(store: Store) {
    this.#read = store.prepare('SELECT * FROM servers WHERE id = 1');
    this.#write = store.prepare(`
      INSERT INTO servers (id, url, mac_address, version, sleep_schedule, next_wake_at, last_seen_ms)
      VALUES (1, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET
        url = excluded.url, mac_address = excluded.mac_address, version = excluded.version,
        sleep_schedule = excluded.sleep_schedule, next_wake_at = excluded.next_wake_at,
        last_seen_ms = excluded.last_seen_ms
    `);
  }

  /** @returns null before the NAS was ever seen */
  load(): ServerProfile | null {
    const row = asRecord(this.#read.get());
    if (row === null) return null;
    return {
      url: String(row['url']),
      macAddress: textOrNull(row['mac_address']),
      version: textOrNull(row['version']),
      sleepSchedule: textOrNull(row['sleep_schedule']),
      nextWakeAt: textOrNull(row['next_wake_at']),
      lastSeenMs: typeof row['last_seen_ms'] === 'number' ? row['last_seen_ms'] : null,
    };
  }

  save(profile: ServerProfile): void {
    this.#write.run(
      profile.url,
      profile.macAddress,
      profile.version,
      profile.sleepSchedule,
      profile.nextWakeAt,
      profile.lastSeenMs,
    );
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
