import type { LocalTime } from './local-time.ts';
import { parseMoment } from './periods.ts';
import { MOST_CENTS } from './price-wish.ts';
import { type PriceSlot, UC_PER_CENT } from './tariff.ts';

/** What a kWh costs in a stretch, as somebody sends it. */
export interface SlotWish {
  readonly from: string;
  readonly to: string;
  readonly pricePerKwhCents: number;
}

export interface SlotFault {
  /** Which of the list, from 0; null for the name of them all. */
  readonly index: number | null;
  readonly field: 'name' | 'from' | 'to' | 'price_per_kwh_cents';
  readonly message: string;
}

export type CheckedSlots =
  | { readonly kind: 'checked'; readonly slots: readonly Omit<PriceSlot, 'priceId'>[] }
  | { readonly kind: 'invalid'; readonly faults: readonly SlotFault[] };

const QUARTER_S = 900;
const HOUR_S = 3_600;
/** So many are named; who sends a list of nonsense needs no more. */
const MOST_FAULTS = 20;

/** Slots in order of time: on quarter hours, of 15 or 60 minutes, none over another. */
export function checkedSlots(wishes: readonly SlotWish[], time: LocalTime): CheckedSlots {
  if (wishes.length === 0) {
    return { kind: 'invalid', faults: [{ index: 0, field: 'from', message: 'is missing' }] };
  }
  const faults: SlotFault[] = [];
  const read = wishes.map((wish, index) => {
    const slot = readSlot(wish, time);
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

function readSlot(wish: SlotWish, time: LocalTime): Omit<PriceSlot, 'priceId'> {
  const seconds = (text: string): number => (parseMoment(text, time) ?? Number.NaN) / 1_000;
  const priceUcPerKwh = Math.round(wish.pricePerKwhCents * UC_PER_CENT);
  return { startS: seconds(wish.from), endS: seconds(wish.to), priceUcPerKwh };
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
