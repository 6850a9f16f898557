import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { belowBounds } from '../files/files.ts';
import type { Store } from '../store/store.ts';

/**
 * How a pinned folder was last found. `unchecked`: not looked at since it was pinned; `whole`: all
 * of it is known; `cut_short`: it is deeper or holds more than is followed; `missing`: the NAS does
 * not have it; `no_access`: its user may not read it any more.
 */
export type PinState = 'unchecked' | 'whole' | 'cut_short' | 'missing' | 'no_access';

export interface PinRow {
  readonly userId: number;
  readonly path: string;
  readonly state: PinState;
  readonly createdAtMs: number;
  readonly checkedAtMs: number | null;
}

/** The table `cache_pins`. */
export class PinRows {
  readonly #all: StatementSync;
  readonly #ofUser: StatementSync;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #drop: StatementSync;
  readonly #checked: StatementSync;
  readonly #users: StatementSync;
  readonly #below: StatementSync;
  readonly #move: StatementSync;
  readonly #dropBelow: StatementSync;

  constructor(store: Store) {
    this.#all = store.prepare('SELECT * FROM cache_pins ORDER BY user_id, path');
    this.#ofUser = store.prepare('SELECT * FROM cache_pins WHERE user_id = ? ORDER BY path');
    this.#find = store.prepare('SELECT * FROM cache_pins WHERE user_id = ? AND path = ?');
    this.#put = store.prepare(
      `INSERT INTO cache_pins (user_id, path, state, created_at_ms) VALUES (?, ?, 'unchecked', ?)
       ON CONFLICT (user_id, path) DO NOTHING`,
    );
    this.#drop = store.prepare('DELETE FROM cache_pins WHERE user_id = ? AND path = ?');
    this.#checked = store.prepare(
      'UPDATE cache_pins SET state = ?, checked_at_ms = ? WHERE user_id = ? AND path = ?',
    );
    this.#below = store.prepare(
      'SELECT * FROM cache_pins WHERE path = ? OR (path > ? AND path < ?) ORDER BY user_id, path',
    );
    this.#move = store.prepare(
      `UPDATE OR IGNORE cache_pins SET path = :to || substr(path, length(:from) + 1)
       WHERE path = :from OR (path > :low AND path < :high)`,
    );
    this.#dropBelow = store.prepare(
      'DELETE FROM cache_pins WHERE path = ? OR (path > ? AND path < ?)',
    );
    this.#users = store.prepare(
      `SELECT DISTINCT user_id FROM cache_pins WHERE state <> 'no_access' ORDER BY user_id`,
    );
  }

  all(): PinRow[] {
    return this.#all.all().map(pinOf);
  }

  ofUser(userId: number): PinRow[] {
    return this.#ofUser.all(userId).map(pinOf);
  }

  find(userId: number, path: string): PinRow | null {
    const row = this.#find.get(userId, path);
    return row === undefined ? null : pinOf(row);
  }

  /** Users who pin anything they may read. */
  users(): number[] {
    return this.#users.all().map((row) => Number(row['user_id']));
  }

  put(userId: number, path: string, nowMs: number): void {
    this.#put.run(userId, path, nowMs);
  }

  /** @returns whether there was one */
  drop(userId: number, path: string): boolean {
    return this.#drop.run(userId, path).changes > 0;
  }

  /** Everybody's at or below a path. */
  below(path: string): PinRow[] {
    const { low, high } = belowBounds(path);
    return this.#below.all(path, low, high).map(pinOf);
  }

  /** Everybody's at or below a path are of another from now on; one who pins that too keeps one. */
  move(from: string, to: string): void {
    const { low, high } = belowBounds(from);
    this.#move.run({ from, to, low, high });
    this.#dropBelow.run(from, low, high);
  }

  checked(pin: Pick<PinRow, 'userId' | 'path'>, state: PinState, atMs: number): void {
    this.#checked.run(state, atMs, pin.userId, pin.path);
  }
}

function pinOf(row: Record<string, SQLOutputValue>): PinRow {
  return {
    userId: Number(row['user_id']),
    path: String(row['path']),
    state: row['state'] as PinState,
    createdAtMs: Number(row['created_at_ms']),
    checkedAtMs: row['checked_at_ms'] === null ? null : Number(row['checked_at_ms']),
  };
}
