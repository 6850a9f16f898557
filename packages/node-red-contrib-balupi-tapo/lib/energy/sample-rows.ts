import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { HistoryHour, Sample } from './sample.ts';

type Row = Record<string, SQLOutputValue>;

/** Plug numbers are below this; a place in `energy_samples` is second times this plus plug. */
const PLACES = 65_536;

/** SQL of `energy_samples`, `energy_gap_hours` and `energy_meters`. */
export class SampleRows {
  readonly #insert: StatementSync;
  readonly #after: StatementSync;
  readonly #ofDevice: StatementSync;
  readonly #newest: StatementSync;
  readonly #oldest: StatementSync;
  readonly #sliceEnd: StatementSync;
  readonly #deleteBefore: StatementSync;
  readonly #insertHour: StatementSync;
  readonly #hours: StatementSync;
  readonly #deleteHours: StatementSync;
  readonly #saveMeter: StatementSync;
  readonly #meters: StatementSync;

  constructor(store: Store) {
    const measures = 'power_mw, voltage_mv, current_ma, today_wh, month_wh, relay_on';
    this.#insert = store.prepare(
      `INSERT OR IGNORE INTO energy_samples (place, ${measures}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#after = store.prepare(
      // Transferred samples are metered already, under another number.
      `SELECT place, ${measures} FROM energy_samples WHERE place > ?
         AND (place & 65535) NOT IN (SELECT device_number FROM energy_successors)
       ORDER BY place LIMIT ?`,
    );
    this.#ofDevice = store.prepare(
      `SELECT place, ${measures} FROM energy_samples
       WHERE place >= ? AND place < ? AND ((place & 65535) = ?
         OR (place & 65535) IN (
           SELECT device_number FROM energy_successors WHERE successor_number = ?))
       ORDER BY place`,
    );
    this.#newest = store.prepare('SELECT max(place) AS place FROM energy_samples');
    this.#oldest = store.prepare('SELECT min(place) AS place FROM energy_samples');
    this.#sliceEnd = store.prepare(
      'SELECT place FROM energy_samples ORDER BY place LIMIT 1 OFFSET ?',
    );
    this.#deleteBefore = store.prepare('DELETE FROM energy_samples WHERE place < ?');
    this.#insertHour = store.prepare('INSERT OR REPLACE INTO energy_gap_hours VALUES (?, ?, ?)');
    this.#hours = store.prepare(
      `SELECT start_s, energy_wh FROM energy_gap_hours
       WHERE device_number = ? AND start_s >= ? AND start_s < ? ORDER BY start_s`,
    );
    this.#deleteHours = store.prepare('DELETE FROM energy_gap_hours WHERE start_s < ?');
    this.#saveMeter = store.prepare('INSERT OR REPLACE INTO energy_meters VALUES (?, ?, ?)');
    this.#meters = store.prepare('SELECT device_number, at_s, state FROM energy_meters');
  }

  /** Keeps samples in the order of their places, which is what makes appending cheap. */
  insertAll(samples: readonly Sample[]): void {
    const inOrder = [...samples].sort((a, b) => a.atS - b.atS || a.deviceNumber - b.deviceNumber);
    for (const sample of inOrder) this.#insertOne(sample);
  }

  #insertOne(sample: Sample): void {
    const { atS, deviceNumber, powerMw, voltageMv, currentMa, todayWh, monthWh, relay } = sample;
    const isOn = relay === 'on' ? 1 : 0;
    this.#insert.run(
      placeOf(atS, deviceNumber),
      powerMw,
      voltageMv,
      currentMa,
      todayWh,
      monthWh,
      isOn,
    );
  }

  /** At most `limit` samples of all plugs after a place in the order of time and plug. */
  after(atS: number, deviceNumber: number, limit: number): Sample[] {
    return this.#after.all(placeOf(atS, deviceNumber), limit).map(sampleOf);
  }

  /** The samples of one plug in [fromS, toS). */
  ofDevice(deviceNumber: number, fromS: number, toS: number): Sample[] {
    const [from, to] = [placeOf(fromS, 0), placeOf(toS, 0)];
    return this.#ofDevice.all(from, to, deviceNumber, deviceNumber).map(sampleOf);
  }

  newestS(): number | null {
    return secondOf(this.#newest.get()?.['place']);
  }

  oldestS(): number | null {
    return secondOf(this.#oldest.get()?.['place']);
  }

  /**
   * Deletes samples before a time, at most about `most` of the oldest.
   * @returns whether some are left
   */
  deleteBefore(atS: number, most: number): boolean {
    const sliceS = Math.min(atS, secondOf(this.#sliceEnd.get(most)?.['place']) ?? atS);
    this.#deleteBefore.run(placeOf(sliceS, 0));
    return sliceS < atS;
  }

  insertHours(deviceNumber: number, hours: readonly HistoryHour[]): void {
    for (const hour of hours) this.#insertHour.run(deviceNumber, hour.startS, hour.energyWh);
  }

  hours(deviceNumber: number, fromS: number, toS: number): HistoryHour[] {
    return this.#hours.all(deviceNumber, fromS, toS).map((row) => ({
      startS: Number(row['start_s']),
      energyWh: Number(row['energy_wh']),
    }));
  }

  deleteHoursBefore(startS: number): void {
    this.#deleteHours.run(startS);
  }

  saveMeter(deviceNumber: number, atS: number, state: string): void {
    this.#saveMeter.run(deviceNumber, atS, state);
  }

  meters(): { deviceNumber: number; atS: number; state: string }[] {
    return this.#meters.all().map((row) => ({
      deviceNumber: Number(row['device_number']),
      atS: Number(row['at_s']),
      state: String(row['state']),
    }));
  }
}

/** Time and plug as one integer, in the order of time. */
function placeOf(atS: number, deviceNumber: number): number {
  return atS * PLACES + deviceNumber;
}

function secondOf(place: SQLOutputValue | undefined): number | null {
  return place === null || place === undefined ? null : Math.floor(Number(place) / PLACES);
}

function sampleOf(row: Row): Sample {
  return {
    atS: Math.floor(Number(row['place']) / PLACES),
    deviceNumber: Number(row['place']) % PLACES,
    powerMw: Number(row['power_mw']),
    voltageMv: numberOrNull(row['voltage_mv']),
    currentMa: numberOrNull(row['current_ma']),
    todayWh: numberOrNull(row['today_wh']),
    monthWh: numberOrNull(row['month_wh']),
    relay: row['relay_on'] === 1 ? 'on' : 'off',
  };
}

function numberOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** Tables with rows per stretch, by its start. */
const BUCKETS = [
  'energy_daily',
  'energy_hourly',
  'energy_hour_tariffs',
  'energy_five_minutes',
  'energy_nas_hours',
] as const;

/** SQL on energy data with a wrong time: in the future, or long past. */
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
    // Negative places are unused, so moved rows cannot collide with unmoved ones.
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

  /** The latest time of any data, epoch seconds; null for none. */
  newestS(): number | null {
    return slotSecond(this.#newest.get());
  }

  /** The latest sample before a time. */
  newestBeforeS(atS: number): number | null {
    return slotSecond(this.#newestBefore.get(atS * PLACES));
  }

  /** Moves samples from a time on back by that many seconds; negative: forward. */
  moveBack(fromS: number, byS: number): void {
    this.#lift.run(byS * PLACES, fromS * PLACES);
    this.#lay.run();
  }

  /** Drops all data of a time after this. */
  drop(afterS: number): void {
    this.#dropSamples.run((afterS + 1) * PLACES);
    this.#dropGapHours.run(afterS);
    this.dropBuckets(afterS);
  }

  /**
   * Drops what was derived from samples after this, but not the samples.
   * @param meterAfterS meters that continued after this
   */
  dropBuckets(afterS: number, meterAfterS = afterS): void {
    this.#dropMeters.run(meterAfterS);
    this.#dropDayTariffs.run(afterS);
    for (const statement of this.#dropStarting) statement.run(afterS);
  }
}

function slotSecond(row: ReturnType<StatementSync['get']>): number | null {
  const atS = row?.['at_s'] ?? null;
  return atS === null ? null : Number(atS);
}

/** How far the counters of a plug, or those of the household's money, are ahead of what is stored. */
interface CounterOffset {
  readonly energyMwh: number;
  readonly feedInMwh: number;
  readonly costUc: number;
  readonly creditUc: number;
}

export const NO_OFFSET: CounterOffset = { energyMwh: 0, feedInMwh: 0, costUc: 0, creditUc: 0 };

/** SQL of `energy_counters`. */
export class CounterRows {
  readonly #all: StatementSync;
  readonly #add: StatementSync;

  constructor(store: Store) {
    this.#all = store.prepare('SELECT * FROM energy_counters');
    this.#add = store.prepare(
      `INSERT INTO energy_counters VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         energy_mwh = energy_mwh + excluded.energy_mwh,
         feed_in_mwh = feed_in_mwh + excluded.feed_in_mwh,
         cost_uc = cost_uc + excluded.cost_uc, credit_uc = credit_uc + excluded.credit_uc`,
    );
  }

  /** By the number of the plug. */
  all(): Map<number, CounterOffset> {
    return new Map(
      this.#all.all().map((row) => [
        Number(row['device_number']),
        {
          energyMwh: Number(row['energy_mwh']),
          feedInMwh: Number(row['feed_in_mwh']),
          costUc: Number(row['cost_uc']),
          creditUc: Number(row['credit_uc']),
        },
      ]),
    );
  }

  add(deviceNumber: number, change: Partial<CounterOffset>): void {
    const { energyMwh, feedInMwh, costUc, creditUc } = { ...NO_OFFSET, ...change };
    this.#add.run(deviceNumber, energyMwh, feedInMwh, costUc, creditUc);
  }
}

/** SQL of `energy_calendar`: one row with the zone that the stored days are of. */
export class CalendarRows {
  readonly #zone: StatementSync;
  readonly #drop: StatementSync;
  readonly #put: StatementSync;

  constructor(store: Store) {
    this.#zone = store.prepare('SELECT zone FROM energy_calendar');
    this.#drop = store.prepare('DELETE FROM energy_calendar');
    this.#put = store.prepare('INSERT INTO energy_calendar VALUES (?, ?)');
  }

  /** IANA name; null before it was ever stored. */
  zone(): string | null {
    const zone = this.#zone.get()?.['zone'];
    return typeof zone === 'string' ? zone : null;
  }

  put(zone: string, sinceS: number): void {
    this.#drop.run();
    this.#put.run(zone, sinceS);
  }
}
