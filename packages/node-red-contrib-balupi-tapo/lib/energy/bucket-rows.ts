import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import {
  type Bucket,
  type DayBucket,
  type DeviceTotal,
  fedIn,
  type HourBucket,
  HOUSEHOLD,
  type TariffShare,
} from './buckets.ts';

type Row = Record<string, SQLOutputValue>;

/** What the column `estimated` holds. */
const ESTIMATED = 1;
const CORRECTED = 2;

const MEASURES = 'start_s, energy_mwh, covered_s, avg_mw, min_mw, max_mw, estimated, feed_in_mwh';

/**
 * SQL of `energy_five_minutes`, `energy_hourly`, `energy_hour_tariffs`, `energy_daily` and
 * `energy_daily_tariffs`.
 */
export class BucketRows {
  readonly #putFine: StatementSync;
  readonly #putHour: StatementSync;
  readonly #putDay: StatementSync;
  readonly #putShare: StatementSync;
  readonly #dropShares: StatementSync;
  readonly #fine: StatementSync;
  readonly #fineOfAll: StatementSync;
  readonly #hours: StatementSync;
  readonly #days: StatementSync;
  readonly #shares: StatementSync;
  readonly #oldestFine: StatementSync;
  readonly #oldestHour: StatementSync;
  readonly #newestHour: StatementSync;
  readonly #oldestDay: StatementSync;
  readonly #dayWithData: StatementSync;
  readonly #devices: StatementSync;
  readonly #pruneFine: StatementSync;
  readonly #pruneHours: StatementSync;
  readonly #splits: Splits;
  readonly #drops: readonly StatementSync[];
  readonly #dropDay: StatementSync;
  readonly #hoursIn: StatementSync;
  readonly #totals: StatementSync;
  readonly #estimated: StatementSync;

  constructor(store: Store) {
    const { putFine, putHour, putDay, putShare, dropShares } = writing(store);
    this.#putFine = putFine;
    this.#putHour = putHour;
    this.#putDay = putDay;
    this.#putShare = putShare;
    this.#dropShares = dropShares;
    const read = reading(store);
    const { fine, fineOfAll, hours, days, shares, hoursIn, totals, estimated } = read;
    this.#fine = fine;
    this.#fineOfAll = fineOfAll;
    this.#hours = hours;
    this.#days = days;
    this.#shares = shares;
    this.#hoursIn = hoursIn;
    this.#totals = totals;
    this.#estimated = estimated;
    const edge = (start: string, table: string, order: string): StatementSync =>
      store.prepare(`SELECT ${start} FROM ${table} WHERE device_number = ? ${order}`);
    this.#oldestFine = store.prepare('SELECT min(start_s) AS start_s FROM energy_five_minutes');
    this.#oldestHour = edge('min(start_s) AS start_s', 'energy_hourly', '');
    this.#newestHour = edge('max(start_s) AS start_s', 'energy_hourly', '');
    this.#oldestDay = edge('start_s', 'energy_daily', 'ORDER BY day LIMIT 1');
    this.#dayWithData = edge('start_s', 'energy_daily', 'ORDER BY day DESC LIMIT 1 OFFSET ?');
    this.#devices = store.prepare(
      'SELECT DISTINCT device_number FROM energy_daily WHERE device_number > 0',
    );
    this.#pruneFine = store.prepare('DELETE FROM energy_five_minutes WHERE start_s < ?');
    this.#pruneHours = store.prepare(
      'DELETE FROM energy_hourly WHERE device_number = ? AND start_s < ?',
    );
    this.#splits = splitsOf(store);
    this.#drops = ['energy_five_minutes', 'energy_hourly'].map((table) =>
      store.prepare(
        `DELETE FROM ${table} WHERE device_number = ? AND start_s >= ? AND start_s < ?`,
      ),
    );
    this.#dropDay = store.prepare('DELETE FROM energy_daily WHERE device_number = ? AND day = ?');
  }

  putFine(deviceNumber: number, bucket: Bucket): void {
    const [startS, ...others] = measures(bucket);
    this.#putFine.run(startS, deviceNumber, ...others, bucket.feedInMwh ?? 0);
  }

  putHour(deviceNumber: number, hour: HourBucket): void {
    const { startS, costUc, priceId, shares = [] } = hour;
    this.#putHour.run(deviceNumber, ...measures(hour), costUc, priceId, hour.feedInMwh ?? 0);
    this.#splits.drop.run(deviceNumber, startS, startS + 1);
    for (const share of shares) {
      this.#splits.put.run(deviceNumber, startS, share.priceId, share.energyMwh, share.costUc);
    }
  }

  putDay(deviceNumber: number, day: DayBucket, shares: readonly TariffShare[]): void {
    this.#putDay.run(deviceNumber, day.day, ...measures(day), day.costUc, day.feedInMwh ?? 0);
    this.#dropShares.run(deviceNumber, day.day);
    for (const { priceId, energyMwh, costUc } of shares) {
      this.#putShare.run(deviceNumber, day.day, priceId, energyMwh, costUc);
    }
  }

  /** How many hours start in [fromS, toS), and when the first one starts. */
  hoursIn(deviceNumber: number, fromS: number, toS: number): HoursIn {
    const row = this.#hoursIn.get(deviceNumber, fromS, toS);
    return { count: Number(row?.['count'] ?? 0), firstS: startOf(row) };
  }

  /** Totals over all days, by plug. */
  totals(): Map<number, DeviceTotal> {
    return new Map(
      this.#totals.all().map((row) => [
        Number(row['device_number']),
        {
          energyMwh: Number(row['energy_mwh']),
          feedInMwh: Number(row['feed_in_mwh']),
          costUc: Number(row['cost_uc']),
        },
      ]),
    );
  }

  /** Energy of the hours in [fromS, toS) that were estimated in part. */
  estimatedMwh(deviceNumber: number, fromS: number, toS: number): number {
    return Number(this.#estimated.get(deviceNumber, fromS, toS)?.['mwh'] ?? 0);
  }

  /** Deletes the hours that start in [fromS, toS), and their finer buckets. */
  dropHours(deviceNumber: number, fromS: number, toS: number): void {
    for (const drop of [...this.#drops, this.#splits.drop]) drop.run(deviceNumber, fromS, toS);
  }

  dropDay(deviceNumber: number, day: string): void {
    this.#dropDay.run(deviceNumber, day);
    this.#dropShares.run(deviceNumber, day);
  }

  /** The five-minute buckets of all plugs that start in [fromS, toS), in order, by plug. */
  fineOfAll(fromS: number, toS: number): Map<number, Bucket[]> {
    const all = new Map<number, Bucket[]>();
    for (const row of this.#fineOfAll.all(fromS, toS)) {
      const deviceNumber = Number(row['device_number']);
      const known = all.get(deviceNumber);
      if (known === undefined) all.set(deviceNumber, [bucketOf(row)]);
      else known.push(bucketOf(row));
    }
    return all;
  }

  /** Five-minute buckets that start in [fromS, toS), in order. */
  fine(deviceNumber: number, fromS: number, toS: number): Bucket[] {
    return this.#fine.all(deviceNumber, fromS, toS).map(bucketOf);
  }

  hours(deviceNumber: number, fromS: number, toS: number): HourBucket[] {
    const splits = new Map<number, TariffShare[]>();
    for (const row of this.#splits.range.all(deviceNumber, fromS, toS)) {
      const startS = Number(row['start_s']);
      splits.set(startS, [...(splits.get(startS) ?? []), shareOf(row)]);
    }
    return this.#hours.all(deviceNumber, fromS, toS).map((row) => {
      const shares = splits.get(Number(row['start_s']));
      return {
        ...bucketOf(row),
        costUc: Number(row['cost_uc']),
        priceId: Number(row['price_id']),
        ...(shares === undefined ? {} : { shares }),
      };
    });
  }

  /** Days by date, `from` inclusive, `to` exclusive. */
  days(deviceNumber: number, from: string, to: string): DayBucket[] {
    return this.#days.all(deviceNumber, from, to).map((row) => ({
      ...bucketOf(row),
      day: String(row['day']),
      costUc: Number(row['cost_uc']),
    }));
  }

  shares(deviceNumber: number, from: string, to: string): TariffShare[] {
    return this.#shares.all(deviceNumber, from, to).map(shareOf);
  }

  /** Of any plug. */
  oldestFineS(): number | null {
    return startOf(this.#oldestFine.get());
  }

  oldestHourS(deviceNumber: number): number | null {
    return startOf(this.#oldestHour.get(deviceNumber));
  }

  newestHourS(deviceNumber: number): number | null {
    return startOf(this.#newestHour.get(deviceNumber));
  }

  oldestDayS(deviceNumber: number): number | null {
    return startOf(this.#oldestDay.get(deviceNumber));
  }

  /** The start of the newest day with data, or of the day with data `back` days before it. */
  dayWithData(back: number): number | null {
    return startOf(this.#dayWithData.get(HOUSEHOLD, back));
  }

  /** Every plug that ever had a day. */
  devices(): number[] {
    return this.#devices.all().map((row) => Number(row['device_number']));
  }

  /** Deletes the five-minute buckets of all plugs that start before a time. */
  pruneFine(startS: number): void {
    this.#pruneFine.run(startS);
  }

  /** Deletes one plug's hours that start before a time. */
  pruneHours(deviceNumber: number, startS: number): void {
    this.#pruneHours.run(deviceNumber, startS);
    this.#splits.drop.run(deviceNumber, 0, startS);
  }
}

interface HoursIn {
  readonly count: number;
  /** Epoch seconds; null for none. */
  readonly firstS: number | null;
}

/** Hours in which the price changed. */
interface Splits {
  readonly put: StatementSync;
  readonly drop: StatementSync;
  readonly range: StatementSync;
}

function splitsOf(store: Store): Splits {
  const range = 'WHERE device_number = ? AND start_s >= ? AND start_s < ?';
  return {
    put: store.prepare('INSERT OR REPLACE INTO energy_hour_tariffs VALUES (?, ?, ?, ?, ?)'),
    drop: store.prepare(`DELETE FROM energy_hour_tariffs ${range}`),
    range: store.prepare(`SELECT * FROM energy_hour_tariffs ${range} ORDER BY start_s, price_id`),
  };
}

function shareOf(row: Row): TariffShare {
  return {
    priceId: Number(row['price_id']),
    energyMwh: Number(row['energy_mwh']),
    costUc: Number(row['cost_uc']),
  };
}

function writing(store: Store) {
  const put = (table: string, columns: number): StatementSync =>
    store.prepare(`INSERT OR REPLACE INTO ${table} VALUES (${'?, '.repeat(columns - 1)}?)`);
  return {
    putFine: put('energy_five_minutes', 9),
    putHour: put('energy_hourly', 11),
    putDay: put('energy_daily', 11),
    putShare: put('energy_daily_tariffs', 5),
    dropShares: store.prepare(
      'DELETE FROM energy_daily_tariffs WHERE device_number = ? AND day = ?',
    ),
  };
}

function reading(store: Store) {
  const range = 'WHERE device_number = ? AND start_s >= ? AND start_s < ? ORDER BY start_s';
  const dates = 'WHERE device_number = ? AND day >= ? AND day < ?';
  return {
    estimated: store.prepare(
      `SELECT sum(energy_mwh) AS mwh FROM energy_hourly
       WHERE device_number = ? AND start_s >= ? AND start_s < ? AND (estimated & ${ESTIMATED}) <> 0`,
    ),
    fine: store.prepare(`SELECT ${MEASURES} FROM energy_five_minutes ${range}`),
    fineOfAll: store.prepare(
      `SELECT device_number, ${MEASURES} FROM energy_five_minutes
       WHERE start_s >= ? AND start_s < ? ORDER BY start_s`,
    ),
    hours: store.prepare(`SELECT ${MEASURES}, cost_uc, price_id FROM energy_hourly ${range}`),
    days: store.prepare(`SELECT day, ${MEASURES}, cost_uc FROM energy_daily ${dates} ORDER BY day`),
    shares: store.prepare(
      `SELECT price_id, sum(energy_mwh) AS energy_mwh, sum(cost_uc) AS cost_uc
       FROM energy_daily_tariffs ${dates} GROUP BY price_id`,
    ),
    hoursIn: store.prepare(
      `SELECT count(*) AS count, min(start_s) AS start_s FROM energy_hourly
       WHERE device_number = ? AND start_s >= ? AND start_s < ?`,
    ),
    totals: store.prepare(
      `SELECT device_number, sum(energy_mwh) AS energy_mwh, sum(feed_in_mwh) AS feed_in_mwh,
         sum(cost_uc) AS cost_uc
       FROM energy_daily WHERE device_number > 0 GROUP BY device_number`,
    ),
  };
}

function measures(bucket: Bucket): [number, number, number, number, number, number, number] {
  const { startS, energyMwh, coveredS, avgMw, minMw, maxMw } = bucket;
  const quality = (bucket.isEstimated ? ESTIMATED : 0) + (bucket.isCorrected ? CORRECTED : 0);
  return [startS, energyMwh, coveredS, avgMw, minMw, maxMw, quality];
}

function bucketOf(row: Row): Bucket {
  const quality = Number(row['estimated']);
  return {
    startS: Number(row['start_s']),
    energyMwh: Number(row['energy_mwh']),
    ...fedIn(Number(row['feed_in_mwh'])),
    coveredS: Number(row['covered_s']),
    avgMw: Number(row['avg_mw']),
    minMw: Number(row['min_mw']),
    maxMw: Number(row['max_mw']),
    isEstimated: (quality & ESTIMATED) !== 0,
    ...((quality & CORRECTED) === 0 ? {} : { isCorrected: true }),
  };
}

function startOf(row: Row | undefined): number | null {
  const value = row?.['start_s'] ?? null;
  return value === null ? null : Number(value);
}
