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

/** What the integrated power says while the counter stands still. */
interface Flat {
  fromS: number;
  intervals: number;
  /** Energy that was surely there: the lower end of each interval. */
  lowMj: number;
  /** The two largest of these, as two samples may have hit the same short burst. */
  topMj: [number, number];
  heldBackMj: number;
}

export interface BandState {
  counter: Counter | null;
  counterAtS: number;
  /** Energy laid since that counter reading. */
  sinceMj: number;
  /** Where in [0, 1 Wh) above the counter the true energy may stand, in mJ. */
  lowMj: number;
  highMj: number;
  trust: 'trusted' | 'frozen';
  flat: Flat | null;
  /** While distrusted: integrated energy and counted Wh since the trial began. */
  trial: { measuredMj: number; countedWh: number };
}

export interface Advance {
  /** What the interval gets. */
  readonly energyMj: number;
  /** What the intervals since `restoreFromS` were wrongly denied. */
  readonly restoredMj: number;
  readonly restoreFromS: number;
}

const WIDEST_MJ = MJ_PER_WH - 1;
/** A counter that ignores this much energy for this many intervals stands still (docs/adr/0008). */
const FROZEN_MJ = 5 * MJ_PER_WH;
const FROZEN_INTERVALS = 10;
/** A frozen counter is trusted again when it matches this much energy within 5 % and 2 Wh. */
const TRIAL_MJ = 50 * MJ_PER_WH;
const TRIAL_SHARE = 0.05;
const TRIAL_SLACK_MJ = 2 * MJ_PER_WH;

/**
 * Keeps integrated energy within the plug's own counter. The plug counts every watt between two
 * samples but shows whole Wh; the samples show fractions but miss what happens between them. The
 * true energy stands somewhere in the Wh the counter shows. We do not know where at first, so the
 * band carries a window of what is still possible: integration moves it, each counter reading cuts
 * it, and only when nothing is left is the interval's energy corrected, so that it fits again.
 * So the sum never leaves the counter by 1 Wh, and short bursts are neither missed nor blown up.
 */
export class CounterBand {
  readonly state: BandState;

  constructor(state: BandState = newBand()) {
    this.state = state;
  }

  get isFrozen(): boolean {
    return this.state.trust === 'frozen';
  }

  /** Takes a counter reading as the new start; what is above it is unknown again. */
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
   * The counter began anew at a moment that is known, and shows what went through since then: the
   * one time when it tells the fraction of a Wh as well.
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

  /** Whether so much in that time is more than a plug can carry. */
  isAbsurd(wh: number, atS: number): boolean {
    const seconds = atS - this.state.counterAtS;
    return wh * MJ_PER_WH > MAX_POWER_MW * seconds * 1.1 + 2 * MJ_PER_WH;
  }

  /**
   * One interval between two samples.
   * @param measuredMj the area under the samples
   * @param surelyMj the area under the lower of the two
   */
  advance(
    counter: Counter,
    atS: number,
    fromS: number,
    measuredMj: number,
    surelyMj: number,
  ): Advance {
    const { state } = this;
    const move = counterMove(state.counter, counter);
    if (move.kind === 'unknown') {
      if (state.counter === null) this.begin(counter, atS);
      else this.#shift(measuredMj);
      return plain(measuredMj);
    }
    if (move.kind === 'fell' || this.isAbsurd(move.wh, atS)) {
      this.begin(counter, atS);
      return plain(measuredMj);
    }
    if (state.trust === 'frozen') {
      this.#try(counter, atS, measuredMj, move.wh);
      return plain(measuredMj);
    }
    const energyMj = this.fit(measuredMj, counter, atS, move.wh);
    if (move.wh > 0) {
      state.flat = null;
      return plain(energyMj);
    }
    return this.#standing(fromS, energyMj, measuredMj - energyMj, surelyMj);
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

  /** Energy laid although no counter was read. */
  #shift(energyMj: number): void {
    this.state.sinceMj += energyMj;
    this.state.lowMj += energyMj;
    this.state.highMj += energyMj;
  }

  #standing(fromS: number, energyMj: number, heldBackMj: number, surelyMj: number): Advance {
    const { state } = this;
    const flat = (state.flat ??= { fromS, intervals: 0, lowMj: 0, topMj: [0, 0], heldBackMj: 0 });
    flat.intervals += 1;
    flat.lowMj += surelyMj;
    flat.heldBackMj += heldBackMj;
    const [first, second] = [...flat.topMj, surelyMj].sort((a, b) => b - a);
    flat.topMj = [first ?? 0, second ?? 0];
    const ignoredMj = flat.lowMj - flat.topMj[0] - flat.topMj[1];
    if (flat.intervals < FROZEN_INTERVALS || ignoredMj <= FROZEN_MJ) return plain(energyMj);
    state.trust = 'frozen';
    state.trial = { measuredMj: 0, countedWh: 0 };
    state.flat = null;
    return { energyMj, restoredMj: flat.heldBackMj, restoreFromS: flat.fromS };
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

/** How the counter moved, by the month's where both samples have it. */
export function counterMove(before: Counter | null, after: Counter): CounterMove {
  if (before === null) return { kind: 'unknown' };
  if (before.monthWh !== null && after.monthWh !== null) return move(before.monthWh, after.monthWh);
  if (before.todayWh !== null && after.todayWh !== null) return move(before.todayWh, after.todayWh);
  return { kind: 'unknown' };
}

function move(before: number, after: number): CounterMove {
  return after >= before ? { kind: 'grew', wh: after - before } : { kind: 'fell' };
}

export function hasCounter(counter: Counter): boolean {
  return counter.monthWh !== null || counter.todayWh !== null;
}

/**
 * How far into the band a correction leads. A small one is rounding at its edge; after a large one
 * the truth may stand anywhere in the Wh, and its middle is wrong by the least.
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
    trust: 'trusted',
    flat: null,
    trial: { measuredMj: 0, countedWh: 0 },
  };
}
