import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Store } from '../store/store.ts';
import type { BucketRows } from './bucket-rows.ts';
import { type HourBucket, HOUSEHOLD } from './buckets.ts';
import type { LocalTime } from './local-time.ts';
import { checkedPrice, type PriceFault, type PriceWish } from './price-wish.ts';
import type { PriceRows } from './price-rows.ts';
import type { RollUp } from './roll-up.ts';
import { costUc, DEFAULT_PRICE_ID, DEFAULT_PRICE_NAME, type Price, Tariffs } from './tariff.ts';

export type PriceOutcome =
  | { readonly kind: 'price'; readonly price: Price }
  | { readonly kind: 'invalid'; readonly faults: readonly PriceFault[] }
  | { readonly kind: 'unknown_price' };

export type RemovalOutcome = { readonly kind: 'removed' } | { readonly kind: 'unknown_price' };

export interface Recalculated {
  readonly kind: 'recalculated';
  /** Hours of single plugs whose cost is another now. */
  readonly changedHours: number;
}

interface PricesParts {
  readonly store: Store;
  readonly rows: PriceRows;
  readonly buckets: BucketRows;
  readonly rollUp: RollUp;
  readonly time: LocalTime;
  readonly defaultUcPerKwh: number;
}

/** The prices of the household, and what they make of stored hours when somebody asks for it. */
export class Prices {
  readonly #parts: PricesParts;
  #tariffs: Tariffs | null = null;

  constructor(parts: PricesParts) {
    this.#parts = parts;
  }

  get tariffs(): Tariffs {
    const { rows, defaultUcPerKwh, time } = this.#parts;
    this.#tariffs ??= new Tariffs(rows.all(), defaultUcPerKwh, time);
    return this.#tariffs;
  }

  list(): Price[] {
    return this.#parts.rows.all();
  }

  create(wish: PriceWish, nowS: number): PriceOutcome {
    const checked = checkedPrice(wish, null, this.#parts.time);
    if (checked.kind === 'invalid') return checked;
    const id = this.#parts.rows.insert(checked.price, nowS);
    this.#tariffs = null;
    return { kind: 'price', price: { ...checked.price, id } };
  }

  /** Changes what the wish names. Stored costs stay. */
  update(id: number, wish: PriceWish): PriceOutcome {
    const known = this.list().find((price) => price.id === id);
    if (known === undefined) return { kind: 'unknown_price' };
    const checked = checkedPrice(wish, known, this.#parts.time);
    if (checked.kind === 'invalid') return checked;
    const price = { ...checked.price, id };
    this.#parts.rows.update(price);
    this.#tariffs = null;
    return { kind: 'price', price };
  }

  remove(id: number, nowS: number): RemovalOutcome {
    const isGone = this.#parts.rows.delete(id, nowS);
    this.#tariffs = null;
    return { kind: isGone ? 'removed' : 'unknown_price' };
  }

  /** The name of a price, also of one that was deleted. */
  nameOf(): (priceId: number) => string {
    const names = this.#parts.rows.names();
    return (priceId) =>
      priceId === DEFAULT_PRICE_ID
        ? DEFAULT_PRICE_NAME
        : (names.get(priceId) ?? DEFAULT_PRICE_NAME);
  }

  /**
   * Prices every stored hour from `fromS` on anew, a day at a time with other work in between. Cut
   * short, it leaves whole days; asked again, it finishes.
   */
  async recalculate(fromS: number, nowS: number): Promise<Recalculated> {
    const { store, buckets, time } = this.#parts;
    const devices = buckets.devices();
    const oldest = devices.map((device) => buckets.oldestHourS(device) ?? nowS);
    let startS = Math.max(time.hourStart(fromS), Math.min(nowS, ...oldest));
    let changedHours = 0;
    while (startS <= nowS) {
      const endS = time.nextDayStart(startS);
      changedHours += store.transaction(() => this.#repriceDay(devices, startS, endS));
      startS = endS;
      await nextTurn();
    }
    return { kind: 'recalculated', changedHours };
  }

  #repriceDay(devices: readonly number[], fromS: number, toS: number): number {
    const { buckets, rollUp, time } = this.#parts;
    const household = new Map<number, { costUc: number; priceId: number }>();
    let changed = 0;
    for (const device of devices) {
      for (const hour of buckets.hours(device, fromS, toS)) {
        const priced = this.#priced(hour);
        const sum = (household.get(hour.startS)?.costUc ?? 0) + priced.costUc;
        household.set(hour.startS, { costUc: sum, priceId: priced.priceId });
        if (priced.costUc === hour.costUc && priced.priceId === hour.priceId) continue;
        buckets.reprice(device, hour.startS, priced.costUc, priced.priceId);
        changed += 1;
      }
    }
    if (changed === 0) return 0;
    for (const [startS, priced] of household) {
      buckets.reprice(HOUSEHOLD, startS, priced.costUc, priced.priceId);
    }
    for (const device of [...devices, HOUSEHOLD]) rollUp.writeDay(device, time.dayStart(fromS));
    return changed;
  }

  #priced(hour: HourBucket): { costUc: number; priceId: number } {
    const rate = this.tariffs.at(hour.startS);
    return { costUc: costUc(hour.energyMwh, rate.priceUcPerKwh), priceId: rate.priceId };
  }
}
