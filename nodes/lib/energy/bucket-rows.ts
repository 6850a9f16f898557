import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import type { Bucket, DayBucket, HourBucket, TariffShare } from './buckets.ts';

type Row = Record<string, SQLOutputValue>;

const MEASURES = 'start_s, energy_mwh, covered_s, avg_mw, min_mw, max_mw, estimated';

/** SQL of `energy_five_minutes`, `energy_hourly`, `energy_daily` and `energy_daily_tariffs`. */
export class BucketRows {
  readonly #putFine: StatementSync;
  readonly #putHour: StatementSync;
  readonly #putDay: StatementSync;
  readonly #putShare: StatementSync;
  readonly #dropShares: StatementSync;
  readonly #fine: StatementSync;
  readonly #hours: StatementSync;
  readonly #days: StatementSync;
  readonly #shares: StatementSync;
  readonly #oldestFine: StatementSync;
  readonly #oldestHour: StatementSync;
  readonly #oldestDay: StatementSync;
  readonly #dayWithData: StatementSync;
  readonly #devices: StatementSync;
  readonly #reprice: StatementSync;
  readonly #pruneFine: StatementSync;
  readonly #pruneHours: StatementSync;

  constructor(store: Store) {
    const range = 'WHERE device_number = ? AND start_s >= ? AND start_s < ? ORDER BY start_s';
    const put = (table: string, columns: number): StatementSync =>
      store.prepare(`INSERT OR REPLACE INTO ${table} VALUES (${'?, '.repeat(columns - 1)}?)`);
    this.#putFine = put('energy_five_minutes', 8);
    this.#putHour = put('energy_hourly', 10);
    this.#putDay = put('energy_daily', 10);
    this.#putShare = put('energy_daily_tariffs', 5);
    this.#dropShares = store.prepare(
      'DELETE FROM energy_daily_tariffs WHERE device_number = ? AND day = ?',
    );
    this.#fine = store.prepare(`SELECT ${MEASURES} FROM energy_five_minutes ${range}`);
    this.#hours = store.prepare(
      `SELECT ${MEASURES}, cost_uc, price_id FROM energy_hourly ${range}`,
    );
    this.#days = store.prepare(
      `SELECT day, ${MEASURES}, cost_uc FROM energy_daily
       WHERE device_number = ? AND day >= ? AND day < ? ORDER BY day`,
    );
    this.#shares = store.prepare(
      `SELECT price_id, sum(energy_mwh) AS energy_mwh, sum(cost_uc) AS cost_uc
       FROM energy_daily_tariffs WHERE device_number = ? AND day >= ? AND day < ? GROUP BY price_id`,
    );
    const oldest = (table: string): StatementSync =>
      store.prepare(`SELECT min(start_s) AS start_s FROM ${table} WHERE device_number = ?`);
    this.#oldestFine = oldest('energy_five_minutes');
    this.#oldestHour = oldest('energy_hourly');
    this.#oldestDay = store.prepare(
      'SELECT start_s FROM energy_daily WHERE device_number = ? ORDER BY day LIMIT 1',
    );
    this.#dayWithData = store.prepare(
      `SELECT start_s FROM energy_daily WHERE device_number = 0
       ORDER BY day DESC LIMIT 1 OFFSET ?`,
    );
    this.#devices = store.prepare(
      'SELECT DISTINCT device_number FROM energy_daily WHERE device_number > 0',
    );
    this.#reprice = store.prepare(
      `UPDATE energy_hourly SET cost_uc = ?, price_id = ? WHERE device_number = ? AND start_s = ?`,
    );
    this.#pruneFine = store.prepare(
      'DELETE FROM energy_five_minutes WHERE device_number = ? AND start_s < ?',
    );
    this.#pruneHours = store.prepare(
      'DELETE FROM energy_hourly WHERE device_number = ? AND start_s < ?',
    );
  }

  putFine(deviceNumber: number, bucket: Bucket): void {
    this.#putFine.run(deviceNumber, ...measures(bucket));
  }

  putHour(deviceNumber: number, hour: HourBucket): void {
    this.#putHour.run(deviceNumber, ...measures(hour), hour.costUc, hour.priceId);
  }

  putDay(deviceNumber: number, day: DayBucket, shares: readonly TariffShare[]): void {
    this.#putDay.run(deviceNumber, day.day, ...measures(day), day.costUc);
    this.#dropShares.run(deviceNumber, day.day);
    for (const { priceId, energyMwh, costUc } of shares) {
      this.#putShare.run(deviceNumber, day.day, priceId, energyMwh, costUc);
    }
  }

  /** Five-minute buckets that start in [fromS, toS), in order. */
  fine(deviceNumber: number, fromS: number, toS: number): Bucket[] {
    return this.#fine.all(deviceNumber, fromS, toS).map(bucketOf);
  }

  hours(deviceNumber: number, fromS: number, toS: number): HourBucket[] {
    return this.#hours.all(deviceNumber, fromS, toS).map((row) => ({
      ...bucketOf(row),
      costUc: Number(row['cost_uc']),
      priceId: Number(row['price_id']),
    }));
  }

  /** Days by their dates, from inclusive, to exclusive. */
  days(deviceNumber: number, from: string, to: string): DayBucket[] {
    return this.#days.all(deviceNumber, from, to).map((row) => ({
      ...bucketOf(row),
      day: String(row['day']),
      costUc: Number(row['cost_uc']),
    }));
  }

  shares(deviceNumber: number, from: string, to: string): TariffShare[] {
    return this.#shares.all(deviceNumber, from, to).map((row) => ({
      priceId: Number(row['price_id']),
      energyMwh: Number(row['energy_mwh']),
      costUc: Number(row['cost_uc']),
    }));
  }

  oldestFineS(deviceNumber: number): number | null {
    return startOf(this.#oldestFine.get(deviceNumber));
  }

  oldestHourS(deviceNumber: number): number | null {
    return startOf(this.#oldestHour.get(deviceNumber));
  }

  oldestDayS(deviceNumber: number): number | null {
    return startOf(this.#oldestDay.get(deviceNumber));
  }

  /** The start of the newest day that holds data, or of the one `back` such days before it. */
  dayWithData(back: number): number | null {
    return startOf(this.#dayWithData.get(back));
  }

  /** Every plug that ever had a day. */
  devices(): number[] {
    return this.#devices.all().map((row) => Number(row['device_number']));
  }

  reprice(deviceNumber: number, startS: number, costUc: number, priceId: number): void {
    this.#reprice.run(costUc, priceId, deviceNumber, startS);
  }

  /** Deletes one plug's five-minute buckets and hours that start before a time; null leaves all. */
  prune(deviceNumber: number, fineS: number | null, hourS: number | null): void {
    if (fineS !== null) this.#pruneFine.run(deviceNumber, fineS);
    if (hourS !== null) this.#pruneHours.run(deviceNumber, hourS);
  }
}

function measures(bucket: Bucket): [number, number, number, number, number, number, number] {
  const { startS, energyMwh, coveredS, avgMw, minMw, maxMw, isEstimated } = bucket;
  return [startS, energyMwh, coveredS, avgMw, minMw, maxMw, isEstimated ? 1 : 0];
}

function bucketOf(row: Row): Bucket {
  return {
    startS: Number(row['start_s']),
    energyMwh: Number(row['energy_mwh']),
    coveredS: Number(row['covered_s']),
    avgMw: Number(row['avg_mw']),
    minMw: Number(row['min_mw']),
    maxMw: Number(row['max_mw']),
    isEstimated: row['estimated'] === 1,
  };
}

function startOf(row: Row | undefined): number | null {
  const value = row?.['start_s'] ?? null;
  return value === null ? null : Number(value);
}
