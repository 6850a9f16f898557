import assert from 'node:assert/strict';
import {
  afterFetched,
  afterUsed,
  type Browsing,
  type Depth,
  neighboursToFetch,
  STARTING_DEPTH,
} from '../../../nodes/lib/cache/background/neighbours.ts';

const MB = 1_000_000;
const album = Array.from({ length: 30 }, (_, index) => ({ key: index, sizeBytes: 3 * MB }));

function named(browsing: Partial<Browsing<number>>): number[] {
  return neighboursToFetch({
    files: album,
    read: 0,
    readBefore: null,
    isKept: () => false,
    depth: 4,
    mostBytes: Infinity,
    ...browsing,
  }).map(({ key }) => key);
}

/** The depth after that many files fetched one by one, `share` of them used at once. */
function played(depth: Depth, files: number, share: number): Depth {
  let now = depth;
  for (let index = 0; index < files; index += 1) {
    const { round } = now;
    now = afterFetched(now, 1);
    if (Math.floor((index + 1) * share) > Math.floor(index * share)) now = afterUsed(now, round);
  }
  return now;
}

describe('The neighbours of a file that is being read', () => {
  it('are the next ones by name', () => {
    assert.deepEqual(named({ read: 5 }), [6, 7, 8, 9]);
  });

  it('are the ones before it for who reads backwards', () => {
    assert.deepEqual(named({ read: 5, readBefore: 6 }), [4, 3, 2, 1]);
    assert.deepEqual(named({ read: 5, readBefore: 4 }), [6, 7, 8, 9]);
  });

  it('are not fetched again, and each step of a reader causes one fetch', () => {
    const kept = new Set([6, 7, 8, 9]);
    assert.deepEqual(named({ read: 6, isKept: (key) => kept.has(key) }), [10]);
  });

  it('are none for a single read where hardly anything fetched ahead was used', () => {
    assert.deepEqual(named({ read: 5, depth: 1 }), []);
    assert.deepEqual(named({ read: 5, depth: 1, readBefore: 4 }), [6]);
  });

  it('end with the folder, and are none for a file that is not in it', () => {
    assert.deepEqual(named({ read: 28 }), [29]);
    assert.deepEqual(named({ read: 29 }), []);
    assert.deepEqual(named({ read: 99 }), []);
  });

  it('leave out what is larger than 20 MB, and look past it', () => {
    const files = album.map((file) => (file.key === 2 ? { ...file, sizeBytes: 21 * MB } : file));
    assert.deepEqual(named({ files, read: 1 }), [3, 4, 5, 6]);
  });

  it('are at most 400 MB in one go, and no more than there is room for', () => {
    const files = album.map((file) => ({ ...file, sizeBytes: 19 * MB }));
    assert.equal(named({ files, depth: 29 }).length, 21);
    assert.deepEqual(named({ files, mostBytes: 40 * MB }), [1, 2]);
    assert.deepEqual(named({ files, mostBytes: 0 }), []);
  });

  it('come small ones first, each kind in the order it will be read', () => {
    const files = album.map((file) => (file.key % 2 === 0 ? { ...file, sizeBytes: 20_000 } : file));
    assert.deepEqual(named({ files, depth: 6 }), [2, 4, 6, 1, 3, 5]);
  });
});

describe('How far ahead to fetch', () => {
  it('begins at 8 files and doubles while more than three quarters are used', () => {
    assert.equal(STARTING_DEPTH.files, 8);
    assert.equal(played(STARTING_DEPTH, 64, 0.9).files, 12);
    assert.equal(played(STARTING_DEPTH, 2_000, 1).files, 12);
  });

  it('is halved when less than half is used, and never less than one', () => {
    assert.equal(played(STARTING_DEPTH, 64, 0.4).files, 4);
    assert.equal(played(STARTING_DEPTH, 2_000, 0).files, 1);
  });

  it('stays where it is in between', () => {
    assert.equal(played(STARTING_DEPTH, 2_000, 0.6).files, 8);
  });

  it('comes back after a bad time', () => {
    const bad = played(STARTING_DEPTH, 500, 0);
    assert.equal(played(bad, 500, 1).files, 12);
  });

  it('gives what was fetched time to be used before it is judged', () => {
    let depth = afterFetched(STARTING_DEPTH, 32);
    for (let index = 0; index < 32; index += 1) depth = afterUsed(depth, 1);
    assert.equal(afterFetched(depth, 32).files, 12);
  });

  it('counts no use of what was fetched long ago', () => {
    let depth = afterFetched(afterFetched(STARTING_DEPTH, 32), 32);
    for (let index = 0; index < 32; index += 1) depth = afterUsed(depth, 1);
    assert.deepEqual(depth.before, { fetched: 32, used: 0 });
  });
});
