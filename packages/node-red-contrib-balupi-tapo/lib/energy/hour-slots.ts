import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import {
  addShare,
  type Bucket,
  type DeviceHour,
  fedIn,
  type HourBucket,
  inTime,
  priceOf,
  type TariffShare,
} from './buckets.ts';
import type { Correction, CorrectionRows, KnownHour } from './correction-rows.ts';
import { SLOT_S } from './slots.ts';
import { costUc, type Rate, type Tariffs } from './tariff.ts';

const QUARTER_S = 900;

/** The part of `whole` between two of its shares, computed so that all parts add up to it. */
function part(whole: number, from: number, to: number, of: number): number {
  return Math.round((whole * to) / of) - Math.round((whole * from) / of);
}

/**
 * Prices an hour by its quarters. A bucket that is longer than a quarter, or an hour whose buckets
 * are no longer kept, is priced as if it had run evenly.
 */
export function pricedHour(
  hour: HourBucket | Bucket,
  fine: readonly Bucket[],
  endS: number,
  tariffs: Tariffs,
): HourBucket {
  const rates = ratesOf(hour.startS, endS, tariffs);
  const [first] = rates;
  const { startS, energyMwh, coveredS, avgMw, minMw, maxMw, isEstimated, isCorrected } = hour;
  const measures = { energyMwh, ...fedIn(hour.feedInMwh ?? 0), coveredS, avgMw, minMw, maxMw };
  const bucket = { startS, ...measures, isEstimated };
  const marked = isCorrected === true ? { ...bucket, isCorrected } : bucket;
  if (rates.every((rate) => isAlike(rate, first))) {
    const rate = tariffs.at(startS);
    return { ...marked, costUc: costUc(energyMwh, rate.priceUcPerKwh), priceId: rate.priceId };
  }
  const perQuarter = rates.map(() => 0);
  for (const slot of wholeHour({ hour: { ...marked, costUc: 0, priceId: 0 }, fine }, endS)) {
    const quarter = Math.floor((slot.startS - startS) / QUARTER_S);
    perQuarter[quarter] = (perQuarter[quarter] ?? 0) + slot.energyMwh;
  }
  const shares = new Map<number, TariffShare>();
  for (const [quarter, rate] of rates.entries()) {
    const mwh = perQuarter[quarter] ?? 0;
    const cost = costUc(mwh, rate.priceUcPerKwh);
    addShare(shares, { priceId: rate.priceId, energyMwh: mwh, costUc: cost });
  }
  const used = [...shares.values()].filter((share) => share.energyMwh !== 0);
  const paid = used.length > 0 ? used : [...shares.values()].slice(0, 1);
  return { ...marked, ...priceOf(paid.sort((a, b) => a.priceId - b.priceId)) };
}

function ratesOf(startS: number, endS: number, tariffs: Tariffs): Rate[] {
  const rates: Rate[] = [];
  for (let atS = startS; atS < endS; atS += QUARTER_S) rates.push(tariffs.at(atS));
  return rates;
}

function isAlike(a: Rate, b: Rate | undefined): boolean {
  return a.priceId === b?.priceId && a.priceUcPerKwh === b.priceUcPerKwh;
}

/**
 * The hour in five-minute buckets; what is only known for the whole hour is spread over the rest.
 */
function wholeHour({ hour, fine }: KnownHour, endS: number): Bucket[] {
  if (hour === null) return [...fine];
  const rest = hour.energyMwh - fine.reduce((sum, slot) => sum + slot.energyMwh, 0);
  const restFedIn =
    (hour.feedInMwh ?? 0) - fine.reduce((sum, slot) => sum + (slot.feedInMwh ?? 0), 0);
  const restS = hour.coveredS - fine.reduce((sum, slot) => sum + slot.coveredS, 0);
  const known = new Set(fine.map(({ startS }) => startS));
  const free: number[] = [];
  for (let atS = hour.startS; atS < endS; atS += SLOT_S) if (!known.has(atS)) free.push(atS);
  if (free.length === 0 || (rest === 0 && restS === 0 && restFedIn === 0)) return [...fine];
  const spread = free.map((startS, index) => ({
    startS,
    energyMwh: part(rest, index, index + 1, free.length),
    ...fedIn(part(restFedIn, index, index + 1, free.length)),
    coveredS: part(restS, index, index + 1, free.length),
    ...{ avgMw: hour.avgMw, minMw: hour.minMw, maxMw: hour.maxMw, isEstimated: true },
  }));
  return [...fine, ...spread].sort((a, b) => a.startS - b.startS);
}

/**
 * An hour with corrections applied to what was metered, in the order they were made.
 * @returns no hour where nothing known is left
 */
function correctedHour(
  known: KnownHour,
  startS: number,
  endS: number,
  corrections: readonly Correction[],
  tariffs: Tariffs,
): KnownHour {
  let slots = wholeHour(known, endS);
  for (const correction of corrections) {
    const [fromS, toS] = [Math.max(startS, correction.fromS), Math.min(endS, correction.toS)];
    const isIn = ({ startS: atS }: Bucket): boolean => atS >= fromS && atS < toS;
    const kept = slots.filter((slot) => !isIn(slot));
    const made = slotsOf(correction, fromS, toS, slots.filter(isIn));
    slots = [...kept, ...made].sort((a, b) => a.startS - b.startS);
  }
  if (slots.length === 0) return { hour: null, fine: [] };
  return { hour: pricedHour(inTime(startS, slots), slots, endS, tariffs), fine: slots };
}

/** @param before what is being corrected: a correction tells what was used, not what was fed in */
function slotsOf(
  correction: Correction,
  fromS: number,
  toS: number,
  before: readonly Bucket[],
): Bucket[] {
  const { energyMwh } = correction;
  if (energyMwh === null) return [];
  const fedInAt = new Map(before.map((slot) => [slot.startS, slot.feedInMwh ?? 0]));
  const slots: Bucket[] = [];
  const ofS = correction.toS - correction.fromS;
  for (let startS = fromS; startS < toS; startS += SLOT_S) {
    const atS = startS - correction.fromS;
    const mwh = part(energyMwh, atS, atS + SLOT_S, ofS);
    const feedInMwh = fedInAt.get(startS) ?? 0;
    const mw = (mwh - feedInMwh) * (3_600 / SLOT_S);
    const watts = { avgMw: mw, minMw: mw, maxMw: mw };
    slots.push({
      ...{ startS, energyMwh: mwh, ...fedIn(feedInMwh), coveredS: SLOT_S, ...watts },
      ...{ isEstimated: false, isCorrected: true },
    });
  }
  return slots;
}

/** The known energy of a stretch of an hour, mWh; null for nothing. */
export function knownMwh(
  known: KnownHour,
  endS: number,
  fromS: number,
  toS: number,
): number | null {
  const slots = wholeHour(known, endS).filter(({ startS }) => startS >= fromS && startS < toS);
  return slots.length === 0 ? null : slots.reduce((sum, slot) => sum + slot.energyMwh, 0);
}

/**
 * Corrections are applied on top of what was metered: meters continue unaffected, hours they write
 * become the new original, and undoing restores it (docs/ENERGY.md).
 */
export class Overlay {
  readonly #rows: CorrectionRows;
  readonly #time: LocalTime;
  readonly #tariffs: () => Tariffs;

  constructor(rows: CorrectionRows, time: LocalTime, tariffs: () => Tariffs) {
    this.#rows = rows;
    this.#time = time;
    this.#tariffs = tariffs;
  }

  /** The hour with corrections applied, as it is shown. */
  over(device: DeviceHour): DeviceHour | null {
    const { deviceNumber, hour, fine } = device;
    const corrected = this.#over(deviceNumber, hour.startS, { hour, fine });
    if (corrected === null) return device;
    return corrected.hour === null
      ? null
      : { deviceNumber, hour: corrected.hour, fine: corrected.fine };
  }

  /**
   * Takes an hour as it was metered, inside a transaction of the caller.
   * @returns what is to be stored of it; null for nothing
   */
  take(device: DeviceHour): DeviceHour | null {
    const { deviceNumber, hour, fine } = device;
    const isTouched = this.#activeIn(deviceNumber, hour.startS).length > 0;
    if (isTouched) this.#rows.putOriginal(deviceNumber, hour.startS, { hour, fine });
    return this.over(device);
  }

  /** Null where no correction is in effect. */
  #over(deviceNumber: number, startS: number, known: KnownHour): KnownHour | null {
    const active = this.#activeIn(deviceNumber, startS);
    if (active.length === 0) return null;
    return correctedHour(known, startS, this.#time.hourEnd(startS), active, this.#tariffs());
  }

  /** @returns the hour as corrections leave it */
  corrected(deviceNumber: number, startS: number, original: KnownHour): KnownHour {
    return this.#over(deviceNumber, startS, original) ?? original;
  }

  #activeIn(deviceNumber: number, startS: number): readonly Correction[] {
    const active = this.#rows.active();
    if (active.length === 0) return active;
    const endS = this.#time.hourEnd(startS);
    return active.filter(
      (one) => one.deviceNumber === deviceNumber && one.fromS < endS && one.toS > startS,
    );
  }
}
