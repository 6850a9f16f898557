import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import type { HistoryHour } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';
import { Bench, type Weather } from './energy-bench.ts';
import { type CounterFaults, generator, Load, SimulatedPlug } from './simulated-plug.ts';

/**
 * Households that nobody tuned the meter for: dates, zones, loads, polls, outages and faults, all
 * from one seed, with the exact integral next to what was metered.
 */

/** Faults that a world may have. */
export type Trouble =
  /** Up to 20 % loss, jitter, 30 s or 37 s polls, restarts and kills. */
  | 'polls'
  /** The same, outages of up to 6 h, and counters that are wiped. */
  | 'outages';

export interface MeteredDay {
  readonly seed: number;
  readonly what: string;
  readonly exactWh: number;
  readonly meteredWh: number;
  /** Share of the day the meter claims to know, measured or estimated. */
  readonly covered: number;
}

export interface WorldResult {
  readonly days: readonly MeteredDay[];
  /** All days together, as a month. */
  readonly whole: MeteredDay;
  /** Largest deviation of the metered sum from the plug's own counter, per day. */
  readonly counterDriftWh: number;
  /** How many sums of hours, plugs and costs differ by even one mWh or micro-cent. */
  readonly brokenSums: number;
}

const HOUR_S = 3_600;
const DAY_S = 86_400;
/** Polling starts before the first midnight and ends after the last, so that days are whole. */
const MARGIN_S = 900;
const ZONES = ['Europe/Berlin', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata'];
/** Days of clock changes, and the ends of months and of the year. */
const SPECIAL = [
  '2026-03-28',
  '2026-10-24',
  '2026-01-30',
  '2026-02-27',
  '2025-12-30',
  '2026-11-01',
];

export async function runRandomWorld(seed: number, trouble: Trouble): Promise<WorldResult> {
  const random = generator(seed * 2_654_435_761);
  const zone = ZONES[Math.floor(random() * ZONES.length)] ?? 'Europe/Berlin';
  const time = new LocalTime(zone);
  const fromS = firstMidnight(time, random);
  let toS = fromS;
  for (let day = 0; day < 3; day += 1) toS = time.nextDayStart(toS);
  const begunS = fromS - MARGIN_S;
  const { load, kind } = randomLoad(begunS, toS + 2 * MARGIN_S, random);
  const outages = trouble === 'outages' ? randomOutages(fromS, toS, random) : [];
  const faults = trouble === 'outages' ? randomFaults(fromS, toS, outages, time, random) : {};
  const bench = new Bench(begunS, { timeZone: zone });
  try {
    const plug = new SimulatedPlug(1, load, begunS, bench.time, faults, random());
    if (random() < 0.5) remember(bench, load);
    if (random() < 0.5) randomPrices(bench, random);
    await bench.restart(begunS);
    const weather: Weather = {
      loss: random() < 0.3 ? 0 : random() * 0.2,
      intervalS: random() < 0.3 ? 37 : 30,
      jitterS: random() * 8,
      outages,
    };
    const drift = await meter(bench, plug, begunS, toS + MARGIN_S, weather, random);
    const what = `${kind} from ${time.date(fromS)} in ${zone}`;
    const days = wholeDays(bench, load, fromS, toS).map((day) => ({ seed, what, ...day }));
    const sum = (of: (day: MeteredDay) => number): number =>
      days.reduce((total, day) => total + of(day), 0);
    return {
      days,
      whole: {
        ...{ seed, what, covered: Math.min(...days.map(({ covered }) => covered)) },
        exactWh: sum(({ exactWh }) => exactWh),
        meteredWh: sum(({ meteredWh }) => meteredWh),
      },
      // Counters that were wiped, or that began a month, do not measure the whole.
      counterDriftWh: faults.wipedS === undefined ? drift : 0,
      brokenSums: countBrokenSums(bench),
    };
  } finally {
    bench.close();
  }
}

function firstMidnight(time: LocalTime, random: () => number): number {
  const special = SPECIAL[Math.floor(random() * SPECIAL.length * 2)];
  const anyS = Date.parse('2026-01-01T12:00:00Z') / 1_000 + Math.floor(random() * 360) * DAY_S;
  return time.dayStart(special === undefined ? anyS : Date.parse(`${special}T12:00:00Z`) / 1_000);
}

/** Polls with kills and restarts in between. @returns the largest distance to the plug's counter */
async function meter(
  bench: Bench,
  plug: SimulatedPlug,
  fromS: number,
  toS: number,
  weather: Weather,
  random: () => number,
): Promise<number> {
  let drift = 0;
  for (let atS = fromS; atS < toS;) {
    const untilS = Math.min(toS, atS + Math.ceil((1 + 12 * random()) * HOUR_S));
    bench.run([plug], atS, untilS, { ...weather, seed: Math.floor(random() * 1e9) });
    await bench.moveTo(untilS);
    drift = Math.max(drift, counterDrift(bench));
    const end = random();
    if (end < 0.4) bench.crash(untilS);
    else if (end < 0.7) await bench.restart(untilS);
    atS = untilS;
  }
  return drift;
}

/**
 * How far the metered sum since the month's first sample is from what the plug counted since. Both
 * ends of the counter are cut to whole Wh, so up to 1 Wh is no drift.
 */
function counterDrift(bench: Bench): number {
  const sample = (order: string, sinceS: number): { atS: number; monthWh: number } | null => {
    const row = bench.store
      .prepare(`SELECT at_s, month_wh FROM energy_samples WHERE at_s >= ? ORDER BY place ${order}`)
      .get(sinceS);
    return row === undefined
      ? null
      : { atS: Number(row['at_s']), monthWh: Number(row['month_wh']) };
  };
  const last = sample('DESC', 0);
  const monthS = bench.time.monthStart(last?.atS ?? 0);
  const first = sample('ASC', monthS);
  if (last === null || first === null || last.atS - first.atS < DAY_S) return 0;
  const metered = bench.energy.histories.history({
    deviceId: 'plug-1',
    from: bench.time.hourStart(first.atS) * 1_000,
    to: (last.atS + 1) * 1_000,
    resolution: 'hour',
  });
  if (metered.kind !== 'history') throw new Error(metered.kind);
  // If the month began earlier, the hour of its first sample began with that sample.
  if (first.atS - monthS < HOUR_S && first.monthWh > 1) return 0;
  const meteredWh = metered.points.reduce((sum, { energyMwh }) => sum + energyMwh, 0) / 1_000;
  const countedWh = last.monthWh - (first.atS - monthS < HOUR_S ? 0 : first.monthWh);
  const distance = Math.max(0, Math.abs(countedWh - meteredWh) - 1);
  return distance / ((last.atS - first.atS) / DAY_S);
}

type Day = Omit<MeteredDay, 'seed' | 'what'>;

function wholeDays(bench: Bench, load: Load, fromS: number, toS: number): Day[] {
  const days: Day[] = [];
  for (let dayS = fromS; dayS < toS; dayS = bench.time.nextDayStart(dayS)) {
    const endS = bench.time.nextDayStart(dayS);
    const sql =
      'SELECT sum(covered_s) FROM energy_hourly WHERE device_number = 1 AND start_s >= ? AND start_s < ?';
    const covered = bench.sum(sql, dayS, endS) / (endS - dayS);
    days.push({ exactWh: load.whBetween(dayS, endS), meteredWh: bench.dayWh(1, dayS), covered });
  }
  return days;
}

function countBrokenSums(bench: Bench): number {
  const broken = [
    `SELECT count(*) FROM energy_daily d WHERE
       (energy_mwh, cost_uc) IS NOT (SELECT sum(energy_mwh), sum(cost_uc)
         FROM energy_daily_tariffs t WHERE t.device_number = d.device_number AND t.day = d.day)`,
    `SELECT count(*) FROM energy_hourly h WHERE device_number = 0 AND
       (energy_mwh, cost_uc) IS NOT (SELECT sum(energy_mwh), sum(cost_uc) FROM energy_hourly p
         WHERE p.device_number > 0 AND p.start_s = h.start_s)`,
    `SELECT count(*) FROM energy_hourly h LEFT JOIN energy_price_config p ON p.id = h.price_id
       WHERE device_number > 0 AND cost_uc <> CAST(round(energy_mwh *
         coalesce(p.price_uc_per_kwh, 32000000) / 1000000.0) AS INTEGER)`,
    `SELECT abs(coalesce((SELECT sum(energy_mwh) FROM energy_daily WHERE device_number = 1), 0) -
       coalesce((SELECT sum(energy_mwh) FROM energy_hourly WHERE device_number = 1), 0))`,
  ];
  return broken.reduce((count, sql) => count + bench.sum(sql), 0);
}

/** The plug reports its own hours after a gap, in whole Wh. */
function remember(bench: Bench, load: Load): void {
  bench.history = {
    hours: (_number, fromMs, toMs) => {
      const hours: HistoryHour[] = [];
      for (let startS = fromMs / 1_000; startS < toMs / 1_000; startS += HOUR_S) {
        const endS = Math.min(startS + HOUR_S, toMs / 1_000);
        hours.push({ startS, energyWh: Math.round(load.whBetween(startS, endS)) });
      }
      return Promise.resolve(hours);
    },
  };
}

function randomPrices(bench: Bench, random: () => number): void {
  const window = { timeFrom: '22:00', timeTo: '06:00', weekdays: [1, 2, 3, 4, 5] };
  bench.energy.prices.create({ name: 'Day', pricePerKwhCents: 20 + 30 * random() });
  bench.energy.prices.create({ name: 'Night', pricePerKwhCents: 10 + 10 * random(), ...window });
}

function randomOutages(
  fromS: number,
  toS: number,
  random: () => number,
): (readonly [number, number])[] {
  const outages: (readonly [number, number])[] = [];
  let atS = fromS + random() * 12 * HOUR_S;
  while (atS < toS - 7 * HOUR_S) {
    const lastsS = Math.exp(Math.log(120) + random() * (Math.log(6 * HOUR_S) - Math.log(120)));
    outages.push([atS, atS + lastsS]);
    atS += lastsS + (2 + 20 * random()) * HOUR_S;
  }
  return outages;
}

/**
 * A counter wiped while nobody polls takes what it had counted with it. No meter could know, so
 * wipes happen while the plug is polled.
 */
function randomFaults(
  fromS: number,
  toS: number,
  outages: readonly (readonly [number, number])[],
  time: LocalTime,
  random: () => number,
): CounterFaults {
  const wipedS = Math.floor(fromS + random() * (toS - fromS));
  const isSeen = outages.every(([from, to]) => wipedS < from - 600 || wipedS > to + 600);
  const isMonthChange = time.monthStart(fromS) !== time.monthStart(toS);
  return random() < 0.25 && isSeen && !isMonthChange ? { wipedS } : {};
}

/** Steps `[atS, watts]` in order, cut at `toS`. */
type Shape = (
  fromS: number,
  toS: number,
  random: () => number,
) => Generator<readonly [number, number]>;

const SHAPES: Readonly<Record<string, Shape>> = { steps, thermostat, bursts, restless };

/** One shape, or another every few hours. */
function randomLoad(
  fromS: number,
  toS: number,
  random: () => number,
): { load: Load; kind: string } {
  const load = new Load().step(fromS, 1);
  const names = Object.keys(SHAPES);
  const pick = (): string => names[Math.floor(random() * names.length)] ?? 'steps';
  const isMixed = random() < 0.3;
  const kind = pick();
  let lastS = fromS;
  while (lastS < toS) {
    const untilS = isMixed ? Math.min(toS, lastS + (1 + 8 * random()) * HOUR_S) : toS;
    const shape = SHAPES[isMixed ? pick() : kind] ?? steps;
    for (const [atS, watts] of shape(lastS + 1, untilS, random)) {
      if (atS >= untilS) break;
      if (atS <= lastS) continue;
      load.step(atS, watts);
      lastS = atS;
    }
    lastS = untilS;
  }
  return { load, kind: isMixed ? 'mixed' : kind };
}

function logUniform(low: number, high: number, random: () => number): number {
  return low * (high / low) ** random();
}

function* steps(fromS: number, toS: number, random: () => number) {
  for (let atS = fromS; atS < toS; atS += logUniform(5, 4 * HOUR_S, random)) {
    yield [atS, random() < 0.2 ? random() : logUniform(1, 3_500, random)] as const;
  }
}

function* thermostat(fromS: number, toS: number, random: () => number) {
  const watts = logUniform(30, 3_000, random);
  const [onS, offS] = [logUniform(60, 2_400, random), logUniform(60, 7_200, random)];
  for (let atS = fromS; atS < toS;) {
    yield [atS, Math.min(3_600, watts * (1 + 5 * random()))] as const;
    yield [atS + 1, watts] as const;
    const restS = atS + 1 + onS * (0.8 + 0.4 * random());
    yield [restS, 1.2] as const;
    atS = restS + offS * (0.8 + 0.4 * random());
  }
}

function* bursts(fromS: number, toS: number, random: () => number) {
  const base = logUniform(0.2, 60, random);
  const pauseS = logUniform(120, 7_200, random);
  for (let atS = fromS; atS < toS;) {
    yield [atS, base] as const;
    const burstS = atS + 1 - pauseS * Math.log(1 - random());
    yield [burstS, logUniform(300, 3_500, random)] as const;
    atS = burstS + logUniform(1, 90, random);
  }
}

function* restless(fromS: number, toS: number, random: () => number) {
  let watts = logUniform(5, 400, random);
  for (let atS = fromS; atS < toS; atS += 10) {
    watts = Math.min(3_500, Math.max(0.5, watts * (0.9 + 0.2 * random())));
    yield [atS, watts] as const;
  }
}
