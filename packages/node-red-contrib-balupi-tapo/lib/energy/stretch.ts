import type { BucketView } from './bucket-view.ts';
import type { Bucket } from './buckets.ts';
import type { Tariffs } from './tariff.ts';

/** What a plug measured in a stretch of time. */
export interface StretchUse {
  readonly energyMwh: number;
  readonly costUc: number;
}

interface Asked {
  readonly deviceNumber: number;
  readonly fromS: number;
  readonly toS: number;
  readonly view: BucketView;
  readonly tariffs: Pick<Tariffs, 'at'>;
}

const SLOT_S = 300;
const HOUR_S = 3_600;
/** Longer ones are read by the hour: five minutes are kept for a month, and are many. */
const BY_HOUR_FROM_S = 3 * 86_400;
/** A plug is read twice a minute, so a stretch is not measured to its edges. */
const EDGES_S = 60;
const MOST_UNMEASURED = 0.1;

/**
 * What one plug used in any stretch, by the mean of each five minutes at its edges.
 * @returns null where more than a tenth of it was not measured
 */
export function useInStretch({
  deviceNumber,
  fromS,
  toS,
  view,
  tariffs,
}: Asked): StretchUse | null {
  const isLong = toS - fromS > BY_HOUR_FROM_S;
  const lengthS = isLong ? HOUR_S : SLOT_S;
  const buckets: readonly Bucket[] = isLong
    ? view.hours(deviceNumber, fromS - lengthS, toS)
    : view.fine(deviceNumber, fromS - lengthS, toS);
  let [energyMwh, costUc, measuredS] = [0, 0, 0];
  for (const { startS, coveredS, avgMw } of buckets) {
    const withinS = Math.min(toS, startS + lengthS) - Math.max(fromS, startS);
    const knownS = Math.min(withinS, coveredS);
    if (knownS <= 0) continue;
    const usedMwh = (Math.max(0, avgMw) * knownS) / HOUR_S;
    measuredS += knownS;
    energyMwh += usedMwh;
    costUc += (usedMwh * tariffs.at(startS).priceUcPerKwh) / 1_000_000;
  }
  const wantedS = (toS - fromS) * (1 - MOST_UNMEASURED) - EDGES_S;
  if (measuredS === 0 || measuredS < wantedS) return null;
  return { energyMwh: Math.round(energyMwh), costUc: Math.round(costUc) };
}
