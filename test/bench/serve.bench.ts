import type { BenchOptions } from './options.ts';
import { Goals } from './report/goals.ts';
import { median } from './report/stats.ts';
import { short, Table } from './report/table.ts';
import { BenchWorld, KB, MB } from './world/bench-nas.ts';
import { Load } from './world/load.ts';
import { cpuSeconds, MemoryWatch, rssBytes } from './world/proc.ts';
import {
  BARE,
  BEHIND_NGINX,
  FASTAPI,
  NGINX,
  CACHE,
  CACHE_FROM_DISK,
  startServingTargets,
  WHOLE,
} from './world/serving-targets.ts';
import type { Target } from './world/target.ts';

interface Case {
  readonly name: string;
  readonly file: string;
  readonly connections: number;
  readonly unit: 'requests' | 'MB';
}

interface Measured {
  /** Work per CPU second of the server. */
  readonly perCpuSecond: number;
  readonly perSecond: number;
  readonly grownBytes: number;
}

/** All repetitions by target and case. */
type Results = Map<string, Measured[]>;

const FILES = { '1k.bin': KB, '1m.bin': MB, '100m.bin': 100 * MB };
const CASES: readonly Case[] = [
  { name: '1 KB, 16 connections', file: '1k.bin', connections: 16, unit: 'requests' },
  { name: '1 MB, 1 connection', file: '1m.bin', connections: 1, unit: 'MB' },
  { name: '1 MB, 16 connections', file: '1m.bin', connections: 16, unit: 'MB' },
  { name: '100 MB, 16 connections', file: '100m.bin', connections: 16, unit: 'MB' },
];
const REPETITIONS = 5;
/** Start, filling, warm-up, and the crowd at the end. */
const ASIDE_SECONDS = 20;
const WARM_UP_MS = 500;
const SHORTEST_MS = 200;
const CROWD = { connections: 64, durationMs: 4_000 };

/** Rows that only mean something in these cases; all others are in every case. */
const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  [BARE]: ['1k.bin', '1m.bin'],
  [CACHE_FROM_DISK]: ['1k.bin'],
  // nginx cannot send what is kept in segments.
  [BEHIND_NGINX]: ['1m.bin'],
};

const measuredIn = (targets: readonly Target[], { file }: Case): Target[] =>
  targets.filter(({ name }) => ONLY_IN[name]?.includes(file) ?? true);

/** Hits by the cache alone, the whole BaluPi, and comparable servers on this machine. */
export async function benchServe(
  print: (line: string) => void,
  options: BenchOptions,
): Promise<void> {
  const world = new BenchWorld();
  const load = new Load();
  const targets: Target[] = [];
  try {
    await world.start();
    for (const [name, sizeBytes] of Object.entries(FILES)) await world.put(name, sizeBytes);
    await startServingTargets(world, targets, print);
    const windowMs = windowOf(options.seconds, targets);
    print(
      `${REPETITIONS} interleaved repetitions of ${Math.round(windowMs)} ms each; the load is our ` +
        'own keep-alive client in a process of its own; server and load on a core each',
    );
    const results = await measureAll(load, targets, windowMs);
    print('');
    for (const line of tableOf(targets, results)) print(line);
    const crowdBytes = await crowd(load, targets);
    print('');
    for (const line of goalsOf(results, crowdBytes).lines()) print(line);
  } finally {
    await load.stop();
    for (const target of targets) await target.stop();
    await world.stop();
  }
}

function windowOf(seconds: number, targets: readonly Target[]): number {
  const runs = CASES.reduce((sum, one) => sum + measuredIn(targets, one).length, 0);
  const measured = ((seconds - ASIDE_SECONDS) * 1_000) / (REPETITIONS * runs);
  return Math.max(SHORTEST_MS, measured);
}

async function measureAll(
  load: Load,
  targets: readonly Target[],
  windowMs: number,
): Promise<Results> {
  const results: Results = new Map();
  for (const one of CASES) {
    const those = measuredIn(targets, one);
    // The first read is a miss of the whole BaluPi; from then on each is a hit.
    for (const target of those) await run(load, target, one, { mostAnswers: 1 });
    for (const target of those) await run(load, target, one, { durationMs: WARM_UP_MS });
    for (let repetition = 0; repetition < REPETITIONS; repetition += 1) {
      for (const target of those) {
        const measured = await run(load, target, one, { durationMs: windowMs });
        const key = keyOf(target.name, one);
        results.set(key, [...(results.get(key) ?? []), measured]);
      }
    }
  }
  return results;
}

const keyOf = (target: string, one: Case): string => `${target}\0${one.name}`;

async function run(
  load: Load,
  target: Target,
  one: Case,
  limits: { readonly durationMs?: number; readonly mostAnswers?: number },
): Promise<Measured> {
  const { port, pids, headers } = target;
  const memory = new MemoryWatch(pids);
  const before = cpuSeconds(pids);
  const connections = limits.mostAnswers === 1 ? 1 : one.connections;
  const path = target.pathOf(one.file);
  const result = await load.run({
    ...{ kind: 'read', port, path, headers, connections, durationMs: 20_000 },
    ...limits,
  });
  const used = cpuSeconds(pids) - before;
  const { grownBytes } = memory.stop();
  const work = one.unit === 'MB' ? result.bytes / MB : result.answers;
  return { perCpuSecond: work / used, perSecond: work / result.seconds, grownBytes };
}

function typical(results: Results, target: string, one: Case, what: keyof Measured): number {
  return median((results.get(keyOf(target, one)) ?? []).map((measured) => measured[what]));
}

function tableOf(targets: readonly Target[], results: Results): string[] {
  const table = new Table(
    ...['case', 'server', 'a server CPU second', 'ratio to nginx', 'spread of the ratio'],
    ...['a second of wall time', 'memory grew by'],
  );
  for (const one of CASES) {
    for (const { name } of measuredIn(targets, one)) {
      const ratios = ratiosOf(results, name, NGINX, one);
      const grown = Math.max(...(results.get(keyOf(name, one)) ?? []).map((m) => m.grownBytes));
      table.add(
        one.name,
        name,
        `${short(typical(results, name, one, 'perCpuSecond'))} ${one.unit}`,
        short(median(ratios)),
        `${short(Math.min(...ratios))} – ${short(Math.max(...ratios))}`,
        `${short(typical(results, name, one, 'perSecond'))} ${one.unit}`,
        `${short(grown / MB)} MB`,
      );
    }
  }
  return table.lines();
}

/** Work per CPU second relative to a peer's, repetition by repetition. */
function ratiosOf(results: Results, target: string, peer: string, one: Case): number[] {
  const peers = results.get(keyOf(peer, one)) ?? [];
  return (results.get(keyOf(target, one)) ?? []).map(
    (measured, index) => measured.perCpuSecond / (peers[index]?.perCpuSecond ?? NaN),
  );
}

/** How much the whole BaluPi grows beyond its idle state with 64 readers of 100 MB. */
async function crowd(load: Load, targets: readonly Target[]): Promise<number> {
  const balupi = targets.find(({ name }) => name === WHOLE);
  if (balupi === undefined) return NaN;
  const idleBytes = rssBytes(balupi.pids);
  const memory = new MemoryWatch(balupi.pids);
  const { port, headers } = balupi;
  const path = balupi.pathOf('100m.bin');
  await load.run({ kind: 'read', port, path, headers, ...CROWD });
  return memory.stop().mostBytes - idleBytes;
}

function goalsOf(results: Results, crowdBytes: number): Goals {
  const goals = new Goals();
  const [small, single, many, large] = CASES as [Case, Case, Case, Case];
  const ratio = (one: Case, target: string, peer: string, wanted: number): void => {
    const measured = median(ratiosOf(results, target, peer, one));
    goals.atLeast(`${one.name}: ${target} / ${peer}`, measured, wanted);
  };
  ratio(many, CACHE, NGINX, 0.5);
  ratio(single, CACHE, NGINX, 0.9);
  ratio(small, CACHE, NGINX, 0.4);
  ratio(small, CACHE_FROM_DISK, NGINX, 0.15);
  ratio(many, WHOLE, NGINX, 0.4);
  ratio(large, WHOLE, NGINX, 0.3);
  ratio(many, WHOLE, FASTAPI, 2);
  ratio(large, WHOLE, FASTAPI, 2.5);
  ratio(small, WHOLE, FASTAPI, 2);
  goals.atMost('100 MB, 64 readers: memory of BaluPi grows by', crowdBytes / MB, 100, ' MB');
  return goals;
}
