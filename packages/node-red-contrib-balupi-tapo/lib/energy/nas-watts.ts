import type { Bucket } from './buckets.ts';
import type { NasHour } from './nas-hour-rows.ts';

export type NasPowerState = 'off' | 'standby' | 'idle' | 'active';

/** Below this a plug only measures its own error. */
const OFF_BELOW_MW = 2_000;
/** A threshold must be crossed by this share of it. */
const MARGIN = 0.1;
/** A new state must hold this long: two samples at the usual 30 s, and no single spike. */
const HOLD_MS = 20_000;
/** Idle watts are measured when idle was seen this long. */
const BASIS_S = 3_600;

const ORDER: readonly NasPowerState[] = ['off', 'standby', 'idle', 'active'];

/** The thresholds between the states, in mW: below the first it is off, from the last on active. */
export interface NasBorders {
  readonly borders: readonly [number, number, number];
}

/**
 * @param thresholdW NAS_POWER_THRESHOLD_WATTS, from which a NAS counts as running. Half of it
 * separates standby from idle and twice of it idle from active; at 30 W these are the 15 W and 60 W
 * that the Python BaluPi used.
 */
export function nasBorders(thresholdW: number): NasBorders {
  const standbyMw = Math.max(OFF_BELOW_MW + 1, thresholdW * 500);
  return { borders: [OFF_BELOW_MW, standbyMw, Math.max(standbyMw + 1, thresholdW * 2_000)] };
}

export function nasStateAt(powerMw: number, { borders }: NasBorders): NasPowerState {
  return ORDER[borders.filter((border) => powerMw >= border).length] ?? 'active';
}

/** The state of the NAS by the watts of its plug, with hysteresis in power and time. */
export class NasWatts {
  readonly #borders: NasBorders;
  #state: NasPowerState | null = null;
  #unpoweredSinceMs: number | null = null;
  #next: { readonly state: NasPowerState; readonly sinceMs: number } | null = null;

  constructor(borders: NasBorders) {
    this.#borders = borders;
  }

  /**
   * How long every reading has been below what a switched-off NAS takes, ms; null when the last was
   * not.
   */
  unpoweredMs(monotonicMs: number): number | null {
    return this.#unpoweredSinceMs === null ? null : monotonicMs - this.#unpoweredSinceMs;
  }

  /** Null before the first reading. */
  get state(): NasPowerState | null {
    return this.#state;
  }

  note(powerMw: number, monotonicMs: number): void {
    if (powerMw >= OFF_BELOW_MW) this.#unpoweredSinceMs = null;
    else this.#unpoweredSinceMs ??= monotonicMs;
    const seen =
      this.#state === null ? nasStateAt(powerMw, this.#borders) : this.#stateNear(powerMw);
    if (this.#state === null) this.#state = seen;
    if (seen === this.#state) {
      this.#next = null;
    } else if (this.#isWaking(powerMw)) {
      this.#state = seen;
      this.#next = null;
    } else if (this.#next?.state !== seen) {
      this.#next = { state: seen, sinceMs: monotonicMs };
    } else if (monotonicMs - this.#next.sinceMs >= HOLD_MS) {
      this.#state = seen;
      this.#next = null;
    }
  }

  /** Another plug is the NAS's now, or its values are too old to mean anything. */
  forget(): void {
    this.#state = null;
    this.#next = null;
    this.#unpoweredSinceMs = null;
  }

  /** Only a running machine draws that much, so waiting for a second reading would be wrong. */
  #isWaking(powerMw: number): boolean {
    const [, idleMw] = this.#borders.borders;
    const wasAsleep = this.#state === 'off' || this.#state === 'standby';
    return wasAsleep && powerMw >= idleMw * (1 + MARGIN);
  }

  /** The state the power speaks for, where a border only counts once it is crossed clearly. */
  #stateNear(powerMw: number): NasPowerState {
    const level = this.#state === null ? 0 : ORDER.indexOf(this.#state);
    const { borders } = this.#borders;
    const up = borders.filter((border) => powerMw >= border * (1 + MARGIN)).length;
    const down = borders.filter((border) => powerMw >= border * (1 - MARGIN)).length;
    if (up > level) return ORDER[up] ?? 'active';
    return down < level ? (ORDER[down] ?? 'off') : (ORDER[level] ?? 'off');
  }
}

/** How an hour of the NAS's plug divides into sleep and idling. */
export function nasHourOf(
  startS: number,
  buckets: readonly Bucket[],
  priceUcPerKwh: number,
  borders: NasBorders,
): NasHour {
  let [asleepS, asleepMwh, idleS, idleMwh] = [0, 0, 0, 0];
  for (const { avgMw, coveredS, energyMwh } of buckets) {
    const state = nasStateAt(avgMw, borders);
    if (state === 'off' || state === 'standby') {
      asleepS += coveredS;
      asleepMwh += energyMwh;
    } else if (state === 'idle') {
      idleS += coveredS;
      idleMwh += energyMwh;
    }
  }
  return { startS, asleepS, asleepMwh, idleS, idleMwh, priceUcPerKwh };
}

/** What sleeping saved, compared with a NAS that would have idled instead. */
export interface NasSavings {
  readonly savedMwh: number;
  readonly savedUc: number;
}

/**
 * An estimate: the watts measured while idling, times the hours asleep, less what sleep itself used.
 * @param basis hours in which idling was measured
 * @returns null until idling was measured for an hour
 */
export function nasSavings(
  hours: readonly NasHour[],
  basis: readonly NasHour[],
): NasSavings | null {
  const idleS = basis.reduce((sum, hour) => sum + hour.idleS, 0);
  if (idleS < BASIS_S || hours.length === 0) return null;
  const idleMw = (basis.reduce((sum, hour) => sum + hour.idleMwh, 0) * 3_600) / idleS;
  let savedMwh = 0;
  let savedUc = 0;
  for (const { asleepS, asleepMwh, priceUcPerKwh } of hours) {
    const saved = (asleepS * idleMw) / 3_600 - asleepMwh;
    savedMwh += saved;
    savedUc += (saved * priceUcPerKwh) / 1_000_000;
  }
  return { savedMwh: Math.round(savedMwh), savedUc: Math.round(savedUc) };
}
