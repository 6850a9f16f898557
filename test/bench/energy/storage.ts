import { readFileSync } from 'node:fs';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import { WORDS } from '../../../nodes/lib/words/words.ts';
import { BucketRows } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/bucket-rows.ts';
import {
  dayOf,
  HOUSEHOLD,
  householdHour,
  sharesOf,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/buckets.ts';
import {
  historyCsv,
  reportJson,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy-wire.ts';
import type { Goals } from '../report/goals.ts';
import { percentile } from '../report/stats.ts';
import { short, Table } from '../report/table.ts';
import {
  closeWorld,
  DAY_S,
  fill,
  INTERVAL_S,
  openWorld,
  reading,
  START_S,
  type World,
} from './metered-world.ts';

/** Bytes this process passed to write(); null if the system does not report them. */
function writtenBytes(): number | null {
  try {
    const match = /^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'));
    return match === null ? null : Number(match[1]);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

const SPANS_S = [3_600, DAY_S, 7 * DAY_S, 20 * DAY_S, 39 * DAY_S];
const PLUGS = 20;
const DAYS = 40;

/** History over a database of 20 plugs and 40 days, and how long anything blocks the event loop. */
export async function benchStorage(print: (line: string) => void, goals: Goals): Promise<void> {
  const world = openWorld(PLUGS);
  try {
    const cpu = process.cpuUsage();
    fill(world, PLUGS, 0, DAYS);
    const used = process.cpuUsage(cpu);
    const cpuS = (used.user + used.system) / 1e6;
    print(`${DAYS} days of ${PLUGS} plugs metered and pruned with ${short(cpuS)} s of CPU`);
    const table = new Table(
      'history of',
      'points each',
      'p50',
      'p95',
      'p95 of the CPU',
      'CPU each',
      'most CPU of one',
    );
    const p95s = SPANS_S.map((spanS) => measure(world, spanS, table));
    for (const line of table.lines()) print(line);
    goals.atMost(
      'history, any range, 5 of 20 plugs: p95 of the CPU',
      Math.max(...p95s.map((m) => m.cpuP95)),
      15,
      ' ms',
    );
    goals.atMost('points of a series', Math.max(...p95s.map((m) => m.points)), 500);
    const holds = [
      ['one history', Math.max(...p95s.map((m) => m.longestMs))],
      ['a commit with the roll-up of an hour, 20 plugs', rollUpMs(world)],
      ['a slice of pruning', timed(20, () => world.energy.prune())],
      ['the look for the unusual, one plug', timed(20, () => world.energy.unusual.look())],
      ['the summary', timed(20, () => world.energy.summary())],
      ['a page of the CSV of raw samples', await csvHoldMs(world)],
    ] as const;
    const holding = new Table('what holds the event loop', 'CPU at most');
    for (const [what, ms] of holds) holding.add(what, `${short(ms)} ms`);
    for (const line of holding.lines()) print(line);
    goals.atMost(
      'event loop held by any of these, CPU',
      Math.max(...holds.map(([, ms]) => ms)),
      20,
      ' ms',
    );
  } finally {
    closeWorld(world);
  }
}

interface Measured {
  /** CPU time, with nothing else competing for the core. */
  readonly cpuP95: number;
  readonly points: number;
  readonly longestMs: number;
}

function measure(world: World, spanS: number, table: Table): Measured {
  const endS = START_S + DAYS * DAY_S;
  const times: number[] = [];
  const cpuTimes: number[] = [];
  const single: number[] = [];
  let most = 0;
  const cpu = process.cpuUsage();
  for (let round = 0; round < 100; round += 1) {
    const toS = endS - ((round * 7_919) % (DAY_S / 2));
    const beganMs = performance.now();
    const begun = process.threadCpuUsage();
    for (const device of [1, 5, 9, 13, 17]) {
      const before = process.threadCpuUsage();
      const query = { deviceId: `plug-${device}`, from: (toS - spanS) * 1_000, to: toS * 1_000 };
      const outcome = world.energy.histories.history(query);
      if (outcome.kind === 'history') most = Math.max(most, outcome.points.length);
      single.push(cpuMsSince(before));
    }
    times.push(performance.now() - beganMs);
    cpuTimes.push(cpuMsSince(begun));
  }
  const used = process.cpuUsage(cpu);
  const [p50, p95, cpuP95, longestMs] = [
    percentile(times, 0.5),
    percentile(times, 0.95),
    percentile(cpuTimes, 0.95),
    Math.max(...single),
  ];
  const cpuMs = (used.user + used.system) / 100_000;
  const ms = (value: number): string => `${short(value)} ms`;
  const shown = [p50, p95, cpuP95, cpuMs, longestMs].map(ms);
  table.add(`${spanS / 3_600} h`, String(most), ...shown);
  return { cpuP95, points: most, longestMs };
}

/**
 * The most CPU time of any call, ms: how long it blocks the event loop with nothing else competing
 * for the core. The first, which compiles, is left out.
 */
function timed(times: number, work: () => unknown): number {
  work();
  let mostMs = 0;
  for (let count = 0; count < times; count += 1) {
    const before = process.threadCpuUsage();
    work();
    mostMs = Math.max(mostMs, cpuMsSince(before));
  }
  return mostMs;
}

function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

/** Commits that close an hour of all plugs at once, the largest commit there is. */
function rollUpMs(world: World): number {
  let mostMs = 0;
  for (let hour = 0; hour < 24; hour += 1) {
    const fromS = DAYS * DAY_S + hour * 3_600;
    for (let atS = fromS; atS < fromS + 3_600; atS += INTERVAL_S) {
      world.clock.second = atS;
      world.energy.record(Array.from({ length: PLUGS }, (_, index) => reading(index + 1, atS)));
      const before = process.threadCpuUsage();
      world.energy.rollUp();
      if (hour > 0) mostMs = Math.max(mostMs, cpuMsSince(before));
    }
  }
  return mostMs;
}

/** The most CPU time between two turns of the event loop during an export. */
async function csvHoldMs(world: World): Promise<number> {
  const pages = world.energy.histories.pages({
    deviceId: 'plug-1',
    from: (START_S + (DAYS - 6) * DAY_S) * 1_000,
    to: (START_S + DAYS * DAY_S) * 1_000,
    resolution: 'raw',
  });
  if (pages.kind !== 'pages') throw new Error(pages.kind);
  let bytes = 0;
  let mostMs = 0;
  let count = 0;
  let before = process.threadCpuUsage();
  for await (const chunk of historyCsv(pages)) {
    bytes += chunk.length;
    count += 1;
    if (count > 3) mostMs = Math.max(mostMs, cpuMsSince(before));
    before = process.threadCpuUsage();
  }
  if (bytes < 100_000) throw new Error(`The CSV had ${bytes} bytes.`);
  return mostMs;
}

/** Bytes passed to write() in a day of five plugs. */
export function benchBytes(print: (line: string) => void, goals: Goals): void {
  const count = 5;
  const world = openWorld(count);
  try {
    fill(world, count, 0, 9);
    const before = writtenBytes();
    const cpu = process.cpuUsage();
    fill(world, count, 9, 1);
    const used = process.cpuUsage(cpu);
    const after = writtenBytes();
    print(`a day of ${count} plugs takes ${short((used.user + used.system) / 1e6)} s of CPU`);
    const what = `bytes written a day, ${count} plugs, a commit a minute`;
    if (before === null || after === null) goals.open(what, '≤ 12 MB', 'the system does not tell');
    else goals.atMost(what, (after - before) / 1e6, 12, ' MB');
  } finally {
    closeWorld(world);
  }
}

const YEAR_DAYS = 365;
/** At a tenth of this machine's speed, a page takes 300 ms. */
const PAGE_CPU_MS = 30;

/**
 * A year of hours of five plugs: what one change of a page requests, and the hours themselves. The
 * household and its plugs are put together by `history`, `bars` and `costs`, as the pages do.
 */
export async function benchYear(print: (line: string) => void, goals: Goals): Promise<void> {
  const count = 5;
  const world = openWorld(count);
  try {
    writeYear(world, count);
    world.clock.second = YEAR_DAYS * DAY_S;
    const [from, to] = [START_S * 1_000, (START_S + YEAR_DAYS * DAY_S) * 1_000];
    const iso = (atMs: number): string => new Date(atMs).toISOString();
    const page = (): void => {
      for (const query of [{ from: iso(from), to: iso(to) }, { period: 'year' }] as const) {
        const report = world.energy.reports.report({ ...query, compare: 'year' });
        if (report.kind !== 'report') throw new Error(report.kind);
        JSON.stringify(WORDS.spoken('de', reportJson(report)));
      }
    };
    const rows = await csvRows(world, from, to);
    const csvMs = await medianMs(() => csvRows(world, from, to));
    const pageMs = await medianMs(() => {
      page();
      return Promise.resolve();
    });
    print(`a year of hours as CSV: ${rows} rows with ${short(csvMs)} ms of CPU`);
    const what = `a year on the page, household and ${count} plugs with their costs, beside another, twice, CPU`;
    goals.atMost(what, pageMs, PAGE_CPU_MS, ' ms');
    goals.atMost('a year of hours of one plug, all of them, CPU', csvMs, PAGE_CPU_MS, ' ms');
  } finally {
    closeWorld(world);
  }
}

function writeYear({ store }: World, count: number): void {
  const [rows, time] = [new BucketRows(store), new LocalTime('Europe/Berlin')];
  store.transaction(() => {
    for (let day = 0; day < YEAR_DAYS; day += 1) {
      const startS = time.dayStart(START_S + day * DAY_S + DAY_S / 2);
      const perPlug = Array.from({ length: count }, (_, index) => yearDay(startS, time, index));
      const household = (perPlug[0] ?? []).map((hour, at) => {
        const parts = perPlug.flatMap((hours) => hours[at] ?? []);
        return householdHour(hour.startS, parts, []);
      });
      for (const [index, hours] of [household, ...perPlug].entries()) {
        for (const hour of hours) rows.putHour(index === 0 ? HOUSEHOLD : index, hour);
        rows.putDay(index, dayOf(time.date(startS), startS, hours), sharesOf(hours));
      }
    }
  });
}

function yearDay(startS: number, time: LocalTime, index: number) {
  const hours = [];
  for (let atS = startS; atS < time.nextDayStart(startS); atS = time.hourEnd(atS)) {
    const energyMwh = Math.round(40_000 + 20_000 * Math.sin(atS / 9_000 + index));
    const watts = { avgMw: energyMwh, minMw: energyMwh, maxMw: energyMwh };
    const bucket = { startS: atS, energyMwh, coveredS: 3_600, ...watts, isEstimated: false };
    hours.push({ ...bucket, costUc: energyMwh * 32, priceId: 0 });
  }
  return hours;
}

/** @returns the number of lines */
async function csvRows(world: World, from: number, to: number): Promise<number> {
  const pages = world.energy.histories.pages({ deviceId: 'plug-1', from, to, resolution: 'hour' });
  if (pages.kind !== 'pages') throw new Error(pages.kind);
  let lines = 0;
  for await (const chunk of historyCsv(pages)) lines += chunk.split('\n').length - 1;
  return lines - 1;
}

/** The median CPU time of several runs, ms; the first, which compiles, is left out. */
async function medianMs(work: () => Promise<unknown>): Promise<number> {
  await work();
  const times: number[] = [];
  for (let run = 0; run < 9; run += 1) {
    const before = process.threadCpuUsage();
    await work();
    times.push(cpuMsSince(before));
  }
  return percentile(times, 0.5);
}
