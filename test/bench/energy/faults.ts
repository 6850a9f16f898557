import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import type { Reading } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';
import { Bench } from '../../lib/energy/energy-bench.ts';
import {
  type CounterFaults,
  fridge,
  generator,
  kettle,
  type Load,
  nas,
  SimulatedPlug,
  steady,
} from '../../lib/energy/simulated-plug.ts';
import type { Goals } from '../report/goals.ts';
import { short, Table } from '../report/table.ts';

/**
 * Falling counters and lying clocks, one row each: four loads, two days, against the exact
 * integral. What a row takes from the plug's memory nobody can know: it has to be uncovered, and
 * what is known beside it right.
 */
interface Row {
  readonly what: string;
  readonly faults?: CounterFaults;
  /** Spans without an answer, in hours after the first midnight. */
  readonly outages?: readonly (readonly [number, number])[];
  /** What the plug answers instead. */
  readonly says?: (reading: Reading, atS: number, load: Load) => Reading;
  /** Of a day's energy. */
  readonly share: number;
  /** How much was used on either side of midnight is unknown, and only even loads can be right. */
  readonly isSpread?: true;
  /** No counter is left, so nobody sees what happens between two polls. */
  readonly isBlind?: true;
}

const HOUR_S = 3_600;
const DAY_S = 86_400;
const berlin = new LocalTime('Europe/Berlin');
/** Midnight in Berlin. */
const FROM_S = Date.parse('2026-05-10T22:00:00Z') / 1_000;
const TO_S = FROM_S + 2 * DAY_S;
const LEAST_WH = 2;
/** A day with a smaller unknown share counts as known. */
const UNCOVERED = 0.005;
/** Between two polls. */
const INTERVAL_S = 30;
/** What a simulated plug had counted before its first reading. */
const PHASE_WH = 0.37;
/** Rounding of a stored bucket, mWh. */
const ROUNDED_MWH = 2;

const SMALL_GAPS = [2, 10, 30, 60, 120].map((minutes, index) => {
  const fromH = 3 + 4 * index;
  return [fromH, fromH + minutes / 60] as const;
});
const MIDNIGHT = [[22, 26]] as const;

/** After each gap the counters show 1 Wh less than before it. */
function fallen(reading: Reading, atS: number, load: Load): Reading {
  const shown = (second: number): number => Math.floor(load.whBetween(FROM_S, second) + PHASE_WH);
  const lostWh = SMALL_GAPS.reduce((sum, [fromH, toH]) => {
    const [fromS, toS] = [FROM_S + fromH * HOUR_S, FROM_S + toH * HOUR_S];
    return atS < toS ? sum : sum + shown(toS) - shown(fromS - INTERVAL_S) + 1;
  }, 0);
  const less = (value: number | null, wh: number): number | null =>
    value === null ? null : Math.max(0, value - wh);
  const isFirstDay = atS < FROM_S + DAY_S;
  return {
    ...reading,
    todayWh: less(reading.todayWh, isFirstDay ? lostWh : 0),
    monthWh: less(reading.monthWh, lostWh),
  };
}

function rolling(reading: Reading, atS: number): Reading {
  // Thirty days of 60 W leave the window as fast as new energy comes in.
  const leftWh = Math.floor((60 * (atS - FROM_S)) / HOUR_S);
  return { ...reading, monthWh: Math.max(0, 43_200 + (reading.monthWh ?? 0) - leftWh) };
}

function zeros(reading: Reading, atS: number): Reading {
  const intoH = (atS - FROM_S) / HOUR_S;
  const isBack = [6, 30].some((hour) => intoH >= hour && intoH < hour + 0.1);
  return isBack ? { ...reading, todayWh: 0, monthWh: 0 } : reading;
}

const ROWS: readonly Row[] = [
  {
    what: '1 Wh lower after 2 min to 2 h',
    outages: SMALL_GAPS,
    says: fallen,
    share: 0.005,
  },
  { what: 'a month of the last 30 days', outages: SMALL_GAPS, says: rolling, share: 0.005 },
  {
    what: 'zeros at the reconnect, then old values',
    outages: [
      [5, 6],
      [28, 30],
    ],
    says: zeros,
    share: 0.005,
  },
  {
    what: 'only the day is known',
    outages: SMALL_GAPS,
    says: (reading) => ({ ...reading, monthWh: null }),
    share: 0.005,
  },
  {
    what: 'wiped within a gap, or another plug in its place',
    faults: { wipedS: FROM_S + 11 * HOUR_S },
    outages: [[10, 12]],
    share: 0.005,
  },
  ...[1, -1].map((hours) => ({
    what: `its clock ${hours} h off, an outage over midnight`,
    faults: { clockAheadS: hours * HOUR_S },
    outages: MIDNIGHT,
    share: 0.01,
    isSpread: true as const,
  })),
  {
    what: 'its clock in another zone, an outage over midnight',
    faults: { clockAheadS: -8 * HOUR_S },
    outages: MIDNIGHT,
    share: 0.01,
    isSpread: true,
  },
  {
    what: 'its clock in the year 2000',
    outages: MIDNIGHT,
    says: (reading) => ({ ...reading, plugLocalTime: '2000-01-01 00:10:00' }),
    share: 0.01,
    isBlind: true,
  },
];

type LoadOf = (random: () => number) => Load;

const LOADS = {
  steady: () => steady(FROM_S, 60),
  fridge: (random) => fridge(FROM_S, TO_S + DAY_S, random),
  kettle: (random) => kettle(FROM_S, TO_S + DAY_S, random),
  nas: (random) => nas(FROM_S, TO_S + DAY_S, random),
} satisfies Readonly<Record<string, LoadOf>>;

/** The first of these run evenly over hours. */
const EVEN_LOADS = 2;

/** Without anything shorter than a poll. */
const SLOW_LOADS: Readonly<Record<string, LoadOf>> = {
  steady: LOADS.steady,
  fridge: (random) => fridge(FROM_S, TO_S + DAY_S, random, 90),
  nas: LOADS.nas,
};

interface Judged {
  /** As a share of the limit; known days only. */
  readonly off: number;
  readonly uncovered: number;
  /** Wh that were never used, in both days together. */
  readonly inventedWh: number;
  readonly overWire: number;
}

export function benchFaults(print: (line: string) => void, goals: Goals): void {
  const table = new Table('counters and clocks', ...Object.keys(LOADS), 'days uncovered');
  const all: Judged[] = [];
  for (const row of ROWS) {
    const loads: Readonly<Record<string, LoadOf>> = row.isBlind === true ? SLOW_LOADS : LOADS;
    const perLoad = Object.keys(LOADS).map((name, index) => {
      const loadOf = loads[name];
      return loadOf === undefined ? [] : judge(row, loadOf, index);
    });
    const judged = perLoad.flat();
    const cells = perLoad.map((days) => {
      const worst = Math.max(...days.map(({ off }) => off));
      return days.length === 0 ? '–' : `${short(100 * worst)} %`;
    });
    const uncovered = judged.filter((day) => day.uncovered > UNCOVERED).length;
    table.add(row.what, ...cells, String(uncovered));
    all.push(...judged);
    const limit = `${row.share * 100} % or ${LEAST_WH} Wh, or uncovered`;
    const counted = row.isSpread === true ? perLoad.slice(0, EVEN_LOADS).flat() : judged;
    const worst = Math.max(...counted.map(({ off }) => off));
    const whose = row.isSpread === true ? ', loads that run evenly' : '';
    goals.atMost(`${row.what}: day off${whose}, of ${limit}`, worst * 100, 100, ' %');
  }
  for (const line of table.lines()) print(line);
  const invented = Math.max(...all.map(({ inventedWh }) => inventedWh));
  goals.atMost('of these, energy that was not there', invented, LEAST_WH, ' Wh a day');
  const over = all.reduce((sum, { overWire }) => sum + overWire, 0);
  goals.atMost('of these, buckets with more than the wire carries', over, 0);
}

/** Judges two days. */
function judge(row: Row, loadOf: LoadOf, index: number): Judged[] {
  const load = loadOf(generator(17 + index));
  const bench = new Bench(FROM_S);
  try {
    const plug = new SimulatedPlug(1, load, FROM_S, bench.time, row.faults);
    const says = row.says ?? ((reading: Reading) => reading);
    const liar = {
      read: (atS: number, monotonicMs: number) => says(plug.read(atS, monotonicMs), atS, load),
    };
    const outages = (row.outages ?? []).map(
      ([fromH, toH]) => [FROM_S + fromH * HOUR_S, FROM_S + toH * HOUR_S] as const,
    );
    bench.run([liar], FROM_S, TO_S + 120, { outages });
    bench.energy.rollUp();
    const overWire = bench.sum(
      'SELECT count(*) FROM energy_five_minutes WHERE energy_mwh * 3.6 > 4000.0 * covered_s + ?',
      ROUNDED_MWH * 3.6,
    );
    const days = [FROM_S, FROM_S + DAY_S].map((dayS) => dayOf(bench, load, dayS, outages));
    const overWh = days.reduce((sum, day) => sum + day.meteredWh - day.exactWh, 0);
    return days.map(({ uncovered, exactWh, knownWh, meteredWh }) => {
      const limitWh = Math.max(exactWh * row.share, LEAST_WH);
      const offWh = Math.max(0, meteredWh - exactWh, knownWh - meteredWh);
      const inventedWh = overWh <= 2 * limitWh ? 0 : overWh;
      return { off: offWh / limitWh, uncovered, overWire, inventedWh };
    });
  } finally {
    bench.close();
  }
}

function dayOf(
  bench: Bench,
  load: Load,
  dayS: number,
  outages: readonly (readonly [number, number])[],
) {
  const endS = berlin.nextDayStart(dayS);
  const covered = bench.sum(
    `SELECT sum(covered_s) FROM energy_hourly
     WHERE device_number = 1 AND start_s >= ? AND start_s < ?`,
    ...[dayS, endS],
  );
  const uncovered = 1 - covered / (endS - dayS);
  const exactWh = load.whBetween(dayS, endS);
  const unseenWh = outages.reduce((sum, [fromS, toS]) => {
    const [from, to] = [Math.max(fromS - INTERVAL_S, dayS), Math.min(toS, endS)];
    return to > from ? sum + load.whBetween(from, to) : sum;
  }, 0);
  // Of a day with a part reported unknown, no more than what nobody saw may be missing.
  const knownWh = uncovered > UNCOVERED ? exactWh - unseenWh : exactWh;
  return { uncovered, exactWh, knownWh, meteredWh: bench.dayWh(1, dayS) };
}
