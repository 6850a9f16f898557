import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../../../nodes/lib/store/store.ts';

/** How the NAS spent an hour, by its plug. */
export interface NasHour {
  readonly startS: number;
  readonly asleepS: number;
  readonly asleepMwh: number;
  readonly idleS: number;
  readonly idleMwh: number;
  readonly priceUcPerKwh: number;
}

/** SQL of `energy_nas_hours`. */
export class NasHourRows {
  readonly #put: StatementSync;
  readonly #range: StatementSync;
  readonly #prune: StatementSync;

  constructor(store: Store) {
    this.#put = store.prepare('INSERT OR REPLACE INTO energy_nas_hours VALUES (?, ?, ?, ?, ?, ?)');
    this.#range = store.prepare(
      'SELECT * FROM energy_nas_hours WHERE start_s >= ? AND start_s < ? ORDER BY start_s',
    );
    this.#prune = store.prepare('DELETE FROM energy_nas_hours WHERE start_s < ?');
  }

  put(hour: NasHour): void {
    const { startS, asleepS, asleepMwh, idleS, idleMwh, priceUcPerKwh } = hour;
    this.#put.run(startS, asleepS, asleepMwh, idleS, idleMwh, priceUcPerKwh);
  }

  /** Hours that start in [fromS, toS). */
  range(fromS: number, toS: number): NasHour[] {
    return this.#range.all(fromS, toS).map((row) => ({
      startS: Number(row['start_s']),
      asleepS: Number(row['asleep_s']),
      asleepMwh: Number(row['asleep_mwh']),
      idleS: Number(row['idle_s']),
      idleMwh: Number(row['idle_mwh']),
      priceUcPerKwh: Number(row['price_uc_per_kwh']),
    }));
  }

  deleteBefore(startS: number): void {
    this.#prune.run(startS);
  }
}
