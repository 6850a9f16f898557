import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { type Bucket, type DayBucket, type HourBucket, HOUSEHOLD } from './buckets.ts';
import type { TariffShare } from './buckets.ts';

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
    const { putFine, putHour, putDay, putShare, dropShares, reprice } = writing(store);
    this.#putFine = putFine;
    this.#putHour = putHour;
    this.#putDay = putDay;
    this.#putShare = putShare;
    this.#dropShares = dropShares;
    this.#reprice = reprice;
    const { fine, hours, days, shares } = reading(store);
    this.#fine = fine;
    this.#hours = hours;
    this.#days = days;
    this.#shares = shares;
    const edge = (start: string, table: string, order: string): StatementSync =>
      store.prepare(`SELECT ${start} FROM ${table} WHERE device_number = ? ${order}`);
    this.#oldestFine = edge('min(start_s) AS start_s', 'energy_five_minutes', '');
    this.#oldestHour = edge('min(start_s) AS start_s', 'energy_hourly', '');
    this.#oldestDay = edge('start_s', 'energy_daily', 'ORDER BY day LIMIT 1');
    this.#dayWithData = edge('start_s', 'energy_daily', 'ORDER BY day DESC LIMIT 1 OFFSET ?');
    this.#devices = store.prepare(
      'SELECT DISTINCT device_number FROM energy_daily WHERE device_number > 0',
    );
    const prune = (table: string): StatementSync =>
      store.prepare(`DELETE FROM ${table} WHERE device_number = ? AND start_s < ?`);
    this.#pruneFine = prune('energy_five_minutes');
    this.#pruneHours = prune('energy_hourly');
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
    return startOf(this.#dayWithData.get(HOUSEHOLD, back));
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

function writing(store: Store) {
  const put = (table: string, columns: number): StatementSync =>
    store.prepare(`INSERT OR REPLACE INTO ${table} VALUES (${'?, '.repeat(columns - 1)}?)`);
  return {
    putFine: put('energy_five_minutes', 8),
    putHour: put('energy_hourly', 10),
    putDay: put('energy_daily', 10),
    putShare: put('energy_daily_tariffs', 5),
    dropShares: store.prepare(
      'DELETE FROM energy_daily_tariffs WHERE device_number = ? AND day = ?',
    ),
    reprice: store.prepare(
      `UPDATE energy_hourly SET cost_uc = ?, price_id = ? WHERE device_number = ? AND start_s = ?`,
    ),
  };
}

function reading(store: Store) {
  const range = 'WHERE device_number = ? AND start_s >= ? AND start_s < ? ORDER BY start_s';
  const dates = 'WHERE device_number = ? AND day >= ? AND day < ?';
  return {
    fine: store.prepare(`SELECT ${MEASURES} FROM energy_five_minutes ${range}`),
    hours: store.prepare(`SELECT ${MEASURES}, cost_uc, price_id FROM energy_hourly ${range}`),
    days: store.prepare(`SELECT day, ${MEASURES}, cost_uc FROM energy_daily ${dates} ORDER BY day`),
    shares: store.prepare(
      `SELECT price_id, sum(energy_mwh) AS energy_mwh, sum(cost_uc) AS cost_uc
       FROM energy_daily_tariffs ${dates} GROUP BY price_id`,
    ),
  };
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
