import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  browseAhead,
  browseWithout,
  mapOf,
  readFolders,
  readReads,
  type Read,
} from './policies/browsing.ts';
import { BaluPiPolicy } from './policies/balupi.ts';
import { Lru } from './policies/lru.ts';
import { heldOutTraces } from './policies/held-out.ts';
import { S3Fifo } from './policies/s3-fifo.ts';
import { Gdsf } from './policies/gdsf.ts';
import { replay } from './policies/trace.ts';
import { TRACES_FOLDER } from './project-folder.ts';

const MB = 1_000_000;

function reads(...times: readonly (readonly [number, number])[]): Read[] {
  return times.map(([atSeconds, key]) => ({ atSeconds, key, sizeBytes: MB }));
}

describe('The sleeping NAS of the bench', () => {
  it('is woken by a miss, and stays up for a quarter of an hour after the last transfer', () => {
    const some = reads([0, 1], [100, 1], [899, 2], [1_798, 3], [2_699, 4], [9_000, 1]);
    const browsed = browseWithout(some, new Lru(10 * MB));
    assert.equal(browsed.nasWakes, 2);
    assert.equal(browsed.nasBytes, 4 * MB);
    assert.equal(browsed.objectHitRatio, 2 / 6);
  });

  it('gives neighbours while it is up, and is not woken for them', () => {
    const folder = Array.from({ length: 30 }, (_, key) => ({ key, sizeBytes: MB }));
    const inOrder = reads(...folder.map(({ key }) => [key * 10, key] as const));
    const browsed = browseAhead(inOrder, mapOf([folder]), 100 * MB);
    assert.equal(browsed.objectHitRatio, 29 / 30);
    assert.deepEqual([browsed.nasWakes, browsed.nasBytes, browsed.usedRatio], [1, 30 * MB, 1]);
    const later = browseAhead(reads([0, 0], [1_000, 1]), mapOf([folder]), 100 * MB);
    assert.equal(later.nasWakes, 1);
    assert.equal(later.nasBytes, 9 * MB);
  });

  it('is spared by neighbours on the family trace', function () {
    this.timeout(60_000);
    const family = join(TRACES_FOLDER, 'synthetic-family-nas');
    const all = readReads(`${family}.csv.gz`);
    const sizes = new Map(all.map(({ key, sizeBytes }) => [key, sizeBytes]));
    const limit = [...sizes.values()].reduce((sum, size) => sum + size, 0) / 10;
    const lru = browseWithout(all, new Lru(limit));
    const ours = browseAhead(all, readFolders(`${family}.folders.csv.gz`), limit);
    assert.ok(ours.objectHitRatio >= 0.85, `hits ${ours.objectHitRatio}`);
    assert.ok(ours.nasWakes <= 0.85 * lru.nasWakes, `wakes ${ours.nasWakes} of ${lru.nasWakes}`);
    assert.ok(ours.nasBytes <= 1.1 * lru.nasBytes, `bytes ${ours.nasBytes} of ${lru.nasBytes}`);
    assert.ok(ours.usedRatio >= 0.8, `used ${ours.usedRatio}`);
  });
});

describe('Our policy on made-up traces', function () {
  this.timeout(120_000);

  for (const trace of heldOutTraces().filter((_, index) => index % 3 === 0)) {
    it(`is near the best of three on ${trace.name}, and never much worse with more space`, () => {
      let before = 0;
      for (const percent of [5, 10]) {
        const bytes = Math.floor((trace.footprintBytes * percent) / 100);
        const ours = replay(trace, new BaluPiPolicy(bytes)).objectHitRatio;
        const rivals = [new Lru(bytes), new S3Fifo(bytes), new Gdsf(bytes)];
        const best = Math.max(...rivals.map((rival) => replay(trace, rival).objectHitRatio));
        assert.ok(ours >= 0.97 * best, `${percent} %: ${ours} against ${best}`);
        assert.ok(ours >= before - 0.01, `${percent} %: ${ours} after ${before}`);
        before = ours;
      }
    });
  }
});
