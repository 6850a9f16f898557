import { join } from 'node:path';
import { TRACES_FOLDER } from '../project-folder.ts';
import { Goals } from '../report/goals.ts';
import { Table } from '../report/table.ts';
import {
  browseAhead,
  browseWithout,
  readFolders,
  readReads,
  type Browsed,
  type FolderMap,
  type Read,
} from './browsing.ts';
import { Gdsf } from './gdsf.ts';
import { heldOutBrowsing } from './held-out-browsing.ts';
import { Lru } from './lru.ts';
import type { NewPolicy } from './policy.ts';
import { S3Fifo } from './s3-fifo.ts';

/** Timed reads, and the folders of their files. */
export interface Browsing {
  readonly reads: readonly Read[];
  readonly map: FolderMap;
}

interface BrowsedLine {
  readonly prefetch_object_hit_ratio: number;
  readonly nas_wakes: number;
  /** Relative to what LRU without prefetching takes from the NAS. */
  readonly nas_bytes_ratio: number;
  readonly prefetched_used_ratio: number | null;
}

const OURS = 'balupi';
const WITHOUT: Readonly<Record<string, NewPolicy>> = {
  lru: (bytes) => new Lru(bytes),
  's3-fifo': (bytes) => new S3Fifo(bytes),
  gdsf: (bytes) => new Gdsf(bytes),
};

/** Ours prefetches neighbours, the others do not. */
export function browseAll(
  { reads, map }: Browsing,
  limitBytes: number,
): {
  readonly of: ReadonlyMap<string, Browsed>;
  readonly lineOf: (policy: string) => BrowsedLine | object;
} {
  const of = new Map<string, Browsed>([[OURS, browseAhead(reads, map, limitBytes)]]);
  for (const [name, make] of Object.entries(WITHOUT)) {
    of.set(name, browseWithout(reads, make(limitBytes)));
  }
  return {
    of,
    lineOf: (policy) => {
      const browsed = of.get(policy);
      if (browsed === undefined) return {};
      return {
        prefetch_object_hit_ratio: round(browsed.objectHitRatio),
        nas_wakes: browsed.nasWakes,
        nas_bytes_ratio: round(browsed.nasBytes / (of.get('lru')?.nasBytes ?? NaN)),
        prefetched_used_ratio: policy === OURS ? round(browsed.usedRatio) : null,
      };
    },
  };
}

const SIZE_PERCENT = 10;

/** The shipped family trace and synthetic ways of browsing, at a tenth of what is read. */
export function browsingTables(print: (line: string) => void): string[] {
  const family = join(TRACES_FOLDER, 'synthetic-family-nas');
  const shipped = {
    name: 'synthetic-family-nas',
    reads: readReads(`${family}.csv.gz`),
    map: readFolders(`${family}.folders.csv.gz`),
  };
  const table = new Table(
    `neighbours fetched ahead, cache = ${SIZE_PERCENT} %`,
    'object hits %, LRU without',
    'object hits %, ours',
    'wakes / LRU',
    "NAS's bytes / LRU",
    'used of what was fetched ahead',
  );
  const goals = new Goals();
  for (const { name, ...browsing } of [shipped, ...heldOutBrowsing()]) {
    const { of, lineOf } = browseAll(browsing, (footprintOf(browsing.reads) * SIZE_PERCENT) / 100);
    for (const policy of of.keys()) {
      print(JSON.stringify({ trace: name, policy, size_percent: 10, ...lineOf(policy) }));
    }
    const [ours, lru] = [of.get(OURS), of.get('lru')];
    if (ours === undefined || lru === undefined) continue;
    const [wakes, bytes] = [ours.nasWakes / lru.nasWakes, ours.nasBytes / lru.nasBytes];
    const percents = [lru, ours].map((one) => (100 * one.objectHitRatio).toFixed(1));
    table.add(name, ...percents, wakes.toFixed(3), bytes.toFixed(3), ours.usedRatio.toFixed(3));
    if (name !== shipped.name) continue;
    goals.atLeast('family trace: object hits', ours.objectHitRatio, 0.85);
    goals.atMost("family trace: wakes against LRU's", wakes, 0.85);
    goals.atMost("family trace: the NAS's bytes against LRU's", bytes, 1.1);
    goals.atLeast('family trace: used of what was fetched ahead', ours.usedRatio, 0.8);
  }
  return [...table.lines(), '', ...goals.lines()];
}

function footprintOf(reads: readonly Read[]): number {
  const sizes = new Map(reads.map(({ key, sizeBytes }) => [key, sizeBytes]));
  return [...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
}

function round(value: number): number {
  return Math.round(value * 1e5) / 1e5;
}
