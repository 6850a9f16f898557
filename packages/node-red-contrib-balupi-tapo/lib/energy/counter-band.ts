import { MJ_PER_WH } from './slots.ts';
import { MAX_POWER_MW } from './sample.ts';

/** The plug's two counters as one sample showed them. */
export interface Counter {
  readonly todayWh: number | null;
  readonly monthWh: number | null;
}

export type CounterMove =
  | { readonly kind: 'grew'; readonly wh: number }
  | { readonly kind: 'fell' }
  | { readonly kind: 'unknown' };

/** The integrated power while the counter does not move. */
interface Flat {
  fromS: number;
  intervals: number;
  /** Energy that certainly flowed: the lower end of each interval. */
  lowMj: number;
  /** The two largest of these, as two samples may have hit the same short burst. */
  topMj: [number, number];
  heldBackMj: number;
}

export interface BandState {
  counter: Counter | null;
  counterAtS: number;
  /** Energy added since that counter reading. */
  sinceMj: number;
  /** The range in [0, 1 Wh) above the counter that may hold the true energy, in mJ. */
  lowMj: number;
  highMj: number;
  trust: 'trusted' | 'frozen';
  flat: Flat | null;
  /** While distrusted: integrated energy and counted Wh since the trial began. */
  trial: { measuredMj: number; countedWh: number };
  /** The value before a fall, kept for a day: some plugs report zeros and then recover. */
  lost?: { readonly counter: Counter; readonly atS: number } | null;
}

/** Two samples that are joined. */
export interface Interval {
  readonly fromS: number;
  readonly atS: number;
  /** The area under the samples. */
  readonly measuredMj: number;
  /** The area under the lower of the two. */
  readonly surelyMj: number;
  /** No local midnight lies between them. */
  readonly isSameDay: boolean;
}

export interface Advance {
  /** What the interval gets. */
  readonly energyMj: number;
  /** Energy the intervals since `restoreFromS` were wrongly denied. */
  readonly restoredMj: number;
  readonly restoreFromS: number;
}

const WIDEST_MJ = MJ_PER_WH - 1;
/** A counter that ignores this much energy for this many intervals is frozen (docs/adr/0008). */
const FROZEN_MJ = 5 * MJ_PER_WH;
const FROZEN_INTERVALS = 10;
/** A frozen counter is trusted again when it matches this much energy within 5 % and 2 Wh. */
const TRIAL_MJ = 50 * MJ_PER_WH;
const TRIAL_SHARE = 0.05;
const TRIAL_SLACK_MJ = 2 * MJ_PER_WH;
/** Old values come back soon after they were lost, or were really lost. */
const LOST_S = 86_400;
/** A jump over half of the old value, and of twice what was measured, and some. */
const LOST_SHARE = 2;
const LOST_SLACK_MJ = 5 * MJ_PER_WH;

/** The most a plug can carry in that many seconds: no counter exceeds it. */
export function wireMj(seconds: number): number {
  return MAX_POWER_MW * seconds;
}

/**
 * Keeps integrated energy consistent with the plug's own counter. The plug counts every watt
 * between two samples but shows whole Wh; samples show fractions but miss what happens in between.
 * The true energy is somewhere within the Wh shown. The band is the window of what is still
 * possible: integration shifts it, each counter reading narrows it, and only when it is empty is
 * the interval's energy corrected to fit. So the sum never deviates from the counter by 1 Wh, and
 * short bursts are neither missed nor exaggerated.
 */
export class CounterBand {
  readonly state: BandState;

  constructor(state: BandState = newBand()) {
    this.state = state;
  }

  get isFrozen(): boolean {
    return this.state.trust === 'frozen';
  }

  /** Starts over from a counter reading; energy above it is unknown again. */
  begin(counter: Counter, atS: number): void {
    const { state } = this;
    state.counter = hasCounter(counter) ? counter : null;
    state.counterAtS = atS;
    state.sinceMj = 0;
    state.lowMj = 0;
    state.highMj = WIDEST_MJ;
    state.flat = null;
  }

  /**
   * The counter restarted at a known moment and shows what flowed since then: the only time it also
   * reveals the fraction of a Wh.
   * @param measuredMj the area under the samples since that moment
   * @returns the energy since then
   */
  restart(counter: Counter, atS: number, measuredMj: number): number {
    const countedMj = (counter.monthWh ?? counter.todayWh ?? 0) * MJ_PER_WH;
    const energyMj = Math.min(Math.max(measuredMj, countedMj), countedMj + WIDEST_MJ);
    this.begin(counter, atS);
    this.state.lowMj = energyMj - countedMj;
    this.state.highMj = energyMj - countedMj;
    return energyMj;
  }

  /**
   * Whether that is more than a plug can carry since the counter last moved. It shows whole Wh, and
   * some plugs update it only every few minutes.
   */
  isAbsurd(wh: number, atS: number): boolean {
    const { flat, counterAtS } = this.state;
    const sinceS = Math.min(counterAtS, flat?.fromS ?? counterAtS);
    return wh * MJ_PER_WH > wireMj(atS - sinceS) + MJ_PER_WH;
  }

  /**
   * Whether a fallen counter has recovered its old values: a jump back to them, larger than the
   * samples suggest, is no energy. Its first step beyond them ends the check.
   */
  isReturn(counter: Counter, atS: number, wh: number, measuredMj: number): boolean {
    const { lost } = this.state;
    if (lost === undefined || lost === null) return false;
    if (counterMove(lost.counter, counter, false).kind !== 'grew') return false;
    this.state.lost = null;
    const isLarge = wh * LOST_SHARE >= (lost.counter.monthWh ?? lost.counter.todayWh ?? 0);
    const isJump = wh * MJ_PER_WH > measuredMj * LOST_SHARE + LOST_SLACK_MJ;
    return isLarge && isJump && atS - lost.atS <= LOST_S;
  }

  /** Zeros after a gap: the old value may come back, or may be lost for good. */
  lose(atS: number): void {
    const { counter } = this.state;
    if (counter !== null) this.state.lost = { counter, atS };
  }

  /** The counter fell at an unknown time: start from what it shows. */
  fall(counter: Counter, atS: number): void {
    this.lose(atS);
    this.begin(counter, atS);
  }

  /** One interval between two samples. */
  advance(counter: Counter, { atS, fromS, measuredMj, surelyMj, isSameDay }: Interval): Advance {
    const { state } = this;
    const move = counterMove(state.counter, counter, isSameDay);
    if (move.kind === 'unknown') {
      if (state.counter === null) this.begin(counter, atS);
      else this.#shift(measuredMj);
      return plain(measuredMj);
    }
    if (move.kind === 'fell') {
      this.fall(counter, atS);
      return plain(measuredMj);
    }
    if (this.isAbsurd(move.wh, atS) || this.isReturn(counter, atS, move.wh, measuredMj)) {
      this.begin(counter, atS);
      return plain(measuredMj);
    }
    if (state.trust === 'frozen') {
      this.#try(counter, atS, measuredMj, move.wh);
      return plain(measuredMj);
    }
    const energyMj = this.fit(measuredMj, counter, atS, move.wh);
    if (move.wh === 0) {
      return this.#flatInterval(fromS, energyMj, measuredMj, surelyMj);
    }
    const { flat } = state;
    state.flat = null;
    // A counter that updates every few minutes shows at once what earlier intervals were denied.
    const overMj = Math.max(0, energyMj - wireMj(atS - fromS));
    return flat === null || overMj === 0
      ? plain(energyMj)
      : { energyMj: energyMj - overMj, restoredMj: overMj, restoreFromS: flat.fromS };
  }

  /**
   * Moves the window by an interval's energy and cuts it by the counter.
   * @returns the energy, corrected where the window ran empty
   */
  fit(measuredMj: number, counter: Counter, atS: number, wh: number): number {
    const { state } = this;
    const low = state.lowMj + measuredMj - wh * MJ_PER_WH;
    const high = state.highMj + measuredMj - wh * MJ_PER_WH;
    state.counter = counter;
    state.counterAtS = atS;
    state.sinceMj = 0;
    if (high < 0) {
      const inside = insideBy(-high);
      state.lowMj = inside;
      state.highMj = inside;
      return measuredMj - high + inside;
    }
    if (low > WIDEST_MJ) {
      const excess = low - WIDEST_MJ;
      const cut = Math.min(excess + insideBy(excess), measuredMj);
      state.lowMj = low - cut;
      state.highMj = low - cut;
      return measuredMj - cut;
    }
    state.lowMj = Math.max(0, low);
    state.highMj = Math.min(WIDEST_MJ, high);
    return measuredMj;
  }

  /** Adds energy without a counter reading. */
  #shift(energyMj: number): void {
    this.state.sinceMj += energyMj;
    this.state.lowMj += energyMj;
    this.state.highMj += energyMj;
  }

  #flatInterval(fromS: number, energyMj: number, measuredMj: number, surelyMj: number): Advance {
    const { state } = this;
    const flat = (state.flat ??= { fromS, intervals: 0, lowMj: 0, topMj: [0, 0], heldBackMj: 0 });
    flat.intervals += 1;
    flat.lowMj += surelyMj;
    const heldBackMj = flat.heldBackMj;
    flat.heldBackMj += measuredMj - energyMj;
    const [first, second] = [...flat.topMj, surelyMj].sort((a, b) => b - a);
    flat.topMj = [first ?? 0, second ?? 0];
    const ignoredMj = flat.lowMj - flat.topMj[0] - flat.topMj[1];
    if (flat.intervals < FROZEN_INTERVALS || ignoredMj <= FROZEN_MJ) return plain(energyMj);
    state.trust = 'frozen';
    state.trial = { measuredMj: 0, countedWh: 0 };
    state.flat = null;
    return { energyMj: measuredMj, restoredMj: heldBackMj, restoreFromS: flat.fromS };
  }

  #try(counter: Counter, atS: number, measuredMj: number, wh: number): void {
    const { state } = this;
    const { trial } = state;
    trial.measuredMj += measuredMj;
    trial.countedWh += wh;
    this.begin(counter, atS);
    if (trial.measuredMj < TRIAL_MJ) return;
    const difference = Math.abs(trial.countedWh * MJ_PER_WH - trial.measuredMj);
    if (difference <= trial.measuredMj * TRIAL_SHARE + TRIAL_SLACK_MJ) state.trust = 'trusted';
    state.trial = { measuredMj: 0, countedWh: 0 };
  }
}

/**
 * How the counter moved, by the month's where both samples have it. A month that fell, or grew by
 * less than the day within one day, is not one: some firmware means the last thirty days. The day's
 * counter is used instead, as long as it can be a part of the month.
 * @param isSameDay no local midnight lies between the two
 */
export function counterMove(
  before: Counter | null,
  after: Counter,
  isSameDay: boolean,
): CounterMove {
  if (before === null) return { kind: 'unknown' };
  const monthWh = grownBy(before.monthWh, after.monthWh);
  const todayWh = grownBy(before.todayWh, after.todayWh);
  if (monthWh === null) return todayWh === null ? { kind: 'unknown' } : moved(todayWh);
  const isPart = (after.todayWh ?? 0) <= (after.monthWh ?? 0) + 1;
  const isByDay = isSameDay && isPart && todayWh !== null && todayWh >= 0;
  return moved(isByDay && todayWh > monthWh + 1 ? todayWh : monthWh);
}

function grownBy(before: number | null, after: number | null): number | null {
  return before === null || after === null ? null : after - before;
}

function moved(wh: number): CounterMove {
  return wh >= 0 ? { kind: 'grew', wh } : { kind: 'fell' };
}

export function hasCounter(counter: Counter): boolean {
  return counter.monthWh !== null || counter.todayWh !== null;
}

/**
 * Where in the band a correction lands. A small one is rounding at its edge; after a large one the
 * truth may be anywhere in the Wh, and its middle minimises the error.
 */
function insideBy(missedMj: number): number {
  return Math.min(MJ_PER_WH / 2, Math.round(missedMj / 2));
}

function plain(energyMj: number): Advance {
  return { energyMj, restoredMj: 0, restoreFromS: 0 };
}

function newBand(): BandState {
  return {
    counter: null,
    counterAtS: 0,
    sinceMj: 0,
    lowMj: 0,
    highMj: WIDEST_MJ,
    lost: null,
    trust: 'trusted',
    flat: null,
    trial: { measuredMj: 0, countedWh: 0 },
  };
}
