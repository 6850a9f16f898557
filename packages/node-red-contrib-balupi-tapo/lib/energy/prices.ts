import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketRows } from './bucket-rows.ts';
import { type HourBucket, HOUSEHOLD, householdHour, inTime } from './buckets.ts';
import type { Aside } from './corrections.ts';
import { pricedHour } from './hour-slots.ts';
import type { NasHourRows } from './nas-hour-rows.ts';
import type { PriceRows } from './price-rows.ts';
import {
  checkedPrice,
  checkedSlots,
  type PriceFault,
  type PriceInput,
  type SlotFault,
  type SlotInput,
} from './price-input.ts';
import type { RollUp } from './roll-up.ts';
import { momentS } from './periods.ts';
import {
  DEFAULT_PRICE_ID,
  DEFAULT_PRICE_NAME,
  type Price,
  Tariffs,
  UC_PER_CENT,
} from './tariff.ts';

export type PriceOutcome =
  | {
      readonly kind: 'price';
      readonly price: Price;
      /** The price before the change. */
      readonly before?: Price;
    }
  | { readonly kind: 'invalid'; readonly faults: readonly PriceFault[] }
  | { readonly kind: 'unknown_price' };

export type SlotsOutcome =
  | { readonly kind: 'price'; readonly price: Price }
  | { readonly kind: 'invalid'; readonly faults: readonly SlotFault[] };

export type RemovalOutcome = { readonly kind: 'removed' } | { readonly kind: 'unknown_price' };

export interface Recalculated {
  readonly kind: 'recalculated';
  /** Hours of single plugs whose cost changed. */
  readonly changedHours: number;
}

/** Stored hours that a price change leaves as they are. */
export interface Costed {
  readonly hours: number;
  /** The first of them, epoch seconds; null for none. */
  readonly fromS: number | null;
}

interface Span {
  readonly fromS: number;
  readonly toS: number;
}

interface PricesDeps {
  readonly store: Store;
  readonly rows: PriceRows;
  readonly buckets: BucketRows;
  readonly nasHours: NasHourRows;
  readonly rollUp: RollUp;
  readonly time: LocalTime;
  readonly aside: Aside;
  /** Of a kWh, fractions allowed. */
  readonly defaultCents: number;
  readonly nowS: () => number;
}

/** The household's prices, and their application to stored hours on request. */
export class Prices {
  readonly #deps: PricesDeps;
  #defaultCents: number;
  #tariffs: Tariffs | null = null;

  constructor(deps: PricesDeps) {
    this.#deps = deps;
    this.#defaultCents = deps.defaultCents;
  }

  get tariffs(): Tariffs {
    const { rows, time } = this.#deps;
    const defaultUcPerKwh = Math.round(this.#defaultCents * UC_PER_CENT);
    this.#tariffs ??= new Tariffs(rows.all(), defaultUcPerKwh, time, rows.slots());
    return this.#tariffs;
  }

  /**
   * The price of a kWh without a tariff, from now on. Stored costs stay.
   * @param cents fractions allowed
   */
  useDefault(cents: number): void {
    this.#defaultCents = cents;
    this.#tariffs = null;
  }

  list(): Price[] {
    return this.#deps.rows.all();
  }

  create(input: PriceInput): PriceOutcome {
    const checked = checkedPrice(input, null, this.#deps.time);
    if (checked.kind === 'invalid') return checked;
    const id = this.#deps.rows.insert(checked.price, this.#deps.nowS());
    this.#tariffs = null;
    return { kind: 'price', price: { ...checked.price, id } };
  }

  /** Changes what the input names. Stored costs stay. */
  update(id: number, input: PriceInput): PriceOutcome {
    const known = this.list().find((price) => price.id === id);
    if (known === undefined) return { kind: 'unknown_price' };
    const checked = checkedPrice(input, known, this.#deps.time);
    if (checked.kind === 'invalid') return checked;
    const price = { ...checked.price, id };
    this.#deps.rows.update(price);
    this.#tariffs = null;
    return { kind: 'price', price, before: known };
  }

  /**
   * Takes slot prices, replacing all slots of that tariff in their range. Repeating it changes
   * nothing.
   */
  putSlots(name: string, inputs: readonly SlotInput[]): SlotsOutcome {
    const { store, rows, time, nowS } = this.#deps;
    const checked = checkedSlots(inputs, time);
    if (checked.kind === 'invalid') return checked;
    const named = checkedPrice({ name, pricePerKwhCents: 0 }, null, time);
    if (named.kind === 'invalid') {
      const faults = named.faults.map(({ message }) => {
        return { index: null, field: 'name', message } as const;
      });
      return { kind: 'invalid', faults };
    }
    const id = store.transaction(() => {
      const slotted = { ...named.price, slots: checked.slots.length };
      const priceId = rows.slotted(name) ?? rows.insert(slotted, nowS());
      rows.putSlots(priceId, checked.slots);
      return priceId;
    });
    this.#tariffs = null;
    const price = this.list().find((candidate) => candidate.id === id);
    return price === undefined ? { kind: 'invalid', faults: [] } : { kind: 'price', price };
  }

  /**
   * How many priced hours of the household a price applies to, or applied to before it changed;
   * they keep their cost until recalculated.
   * @param before the price before the change
   */
  costed(price: Price, before?: Price): Costed {
    const { buckets } = this.#deps;
    const nowS = this.#deps.nowS();
    const spanOf = ({ validFromS, validToS }: Price): Span => ({
      fromS: validFromS ?? 0,
      toS: validToS ?? nowS + 1,
    });
    const [one, other] = [spanOf(price), spanOf(before ?? price)];
    const common = {
      fromS: Math.max(one.fromS, other.fromS),
      toS: Math.min(one.toS, other.toS),
    };
    const [inOne, inOther, inBoth] = [one, other, common].map(({ fromS, toS }) =>
      buckets.hoursIn(HOUSEHOLD, fromS, toS),
    );
    const firsts = [inOne?.firstS, inOther?.firstS].filter((atS) => typeof atS === 'number');
    return {
      hours: (inOne?.count ?? 0) + (inOther?.count ?? 0) - (inBoth?.count ?? 0),
      fromS: firsts.length === 0 ? null : Math.min(...firsts),
    };
  }

  remove(id: number): RemovalOutcome {
    const isGone = this.#deps.rows.delete(id, this.#deps.nowS());
    this.#tariffs = null;
    return { kind: isGone ? 'removed' : 'unknown_price' };
  }

  /** The name of a price, also of one that was deleted. */
  nameOf(): (priceId: number) => string {
    const names = this.#deps.rows.names();
    return (priceId) =>
      priceId === DEFAULT_PRICE_ID
        ? DEFAULT_PRICE_NAME
        : (names.get(priceId) ?? DEFAULT_PRICE_NAME);
  }

  /**
   * Reprices every stored hour from there on, a day at a time, yielding in between. Interrupted, it
   * leaves whole days; repeated, it finishes.
   * @param from epoch ms, or a time or date as text
   */
  async recalculate(from: number | string): Promise<Recalculated | { readonly kind: 'bad_range' }> {
    const { store, buckets, time, aside } = this.#deps;
    const fromS = momentS(from, time);
    if (fromS === null) return { kind: 'bad_range' };
    const nowS = this.#deps.nowS();
    const devices = buckets.devices();
    const oldest = devices.map((device) => buckets.oldestHourS(device) ?? nowS);
    let startS = Math.max(time.hourStart(fromS), Math.min(nowS, ...oldest));
    let changedHours = 0;
    while (startS <= nowS) {
      const endS = time.nextDayStart(startS);
      const [dayS, nextS] = [startS, endS];
      changedHours += store.transaction(() => aside(() => this.#repriceDay(devices, dayS, nextS)));
      startS = endS;
      await nextTurn();
    }
    return { kind: 'recalculated', changedHours };
  }

  #repriceDay(devices: readonly number[], fromS: number, toS: number): number {
    const { buckets, rollUp, time } = this.#deps;
    const priced = new Map<number, HourBucket[]>();
    this.#repriceNas(fromS, toS);
    let changed = 0;
    for (const device of devices) {
      for (const hour of buckets.hours(device, fromS, toS)) {
        const next = this.#priced(device, hour);
        priced.set(hour.startS, [...(priced.get(hour.startS) ?? []), next]);
        if (isPricedAlike(hour, next)) continue;
        buckets.putHour(device, next);
        changed += 1;
      }
    }
    if (changed === 0) return 0;
    for (const known of buckets.hours(HOUSEHOLD, fromS, toS)) {
      const parts = priced.get(known.startS) ?? [];
      const { costUc, priceId, shares, isEstimated } = householdHour(known.startS, parts, []);
      const hour = inTime(known.startS, [known]);
      const split = shares === undefined ? {} : { shares };
      buckets.putHour(HOUSEHOLD, { ...hour, costUc, priceId, isEstimated, ...split });
    }
    for (const device of [...devices, HOUSEHOLD]) rollUp.writeDay(device, time.dayStart(fromS));
    return changed;
  }

  /** Energy the NAS saved by sleeping is worth what a kWh costs now. */
  #repriceNas(fromS: number, toS: number): void {
    const { nasHours, time } = this.#deps;
    for (const hour of nasHours.range(fromS, toS)) {
      const priceUcPerKwh = this.tariffs.meanUcPerKwh(hour.startS, time.hourEnd(hour.startS));
      if (priceUcPerKwh !== hour.priceUcPerKwh) nasHours.put({ ...hour, priceUcPerKwh });
    }
  }

  /** Prices an hour whose finer data was pruned by the mean of its prices, marked as estimated. */
  #priced(device: number, hour: HourBucket): HourBucket {
    const { buckets, time } = this.#deps;
    // An hour that starts at another minute, from an earlier time zone, is an hour all the same.
    const isOurs = time.hourStart(hour.startS) === hour.startS;
    const endS = isOurs ? time.hourEnd(hour.startS) : hour.startS + 3_600;
    const fine = buckets.fine(device, hour.startS, endS);
    const next = pricedHour(hour, fine, endS, this.tariffs);
    const isMean = fine.length === 0 && hour.energyMwh > 0 && this.#changesIn(hour.startS, endS);
    return isMean ? { ...next, isEstimated: true } : next;
  }

  #changesIn(startS: number, endS: number): boolean {
    const first = this.tariffs.at(startS);
    for (let atS = startS; atS < endS; atS += 900) {
      const rate = this.tariffs.at(atS);
      const isAlike = rate.priceId === first.priceId && rate.priceUcPerKwh === first.priceUcPerKwh;
      if (!isAlike) return true;
    }
    return false;
  }
}

function isPricedAlike(a: HourBucket, b: HourBucket): boolean {
  if (a.costUc !== b.costUc || a.priceId !== b.priceId) return false;
  return a.isEstimated === b.isEstimated && JSON.stringify(a.shares) === JSON.stringify(b.shares);
}
