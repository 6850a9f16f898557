import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import { parseMoment } from './periods.ts';
import { type Price, type PriceSlot, UC_PER_CENT } from './tariff.ts';

/** A price from a caller. Missing fields keep their value, or stay unset in a new price. */
export interface PriceInput {
  readonly name?: unknown;
  /** Cents per kWh; below zero where the household is paid for it. */
  readonly pricePerKwhCents?: unknown;
  /** ISO 8601 time, or a date (its first instant), or null; `validTo` is not included. */
  readonly validFrom?: unknown;
  readonly validTo?: unknown;
  /** 1 Monday to 7 Sunday; null or missing: every day. */
  readonly weekdays?: unknown;
  /** Local, on a quarter hour; a window from 22:00 to 06:00 spans midnight. */
  readonly timeFrom?: unknown;
  readonly timeTo?: unknown;
  readonly isActive?: unknown;
  /** Added to the price and the fee; null: they are what is paid. */
  readonly vatPercent?: unknown;
  /** Null: none. */
  readonly baseFeeCentsPerMonth?: unknown;
}

export interface PriceFault {
  readonly field: keyof PriceInput;
  readonly message: string;
}

type CheckedPrice =
  | { readonly kind: 'checked'; readonly price: Omit<Price, 'id'> }
  | { readonly kind: 'invalid'; readonly faults: readonly PriceFault[] };

type Read<T> = { readonly value: T } | { readonly fault: string };

const MOST_CENTS = 100_000;
const DAY_MINUTES = 1_440;
const QUARTER_MS = 900_000;
const LONGEST_NAME = 100;

const BLANK: Omit<Price, 'id'> = {
  name: 'Price',
  priceUcPerKwh: 0,
  validFromS: null,
  validToS: null,
  weekdays: null,
  fromMinute: null,
  toMinute: null,
  isActive: true,
  vatPercent: null,
  baseFeeUc: null,
  slots: 0,
};

/** Validates an input on top of the price it changes, or on nothing. */
export function checkedPrice(
  input: PriceInput,
  known: Price | null,
  time: LocalTime,
): CheckedPrice {
  const faults: PriceFault[] = [];
  const take = <T>(field: keyof PriceInput, standard: T, read: (value: unknown) => Read<T>): T => {
    const given = input[field];
    if (given === undefined) return standard;
    const result = read(given);
    if ('value' in result) return result.value;
    faults.push({ field, message: result.fault });
    return standard;
  };
  if (known === null && input.pricePerKwhCents === undefined) {
    faults.push({ field: 'pricePerKwhCents', message: 'a price in cents per kWh is needed' });
  }
  const base: Omit<Price, 'id'> = known ?? BLANK;
  const price: Omit<Price, 'id'> = {
    name: take('name', base.name, readName),
    priceUcPerKwh: take('pricePerKwhCents', base.priceUcPerKwh, readCents(-MOST_CENTS)),
    validFromS: take('validFrom', base.validFromS, readMoment(time)),
    validToS: take('validTo', base.validToS, readMoment(time)),
    weekdays: take('weekdays', base.weekdays, readWeekdays),
    fromMinute: take('timeFrom', base.fromMinute, readMinute(0)),
    toMinute: take('timeTo', base.toMinute, readMinute(DAY_MINUTES)),
    isActive: take('isActive', base.isActive, readFlag),
    vatPercent: take('vatPercent', base.vatPercent, orNull(readPercent)),
    baseFeeUc: take('baseFeeCentsPerMonth', base.baseFeeUc, orNull(readCents(0))),
    slots: base.slots,
  };
  if (base.slots > 0) faults.push(...faultsOfSlotted(input));
  faults.push(...faultsBetween(price));
  return faults.length > 0 ? { kind: 'invalid', faults } : { kind: 'checked', price };
}

/** Values of its slots are not repeated. */
function faultsOfSlotted(input: PriceInput): PriceFault[] {
  const told = [
    ...(['pricePerKwhCents', 'validFrom', 'validTo'] as const),
    ...(['weekdays', 'timeFrom', 'timeTo'] as const),
  ];
  return told
    .filter((field) => input[field] !== undefined && input[field] !== null)
    .map((field) => ({ field, message: 'comes from the slots of this price' }));
}

function faultsBetween(price: Omit<Price, 'id'>): PriceFault[] {
  const faults: PriceFault[] = [];
  const { validFromS, validToS } = price;
  if (validFromS !== null && validToS !== null && validToS <= validFromS) {
    faults.push({ field: 'validTo', message: 'must be later than the begin' });
  }
  if ((price.fromMinute ?? 0) === (price.toMinute ?? DAY_MINUTES)) {
    faults.push({ field: 'timeTo', message: 'must differ from the begin of the window' });
  }
  return faults;
}

/** Line breaks, control characters, and overrides of the text direction. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u;

function readName(value: unknown): Read<string> {
  const name = typeof value === 'string' ? value.trim() : '';
  if (name === '' || name.length > LONGEST_NAME || UNPRINTABLE.test(name)) {
    return { fault: `must be 1 to ${LONGEST_NAME} printable characters` };
  }
  return { value: name };
}

/** Cents as micro-cents. */
function readCents(least: number): (value: unknown) => Read<number> {
  return (value) => {
    if (typeof value !== 'number' || !(value >= least && value <= MOST_CENTS)) {
      return { fault: `must be a number from ${least} to ${MOST_CENTS}` };
    }
    return { value: Math.round(value * UC_PER_CENT) };
  };
}

function readPercent(value: unknown): Read<number> {
  const isPercent = typeof value === 'number' && value >= 0 && value <= 100;
  return isPercent ? { value } : { fault: 'must be a number from 0 to 100, or null' };
}

function orNull<T>(read: (value: unknown) => Read<T>): (value: unknown) => Read<T | null> {
  return (value) => (value === null ? { value } : read(value));
}

function readMoment(time: LocalTime): (value: unknown) => Read<number | null> {
  return (value) => {
    if (value === null) return { value };
    const ms = typeof value === 'string' ? parseMoment(value, time) : null;
    if (ms === null) return { fault: 'must be an ISO 8601 time, a date, or null' };
    // Offsets from UTC are whole quarter hours, so local quarters are quarters everywhere.
    if (ms % QUARTER_MS !== 0) return { fault: 'must be on a quarter hour' };
    return { value: ms / 1_000 };
  };
}

function readWeekdays(value: unknown): Read<readonly number[] | null> {
  if (value === null) return { value };
  const isDay = (day: unknown): day is number =>
    typeof day === 'number' && Number.isInteger(day) && day >= 1 && day <= 7;
  if (!Array.isArray(value) || value.length === 0 || !value.every(isDay)) {
    return { fault: 'must be days from 1 (Monday) to 7 (Sunday), or null' };
  }
  const days = [...new Set<number>(value)].sort((a, b) => a - b);
  return { value: days.length === 7 ? null : days };
}

/** @param midnight what `00:00` means: the start of the day or its end */
function readMinute(midnight: number): (value: unknown) => Read<number | null> {
  return (value) => {
    if (value === null) return { value };
    const match = typeof value === 'string' ? /^(\d{2}):(00|15|30|45)(?::00)?$/.exec(value) : null;
    const minute = Number(match?.[1] ?? Number.NaN) * 60 + Number(match?.[2] ?? 0);
    if (!(minute >= 0 && minute <= DAY_MINUTES)) {
      return { fault: 'must be on a quarter hour such as 06:15, from 00:00 to 24:00' };
    }
    return { value: minute === 0 || minute === DAY_MINUTES ? midnight : minute };
  };
}

function readFlag(value: unknown): Read<boolean> {
  return typeof value === 'boolean' ? { value } : { fault: 'must be true or false' };
}

/** What a kWh costs in a stretch, as somebody sends it. */
export interface SlotInput {
  readonly from: string;
  readonly to: string;
  readonly pricePerKwhCents: number;
}

export interface SlotFault {
  /** Its index in the list, from 0; null for the name of them all. */
  readonly index: number | null;
  readonly field: 'name' | 'from' | 'to' | 'price_per_kwh_cents';
  readonly message: string;
}

type CheckedSlots =
  | { readonly kind: 'checked'; readonly slots: readonly Omit<PriceSlot, 'priceId'>[] }
  | { readonly kind: 'invalid'; readonly faults: readonly SlotFault[] };

const QUARTER_S = 900;
const HOUR_S = 3_600;
/** Faults listed at most; a list of nonsense needs no more. */
const MOST_FAULTS = 20;

/** Slots in order of time: on quarter hours, 15 or 60 minutes long, without overlap. */
export function checkedSlots(inputs: readonly SlotInput[], time: LocalTime): CheckedSlots {
  if (inputs.length === 0) {
    return { kind: 'invalid', faults: [{ index: 0, field: 'from', message: 'is missing' }] };
  }
  const faults: SlotFault[] = [];
  const read = inputs.map((input, index) => {
    const slot = readSlot(input, time);
    const fault = faultOf(slot);
    if (fault !== null && faults.length < MOST_FAULTS) faults.push({ index, ...fault });
    return { index, slot };
  });
  if (faults.length > 0) return { kind: 'invalid', faults };
  read.sort((a, b) => a.slot.startS - b.slot.startS);
  for (const [place, { index, slot }] of read.entries()) {
    const before = read[place - 1];
    if (before === undefined || before.slot.endS <= slot.startS) continue;
    faults.push({ index, field: 'from', message: `lies in slot ${before.index} too` });
    if (faults.length >= MOST_FAULTS) break;
  }
  if (faults.length > 0) return { kind: 'invalid', faults };
  return { kind: 'checked', slots: read.map(({ slot }) => slot) };
}

function readSlot(input: SlotInput, time: LocalTime): Omit<PriceSlot, 'priceId'> {
  const seconds = (text: string): number => (parseMoment(text, time) ?? Number.NaN) / 1_000;
  const priceUcPerKwh = Math.round(input.pricePerKwhCents * UC_PER_CENT);
  return { startS: seconds(input.from), endS: seconds(input.to), priceUcPerKwh };
}

function faultOf(slot: Omit<PriceSlot, 'priceId'>): Omit<SlotFault, 'index'> | null {
  const { startS, endS, priceUcPerKwh } = slot;
  if (startS % QUARTER_S !== 0) {
    return { field: 'from', message: 'must be a time on a quarter hour' };
  }
  if (endS - startS !== QUARTER_S && endS - startS !== HOUR_S) {
    return { field: 'to', message: 'must be 15 or 60 minutes after from' };
  }
  if (Math.abs(priceUcPerKwh) <= MOST_CENTS * UC_PER_CENT) return null;
  const message = `must be a number from ${-MOST_CENTS} to ${MOST_CENTS}`;
  return { field: 'price_per_kwh_cents', message };
}
