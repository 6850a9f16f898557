import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { Bucket, HourBucket } from './buckets.ts';

type Row = Record<string, SQLOutputValue>;

/** An admin's correction of a stretch of one plug's past. */
export interface Correction {
  readonly id: number;
  readonly deviceNumber: number;
  /** Whole quarter hours, epoch seconds. */
  readonly fromS: number;
  readonly toS: number;
  /** Null: the stretch is unknown. */
  readonly energyMwh: number | null;
  /** What stood there before; null where nothing was known. */
  readonly originalMwh: number | null;
  readonly why: string;
  readonly madeBy: string;
  readonly madeAtS: number;
  readonly undoneBy: string | null;
  readonly undoneAtS: number | null;
}

type NewCorrection = Omit<Correction, 'id' | 'undoneBy' | 'undoneAtS'>;

/** An hour as it was metered; no hour where nothing was metered. */
export interface KnownHour {
  readonly hour: HourBucket | null;
  readonly fine: readonly Bucket[];
}

/** SQL of `energy_corrections` and `energy_originals`. Neither is ever pruned. */
export class CorrectionRows {
  readonly #insert: StatementSync;
  readonly #all: StatementSync;
  readonly #undo: StatementSync;
  readonly #original: StatementSync;
  readonly #putOriginal: StatementSync;
  readonly #dropOriginal: StatementSync;
  #active: readonly Correction[] | null = null;

  constructor(store: Store) {
    this.#insert = store.prepare(
      `INSERT INTO energy_corrections (device_number, from_s, to_s, energy_mwh, original_mwh, why,
         made_by, made_at_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#all = store.prepare('SELECT * FROM energy_corrections ORDER BY id');
    this.#undo = store.prepare(
      'UPDATE energy_corrections SET undone_by = ?, undone_at_s = ? WHERE id = ?',
    );
    this.#original = store.prepare(
      'SELECT buckets FROM energy_originals WHERE device_number = ? AND start_s = ?',
    );
    this.#putOriginal = store.prepare('INSERT OR REPLACE INTO energy_originals VALUES (?, ?, ?)');
    this.#dropOriginal = store.prepare(
      'DELETE FROM energy_originals WHERE device_number = ? AND start_s = ?',
    );
  }

  /** In the order they were made, including undone ones. */
  all(): Correction[] {
    return this.#all.all().map(correctionOf);
  }

  /** Active ones, in the order they were made; a later one overrides an earlier one. */
  active(): readonly Correction[] {
    this.#active ??= this.all().filter(({ undoneAtS }) => undoneAtS === null);
    return this.#active;
  }

  /** @returns the new id */
  insert(made: NewCorrection): number {
    this.#active = null;
    const { deviceNumber, fromS, toS, energyMwh, originalMwh, why, madeBy, madeAtS } = made;
    const values = [deviceNumber, fromS, toS, energyMwh, originalMwh, why, madeBy, madeAtS];
    return Number(this.#insert.run(...values).lastInsertRowid);
  }

  undo(id: number, by: string, atS: number): void {
    this.#active = null;
    this.#undo.run(by, atS, id);
  }

  /** The hour as it was before the first correction; null where none ever touched it. */
  original(deviceNumber: number, startS: number): KnownHour | null {
    const row = this.#original.get(deviceNumber, startS);
    return row === undefined ? null : (JSON.parse(String(row['buckets'])) as KnownHour);
  }

  putOriginal(deviceNumber: number, startS: number, known: KnownHour): void {
    this.#putOriginal.run(deviceNumber, startS, JSON.stringify(known));
  }

  dropOriginal(deviceNumber: number, startS: number): void {
    this.#dropOriginal.run(deviceNumber, startS);
  }

  /** The changes in memory may have been rolled back. */
  forget(): void {
    this.#active = null;
  }
}

function correctionOf(row: Row): Correction {
  const number = (column: string): number => Number(row[column]);
  const maybe = (column: string): number | null => (row[column] === null ? null : number(column));
  const by = row['undone_by'] ?? null;
  return {
    id: number('id'),
    deviceNumber: number('device_number'),
    fromS: number('from_s'),
    toS: number('to_s'),
    energyMwh: maybe('energy_mwh'),
    originalMwh: maybe('original_mwh'),
    why: String(row['why']),
    madeBy: String(row['made_by']),
    madeAtS: number('made_at_s'),
    undoneBy: by === null ? null : String(by),
    undoneAtS: maybe('undone_at_s'),
  };
}

/** Tables with rows per plug, by its number and the start of a stretch or a day. */
const TABLES = [
  'energy_five_minutes',
  'energy_hourly',
  'energy_hour_tariffs',
  'energy_daily',
  'energy_daily_tariffs',
  'energy_originals',
] as const;

/** SQL of `energy_successors`, and of transferring one plug's rows to another. */
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

  /** Hours that both plugs have. */
  commonHours(one: number, other: number): number[] {
    return this.#heldHours.all(one, other).map((row) => Number(row['start_s']));
  }

  /** Transfers what the successor does not have; the rest is deleted. */
  hand(fromNumber: number, toNumber: number, by: string, atS: number): void {
    for (const hand of this.#hand) hand.run(toNumber, fromNumber);
    for (const drop of this.#drop) drop.run(fromNumber);
    this.#corrections.run(toNumber, fromNumber);
    this.#dropMeter.run(fromNumber);
    this.#follow.run(toNumber, fromNumber);
    this.#insert.run(fromNumber, toNumber, by, atS);
  }
}
