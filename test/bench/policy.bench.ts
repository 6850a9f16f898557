import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { browseAll, browsingTables, type Browsing } from './policies/browsing-bench.ts';
import { readFolders, readReads } from './policies/browsing.ts';
import { heldOutTraces } from './policies/held-out.ts';
import type { BenchOptions } from './options.ts';
import { BaluPiPolicy } from './policies/balupi.ts';
import { Belady, BeladySize } from './policies/belady.ts';
import { Gdsf } from './policies/gdsf.ts';
import { Lru } from './policies/lru.ts';
import type { NewPolicy } from './policies/policy.ts';
import { S3Fifo } from './policies/s3-fifo.ts';
import { readTrace, replay, type Replayed, type Trace } from './policies/trace.ts';
import { TRACES_FOLDER } from './project-folder.ts';
import { Goals } from './report/goals.ts';
import { Table } from './report/table.ts';

const OURS = 'balupi';
const RIVALS = ['lru', 's3-fifo', 'gdsf'] as const;
/** No online policy is known to beat the better of the two that know the future. */
const BOUND = 'bound';

const POLICIES: Readonly<Record<string, NewPolicy>> = {
  [OURS]: (bytes) => new BaluPiPolicy(bytes),
  lru: (bytes) => new Lru(bytes),
  's3-fifo': (bytes) => new S3Fifo(bytes),
  gdsf: (bytes) => new Gdsf(bytes),
  belady: (bytes) => new Belady(bytes),
  'belady-size': (bytes) => new BeladySize(bytes),
};

/** One policy's result for one trace at one size. */
interface Cell {
  readonly trace: string;
  readonly sizePercent: number;
  readonly of: ReadonlyMap<string, Replayed>;
}

/** Replays traces and prints one JSON line per policy, trace and size. @returns tables */
export function benchPolicy(print: (line: string) => void, options: BenchOptions): string[] {
  const { traces: files, folders, sizes } = options;
  if (files.length > 0) {
    const cells = files.flatMap((file) => {
      const browsing =
        folders === null ? null : { reads: readReads(file), map: readFolders(folders) };
      return cellsOf(readTrace(file), sizes, print, browsing);
    });
    return tablesOf(cells, sizes);
  }
  const shipped = shippedTraces().flatMap((file) => cellsOf(readTrace(file), sizes, print, null));
  const made = heldOutTraces().flatMap((trace) => cellsOf(trace, sizes, print, null));
  return [
    ...tablesOf(shipped, sizes),
    '',
    'The same on traces made up for the purpose, with other parameters than those the policy was chosen by; one of its four variants was compared on them too (ADR 0021):',
    '',
    ...madeTable(made).lines(),
    '',
    ...goalsOf(made).lines(),
    '',
    ...browsingTables(print),
  ];
}

function cellsOf(
  trace: Trace,
  sizes: readonly number[],
  print: (line: string) => void,
  browsing: Browsing | null,
): Cell[] {
  return sizes.map((sizePercent) => {
    const cell = replayAll(trace, sizePercent);
    const browsed =
      browsing === null ? null : browseAll(browsing, (trace.footprintBytes * sizePercent) / 100);
    for (const [policy, result] of cell.of) {
      print(JSON.stringify({ ...lineOf(cell, policy, result), ...browsed?.lineOf(policy) }));
    }
    return cell;
  });
}

function shippedTraces(): string[] {
  return readdirSync(TRACES_FOLDER)
    .filter((name) => name.endsWith('.csv.gz') && !name.endsWith('.folders.csv.gz'))
    .sort()
    .map((name) => join(TRACES_FOLDER, name));
}

function replayAll(trace: Trace, sizePercent: number): Cell {
  const capacityBytes = Math.floor((trace.footprintBytes * sizePercent) / 100);
  const of = new Map<string, Replayed>();
  for (const [name, make] of Object.entries(POLICIES)) {
    const result = replay(trace, make(capacityBytes));
    if (result.mostBytes > capacityBytes) throw new Error(`${name} held more than it may.`);
    of.set(name, result);
  }
  of.set(BOUND, better(of.get('belady'), of.get('belady-size')));
  return { trace: trace.name, sizePercent, of };
}

function better(a: Replayed | undefined, b: Replayed | undefined): Replayed {
  return {
    objectHitRatio: Math.max(a?.objectHitRatio ?? 0, b?.objectHitRatio ?? 0),
    byteHitRatio: Math.max(a?.byteHitRatio ?? 0, b?.byteHitRatio ?? 0),
    mostBytes: 0,
  };
}

function lineOf(cell: Cell, policy: string, result: Replayed) {
  return {
    trace: cell.trace,
    policy,
    size_percent: cell.sizePercent,
    object_hit_ratio: round(result.objectHitRatio),
    byte_hit_ratio: round(result.byteHitRatio),
  };
}

function round(value: number): number {
  return Math.round(value * 1e5) / 1e5;
}

function tablesOf(cells: readonly Cell[], sizes: readonly number[]): string[] {
  const at = sizes.join(' / ');
  const objects = new Table(
    `object hit ratio %, cache = ${at} % of the footprint`,
    ...traces(cells),
  );
  const bytes = new Table(`byte hit ratio %, cache = ${at} % of the footprint`, ...traces(cells));
  for (const policy of [...Object.keys(POLICIES), BOUND]) {
    objects.add(policy, ...row(cells, policy, 'objectHitRatio'));
    bytes.add(policy, ...row(cells, policy, 'byteHitRatio'));
  }
  return [...objects.lines(), '', ...bytes.lines(), '', ...goalsOf(cells).lines()];
}

function traces(cells: readonly Cell[]): string[] {
  return [...new Set(cells.map(({ trace }) => trace))];
}

function row(cells: readonly Cell[], policy: string, what: keyof Replayed): string[] {
  return traces(cells).map((trace) =>
    cells
      .filter((cell) => cell.trace === trace)
      .map((cell) => (100 * (cell.of.get(policy)?.[what] ?? NaN)).toFixed(1))
      .join(' / '),
  );
}

/** One row per trace: too many of them for a column each. */
function madeTable(cells: readonly Cell[]): Table {
  const policies = [...RIVALS, OURS, BOUND];
  const table = new Table('object hit ratio %', ...policies);
  for (const trace of traces(cells)) {
    const own = cells.filter((cell) => cell.trace === trace);
    table.add(trace, ...policies.map((policy) => row(own, policy, 'objectHitRatio').join('')));
  }
  return table;
}

function goalsOf(cells: readonly Cell[]): Goals {
  const goals = new Goals();
  const objects = (cell: Cell, policy: string): number => cell.of.get(policy)?.objectHitRatio ?? 0;
  const ours = (cell: Cell): number => objects(cell, OURS);
  const best = (cell: Cell): number => Math.max(...RIVALS.map((name) => objects(cell, name)));
  const worst = (figures: readonly number[]): number => Math.min(...figures);
  goals.atLeast(
    'object hits against the best of LRU, S3-FIFO, GDSF, worst cell',
    worst(cells.map((cell) => ours(cell) / best(cell))),
    0.98,
  );
  goals.atLeast(
    'object hits against LRU, worst cell',
    worst(cells.map((cell) => ours(cell) / objects(cell, 'lru'))),
    1,
  );
  goals.atMost('points lost by a larger cache, worst step', lossOf(cells, ours), 1);
  const share = (what: 'objectHitRatio' | 'byteHitRatio'): number =>
    cells.reduce((sum, { of }) => sum + ratio(of.get(OURS)?.[what], of.get(BOUND)?.[what]), 0) /
    cells.length;
  goals.atLeast('mean of object hits / bound', share('objectHitRatio'), 0.85);
  goals.atLeast('mean of byte hits / bound', share('byteHitRatio'), 0.72);
  return goals;
}

function ratio(part: number | undefined, whole: number | undefined): number {
  return (part ?? 0) / (whole ?? 1);
}

/** Percentage points, between a cache and the next larger one of the same trace. */
function lossOf(cells: readonly Cell[], ours: (cell: Cell) => number): number {
  let loss = 0;
  for (const cell of cells) {
    const larger = cells
      .filter(({ trace, sizePercent }) => trace === cell.trace && sizePercent > cell.sizePercent)
      .sort((a, b) => a.sizePercent - b.sizePercent)[0];
    if (larger !== undefined) loss = Math.max(loss, 100 * (ours(cell) - ours(larger)));
  }
  return loss;
}
