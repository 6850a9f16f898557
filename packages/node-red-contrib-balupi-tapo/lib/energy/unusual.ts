import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketView } from './bucket-view.ts';
import { type Bucket, HOUSEHOLD, usedMw } from './buckets.ts';
import type { EnergyDevice } from './sample.ts';

/** How an hour compares with the usual at this hour of this weekday. */
export interface HourComparison {
  readonly level: 'high' | 'low' | 'usual';
  readonly powerMw: number;
  /** Median of the same weekday's same hour in the last weeks. */
  readonly usualMw: number;
  /** How far from it an hour is still usual. */
  readonly marginMw: number;
  /** How many such hours there were. */
  readonly basis: number;
}

/** A plug's, or the household's, consumption became unusual, or usual again. */
export interface UnusualHour extends HourComparison {
  /** Null: the household. */
  readonly deviceId: string | null;
  readonly deviceName: string | null;
  /** Epoch seconds. */
  readonly hourStartS: number;
}

export type OnUnusual = (hour: UnusualHour) => void;

const BASIS_S = 56 * 86_400;
/** Four weeks: a median of fewer follows a single odd day. */
const LEAST_BASIS = 4;
/** An hour that is known only in part, or only estimated, says nothing. */
const LEAST_COVERED_S = 2_700;
/** In standard deviations, taken robustly from the median absolute deviation. */
const DEVIATIONS = 5;
const DEVIATION_PER_MAD = 1.4826;
/** Smaller differences are of no interest. */
const LEAST_MARGIN_MW = 10_000;
const LEAST_MARGIN_SHARE = 0.25;
/**
 * An intermittent load at any hour: what 98 of 100 hours kept to is usual too. A fault of a day is
 * fewer hours than the rest of eight weeks, and so does not become usual.
 */
const USUAL_SHARE = 0.98;

/**
 * Judges an hour by the hours of the weeks before it.
 * @param hours of one plug, up to and with the hour in question, the last one
 * @returns null while there is no basis of weeks, or when too little is known of the hour itself
 */
export function judgeHour(hours: readonly Bucket[], time: LocalTime): HourComparison | null {
  const judged = hours.at(-1);
  if (judged === undefined || !isKnown(judged)) return null;
  const known = hours.slice(0, -1).filter(isKnown);
  const slots = new Map<number, number[]>();
  for (const hour of known) {
    const slot = slotOf(hour.startS, time);
    const powers = slots.get(slot);
    if (powers === undefined) slots.set(slot, [usedMw(hour)]);
    else powers.push(usedMw(hour));
  }
  const alike = slots.get(slotOf(judged.startS, time)) ?? [];
  if (alike.length < LEAST_BASIS) return null;
  const usualMw = median(alike);
  const mad = median(alike.map((power) => Math.abs(power - usualMw)));
  const marginMw = Math.round(
    Math.max(
      DEVIATIONS * DEVIATION_PER_MAD * mad,
      LEAST_MARGIN_MW,
      LEAST_MARGIN_SHARE * usualMw,
      usualDistance(slots),
    ),
  );
  const powerMw = usedMw(judged);
  const distance = powerMw - usualMw;
  const level = Math.abs(distance) <= marginMw ? 'usual' : distance > 0 ? 'high' : 'low';
  return { level, powerMw, usualMw, marginMw, basis: alike.length };
}

interface Subject {
  readonly number: number;
  readonly deviceId: string | null;
  readonly deviceName: string | null;
}

interface WatchDeps {
  readonly devices: () => readonly EnergyDevice[];
  readonly view: () => BucketView;
  readonly time: LocalTime;
  readonly nowS: () => number;
}

/** Judges each plug's last complete hour once, and reports changes of its level. */
export class UnusualWatch {
  readonly #deps: WatchDeps;
  readonly #listeners = new Set<OnUnusual>();
  /** Start of the hour judged last, and the result, by plug. */
  readonly #judged = new Map<number, { hourS: number; level: HourComparison['level'] }>();

  constructor(deps: WatchDeps) {
    this.#deps = deps;
  }

  listen(listener: OnUnusual): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Judges the hour of one plug that has not been judged yet: eight weeks of hours are read. */
  look(): void {
    const { time, nowS } = this.#deps;
    const hourS = time.hourStart(time.hourStart(nowS()) - 1);
    const next = this.#subjects().find(({ number }) => this.#judged.get(number)?.hourS !== hourS);
    if (next === undefined) return;
    const before = this.#judged.get(next.number)?.level ?? 'usual';
    const compared = this.#compared(next.number, hourS);
    this.#judged.set(next.number, { hourS, level: compared?.level ?? before });
    if (compared === null || compared.level === before) return;
    const { deviceId, deviceName } = next;
    const told = { ...compared, deviceId, deviceName, hourStartS: hourS };
    for (const listener of this.#listeners) listener(told);
  }

  #compared(number: number, hourS: number): HourComparison | null {
    const hours = this.#deps.view().hours(number, hourS - BASIS_S, hourS + 1);
    return hours.at(-1)?.startS === hourS ? judgeHour(hours, this.#deps.time) : null;
  }

  #subjects(): readonly Subject[] {
    const plugs = this.#deps.devices().map(({ number, id, name }) => ({
      number,
      deviceId: id,
      deviceName: name,
    }));
    return [...plugs, { number: HOUSEHOLD, deviceId: null, deviceName: null }];
  }
}

function isKnown(hour: Bucket): boolean {
  return hour.coveredS >= LEAST_COVERED_S && !hour.isEstimated;
}

function slotOf(startS: number, time: LocalTime): number {
  return time.weekday(startS) * 24 + time.hourOfDay(startS);
}

/** How far from their slot's median nearly all hours of the basis stay. */
function usualDistance(slots: ReadonlyMap<number, readonly number[]>): number {
  const distances: number[] = [];
  for (const powers of slots.values()) {
    const usual = median(powers);
    for (const power of powers) distances.push(Math.abs(power - usual));
  }
  distances.sort((a, b) => a - b);
  return distances[Math.floor((distances.length - 1) * USUAL_SHARE)] ?? 0;
}

/** Of at least one value. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
