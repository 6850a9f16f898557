import type { BucketRows } from './bucket-rows.ts';
import { type DeviceHour, type DeviceTotal, HOUSEHOLD } from './buckets.ts';
import { type CounterRows, NO_OFFSET } from './sample-rows.ts';

/** What a plug counted since it was first metered. */
export interface Counted {
  /** Never fall, whatever is restarted or corrected. */
  readonly energyMwh: number;
  readonly feedInMwh: number;
  /** Energy as stored now; falls where the past was corrected. */
  readonly storedMwh: number;
}

/** What all plugs cost since metering began, micro-cents. */
export interface CountedCost {
  /** Never falls. */
  readonly costUc: number;
  /** Credit from prices below zero, which is not taken off the cost; never falls. */
  readonly creditUc: number;
  /** Cost less credit as stored now; falls where a price was below zero or the past corrected. */
  readonly storedUc: number;
}

interface Snapshot {
  readonly plugs: ReadonlyMap<number, Counted>;
  readonly cost: CountedCost;
}

interface Deps {
  readonly rows: CounterRows;
  readonly buckets: BucketRows;
  /** Hours in memory that the database lacks, wholly or in part. */
  readonly live: () => readonly DeviceHour[];
}

const NOTHING: Counted = { energyMwh: 0, feedInMwh: 0, storedMwh: 0 };
const NO_TOTAL: DeviceTotal = { energyMwh: 0, feedInMwh: 0, costUc: 0 };

/**
 * Counters for external systems: Prometheus takes a falling one as restarted, and Home Assistant
 * then adds all of it again. So they only follow commits:
 *
 * - The published values are those of the last commit, which is synced. After a crash the meters
 *   come out of the database as they went in.
 * - Changes to the past (a correction, a recalculation, a transferred history, a corrected clock)
 *   are kept out: the counters do not move, and their offset from the stored sums is kept.
 * - A price below zero leaves the cost and raises the credit.
 */
export class Counters {
  readonly #deps: Deps;
  /** Sums of the days; null when they have changed. */
  #days: ReadonlyMap<number, DeviceTotal> | null = null;
  /** As of the last commit. */
  #published: Snapshot | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Takes over what a start found in the database. */
  load(): void {
    this.forget();
    this.#published = this.#snapshot();
  }

  of(deviceNumber: number): Counted {
    return this.#published?.plugs.get(deviceNumber) ?? NOTHING;
  }

  get cost(): CountedCost {
    return this.#published?.cost ?? { costUc: 0, creditUc: 0, storedUc: 0 };
  }

  /** Days were written, or a write was rolled back. */
  forget(): void {
    this.#days = null;
  }

  /**
   * Follows a commit, inside its transaction.
   * @returns called once the transaction is through
   */
  follow(): () => void {
    const before = this.#published;
    let next = this.#snapshot();
    if (before !== null && this.#holdUp(before, next)) next = this.#snapshot();
    return () => {
      this.#published = next;
    };
  }

  /** Changes the past inside the caller's transaction; the counters do not move. */
  aside<T>(work: () => T): T {
    this.forget();
    const before = this.#totals();
    try {
      this.forget();
      const done = work();
      this.#keepApart(before);
      return done;
    } finally {
      this.forget();
    }
  }

  /** As {@link aside} for a change that takes more than its transaction. */
  mark(): () => void {
    this.forget();
    const before = this.#totals();
    return () => {
      this.forget();
      this.#keepApart(before);
    };
  }

  #keepApart(before: ReadonlyMap<number, DeviceTotal>): void {
    const after = this.#totals();
    let costUc = 0;
    for (const number of new Set([...before.keys(), ...after.keys()])) {
      const [was, is] = [before.get(number) ?? NO_TOTAL, after.get(number) ?? NO_TOTAL];
      const energyMwh = was.energyMwh - is.energyMwh;
      const feedInMwh = was.feedInMwh - is.feedInMwh;
      costUc += was.costUc - is.costUc;
      if (energyMwh !== 0 || feedInMwh !== 0) this.#deps.rows.add(number, { energyMwh, feedInMwh });
    }
    if (costUc !== 0) this.#deps.rows.add(HOUSEHOLD, { costUc });
  }

  /** @returns whether any counter would have fallen */
  #holdUp(before: Snapshot, next: Snapshot): boolean {
    const { rows } = this.#deps;
    let hasFallen = false;
    for (const [number, was] of before.plugs) {
      const is = next.plugs.get(number) ?? NOTHING;
      const energyMwh = Math.max(0, was.energyMwh - is.energyMwh);
      const feedInMwh = Math.max(0, was.feedInMwh - is.feedInMwh);
      if (energyMwh === 0 && feedInMwh === 0) continue;
      hasFallen = true;
      rows.add(number, { energyMwh, feedInMwh });
    }
    const creditUc = before.cost.costUc - next.cost.costUc;
    if (creditUc <= 0) return hasFallen;
    rows.add(HOUSEHOLD, { costUc: creditUc, creditUc });
    return true;
  }

  #snapshot(): Snapshot {
    const offsets = this.#deps.rows.all();
    const totals = this.#totals();
    const plugs = new Map<number, Counted>();
    let storedUc = 0;
    for (const number of new Set([...totals.keys(), ...offsets.keys()])) {
      if (number === HOUSEHOLD) continue;
      const total = totals.get(number) ?? NO_TOTAL;
      const offset = offsets.get(number) ?? NO_OFFSET;
      storedUc += total.costUc;
      plugs.set(number, {
        energyMwh: total.energyMwh + offset.energyMwh,
        feedInMwh: total.feedInMwh + offset.feedInMwh,
        storedMwh: total.energyMwh,
      });
    }
    const { costUc, creditUc } = offsets.get(HOUSEHOLD) ?? NO_OFFSET;
    return { plugs, cost: { costUc: storedUc + costUc, creditUc, storedUc } };
  }

  /** All days of each plug, with the hours that only memory has. */
  #totals(): Map<number, DeviceTotal> {
    const { buckets, live } = this.#deps;
    this.#days ??= buckets.totals();
    const totals = new Map(this.#days);
    for (const { deviceNumber, hour } of live()) {
      const [kept] = buckets.hours(deviceNumber, hour.startS, hour.startS + 1);
      const known = totals.get(deviceNumber) ?? NO_TOTAL;
      totals.set(deviceNumber, {
        energyMwh: known.energyMwh + hour.energyMwh - (kept?.energyMwh ?? 0),
        feedInMwh: known.feedInMwh + (hour.feedInMwh ?? 0) - (kept?.feedInMwh ?? 0),
        costUc: known.costUc + hour.costUc - (kept?.costUc ?? 0),
      });
    }
    return totals;
  }
}
