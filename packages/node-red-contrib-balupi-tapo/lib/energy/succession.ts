import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketRows } from './bucket-rows.ts';
import { type Bucket, inTime, overDevices, priceOf, sharesOf } from './buckets.ts';
import type { CorrectionRows, KnownHour, SuccessorRows } from './correction-rows.ts';
import type { MeterStates } from './meter-states.ts';
import type { DeviceHour, RollUp } from './roll-up.ts';
import type { SampleRows } from './sample-rows.ts';
import { SLOT_S } from './slots.ts';

export type HandOverOutcome = {
  readonly kind:
    | 'handed_over'
    /** Both were metered at the same time for over an hour, so neither replaced the other. */
    | 'side_by_side'
    /** The successor has not been read since the other one was. */
    | 'successor_not_read';
};

interface Deps {
  readonly rows: SuccessorRows;
  readonly buckets: BucketRows;
  readonly samples: SampleRows;
  readonly corrections: CorrectionRows;
  readonly rollUp: RollUp;
  readonly time: LocalTime;
}

/** A plug may overlap with its successor for this long. */
const MOST_TOGETHER_S = 3_600;
const HOUR_S = 3_600;

/** Transfers the history of a plug to its replacement. The household stays as it was. */
export class Succession {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Why it is not possible; null when it is. Complete hours must be in the database by then. */
  refusal(fromNumber: number, toNumber: number, states: MeterStates): HandOverOutcome | null {
    const { rows, buckets, time } = this.#deps;
    const openS = states.openHourS(toNumber);
    const lastS = states.lastS(toNumber);
    const newestS = Math.max(
      buckets.newestHourS(fromNumber) ?? Number.NEGATIVE_INFINITY,
      states.openHourS(fromNumber) ?? Number.NEGATIVE_INFINITY,
    );
    // Later hours of the successor would overwrite what it takes over here.
    const isBefore = lastS === null || (states.lastS(fromNumber) ?? lastS) > lastS;
    if (isBefore || newestS > (openS ?? time.hourStart(lastS) - 1)) {
      return { kind: 'successor_not_read' };
    }
    const togetherS = rows.commonHours(fromNumber, toNumber).reduce((sum, startS) => {
      const both = [fromNumber, toNumber].flatMap((one) => buckets.hours(one, startS, startS + 1));
      const coveredS = both.reduce((total, hour) => total + hour.coveredS, 0);
      return sum + Math.max(0, coveredS - (time.hourEnd(startS) - startS));
    }, 0);
    return togetherS > MOST_TOGETHER_S ? { kind: 'side_by_side' } : null;
  }

  /**
   * Inside a transaction of the caller.
   * @param left what only memory has of the old plug
   */
  hand(
    fromNumber: number,
    toNumber: number,
    states: MeterStates,
    left: readonly DeviceHour[],
    made: { readonly by: string; readonly atS: number },
  ): void {
    const { rows, buckets, samples, corrections, rollUp } = this.#deps;
    rollUp.write(left);
    const openS = states.openHourS(toNumber);
    if (openS !== null) this.#joinOpen(fromNumber, toNumber, openS, states);
    const joined = rows.commonHours(fromNumber, toNumber).map((startS) => {
      const both = [fromNumber, toNumber].map((one) => this.#known(one, startS));
      return { startS, known: this.#join(startS, both) };
    });
    const days = this.#commonDays(fromNumber, toNumber);
    rows.hand(fromNumber, toNumber, made.by, made.atS);
    corrections.forget();
    if (joined.length > 0) rollUp.rewrite(toNumber, joined);
    for (const { startS, write } of days) {
      const endS = this.#deps.time.nextDayStart(startS);
      if (buckets.hours(toNumber, startS, endS).length > 0) rollUp.writeDay(toNumber, startS);
      else write();
    }
    const state = states.stateOf(toNumber);
    if (state !== null) samples.saveMeter(toNumber, state.atS, state.state);
  }

  /** The successor's open hour is in memory, so the other plug's part of it goes there. */
  #joinOpen(fromNumber: number, toNumber: number, openS: number, states: MeterStates): void {
    const { buckets, corrections, time } = this.#deps;
    const original = corrections.original(fromNumber, openS);
    const { fine } = original ?? this.#known(fromNumber, openS);
    states.join(toNumber, fine);
    buckets.dropHours(fromNumber, openS, time.hourEnd(openS));
    corrections.dropOriginal(fromNumber, openS);
  }

  #known(deviceNumber: number, startS: number): KnownHour {
    const { buckets, time } = this.#deps;
    const [hour = null] = buckets.hours(deviceNumber, startS, startS + 1);
    return { hour, fine: buckets.fine(deviceNumber, startS, time.hourEnd(startS)) };
  }

  #join(startS: number, both: readonly KnownHour[]): KnownHour {
    const lengthS = this.#deps.time.hourEnd(startS) - startS;
    const hours = both.flatMap(({ hour }) => (hour === null ? [] : [hour]));
    const starts = new Set(both.flatMap(({ fine }) => fine.map((slot) => slot.startS)));
    const fine = [...starts]
      .sort((a, b) => a - b)
      .map((slotS) => {
        const parts = both.flatMap((known) => known.fine.filter((slot) => slot.startS === slotS));
        return joinBuckets(slotS, parts, SLOT_S);
      });
    const hour = { ...joinBuckets(startS, hours, lengthS), ...priceOf(sharesOf(hours)) };
    return { hour, fine };
  }

  /** Days that both have, with what writes them where their hours are no longer kept. */
  #commonDays(fromNumber: number, toNumber: number): { startS: number; write: () => void }[] {
    const { buckets, time } = this.#deps;
    const known = new Map(buckets.days(toNumber, '', '9').map((day) => [day.day, day]));
    return buckets.days(fromNumber, '', '9').flatMap((day) => {
      const other = known.get(day.day);
      if (other === undefined) return [];
      const lengthS = time.nextDayStart(day.startS) - day.startS;
      const shares = sharesOf(
        [fromNumber, toNumber].flatMap((one) =>
          buckets.shares(one, day.day, `${day.day}~`).map((share) => ({ ...day, ...share })),
        ),
      );
      const costUc = day.costUc + other.costUc;
      const joined = { ...joinBuckets(day.startS, [day, other], lengthS), day: day.day, costUc };
      return [{ startS: day.startS, write: () => buckets.putDay(toNumber, joined, shares) }];
    });
  }
}

/** One after the other where that fits into the stretch, else in parallel. */
function joinBuckets(startS: number, parts: readonly Bucket[], lengthS: number): Bucket {
  const coveredS = parts.reduce((sum, part) => sum + part.coveredS, 0);
  if (coveredS <= lengthS) return inTime(startS, parts);
  const sum = overDevices(startS, parts);
  return {
    ...sum,
    coveredS: lengthS,
    avgMw: Math.round(((sum.energyMwh - (sum.feedInMwh ?? 0)) * HOUR_S) / lengthS),
  };
}
