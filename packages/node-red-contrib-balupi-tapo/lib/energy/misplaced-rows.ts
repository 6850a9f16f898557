import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../../../nodes/lib/store/store.ts';

/** A place in `energy_samples` is second times this plus plug. */
const PLACES = 65_536;

/** Tables whose rows are of a stretch, by its begin. */
const BUCKETS = [
  'energy_daily',
  'energy_hourly',
  'energy_hour_tariffs',
  'energy_five_minutes',
  'energy_nas_hours',
] as const;

/** SQL on what the energy tables hold of a wrong time: one that has not come, or is long over. */
export class MisplacedRows {
  readonly #newest: StatementSync;
  readonly #newestBefore: StatementSync;
  readonly #lift: StatementSync;
  readonly #lay: StatementSync;
  readonly #dropSamples: StatementSync;
  readonly #dropGapHours: StatementSync;
  readonly #dropDayTariffs: StatementSync;
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
    this.#newestBefore = store.prepare(
      `SELECT max(place) / ${PLACES} AS at_s FROM energy_samples WHERE place < ?`,
    );
    // Places below 0 are nobody's, so no row meets one that has not been moved yet.
    this.#lift = store.prepare(
      'UPDATE energy_samples SET place = -(place - ?) WHERE place >= ? AND place > 0',
    );
    this.#lay = store.prepare(
      'UPDATE OR REPLACE energy_samples SET place = -place WHERE place < 0',
    );
    this.#dropSamples = store.prepare('DELETE FROM energy_samples WHERE place >= ?');
    this.#dropGapHours = store.prepare('DELETE FROM energy_gap_hours WHERE start_s > ?');
    this.#dropMeters = store.prepare('DELETE FROM energy_meters WHERE at_s > ?');
    this.#dropDayTariffs = store.prepare(`
      DELETE FROM energy_daily_tariffs WHERE (device_number, day) IN (
        SELECT device_number, day FROM energy_daily WHERE start_s > ?)`);
    this.#dropStarting = BUCKETS.map((table) =>
      store.prepare(`DELETE FROM ${table} WHERE start_s > ?`),
    );
  }

  /** The latest time anything is of, epoch seconds; null for nothing. */
  newestS(): number | null {
    return secondOf(this.#newest.get());
  }

  /** The latest sample before a time. */
  newestBeforeS(atS: number): number | null {
    return secondOf(this.#newestBefore.get(atS * PLACES));
  }

  /** Moves the samples from a time on back by so many seconds; below 0 forward. */
  moveBack(fromS: number, byS: number): void {
    this.#lift.run(byS * PLACES, fromS * PLACES);
    this.#lay.run();
  }

  /** Drops all that is of a time after this. */
  drop(afterS: number): void {
    this.#dropSamples.run((afterS + 1) * PLACES);
    this.#dropGapHours.run(afterS);
    this.dropBuckets(afterS);
  }

  /**
   * Drops what was made of samples after this, but not the samples.
   * @param meterAfterS meters that went on after this
   */
  dropBuckets(afterS: number, meterAfterS = afterS): void {
    this.#dropMeters.run(meterAfterS);
    this.#dropDayTariffs.run(afterS);
    for (const statement of this.#dropStarting) statement.run(afterS);
  }
}

function secondOf(row: ReturnType<StatementSync['get']>): number | null {
  const atS = row?.['at_s'] ?? null;
  return atS === null ? null : Number(atS);
}
