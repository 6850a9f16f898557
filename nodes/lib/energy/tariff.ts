import type { LocalTime } from './local-time.ts';

/** A price of a kWh, for some time and perhaps only in a weekly window. */
export interface Price {
  readonly id: number;
  readonly name: string;
  /** Micro-cents per kWh; with one cent per kWh a mWh costs one micro-cent. */
  readonly priceUcPerKwh: number;
  /** Epoch seconds, inclusive; null: since ever. */
  readonly validFromS: number | null;
  /** Epoch seconds, exclusive; null: until further notice. */
  readonly validToS: number | null;
  /** 1 Monday to 7 Sunday, on which a window begins; null: every day. */
  readonly weekdays: readonly number[] | null;
  /** Local hours 0 to 24; a window with `fromHour` after `toHour` runs over midnight. */
  readonly fromHour: number | null;
  readonly toHour: number | null;
  readonly isActive: boolean;
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

/** Which price holds when. */
export class Tariffs {
  readonly #prices: readonly Price[];
  readonly #default: Rate;
  readonly #time: LocalTime;

  /** @param defaultUcPerKwh what a kWh costs where no price holds */
  constructor(prices: readonly Price[], defaultUcPerKwh: number, time: LocalTime) {
    this.#prices = prices.filter((price) => price.isActive).sort(byPrecedence);
    this.#default = {
      priceId: DEFAULT_PRICE_ID,
      name: DEFAULT_PRICE_NAME,
      priceUcPerKwh: defaultUcPerKwh,
    };
    this.#time = time;
  }

  /** The price of the hour that begins at `hourS`: what holds at its beginning holds all of it. */
  at(hourS: number): Rate {
    const price = this.#prices.find((candidate) => this.#holds(candidate, hourS));
    if (price === undefined) return this.#default;
    return { priceId: price.id, name: price.name, priceUcPerKwh: price.priceUcPerKwh };
  }

  #holds(price: Price, hourS: number): boolean {
    if (hourS < (price.validFromS ?? Number.NEGATIVE_INFINITY)) return false;
    if (hourS >= (price.validToS ?? Number.POSITIVE_INFINITY)) return false;
    return inWindow(price, this.#time.hourOfDay(hourS), this.#time.weekday(hourS));
  }
}

function inWindow(price: Price, hour: number, weekday: number): boolean {
  const [from, to] = [price.fromHour ?? 0, price.toHour ?? 24];
  if (from < to) return hour >= from && hour < to && isOn(price, weekday);
  if (hour >= from) return isOn(price, weekday);
  // After midnight a window still belongs to the day it began on.
  return hour < to && isOn(price, weekday === 1 ? 7 : weekday - 1);
}

/** What energy costs, in whole micro-cents. */
export function costUc(energyMwh: number, priceUcPerKwh: number): number {
  const uc = energyMwh * priceUcPerKwh;
  if (Number.isSafeInteger(uc)) return Math.round(uc / MWH_PER_KWH);
  const exact = BigInt(energyMwh) * BigInt(priceUcPerKwh);
  return Number((exact + BigInt(MWH_PER_KWH / 2)) / BigInt(MWH_PER_KWH));
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
