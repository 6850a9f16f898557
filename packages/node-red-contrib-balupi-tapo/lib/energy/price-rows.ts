import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { Price, PriceSlot } from './tariff.ts';

type Row = Record<string, SQLOutputValue>;
type PriceColumns = Omit<Price, 'id'>;

/** SQL of `energy_price_config` and `energy_price_slots`. A deleted price stays, as costs of the past name it. */
export class PriceRows {
  readonly #all: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #names: StatementSync;
  readonly #slots: SlotStatements;

  constructor(store: Store) {
    this.#all = store.prepare(
      `SELECT p.*, count(s.start_s) AS slots, min(s.start_s) AS first_s, max(s.end_s) AS last_s,
         sum(s.price_uc_per_kwh * (s.end_s - s.start_s)) / sum(s.end_s - s.start_s) AS mean_uc
       FROM energy_price_config p LEFT JOIN energy_price_slots s ON s.price_id = p.id
       WHERE p.deleted_at_s IS NULL GROUP BY p.id ORDER BY p.id`,
    );
    this.#insert = store.prepare(
      `INSERT INTO energy_price_config (name, price_uc_per_kwh, valid_from_s, valid_to_s, weekdays,
         from_minute, to_minute, is_active, vat_percent, base_fee_uc, has_slots, created_at_s)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = store.prepare(
      `UPDATE energy_price_config SET name = ?, price_uc_per_kwh = ?, valid_from_s = ?,
         valid_to_s = ?, weekdays = ?, from_minute = ?, to_minute = ?, is_active = ?,
         vat_percent = ?, base_fee_uc = ?
       WHERE id = ? AND deleted_at_s IS NULL`,
    );
    this.#delete = store.prepare(
      'UPDATE energy_price_config SET deleted_at_s = ? WHERE id = ? AND deleted_at_s IS NULL',
    );
    this.#slots = slotStatements(store);
    this.#names = store.prepare('SELECT id, name FROM energy_price_config');
  }

  all(): Price[] {
    return this.#all.all().map(priceOf);
  }

  /** @returns the new id */
  insert(price: PriceColumns, nowS: number): number {
    return Number(
      this.#insert.run(...columns(price), price.slots > 0 ? 1 : 0, nowS).lastInsertRowid,
    );
  }

  update(price: Price): void {
    this.#update.run(...columns(price), price.id);
  }

  /** @returns whether there was one */
  delete(id: number, nowS: number): boolean {
    this.#slots.dropAll.run(id);
    return Number(this.#delete.run(nowS, id).changes) > 0;
  }

  /** All slots in order of tariff and time. */
  slots(): PriceSlot[] {
    return this.#slots.all.all().map((row) => ({
      priceId: Number(row['price_id']),
      startS: Number(row['start_s']),
      endS: Number(row['end_s']),
      priceUcPerKwh: Number(row['price_uc_per_kwh']),
    }));
  }

  /** The tariff of that name which has slots; null for none. */
  slotted(name: string): number | null {
    const id = this.#slots.named.get(name)?.['id'] ?? null;
    return id === null ? null : Number(id);
  }

  /** Replaces all of the tariff's slots in the range of these. */
  putSlots(priceId: number, slots: readonly Omit<PriceSlot, 'priceId'>[]): void {
    const fromS = slots[0]?.startS ?? 0;
    const toS = slots.at(-1)?.endS ?? 0;
    // Slots that extend beyond the range keep the part outside of it.
    const over = this.#slots.over.get(priceId, toS, toS);
    this.#slots.cut.run(fromS, priceId, fromS, fromS);
    this.#slots.drop.run(priceId, fromS, toS);
    if (over !== undefined) {
      this.#slots.put.run(priceId, toS, Number(over['end_s']), Number(over['price_uc_per_kwh']));
    }
    for (const { startS, endS, priceUcPerKwh } of slots) {
      this.#slots.put.run(priceId, startS, endS, priceUcPerKwh);
    }
  }

  /** Names of all prices that ever existed, by id. */
  names(): Map<number, string> {
    return new Map(this.#names.all().map((row) => [Number(row['id']), String(row['name'])]));
  }
}

interface SlotStatements {
  readonly all: StatementSync;
  readonly named: StatementSync;
  readonly over: StatementSync;
  readonly cut: StatementSync;
  readonly drop: StatementSync;
  readonly dropAll: StatementSync;
  readonly put: StatementSync;
}

function slotStatements(store: Store): SlotStatements {
  const table = 'energy_price_slots';
  return {
    all: store.prepare(`SELECT * FROM ${table} ORDER BY price_id, start_s`),
    named: store.prepare(
      `SELECT id FROM energy_price_config
       WHERE name = ? AND has_slots = 1 AND deleted_at_s IS NULL`,
    ),
    over: store.prepare(`SELECT * FROM ${table} WHERE price_id = ? AND start_s < ? AND end_s > ?`),
    cut: store.prepare(
      `UPDATE ${table} SET end_s = ? WHERE price_id = ? AND start_s < ? AND end_s > ?`,
    ),
    drop: store.prepare(`DELETE FROM ${table} WHERE price_id = ? AND start_s >= ? AND start_s < ?`),
    dropAll: store.prepare(`DELETE FROM ${table} WHERE price_id = ?`),
    put: store.prepare(`INSERT OR REPLACE INTO ${table} VALUES (?, ?, ?, ?)`),
  };
}

function columns(price: PriceColumns): (string | number | null)[] {
  return [
    price.name,
    price.priceUcPerKwh,
    price.validFromS,
    price.validToS,
    price.weekdays === null ? null : price.weekdays.join(','),
    price.fromMinute,
    price.toMinute,
    price.isActive ? 1 : 0,
    price.vatPercent,
    price.baseFeeUc,
  ];
}

function priceOf(row: Row): Price {
  const weekdays = row['weekdays'] ?? null;
  return {
    id: Number(row['id']),
    name: String(row['name']),
    priceUcPerKwh: Number(row['mean_uc'] ?? row['price_uc_per_kwh']),
    validFromS: numberOrNull(row['first_s'] ?? row['valid_from_s']),
    validToS: numberOrNull(row['last_s'] ?? row['valid_to_s']),
    weekdays: typeof weekdays === 'string' ? weekdays.split(',').map(Number) : null,
    fromMinute: numberOrNull(row['from_minute']),
    toMinute: numberOrNull(row['to_minute']),
    isActive: row['is_active'] === 1,
    vatPercent: numberOrNull(row['vat_percent']),
    baseFeeUc: numberOrNull(row['base_fee_uc']),
    slots: Number(row['slots']),
  };
}

function numberOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
