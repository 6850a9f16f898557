import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketView } from './bucket-view.ts';
import type { Histories, QueryRefusal } from './history.ts';
import { type Period, rangeOf, type RangeQuery } from './periods.ts';
import type { Prices } from './prices.ts';

export interface CostsQuery extends RangeQuery {
  readonly deviceId?: string | undefined;
}

export interface TariffCost {
  readonly name: string;
  readonly energyMwh: number;
  readonly costUc: number;
}

export interface Costs {
  readonly kind: 'costs';
  readonly deviceId: string | null;
  readonly deviceName: string | null;
  readonly period: Period;
  /** Start and end of what was counted: whole hours, or whole days where only these are kept. */
  readonly fromS: number;
  readonly toS: number;
  readonly energyMwh: number;
  /** Energy fed in, which costs nothing and pays nothing. */
  readonly feedInMwh: number;
  /** Micro-cents: the sum over the hours of energy times the price valid then. */
  readonly costUc: number;
  /** Mean price paid; the present one where nothing was used. */
  readonly pricePerKwhCents: number;
  /** What the household pays regardless of use, in that time; null for one plug. */
  readonly baseFeeUc: number | null;
  readonly byTariff: readonly TariffCost[];
}

interface CostsDeps {
  readonly histories: Histories;
  readonly prices: Prices;
  readonly time: LocalTime;
  readonly view: () => BucketView;
  readonly nowS: () => number;
}

/** What a plug, or the household, cost in a stretch of time. */
export function costsOf(deps: CostsDeps, query: CostsQuery): Costs | QueryRefusal {
  const { time, prices } = deps;
  const subject = deps.histories.subject(query.deviceId);
  if (subject.kind !== 'subject') return subject;
  const nowS = deps.nowS();
  const range = rangeOf(query, 'month', nowS, time);
  if (range.kind !== 'range') return range;
  const { number } = subject;
  const { fromS, toS } = deps.histories.whole(number, range.fromS, range.toS);
  const view = deps.view();
  const shares = view.shares(number, fromS, toS);
  const nameOf = prices.nameOf();
  const energyMwh = shares.reduce((sum, share) => sum + share.energyMwh, 0);
  const costUc = shares.reduce((sum, share) => sum + share.costUc, 0);
  const now = prices.tariffs.at(nowS);
  return {
    kind: 'costs',
    deviceId: subject.device?.id ?? null,
    deviceName: subject.device?.name ?? null,
    period: range.period,
    fromS,
    toS,
    energyMwh,
    feedInMwh: view.feedInMwh(number, fromS, toS),
    costUc,
    pricePerKwhCents: energyMwh === 0 ? now.priceUcPerKwh / 1_000_000 : costUc / energyMwh,
    baseFeeUc:
      subject.device === null ? prices.tariffs.baseFeeUc(fromS, Math.min(toS, nowS)) : null,
    byTariff: shares.map((share) => ({
      name: nameOf(share.priceId),
      energyMwh: share.energyMwh,
      costUc: share.costUc,
    })),
  };
}
