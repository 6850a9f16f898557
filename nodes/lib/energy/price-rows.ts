import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import type { Price } from './tariff.ts';

type Row = Record<string, SQLOutputValue>;
type PriceColumns = Omit<Price, 'id'>;

/** SQL of `energy_price_config`. A deleted price stays, as costs of the past name it. */
export class PriceRows {
  readonly #all: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #names: StatementSync;

  constructor(store: Store) {
    this.#all = store.prepare(
      'SELECT * FROM energy_price_config WHERE deleted_at_s IS NULL ORDER BY id',
    );
    this.#insert = store.prepare(
      `INSERT INTO energy_price_config (name, price_uc_per_kwh, valid_from_s, valid_to_s, weekdays,
         from_hour, to_hour, is_active, created_at_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = store.prepare(
      `UPDATE energy_price_config SET name = ?, price_uc_per_kwh = ?, valid_from_s = ?,
         valid_to_s = ?, weekdays = ?, from_hour = ?, to_hour = ?, is_active = ?
       WHERE id = ? AND deleted_at_s IS NULL`,
    );
    this.#delete = store.prepare(
      'UPDATE energy_price_config SET deleted_at_s = ? WHERE id = ? AND deleted_at_s IS NULL',
    );
    this.#names = store.prepare('SELECT id, name FROM energy_price_config');
  }

  all(): Price[] {
    return this.#all.all().map(priceOf);
  }

  /** @returns the new id */
  insert(price: PriceColumns, nowS: number): number {
    return Number(this.#insert.run(...columns(price), nowS).lastInsertRowid);
  }

  update(price: Price): void {
    this.#update.run(...columns(price), price.id);
  }

  /** @returns whether there was one */
  delete(id: number, nowS: number): boolean {
    return Number(this.#delete.run(nowS, id).changes) > 0;
  }

  /** Names of all prices there ever were, by id. */
  names(): Map<number, string> {
    return new Map(this.#names.all().map((row) => [Number(row['id']), String(row['name'])]));
  }
}

function columns(price: PriceColumns): (string | number | null)[] {
  return [
    price.name,
    price.priceUcPerKwh,
    price.validFromS,
    price.validToS,
    price.weekdays === null ? null : price.weekdays.join(','),
    price.fromHour,
    price.toHour,
    price.isActive ? 1 : 0,
  ];
}

function priceOf(row: Row): Price {
  const weekdays = row['weekdays'] ?? null;
  return {
    id: Number(row['id']),
    name: String(row['name']),
    priceUcPerKwh: Number(row['price_uc_per_kwh']),
    validFromS: numberOrNull(row['valid_from_s']),
    validToS: numberOrNull(row['valid_to_s']),
    weekdays: typeof weekdays === 'string' ? weekdays.split(',').map(Number) : null,
    fromHour: numberOrNull(row['from_hour']),
    toHour: numberOrNull(row['to_hour']),
    isActive: row['is_active'] === 1,
  };
}

function numberOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
