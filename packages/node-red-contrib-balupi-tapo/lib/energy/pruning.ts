import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketRows } from './bucket-rows.ts';
import { HOUSEHOLD } from './buckets.ts';
import type { NasHourRows } from './nas-hour-rows.ts';
import type { SampleRows } from './sample-rows.ts';

export interface Retention {
  readonly rawDays: number;
  readonly hourlyDays: number;
}

/** Five-minute buckets are small, and a month of them makes every chart sharp. */
const FINE_DAYS = 32;
const DAY_S = 86_400;
/** Rows per step: each delete rewrites the pages at its edge and above it. */
const RAW_STEP_S = 4 * 3_600;
/** The most one slice deletes: some 10 ms on a Pi. */
const SAMPLES_A_SLICE = 2_000;
/** Of all plugs. */
const FINE_DAYS_A_SLICE = 0.25;
const HOURLY_DAYS_A_SLICE = 14;

interface PruningDeps {
  readonly samples: SampleRows;
  readonly buckets: BucketRows;
  readonly nasHours: NasHourRows;
  readonly time: LocalTime;
  readonly retention: Retention;
}

/**
 * Deletes old samples and buckets in small slices. "Seven days" are the last seven with data,
 * counted back from the newest stored one, never from the clock: a clock that jumps to 2038 adds a
 * day and deletes nothing.
 */
export class Pruning {
  readonly #deps: PruningDeps;

  constructor(deps: PruningDeps) {
    this.#deps = deps;
  }

  /**
   * One slice, inside a transaction of the caller.
   * @returns whether more is due
   */
  slice(): boolean {
    const { samples, retention } = this.#deps;
    const rawS = this.#rawCut();
    const isMoreRaw = rawS !== null && samples.deleteBefore(rawS, SAMPLES_A_SLICE);
    if (rawS !== null) samples.deleteHoursBefore(rawS);
    const fineDays = Math.max(FINE_DAYS, Math.ceil(retention.rawDays) + 1);
    const fineS = this.#dayWithData(fineDays);
    const hourS = this.#dayWithData(Math.ceil(retention.hourlyDays));
    return this.#pruneBuckets(fineS, hourS) || isMoreRaw;
  }

  /** Slides with the time of day, in steps. */
  #rawCut(): number | null {
    const { samples, buckets, retention } = this.#deps;
    const baseS = this.#dayWithData(Math.ceil(retention.rawDays));
    const newestDayS = buckets.dayWithData(0);
    const newestS = samples.newestS();
    if (baseS === null || newestDayS === null || newestS === null) return null;
    const intoDayS = Math.min(DAY_S, Math.max(0, newestS - newestDayS));
    return baseS + intoDayS - (intoDayS % RAW_STEP_S);
  }

  #dayWithData(back: number): number | null {
    return this.#deps.buckets.dayWithData(back);
  }

  #pruneBuckets(fineS: number | null, hourS: number | null): boolean {
    const { buckets, nasHours } = this.#deps;
    const fine = sliced(fineS, buckets.oldestFineS(), FINE_DAYS_A_SLICE);
    if (fine !== null) buckets.pruneFine(fine);
    let isMore = fine !== fineS;
    for (const device of [...buckets.devices(), HOUSEHOLD]) {
      const hour = sliced(hourS, buckets.oldestHourS(device), HOURLY_DAYS_A_SLICE);
      if (hour !== null) buckets.pruneHours(device, hour);
      isMore ||= hour !== hourS;
    }
    if (hourS !== null) nasHours.deleteBefore(hourS);
    return isMore;
  }
}

/** The cut, or an earlier one where that would delete more than some days at once. */
function sliced(cutS: number | null, oldestS: number | null, days: number): number | null {
  if (cutS === null || oldestS === null || oldestS >= cutS) return cutS;
  return Math.min(cutS, oldestS + days * DAY_S);
}
