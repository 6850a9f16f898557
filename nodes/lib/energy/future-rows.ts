import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';

/** A place in `energy_samples` is second times this plus plug. */
const PLACES = 65_536;

/** SQL on what the energy tables hold of a time that has not come yet. */
export class FutureRows {
  readonly #newest: StatementSync;
  readonly #move: StatementSync;
  readonly #dropSamples: StatementSync;
  readonly #dropDays: StatementSync;
  readonly #dropMeters: StatementSync;
  readonly #dropStarting: readonly StatementSync[];

  constructor(store: Store) {
    this.#newest = store.prepare(`
      SELECT max(at_s) AS at_s FROM (
        SELECT max(place) / ${PLACES} AS at_s FROM energy_samples
        UNION ALL SELECT max(at_s) FROM energy_meters
        UNION ALL SELECT max(start_s) FROM energy_nas_hours
        UNION ALL SELECT start_s FROM (
          SELECT start_s FROM energy_daily WHERE device_number = 0 ORDER BY day DESC LIMIT 1))`);
    this.#move = store.prepare(
      'UPDATE OR REPLACE energy_samples SET place = place - ? WHERE place >= ?',
    );
    this.#dropSamples = store.prepare('DELETE FROM energy_samples WHERE place >= ?');
    this.#dropMeters = store.prepare('DELETE FROM energy_meters WHERE at_s > ?');
    this.#dropDays = store.prepare(`
      DELETE FROM energy_daily_tariffs WHERE (device_number, day) IN (
        SELECT device_number, day FROM energy_daily WHERE start_s > ?)`);
    this.#dropStarting = [
      'energy_daily',
      'energy_hourly',
      'energy_hour_tariffs',
      'energy_five_minutes',
      'energy_gap_hours',
      'energy_nas_hours',
    ].map((table) => store.prepare(`DELETE FROM ${table} WHERE start_s > ?`));
  }

  /** The latest time anything is of, epoch seconds; null for nothing. */
  newestS(): number | null {
    const atS = this.#newest.get()?.['at_s'] ?? null;
    return atS === null ? null : Number(atS);
  }

  /** Moves the samples from a time on back by so many seconds. */
  moveBack(fromS: number, byS: number): void {
    this.#move.run(byS * PLACES, fromS * PLACES);
  }

  /** Drops all that is of a time after this. */
  drop(afterS: number): void {
    this.#dropSamples.run((afterS + 1) * PLACES);
    this.#dropMeters.run(afterS);
    this.#dropDays.run(afterS);
    for (const statement of this.#dropStarting) statement.run(afterS);
  }
}
