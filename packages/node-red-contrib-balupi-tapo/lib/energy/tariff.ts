import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';

/** A price of a kWh, for some time and perhaps only in a weekly window. */
export interface Price {
  readonly id: number;
  readonly name: string;
  /**
   * Micro-cents per kWh; with one cent per kWh a mWh costs one micro-cent. Below zero where the
   * household is paid for it. The mean of its slots where it has some.
   */
  readonly priceUcPerKwh: number;
  /** Epoch seconds, inclusive; null: since ever. */
  readonly validFromS: number | null;
  /** Epoch seconds, exclusive; null: until further notice. */
  readonly validToS: number | null;
  /** 1 Monday to 7 Sunday, on which a window begins; null: every day. */
  readonly weekdays: readonly number[] | null;
  /** Minutes of the local day; a window with `fromMinute` after `toMinute` runs over midnight. */
  readonly fromMinute: number | null;
  readonly toMinute: number | null;
  /** What is added to the price and the fee; null where they are what is paid. */
  readonly vatPercent: number | null;
  /** Micro-cents a month, whatever is used. */
  readonly baseFeeUc: number | null;
  /** How many slots give prices by time; 0 for a price that is always the same. */
  readonly slots: number;
  readonly isActive: boolean;
}

/** What a kWh costs in a stretch of a tariff. */
export interface PriceSlot {
  readonly priceId: number;
  readonly startS: number;
  readonly endS: number;
  readonly priceUcPerKwh: number;
}

export interface Rate {
  readonly priceId: number;
  readonly name: string;
  readonly priceUcPerKwh: number;
}

/** The id and name of ENERGY_DEFAULT_PRICE_CENTS in costs. */
export const DEFAULT_PRICE_ID = 0;
export const DEFAULT_PRICE_NAME = 'Default';
export const UC_PER_CENT = 1_000_000;

const MWH_PER_KWH = 1_000_000;
const QUARTER_S = 900;
const DAY_MINUTES = 1_440;

/** Which price holds when. */
export class Tariffs {
  readonly #prices: readonly Price[];
  readonly #slotted: readonly { readonly price: Price; readonly slots: readonly PriceSlot[] }[];
  readonly #default: Rate;
  readonly #time: LocalTime;

  /**
   * @param defaultUcPerKwh what a kWh costs where no price holds
   * @param slots of the prices that have some, in order of time
   */
  constructor(
    prices: readonly Price[],
    defaultUcPerKwh: number,
    time: LocalTime,
    slots: readonly PriceSlot[] = [],
  ) {
    const active = prices.filter((price) => price.isActive).sort(byPrecedence);
    this.#prices = active.filter((price) => price.slots === 0);
    const slotted = active.filter((price) => price.slots > 0);
    this.#slotted = slotted.map((price) => ({
      price,
      slots: slots.filter(({ priceId }) => priceId === price.id),
    }));
    this.#default = {
      priceId: DEFAULT_PRICE_ID,
      name: DEFAULT_PRICE_NAME,
      priceUcPerKwh: defaultUcPerKwh,
    };
    this.#time = time;
  }

  /** The price at an instant. Prices change on quarter hours only. */
  at(atS: number): Rate {
    const price = this.#prices.find((candidate) => this.#holds(candidate, atS));
    const slotted = this.#slotAt(atS);
    // A slot holds from its own beginning on, as a price does.
    if (
      slotted !== null &&
      (price?.validFromS ?? Number.NEGATIVE_INFINITY) <= slotted.slot.startS
    ) {
      return rateOf(slotted.price, slotted.slot.priceUcPerKwh);
    }
    return price === undefined ? this.#default : rateOf(price, price.priceUcPerKwh);
  }

  /** Mean price of a kWh that is used evenly in that time, micro-cents. */
  meanUcPerKwh(fromS: number, toS: number): number {
    let [sum, count] = [0, 0];
    for (let atS = fromS; atS < toS; atS += QUARTER_S) {
      sum += this.at(atS).priceUcPerKwh;
      count += 1;
    }
    return count === 0 ? this.at(fromS).priceUcPerKwh : Math.round(sum / count);
  }

  /** Whether the price at an instant comes from slots. */
  hasSlotAt(atS: number): boolean {
    return this.#slotAt(atS) !== null;
  }

  /**
   * What is due in that time regardless of use, by the share of each month, micro-cents. The fee of
   * the price that started last applies.
   */
  baseFeeUc(fromS: number, toS: number): number {
    const feed = [...this.#prices, ...this.#slotted.map(({ price }) => price)]
      .filter(({ baseFeeUc }) => baseFeeUc !== null)
      .sort(byPrecedence);
    if (feed.length === 0) return 0;
    const edges = feed.flatMap(({ validFromS, validToS }) => [validFromS, validToS]);
    let uc = 0;
    // Nobody was metered before 1970, so a query from the year 1 on need not wait for fees of then.
    for (let atS = Math.max(0, fromS); atS < toS;) {
      const monthS = this.#time.monthStart(atS);
      const nextS = this.#time.monthStart(atS, 1);
      const later = edges.filter((edge): edge is number => edge !== null && edge > atS);
      const endS = Math.min(toS, nextS, ...later);
      const price = feed.find((candidate) => isValid(candidate, atS));
      const fee = price === undefined ? 0 : withVat(price.baseFeeUc ?? 0, price);
      uc += (fee * (endS - atS)) / (nextS - monthS);
      atS = endS;
    }
    return Math.round(uc);
  }

  #slotAt(atS: number): { readonly price: Price; readonly slot: PriceSlot } | null {
    for (const { price, slots } of this.#slotted) {
      const slot = slotAt(slots, atS);
      if (slot !== null) return { price, slot };
    }
    return null;
  }

  #holds(price: Price, atS: number): boolean {
    return (
      isValid(price, atS) && inWindow(price, this.#time.minuteOfDay(atS), this.#time.weekday(atS))
    );
  }
}

function isValid({ validFromS, validToS }: Price, atS: number): boolean {
  return atS >= (validFromS ?? atS) && atS < (validToS ?? Number.POSITIVE_INFINITY);
}

function rateOf(price: Price, ucPerKwh: number): Rate {
  return { priceId: price.id, name: price.name, priceUcPerKwh: withVat(ucPerKwh, price) };
}

function withVat(uc: number, { vatPercent }: Price): number {
  return vatPercent === null ? uc : Math.round(uc * (1 + vatPercent / 100));
}

/** @param slots in order of time, none over another */
function slotAt(slots: readonly PriceSlot[], atS: number): PriceSlot | null {
  let [low, high] = [0, slots.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((slots[middle]?.startS ?? 0) <= atS) low = middle + 1;
    else high = middle;
  }
  const slot = slots[low - 1];
  return slot !== undefined && atS < slot.endS ? slot : null;
}

function inWindow(price: Price, minute: number, weekday: number): boolean {
  const [from, to] = [price.fromMinute ?? 0, price.toMinute ?? DAY_MINUTES];
  if (from < to) return minute >= from && minute < to && isOn(price, weekday);
  if (minute >= from) return isOn(price, weekday);
  // After midnight a window still belongs to the day it began on.
  return minute < to && isOn(price, weekday === 1 ? 7 : weekday - 1);
}

/** What energy costs, in whole micro-cents. */
export function costUc(energyMwh: number, priceUcPerKwh: number): number {
  const uc = energyMwh * priceUcPerKwh;
  if (Number.isSafeInteger(uc)) return Math.round(uc / MWH_PER_KWH);
  const exact = BigInt(energyMwh) * BigInt(priceUcPerKwh);
  const half = BigInt(MWH_PER_KWH / 2);
  // Integer division truncates towards zero, so a half is added away from it.
  return Number((exact < 0n ? exact - half : exact + half) / BigInt(MWH_PER_KWH));
}

/** The later `valid_from` wins, then the later id (contract 5). */
function byPrecedence(a: Price, b: Price): number {
  const from = (price: Price): number => price.validFromS ?? Number.NEGATIVE_INFINITY;
  if (from(a) === from(b)) return b.id - a.id;
  return from(b) > from(a) ? 1 : -1;
}

function isOn(price: Price, weekday: number): boolean {
  return price.weekdays === null || price.weekdays.includes(weekday);
}
