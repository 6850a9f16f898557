import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import { type BandState, type Counter, CounterBand, counterMove, wireMj } from './counter-band.ts';
import { type HistoryHour, MAX_POWER_MW, type Sample } from './sample.ts';
import {
  addToSlot,
  type Course,
  evenCourse,
  type Hour,
  MJ_PER_MWH,
  MJ_PER_WH,
  restoreEnergy,
  SLOT_S,
  slotOf,
  straightCourse,
  usedMj,
} from './slots.ts';

/** An hour with the fraction of a mWh (in mJ) carried over from the previous hours. */
export interface MeteredHour {
  readonly hour: Hour;
  readonly carryMj: number;
}

interface DayCounters {
  readonly startS: number;
  readonly todayWh: number;
  readonly monthWh: number;
  readonly nowWh: number;
}

/** A meter's whole state, as stored across restarts. */
export interface MeterState {
  readonly version: 1;
  last: Sample | null;
  open: Hour | null;
  carryMj: number;
  readonly band: BandState;
  /** When energy was last fed in through this plug, epoch seconds; missing for never. */
  fedInAtS?: number;
  /** The counters where this day began or the day's fell, and what the day's shows now. */
  day?: DayCounters;
  /** When the month's counter was last found unusable, epoch seconds; missing for never. */
  noMonthAtS?: number;
}

/** Inside longer gaps slots are hours: nobody needs a month of made-up five-minute rows. */
const FINE_GAP_S = 2 * 86_400;
/** Within an hour, or nearly. */
const ALL_SEEN = 0.97;
/** Anything less is noise around 0. */
const FEEDS_IN_MW = -5_000;
/** Longer than any snow lies on a panel. */
const FEEDS_IN_S = 30 * 86_400;
/** Both counters are truncated to whole Wh, so they may differ by 1. */
const DIFFER_WH = 2;
/** A plug that calls the last thirty days a month does so for good. */
const NO_MONTH_S = 30 * 86_400;

/**
 * Turns the samples of one plug into energy per slot and hour. A pure function of the samples in
 * order, so the same samples give the same rows after any crash (docs/adr/0008).
 */
export class IntervalMeter {
  readonly #time: LocalTime;
  readonly #longestS: number;
  readonly #band: CounterBand;
  readonly #state: MeterState;

  /**
   * @param longestS two samples further apart than this have a gap between them, seconds
   * @param state where an earlier meter of this plug stopped
   */
  constructor(time: LocalTime, longestS: number, state: MeterState = newMeter()) {
    this.#time = time;
    this.#longestS = longestS;
    this.#state = state;
    this.#band = new CounterBand(state.band);
  }

  get state(): Readonly<MeterState> {
    return this.#state;
  }

  /** The plug's counter was frozen under load and is not used. */
  get isCounterFrozen(): boolean {
    return this.#band.isFrozen;
  }

  /** The hour that later samples still add to. */
  get open(): MeteredHour | null {
    const { open, carryMj } = this.#state;
    return open === null ? null : { hour: open, carryMj };
  }

  /** Whether the plug's own hours would help to cover the gap up to `atS`. */
  wantsHistory(atS: number): boolean {
    const { last } = this.#state;
    return last !== null && atS - last.atS > 3_600 && !this.#feedsIn(atS);
  }

  /** Starts a new stretch at the next sample, for example when the stored time proved wrong. */
  forgetLast(): void {
    this.#state.last = null;
    this.#state.open = null;
  }

  /**
   * Takes the next sample. One that is not later than the last is ignored.
   * @param told as the plug told it
   * @param history the plug's own hours, asked for when {@link wantsHistory}
   * @returns the hours that are complete now, oldest first
   */
  add(told: Sample, history: readonly HistoryHour[] = []): MeteredHour[] {
    const { last } = this.#state;
    if (last !== null && told.atS <= last.atS) return [];
    const sample = this.#believed(told);
    const closed: MeteredHour[] = [];
    if (last === null) this.#band.begin(sample, sample.atS);
    else if (this.#isGap(sample)) this.#cover(last, sample, history, closed);
    else this.#measure(last, sample, closed);
    this.#state.last = sample;
    if (this.#state.open !== null && sample.atS >= this.#state.open.endS) this.#close(closed);
    return closed;
  }

  /** The sample, with only those of the plug's counters that can be trusted. */
  #believed(sample: Sample): Sample {
    if (sample.powerMw <= FEEDS_IN_MW) this.#state.fedInAtS = sample.atS;
    if (this.#feedsIn(sample.atS)) return this.#withoutCounters(sample);
    if (this.#isEmptied(sample)) return { ...sample, todayWh: null, monthWh: null };
    return this.#isMonth(sample) ? sample : { ...sample, monthWh: null };
  }

  /**
   * A plug that has just come back may report zeros for a while instead of higher counters. If they
   * are real, it soon counts up from them.
   */
  #isEmptied(sample: Sample): boolean {
    if (sample.todayWh !== 0 || sample.monthWh !== 0) return false;
    const { counter, lost } = this.#band.state;
    const { last } = this.#state;
    if (counter === null) return (lost ?? null) !== null;
    const isNewMonth = last === null || this.#time.monthStart(sample.atS) > last.atS;
    if (!this.#isGap(sample) || isNewMonth || (counter.monthWh ?? 0) === 0) return false;
    this.#band.lose(sample.atS);
    return true;
  }

  /**
   * It is unknown whether a plug's counters count energy fed in as used. So they are ignored for a
   * plug that feeds in, in gaps too: energy fed in is never consumption.
   */
  #withoutCounters(sample: Sample): Sample {
    const silent = { ...sample, todayWh: null, monthWh: null };
    if (this.#band.state.counter !== null) this.#band.begin(silent, sample.atS);
    return silent;
  }

  /**
   * Some firmware means the last thirty days by a month: what drops out at the far end is missing
   * at this one. Within a day a true month grows as the day does.
   */
  #isMonth({ atS, todayWh, monthWh }: Sample): boolean {
    if (todayWh !== null && monthWh !== null) {
      const startS = this.#time.dayStart(atS);
      const { day } = this.#state;
      const isSame = day?.startS === startS && todayWh >= day.nowWh;
      const begun = isSame ? day : { startS, todayWh, monthWh };
      this.#state.day = { ...begun, nowWh: todayWh };
      const missingWh = todayWh - begun.todayWh - (monthWh - begun.monthWh);
      if (missingWh >= DIFFER_WH) this.#state.noMonthAtS = atS;
    }
    const { noMonthAtS } = this.#state;
    return noMonthAtS === undefined || atS - noMonthAtS >= NO_MONTH_S;
  }

  #isGap({ atS }: Sample): boolean {
    return atS - (this.#state.last?.atS ?? atS) > this.#longestS;
  }

  #feedsIn(atS: number): boolean {
    const { fedInAtS } = this.#state;
    return fedInAtS !== undefined && atS - fedInAtS < FEEDS_IN_S;
  }

  #measure(last: Sample, sample: Sample, closed: MeteredHour[]): void {
    const resetS = this.#resetBetween(last, sample);
    if (resetS !== null) {
      this.#measureOver(resetS, last, sample, closed);
      return;
    }
    const [fromS, atS] = [last.atS, sample.atS];
    const { energyMj, restoredMj, restoreFromS } = this.#band.advance(sample, {
      ...{ fromS, atS },
      measuredMj: usedMj(last, sample),
      surelyMj: Math.max(0, Math.min(last.powerMw, sample.powerMw)) * (atS - fromS),
      isSameDay: this.#isSameDay(fromS, atS),
    });
    const leftMj = this.#restore(restoreFromS, restoredMj);
    const laidMj = Math.min(energyMj + leftMj, wireMj(atS - fromS));
    this.#lay(straightCourse(last, sample, laidMj), SLOT_S, closed);
  }

  /** @returns what could not be restored, because its hour is closed */
  #restore(fromS: number, energyMj: number): number {
    const { open } = this.#state;
    if (energyMj === 0 || open === null || open.slots.length === 0) return energyMj;
    return restoreEnergy(open, fromS, energyMj, MAX_POWER_MW);
  }

  #isSameDay(fromS: number, toS: number): boolean {
    return this.#time.dayStart(toS) <= fromS;
  }

  /** The midnight between two samples at which the plug's counter restarted; null for none. */
  #resetBetween(last: Sample, sample: Sample): number | null {
    const { state, isFrozen } = this.#band;
    const isSameDay = this.#isSameDay(last.atS, sample.atS);
    if (isFrozen || isSameDay) return null;
    if (counterMove(state.counter, sample, isSameDay).kind !== 'fell') return null;
    const isByMonth = sample.monthWh !== null;
    const resetS = isByMonth ? this.#time.monthStart(sample.atS) : this.#time.dayStart(sample.atS);
    if (resetS <= last.atS || resetS >= sample.atS) return null;
    const countedMj = (sample.monthWh ?? sample.todayWh ?? 0) * MJ_PER_WH;
    // More than can have gone through since midnight: it restarted earlier, at an unknown time.
    const mostMj = wireMj(sample.atS - resetS) + MJ_PER_WH;
    return countedMj <= mostMj ? resetS : null;
  }

  /** Up to the reset by the samples alone, after it within the new counter. */
  #measureOver(resetS: number, last: Sample, sample: Sample, closed: MeteredHour[]): void {
    const share = (resetS - last.atS) / (sample.atS - last.atS);
    const powerMw = Math.round(last.powerMw + (sample.powerMw - last.powerMw) * share);
    const middle = { atS: resetS, powerMw };
    this.#lay(straightCourse(last, middle, usedMj(last, middle)), SLOT_S, closed);
    const energyMj = this.#band.restart(sample, sample.atS, usedMj(middle, sample));
    const laidMj = Math.min(energyMj, wireMj(sample.atS - resetS));
    this.#lay(straightCourse(middle, sample, laidMj), SLOT_S, closed);
  }

  #cover(
    last: Sample,
    sample: Sample,
    history: readonly HistoryHour[],
    closed: MeteredHour[],
  ): void {
    const isLong = sample.atS - last.atS > FINE_GAP_S;
    const meteredMj = this.#meteredOfHour(last.atS);
    for (const course of coverGap(this.#band, last, sample, this.#time, history, meteredMj)) {
      this.#lay(course, isLong ? 3_600 : SLOT_S, closed);
    }
  }

  /** What was metered of the hour up to `atS`; null when part of that was not seen. */
  #meteredOfHour(atS: number): number | null {
    const { open } = this.#state;
    const startS = this.#time.hourStart(atS);
    if (open === null || open.startS !== startS) return atS === startS ? 0 : null;
    const coveredS = open.slots.reduce((sum, slot) => sum + slot.coveredS, 0);
    if (coveredS < (atS - startS) * ALL_SEEN) return null;
    return open.slots.reduce((sum, slot) => sum + slot.energyMj, 0);
  }

  /** Cuts a course at the borders of slots and hours. */
  #lay(course: Course, widthS: number, closed: MeteredHour[]): void {
    let atS = course.fromS;
    while (atS < course.toS) {
      const hour = this.#hourAt(atS, closed);
      const slotS = Math.max(hour.startS, widthS === SLOT_S ? atS - (atS % SLOT_S) : hour.startS);
      const endS = Math.min(course.toS, hour.endS, slotS + widthS);
      addToSlot(slotOf(hour, slotS, widthS), course, atS, endS);
      atS = endS;
    }
  }

  #hourAt(atS: number, closed: MeteredHour[]): Hour {
    const { open } = this.#state;
    if (open !== null && atS < open.endS) return open;
    if (open !== null) this.#close(closed);
    const hour: Hour = {
      startS: this.#time.hourStart(atS),
      endS: this.#time.hourEnd(atS),
      slots: [],
    };
    this.#state.open = hour;
    return hour;
  }

  #close(closed: MeteredHour[]): void {
    const { open, carryMj } = this.#state;
    if (open === null) return;
    closed.push({ hour: open, carryMj });
    this.#state.carryMj =
      open.slots.reduce((sum, slot) => sum + slot.energyMj, carryMj) % MJ_PER_MWH;
    this.#state.open = null;
  }
}

function newMeter(): MeterState {
  return { version: 1, last: null, open: null, carryMj: 0, band: new CounterBand().state };
}

/** A stretch of a gap and the energy the plug counted in it; null where nothing was counted. */
interface Stretch {
  readonly fromS: number;
  readonly toS: number;
  readonly energyMj: number | null;
}

/** Shorter stretches are spread evenly, longer ones by the plug's own hours where it has them. */
const EVEN_UP_TO_S = 3_600;

/** A longer gap is a clock jump, and the counter's value then belongs to other days. */
const LONGEST_GAP_S = 366 * 86_400;

/**
 * Covers a gap from what the plug counted meanwhile: split at the last local midnight by
 * `today_energy`, and after a new month by the new month's counter. What was not counted, or
 * exceeds what a circuit can carry, is left out, never invented.
 * @param history the plug's own hours, empty when it offers none
 * @param meteredMj what was metered of the hour the gap begins in; null when not all of it was seen
 * @returns courses in order, with holes where nothing is known
 */
function coverGap(
  band: CounterBand,
  from: Sample,
  to: Sample,
  time: LocalTime,
  history: readonly HistoryHour[],
  meteredMj: number | null = null,
): Course[] {
  const hours = withoutMetered(hoursIn(from.atS, to.atS, time, history), from.atS, meteredMj);
  return stretchesOf(band, from, to, time)
    .flatMap((stretch) => spread(stretch, hours))
    .filter(isCarriedBy);
}

function stretchesOf(band: CounterBand, from: Sample, to: Sample, time: LocalTime): Stretch[] {
  const { counter: before } = band.state;
  if (band.isFrozen || to.atS - from.atS > LONGEST_GAP_S) {
    band.begin(to, to.atS);
    return [unknown(from.atS, to.atS)];
  }
  const move = counterMove(before, to, time.dayStart(to.atS) <= from.atS);
  const isNewMonth = isMonthChange(move.kind, from, to, time);
  if (move.kind === 'grew' && !isNewMonth && !isNewDayOnly(before, from, to, time)) {
    return grown(band, from, to, time, move.wh);
  }
  if (move.kind === 'fell' && !isNewMonth) band.fall(to, to.atS);
  else band.begin(to, to.atS);
  return move.kind === 'unknown'
    ? [unknown(from.atS, to.atS)]
    : afterReset(before, from, to, time, isNewMonth);
}

/** The counter continued: use it, unless no circuit can carry that or it only recovered. */
function grown(
  band: CounterBand,
  from: Sample,
  to: Sample,
  time: LocalTime,
  wh: number,
): Stretch[] {
  const [fromS, toS] = [from.atS, to.atS];
  if (band.isAbsurd(wh, toS) || band.isReturn(to, toS, wh, mostSeenMj(from, to))) {
    band.begin(to, toS);
    return [unknown(fromS, toS)];
  }
  const countedMj = Math.max(0, wh * MJ_PER_WH - band.state.sinceMj);
  const totalMj = Math.min(countedMj, wireMj(toS - fromS));
  band.fit(totalMj, to, toS, wh);
  band.state.flat = null;
  return splitAtMidnight(fromS, to, totalMj, time);
}

/**
 * A new month lies in the gap and the counter restarted with it. A plug with a slow clock may not
 * have restarted; it then shows more than can have gone through since, or on the first day of the
 * month differs from the day's counter.
 */
function isMonthChange(kind: string, from: Sample, to: Sample, time: LocalTime): boolean {
  const monthS = time.monthStart(to.atS);
  if (to.monthWh === null || monthS <= from.atS || !isCarried(to.monthWh, monthS, to.atS)) {
    return false;
  }
  if (kind === 'fell' || to.todayWh === null) return true;
  return time.dayStart(to.atS) > monthS || Math.abs(to.monthWh - to.todayWh) <= 1;
}

/** Only the day's counter is known and a midnight lies in the gap, so growth says nothing. */
function isNewDayOnly(before: Counter | null, from: Sample, to: Sample, time: LocalTime): boolean {
  const isByDay = to.monthWh === null || before?.monthWh === null;
  return isByDay && time.dayStart(to.atS) > from.atS;
}

function splitAtMidnight(fromS: number, to: Sample, totalMj: number, time: LocalTime): Stretch[] {
  const whole = [{ fromS, toS: to.atS, energyMj: totalMj }];
  const midnightS = time.dayStart(to.atS);
  const todayMj = to.todayWh === null ? null : to.todayWh * MJ_PER_WH;
  const isSplit = midnightS > fromS && midnightS < to.atS;
  // A plug in another zone resets at another hour; its day then says nothing about ours.
  if (!isSplit || todayMj === null || todayMj > totalMj + MJ_PER_WH) return whole;
  const afterMj = Math.min(todayMj, totalMj);
  const parts = [
    { fromS, toS: midnightS, energyMj: totalMj - afterMj },
    { fromS: midnightS, toS: to.atS, energyMj: afterMj },
  ];
  return parts.every((part) => part.energyMj <= wireMj(part.toS - part.fromS)) ? parts : whole;
}

/**
 * The counter fell in the gap. It restarted with the month or, where only the day's counter is
 * valid, with the day; otherwise it was wiped at an unknown moment, as long as the power seen can
 * account for what it shows. Any other fall says nothing.
 */
function afterReset(
  before: Counter | null,
  from: Sample,
  to: Sample,
  time: LocalTime,
  isNewMonth: boolean,
): Stretch[] {
  const midnightS = time.dayStart(to.atS);
  const isByMonth = before?.monthWh !== null && to.monthWh !== null;
  const countedWh = isByMonth ? to.monthWh : to.todayWh;
  if (isNewMonth) return since(time.monthStart(to.atS), from, to, to.monthWh, time);
  if (isByMonth && isExplained(to.monthWh, from, to)) return sinceWipe(from, to, countedWh, time);
  if (midnightS > from.atS) return since(midnightS, from, to, to.todayWh, time);
  return isExplained(countedWh, from, to)
    ? sinceWipe(from, to, countedWh, time)
    : [unknown(from.atS, to.atS)];
}

/** The energy counted since a moment in the gap; before it nothing was counted. */
function since(
  resetS: number,
  from: Sample,
  to: Sample,
  wh: number | null,
  time: LocalTime,
): Stretch[] {
  if (wh === null || !isCarried(wh, resetS, to.atS)) return [unknown(from.atS, to.atS)];
  const energyMj = Math.min(wh * MJ_PER_WH, wireMj(to.atS - resetS));
  const known = splitAtMidnight(resetS, to, energyMj, time);
  return [unknown(from.atS, resetS), ...known].filter(isLong);
}

function sinceWipe(from: Sample, to: Sample, wh: number | null, time: LocalTime): Stretch[] {
  return since(wipedAt(from, to, (wh ?? 0) * MJ_PER_WH), from, to, wh, time);
}

function isCarriedBy(course: Course): boolean {
  return course.energyUpToMj(course.toS) <= wireMj(course.toS - course.fromS);
}

/** Whether a circuit can have carried that much, given that the counter shows whole Wh. */
function isCarried(wh: number, fromS: number, toS: number): boolean {
  return wh * MJ_PER_WH <= wireMj(toS - fromS) + MJ_PER_WH;
}

/** Whether a counter can have restarted in the gap, by the power seen at both its ends. */
function isExplained(wh: number | null, from: Sample, to: Sample): boolean {
  return wh !== null && wh * MJ_PER_WH <= mostSeenMj(from, to) + 2 * MJ_PER_WH;
}

function mostSeenMj(from: Sample, to: Sample): number {
  return Math.max(0, from.powerMw, to.powerMw) * (to.atS - from.atS);
}

/**
 * The counter was wiped at an unknown time. What it has counted since is real; at the power seen
 * before and after the gap that took so long, and what lies before stays uncovered.
 */
function wipedAt(from: Sample, to: Sample, countedMj: number): number {
  const meanMw = Math.max(0, (from.powerMw + to.powerMw) / 2);
  if (countedMj === 0 || meanMw === 0) return countedMj === 0 ? to.atS : from.atS;
  return Math.max(from.atS, to.atS - Math.max(1, Math.round(countedMj / meanMw)));
}

function unknown(fromS: number, toS: number): Stretch {
  return { fromS, toS, energyMj: null };
}

function isLong(stretch: Stretch): boolean {
  return stretch.toS > stretch.fromS;
}

/**
 * The plug's own hours around the gap; `energyMj` null where it has none. The last one was not over
 * when it was asked, so what it tells is of its part up to then.
 */
function hoursIn(
  fromS: number,
  toS: number,
  time: LocalTime,
  history: readonly HistoryHour[],
): Stretch[] {
  if (history.length === 0) return [];
  const known = new Map(history.map((hour) => [hour.startS, hour.energyWh]));
  const hours: Stretch[] = [];
  for (let startS = time.hourStart(fromS); startS < toS; startS = time.hourEnd(startS)) {
    const energyWh = known.get(startS);
    const endS = Math.min(time.hourEnd(startS), toS);
    const energyMj = energyWh === undefined ? null : energyWh * MJ_PER_WH;
    hours.push({ fromS: startS, toS: endS, energyMj });
  }
  return hours;
}

/** The gap's part of its first hour: what the plug counted in it, less what was measured of it. */
function withoutMetered(hours: Stretch[], fromS: number, meteredMj: number | null): Stretch[] {
  const [first, ...rest] = hours;
  if (first === undefined || first.energyMj === null || meteredMj === null) return hours;
  const energyMj = Math.max(0, first.energyMj - meteredMj);
  return [{ fromS: Math.max(first.fromS, fromS), toS: first.toS, energyMj }, ...rest];
}

function spread(stretch: Stretch, hours: readonly Stretch[]): Course[] {
  const { fromS, toS, energyMj } = stretch;
  const cuts = hours.flatMap((hour) => cutTo(hour, fromS, toS));
  if (energyMj === null) {
    return cuts.flatMap((cut) =>
      cut.energyMj === null ? [] : [evenCourse(cut.fromS, cut.toS, Math.round(cut.energyMj))],
    );
  }
  const weightMj = cuts.reduce((sum, cut) => sum + (cut.energyMj ?? 0), 0);
  const isComplete = cuts.length > 0 && cuts.every((cut) => cut.energyMj !== null);
  if (toS - fromS <= EVEN_UP_TO_S || !isComplete || weightMj === 0) {
    return [evenCourse(fromS, toS, energyMj)];
  }
  const courses = weighted(cuts, energyMj, weightMj);
  const isCarriedAll = courses.every(isCarriedBy);
  return isCarriedAll ? courses : [evenCourse(fromS, toS, energyMj)];
}

function weighted(cuts: readonly Stretch[], energyMj: number, weightMj: number): Course[] {
  let passedMj = 0;
  let givenMj = 0;
  return cuts.map((cut) => {
    passedMj += cut.energyMj ?? 0;
    const upToMj = Math.round(energyMj * (passedMj / weightMj));
    const course = evenCourse(cut.fromS, cut.toS, upToMj - givenMj);
    givenMj = upToMj;
    return course;
  });
}

function cutTo(hour: Stretch, fromS: number, toS: number): Stretch[] {
  const startS = Math.max(hour.fromS, fromS);
  const endS = Math.min(hour.toS, toS);
  if (endS <= startS) return [];
  const share = (endS - startS) / (hour.toS - hour.fromS);
  return [
    { fromS: startS, toS: endS, energyMj: hour.energyMj === null ? null : hour.energyMj * share },
  ];
}
