import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';

/** More devices than anybody has, so that made-up ids do not pile up. */
const MAX_PER_USER = 200;

/** All SQL of `known_devices`. */
export class DeviceRows {
  readonly #owner: StatementSync;
  readonly #learn: StatementSync;
  readonly #take: StatementSync;
  readonly #cap: StatementSync;
  readonly #dropOfUser: StatementSync;

  constructor(store: Store) {
    this.#owner = store.prepare('SELECT user_id FROM known_devices WHERE device_id = ?');
    this.#learn = store.prepare(`
      INSERT INTO known_devices (device_id, user_id, learnt_at_ms) VALUES (?1, ?2, ?3)
      ON CONFLICT (device_id) DO UPDATE SET learnt_at_ms = ?3 WHERE user_id = ?2`);
    this.#take = store.prepare(`
      INSERT INTO known_devices (device_id, user_id, learnt_at_ms) VALUES (?1, ?2, ?3)
      ON CONFLICT (device_id) DO UPDATE SET user_id = ?2, learnt_at_ms = ?3`);
    this.#cap = store.prepare(`
      DELETE FROM known_devices WHERE user_id = ?1 AND device_id IN (
        SELECT device_id FROM known_devices WHERE user_id = ?1
        ORDER BY learnt_at_ms DESC LIMIT -1 OFFSET ${MAX_PER_USER})`);
    this.#dropOfUser = store.prepare('DELETE FROM known_devices WHERE user_id = ?');
  }

  ownerOf(deviceId: string): number | null {
    const owner = this.#owner.get(deviceId)?.['user_id'];
    return typeof owner === 'number' ? owner : null;
  }

  /** The device named itself, so whose it is already it stays. */
  learn(deviceId: string, userId: number, atMs: number): void {
    this.#learn.run(deviceId, userId, atMs);
    this.#cap.run(userId);
  }

  /** The NAS made that id for this user. */
  take(deviceId: string, userId: number, atMs: number): void {
    this.#take.run(deviceId, userId, atMs);
    this.#cap.run(userId);
  }

  dropOfUser(userId: number): void {
    this.#dropOfUser.run(userId);
  }
}
