import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../../../nodes/lib/store/store.ts';

/** Tables whose rows are one plug's, by its number and the begin of a stretch or a day. */
const TABLES = [
  'energy_five_minutes',
  'energy_hourly',
  'energy_hour_tariffs',
  'energy_daily',
  'energy_daily_tariffs',
  'energy_originals',
] as const;

/** SQL of `energy_successors`, and of handing one plug's rows to another. */
export class SuccessorRows {
  readonly #hand: readonly StatementSync[];
  readonly #drop: readonly StatementSync[];
  readonly #corrections: StatementSync;
  readonly #dropMeter: StatementSync;
  readonly #follow: StatementSync;
  readonly #insert: StatementSync;
  readonly #heldHours: StatementSync;

  constructor(store: Store) {
    this.#hand = TABLES.map((table) =>
      store.prepare(`UPDATE OR IGNORE ${table} SET device_number = ? WHERE device_number = ?`),
    );
    this.#drop = TABLES.map((table) =>
      store.prepare(`DELETE FROM ${table} WHERE device_number = ?`),
    );
    this.#corrections = store.prepare(
      'UPDATE energy_corrections SET device_number = ? WHERE device_number = ?',
    );
    this.#dropMeter = store.prepare('DELETE FROM energy_meters WHERE device_number = ?');
    this.#follow = store.prepare(
      'UPDATE energy_successors SET successor_number = ? WHERE successor_number = ?',
    );
    this.#insert = store.prepare('INSERT OR REPLACE INTO energy_successors VALUES (?, ?, ?, ?)');
    this.#heldHours = store.prepare(
      `SELECT a.start_s FROM energy_hourly a JOIN energy_hourly b ON b.start_s = a.start_s
       WHERE a.device_number = ? AND b.device_number = ? ORDER BY a.start_s`,
    );
  }

  /** Hours that both have. */
  commonHours(one: number, other: number): number[] {
    return this.#heldHours.all(one, other).map((row) => Number(row['start_s']));
  }

  /** Hands over what the successor has none of; what is left of the old one goes. */
  hand(fromNumber: number, toNumber: number, by: string, atS: number): void {
    for (const hand of this.#hand) hand.run(toNumber, fromNumber);
    for (const drop of this.#drop) drop.run(fromNumber);
    this.#corrections.run(toNumber, fromNumber);
    this.#dropMeter.run(fromNumber);
    this.#follow.run(toNumber, fromNumber);
    this.#insert.run(fromNumber, toNumber, by, atS);
  }
}
