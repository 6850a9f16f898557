import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketRows } from './bucket-rows.ts';
import type { BucketView } from './bucket-view.ts';
import { type Bucket, fedIn, grouped, HOUSEHOLD, inTime } from './buckets.ts';
import {
  bucketStart,
  endOfBuckets,
  MOST_POINTS,
  type Period,
  rangeOf,
  type RangeOutcome,
  type RangeQuery,
  type Resolution,
  resolutionFor,
  RESOLUTIONS,
} from './periods.ts';
import type { SampleRows } from './sample-rows.ts';
import type { EnergyDevice, EnergyDevices, Sample } from './sample.ts';
import { fedInMj, MJ_PER_MWH, usedMj } from './slots.ts';

export interface HistoryQuery extends RangeQuery {
  /** Missing: the household. */
  readonly deviceId?: string | undefined;
  readonly resolution?: string | undefined;
}

export type QueryRefusal =
  | { readonly kind: 'unknown_device' }
  | { readonly kind: 'unknown_resolution' }
  | Exclude<RangeOutcome, { kind: 'range' }>;

interface HistoryHead {
  readonly deviceId: string | null;
  readonly deviceName: string | null;
  readonly period: Period;
  /** Start of the first bucket and end of the last one, epoch seconds. */
  readonly fromS: number;
  readonly toS: number;
  readonly resolution: Resolution;
}

export interface History extends HistoryHead {
  readonly kind: 'history';
  /** Oldest first. Unknown stretches are missing. */
  readonly points: readonly Bucket[];
}

export interface HistoryPages extends HistoryHead {
  readonly kind: 'pages';
  readonly pages: AsyncIterable<readonly Bucket[]>;
}

interface HistoryDeps {
  readonly buckets: BucketRows;
  readonly samples: SampleRows;
  readonly devices: EnergyDevices;
  readonly time: LocalTime;
  readonly sampleIntervalS: number;
  readonly longestS: number;
  readonly view: () => BucketView;
  readonly nowS: () => number;
}

type Subject =
  | { readonly kind: 'subject'; readonly number: number; readonly device: EnergyDevice | null }
  | { readonly kind: 'unknown_device' };

type Plan =
  | { readonly kind: 'plan'; readonly number: number; readonly head: HistoryHead }
  | QueryRefusal;

const HOUR_S = 3_600;
/** How much one page of an export covers, so that each takes a few ms. */
const PAGE_S: Readonly<Record<Resolution, number>> = {
  raw: 2 * HOUR_S,
  '5m': 2 * 24 * HOUR_S,
  hour: 30 * 24 * HOUR_S,
  day: 732 * 24 * HOUR_S,
  week: 52 * 7 * 24 * HOUR_S,
  month: 366 * 24 * HOUR_S,
};

/** Queries about the past. */
export class Histories {
  readonly #deps: HistoryDeps;

  constructor(deps: HistoryDeps) {
    this.#deps = deps;
  }

  /** At most {@link MOST_POINTS} points; a finer query is coarsened. */
  history(query: HistoryQuery): History | QueryRefusal {
    const plan = this.#plan(query, MOST_POINTS);
    if (plan.kind !== 'plan') return plan;
    const { head, number } = plan;
    const points = this.#points(number, head.resolution, head.fromS, head.toS);
    return { kind: 'history', ...head, points: points.slice(-MOST_POINTS) };
  }

  /** The same without the limit, in pages that let other work run in between. */
  pages(query: HistoryQuery): HistoryPages | QueryRefusal {
    const plan = this.#plan(query, Number.POSITIVE_INFINITY);
    if (plan.kind !== 'plan') return plan;
    return { kind: 'pages', ...plan.head, pages: this.#pages(plan.number, plan.head) };
  }

  /** What a query is about; without an id the household. */
  subject(deviceId: string | undefined): Subject {
    if (deviceId === undefined) return { kind: 'subject', number: HOUSEHOLD, device: null };
    const { devices } = this.#deps;
    const isIt = ({ id }: EnergyDevice): boolean => id === deviceId;
    const device = devices.list().find(isIt) ?? devices.forgotten().find(isIt);
    if (device === undefined) return { kind: 'unknown_device' };
    return { kind: 'subject', number: device.number, device };
  }

  /** A range in whole hours, and in whole days where their hours are no longer kept. */
  whole(number: number, fromS: number, toS: number): { fromS: number; toS: number } {
    const { time, nowS } = this.#deps;
    const unitAt = (atS: number): Resolution => (this.#hasDayAlone(number, atS) ? 'day' : 'hour');
    return {
      fromS: bucketStart(unitAt(fromS), fromS, time),
      toS: endOfBuckets(unitAt(toS - 1), toS, nowS(), time),
    };
  }

  #hasDayAlone(number: number, atS: number): boolean {
    const { buckets, time } = this.#deps;
    const oldestS = buckets.oldestHourS(number);
    if (oldestS !== null && atS >= time.dayStart(oldestS)) return false;
    const day = time.date(atS);
    return buckets.days(number, day, `${day}~`).length > 0;
  }

  #plan(query: HistoryQuery, mostPoints: number): Plan {
    const { time, sampleIntervalS, nowS } = this.#deps;
    const subject = this.subject(query.deviceId);
    if (subject.kind !== 'subject') return subject;
    const range = rangeOf(query, 'day', nowS(), time);
    if (range.kind !== 'range') return range;
    const asked = query.resolution ?? 'auto';
    const known = RESOLUTIONS.find((candidate) => candidate === asked);
    if (asked !== 'auto' && known === undefined) return { kind: 'unknown_resolution' };
    const { period } = range;
    const exists = (resolution: Resolution): boolean =>
      this.#exists(subject.number, resolution, range.fromS);
    const knownS = this.#knownS(subject.number, range.fromS, range.toS);
    const limits = { sampleIntervalS, knownS, mostPoints, exists };
    const resolution = resolutionFor(known ?? 'auto', range.fromS, range.toS, limits);
    const fromS = bucketStart(resolution, range.fromS, time);
    const toS = endOfBuckets(resolution, range.toS, nowS(), time);
    const deviceId = subject.device?.id ?? null;
    const deviceName = subject.device?.name ?? null;
    const head = { deviceId, deviceName, period, fromS, toS, resolution };
    return { kind: 'plan', number: subject.number, head };
  }

  #knownS(number: number, fromS: number, toS: number): number {
    const nowS = this.#deps.nowS();
    const oldestS = this.#deps.buckets.oldestDayS(number) ?? nowS - 86_400;
    return Math.max(0, Math.min(toS, nowS) - Math.max(fromS, oldestS));
  }

  /** Whether none of the range is too old for buckets that fine. */
  #exists(number: number, resolution: Resolution, fromS: number): boolean {
    const { buckets, samples, time } = this.#deps;
    if (resolution === 'raw') {
      if (number === HOUSEHOLD) return false;
      return fromS >= (samples.oldestS() ?? 0) || !this.#hasHourBefore(number, samples.oldestS());
    }
    const oldestHourS = buckets.oldestHourS(number);
    if (oldestHourS === null || resolution === 'day') return true;
    if (resolution === '5m') {
      const oldestFineS = buckets.oldestFineS();
      if (oldestFineS === null) return false;
      return Math.max(fromS, oldestHourS) >= time.hourStart(oldestFineS);
    }
    if (resolution !== 'hour') return true;
    return fromS >= oldestHourS || !this.#hasDayBefore(number, fromS, oldestHourS);
  }

  #hasHourBefore(number: number, oldestS: number | null): boolean {
    const hourS = this.#deps.buckets.oldestHourS(number);
    return oldestS !== null && hourS !== null && hourS + HOUR_S < oldestS;
  }

  #hasDayBefore(number: number, fromS: number, oldestHourS: number): boolean {
    const { buckets, time } = this.#deps;
    return buckets.days(number, time.date(fromS), time.date(oldestHourS)).length > 0;
  }

  #points(number: number, resolution: Resolution, fromS: number, toS: number): Bucket[] {
    const { time, view } = this.#deps;
    switch (resolution) {
      case 'raw':
        return this.#raw(number, fromS, toS);
      case '5m':
        return view().fine(number, fromS, toS);
      case 'hour':
        return view().hours(number, fromS, toS);
      case 'day':
        return view().days(number, fromS, toS);
      case 'week':
      case 'month': {
        const days = view().days(number, fromS, toS);
        const groups = grouped(days, (startS) => bucketStart(resolution, startS, time));
        return [...groups].map(([startS, parts]) => inTime(startS, parts));
      }
    }
  }

  /** Each sample with the straight line to the next one, as it was measured. */
  #raw(number: number, fromS: number, toS: number): Bucket[] {
    const { samples, longestS } = this.#deps;
    const all = samples.ofDevice(number, fromS, toS + longestS);
    return all
      .map((sample, index) => rawBucket(sample, all[index + 1], longestS))
      .filter(({ startS }) => startS < toS);
  }

  async *#pages(number: number, head: HistoryHead): AsyncGenerator<readonly Bucket[]> {
    const { time, nowS, samples, buckets } = this.#deps;
    const { resolution } = head;
    const oldestS =
      resolution === 'raw' ? samples.oldestS() : (buckets.oldestDayS(number) ?? nowS() - 86_400);
    const lastS = Math.min(head.toS, nowS() + 86_400);
    let fromS = Math.max(head.fromS, bucketStart(resolution, oldestS ?? nowS(), time));
    while (fromS < lastS) {
      const pageS = bucketStart(resolution, fromS + PAGE_S[resolution], time);
      const toS = Math.min(lastS, pageS);
      const points = this.#points(number, resolution, fromS, toS);
      if (points.length > 0) yield points;
      await nextTurn();
      fromS = toS;
    }
  }
}

function rawBucket(sample: Sample, next: Sample | undefined, longestS: number): Bucket {
  const { atS, powerMw } = sample;
  const spanS = next === undefined ? 0 : next.atS - atS;
  const isKnown = next !== undefined && spanS <= longestS;
  const powers = isKnown ? [powerMw, next.powerMw] : [powerMw];
  const energyMj = isKnown ? usedMj(sample, next) : 0;
  const feedInMj = isKnown ? fedInMj(sample, next) : 0;
  return {
    startS: atS,
    energyMwh: Math.round(energyMj / MJ_PER_MWH),
    ...fedIn(Math.round(feedInMj / MJ_PER_MWH)),
    coveredS: isKnown ? spanS : 0,
    avgMw: isKnown ? Math.round((energyMj - feedInMj) / spanS) : powerMw,
    minMw: Math.min(...powers),
    maxMw: Math.max(...powers),
    isEstimated: false,
  };
}
