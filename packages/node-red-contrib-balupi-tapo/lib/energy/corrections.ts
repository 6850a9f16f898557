import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketRows } from './bucket-rows.ts';
import { HOUSEHOLD } from './buckets.ts';
import type { Correction, CorrectionRows, KnownHour } from './correction-rows.ts';
import { knownMwh, type Overlay } from './hour-slots.ts';
import type { RollUp } from './roll-up.ts';
import { MAX_POWER_MW } from './sample.ts';

/** A correction an admin asks for; `energyMwh` null clears the stretch. */
export interface CorrectionInput {
  readonly deviceNumber: number;
  readonly fromS: number;
  readonly toS: number;
  readonly energyMwh: number | null;
  readonly why: string;
}

/** A correction with its plug; null for a plug that is in no list any more. */
export interface NamedCorrection extends Correction {
  readonly deviceId: string | null;
  readonly deviceName: string | null;
}

export type CorrectionFault =
  /** Not a whole quarter hour, or not later than the begin. */
  | 'from'
  | 'to'
  /** Longer than one correction may be. */
  | 'too_long'
  /** It is not over yet. */
  | 'future'
  /** More than a circuit can carry in that time. */
  | 'too_much';

export type CorrectionOutcome =
  | { readonly kind: 'corrected'; readonly id: number }
  | { readonly kind: 'invalid'; readonly fault: CorrectionFault }
  /** The hours of that time are no longer kept. */
  | { readonly kind: 'too_old' };

export type UndoOutcome = { readonly kind: 'undone' | 'unknown_correction' | 'too_old' };

/** Runs a change of the past without affecting the published counters. */
export type Aside = <T>(work: () => T) => T;

interface Deps {
  readonly store: Store;
  readonly aside: Aside;
  readonly rows: CorrectionRows;
  readonly buckets: BucketRows;
  readonly rollUp: RollUp;
  readonly time: LocalTime;
  readonly overlay: Overlay;
}

const QUARTER_S = 900;
const HOUR_S = 3_600;
/** The longest correction: it is written at once, which takes a Pi a moment. */
const LONGEST_S = 32 * 86_400;

/** Corrects a plug's past, and undoes corrections. */
export class Corrections {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** In the order they were made, including undone ones. */
  all(): Correction[] {
    return this.#deps.rows.all();
  }

  /** Those of one plug that are in effect. */
  active(deviceNumber: number): Correction[] {
    return this.#deps.rows.active().filter((one) => one.deviceNumber === deviceNumber);
  }

  correct(input: CorrectionInput, by: string, nowS: number): CorrectionOutcome {
    const fault = faultOf(input, nowS);
    if (fault !== null) return { kind: 'invalid', fault };
    const { deviceNumber, fromS, toS } = input;
    const hours = this.#hours(fromS, toS);
    const isKept = !this.#isTooOld(deviceNumber, fromS) && this.#isOfThisZone(input, hours);
    if (!isKept) return { kind: 'too_old' };
    return this.#whole(() => {
      for (const startS of hours) this.#keepOriginal(deviceNumber, startS);
      const originalMwh = this.#knownMwh(input, hours);
      const { rows } = this.#deps;
      const id = rows.insert({ ...input, originalMwh, madeBy: by, madeAtS: nowS });
      this.#rewrite(deviceNumber, hours);
      return { kind: 'corrected', id };
    });
  }

  undo(id: number, by: string, nowS: number): UndoOutcome {
    const { rows } = this.#deps;
    const known = rows.active().find((one) => one.id === id);
    if (known === undefined) return { kind: 'unknown_correction' };
    const { deviceNumber, fromS, toS } = known;
    if (this.#isTooOld(deviceNumber, fromS)) return { kind: 'too_old' };
    return this.#whole(() => {
      rows.undo(id, by, nowS);
      this.#rewrite(deviceNumber, this.#hours(fromS, toS));
      return { kind: 'undone' };
    });
  }

  /** In one transaction; a failed one is not remembered either. */
  #whole<T>(work: () => T): T {
    try {
      return this.#deps.store.transaction(() => this.#deps.aside(work));
    } catch (error) {
      this.#deps.rows.forget();
      throw error;
    }
  }

  #hours(fromS: number, toS: number): number[] {
    const { time } = this.#deps;
    const hours: number[] = [];
    for (let atS = time.hourStart(fromS); atS < toS; atS = time.hourEnd(atS)) hours.push(atS);
    return hours;
  }

  #stored(deviceNumber: number, startS: number): KnownHour {
    const { buckets, time } = this.#deps;
    const [hour] = buckets.hours(deviceNumber, startS, startS + 1);
    const fine = buckets.fine(deviceNumber, startS, time.hourEnd(startS));
    return { hour: hour ?? null, fine };
  }

  #keepOriginal(deviceNumber: number, startS: number): void {
    const { rows } = this.#deps;
    if (rows.original(deviceNumber, startS) !== null) return;
    rows.putOriginal(deviceNumber, startS, this.#stored(deviceNumber, startS));
  }

  #knownMwh(
    { deviceNumber, fromS, toS }: CorrectionInput,
    hours: readonly number[],
  ): number | null {
    const { time } = this.#deps;
    const known = hours
      .map((startS) =>
        knownMwh(this.#stored(deviceNumber, startS), time.hourEnd(startS), fromS, toS),
      )
      .filter((mwh) => mwh !== null);
    return known.length === 0 ? null : known.reduce((sum, mwh) => sum + mwh, 0);
  }

  #rewrite(deviceNumber: number, hours: readonly number[]): void {
    const { rows, rollUp, overlay } = this.#deps;
    const written = hours.map((startS) => {
      const original = rows.original(deviceNumber, startS) ?? this.#stored(deviceNumber, startS);
      const corrected = overlay.corrected(deviceNumber, startS, original);
      // No correction is left: the original is stored again.
      if (corrected === original) rows.dropOriginal(deviceNumber, startS);
      return { startS, known: corrected };
    });
    rollUp.rewrite(deviceNumber, written);
  }

  /** If the zone's hours begin at another minute, stored hours do not match the present ones. */
  #isOfThisZone({ deviceNumber, toS }: CorrectionInput, hours: readonly number[]): boolean {
    const { buckets, time } = this.#deps;
    const known = buckets.hours(deviceNumber, (hours[0] ?? toS) - HOUR_S + 1, toS);
    return known.every(({ startS }) => time.hourStart(startS) === startS);
  }

  /** Days outlive their hours; a day without them cannot be rebuilt. */
  #isTooOld(deviceNumber: number, fromS: number): boolean {
    const { buckets, time } = this.#deps;
    const oldestS = buckets.oldestHourS(HOUSEHOLD);
    if (oldestS === null || fromS >= time.dayStart(oldestS)) return false;
    const day = time.date(fromS);
    const until = time.date(oldestS);
    return [deviceNumber, HOUSEHOLD].some((one) => buckets.days(one, day, until).length > 0);
  }
}

function faultOf(input: CorrectionInput, nowS: number): CorrectionFault | null {
  const { fromS, toS, energyMwh } = input;
  if (fromS % QUARTER_S !== 0) return 'from';
  if (toS % QUARTER_S !== 0 || toS <= fromS) return 'to';
  if (toS - fromS > LONGEST_S) return 'too_long';
  if (toS > nowS) return 'future';
  const mostMwh = (MAX_POWER_MW * (toS - fromS)) / 3_600;
  return energyMwh !== null && energyMwh > mostMwh ? 'too_much' : null;
}
