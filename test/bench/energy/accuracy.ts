import { Bench } from '../../lib/energy/energy-bench.ts';
import {
  type MeteredDay,
  runRandomWorld,
  type Trouble,
  type WorldResult,
} from '../../lib/energy/random-world.ts';
import { generator, SimulatedPlug, steady } from '../../lib/energy/simulated-plug.ts';
import type { Goals } from '../report/goals.ts';
import { percentile } from '../report/stats.ts';
import { short, Table } from '../report/table.ts';

/** The smallest difference that counts as wrong, Wh; percentages mean nothing for small loads. */
const LEAST_WH = 2;
const SHARE: Readonly<Record<Trouble, number>> = { polls: 0.005, outages: 0.01 };
const WORDS: Readonly<Record<Trouble, string>> = {
  polls: 'up to 20 % loss, jitter, 37 s polls, kills',
  outages: 'also outages of up to 6 h and wiped counters',
};

/**
 * Random households of three days each, every other one on special days of the calendar, against
 * the exact integral of their loads.
 * @param seed of the first world; each next one takes the next number
 */
export async function benchAccuracy(
  print: (line: string) => void,
  goals: Goals,
  seed: number,
  worlds: number,
): Promise<void> {
  const all: WorldResult[] = [];
  const table = new Table('days with', 'days', 'median off', 'p99 off', 'most off', 'of the limit');
  for (const trouble of ['polls', 'outages'] as const) {
    const results: WorldResult[] = [];
    for (let world = 0; world < worlds; world += 1) {
      results.push(await runRandomWorld(seed + world, trouble));
    }
    const metered = results.flatMap((result) => result.days);
    const days = metered.filter(isKnown);
    if (trouble === 'outages') tellUncovered(print, goals, metered);
    const judged = (list: readonly MeteredDay[]): number[] =>
      list.map((day) => Math.abs(day.meteredWh - day.exactWh) / limitWh(day, trouble));
    const off = days.map((day) => Math.abs(day.meteredWh - day.exactWh));
    const worst = Math.max(...judged(days));
    const cells = [percentile(off, 0.5), percentile(off, 0.99), Math.max(...off)];
    table.add(WORDS[trouble], String(days.length), ...cells.map(wh), `${short(worst * 100)} %`);
    const limit = `${SHARE[trouble] * 100} % or ${LEAST_WH} Wh`;
    goals.atMost(`day energy off, ${WORDS[trouble]}, of ${limit}`, worst * 100, 100, ' %');
    const whole = Math.max(...judged(results.map((result) => result.whole).filter(isKnown)));
    goals.atMost(`all days together off, of ${limit}`, whole * 100, 100, ' %');
    tellWorst(print, days, trouble);
    all.push(...results);
  }
  for (const line of table.lines()) print(line);
  const drift = Math.max(...all.map((result) => result.counterDriftWh));
  goals.atMost("off the plug's own counter", drift, 1, ' Wh a day');
  const broken = all.reduce((sum, result) => sum + result.brokenSums, 0);
  goals.atMost('hours = day, plugs = household, cost = Σ hour × price: sums that miss', broken, 0);
}

/**
 * What no counter shows, such as an outage over the end of a month, is left uncovered and reported
 * so.
 */
const UNCOVERED = 0.005;

function isKnown(day: MeteredDay): boolean {
  return day.covered > 1 - UNCOVERED;
}

function tellUncovered(
  print: (line: string) => void,
  goals: Goals,
  days: readonly MeteredDay[],
): void {
  const unknown = days.filter((day) => !isKnown(day));
  print(`days of which the meter itself says that a part is unknown: ${unknown.length}`);
  const invented = unknown.filter((day) => day.meteredWh > day.exactWh + limitWh(day, 'outages'));
  goals.atMost('of these, days with energy that was not there', invented.length, 0);
}

/** The day that came closest to its limit, so that it can be rerun. */
function tellWorst(
  print: (line: string) => void,
  days: readonly MeteredDay[],
  trouble: Trouble,
): void {
  const [worst] = [...days].sort(
    (a, b) =>
      Math.abs(b.meteredWh - b.exactWh) / limitWh(b, trouble) -
      Math.abs(a.meteredWh - a.exactWh) / limitWh(a, trouble),
  );
  if (worst === undefined) return;
  print(
    `worst day with ${WORDS[trouble]}: ${wh(worst.meteredWh)} for ${wh(worst.exactWh)}, ` +
      `${worst.what}, seed ${worst.seed}`,
  );
}

function limitWh(day: MeteredDay, trouble: Trouble): number {
  return Math.max(day.exactWh * SHARE[trouble], LEAST_WH);
}

function wh(value: number): string {
  return `${short(value)} Wh`;
}

const HOUR_S = 3_600;
const FROM_S = Date.parse('2026-05-10T22:00:00Z') / 1_000;
const TABLES = ['energy_five_minutes', 'energy_hourly', 'energy_daily', 'energy_daily_tariffs'];

/** The same samples with and without kills at random moments, and rolled up twice. */
export function benchDurability(goals: Goals, seed: number, runs: number): void {
  let different = 0;
  for (let run = 0; run < runs; run += 1) {
    const [calm, killed] = [new Bench(FROM_S), new Bench(FROM_S)];
    try {
      const random = generator(seed + run);
      const plugOf = (bench: Bench): SimulatedPlug =>
        new SimulatedPlug(
          1,
          steady(FROM_S, 30 + 900 * generator(seed + run)()),
          FROM_S,
          bench.time,
        );
      const [plug, other] = [plugOf(calm), plugOf(killed)];
      for (let atS = FROM_S; atS < FROM_S + 8 * HOUR_S;) {
        const untilS = atS + 60 * (1 + Math.floor(random() * 40));
        const weather = { seed: atS, loss: 0.1 };
        calm.run([plug], atS, untilS, weather);
        killed.run([other], atS, untilS, weather);
        for (const bench of [calm, killed, killed]) bench.energy.rollUp();
        killed.crash(untilS);
        atS = untilS;
      }
      different += TABLES.filter((table) => calm.rows(table) !== killed.rows(table)).length;
    } finally {
      calm.close();
      killed.close();
    }
  }
  goals.atMost('rolled up twice and killed at random: tables that differ', different, 0);
}
