import assert from 'node:assert/strict';
import { BaluPiPolicy } from './policies/balupi.ts';
import { Belady, BeladySize } from './policies/belady.ts';
import { Gdsf } from './policies/gdsf.ts';
import { Lru } from './policies/lru.ts';
import type { Policy } from './policies/policy.ts';
import { S3Fifo } from './policies/s3-fifo.ts';
import { replay, traceOf } from './policies/trace.ts';

const KB = 1024;

/** Objects are `a` to `z`; sizes by letter, else 1. */
function trace(order: string, sizes: Readonly<Record<string, number>> = {}) {
  const lines = [...order].map((key, time) => `${time},${key},${sizes[key] ?? 1}`);
  return traceOf('hand-made', ['time,key,size', ...lines].join('\n'));
}

/** Hits as `h`, misses as `.`. */
function played(
  policy: Policy,
  order: string,
  sizes: Readonly<Record<string, number>> = {},
): string {
  return trace(order, sizes)
    .uses.map((use) => (policy.use(use) ? 'h' : '.'))
    .join('');
}

describe('The policies of the bench', () => {
  it('LRU gives up what was used longest ago', () => {
    assert.equal(played(new Lru(2), 'abacab'), '..h.h.');
  });

  it('S3-FIFO lets a scan of one-time objects pass without losing what is used', () => {
    assert.equal(played(new S3Fifo(10), 'aaabcdefghijklmnopa').at(-1), 'h');
    assert.equal(played(new Lru(10), 'aaabcdefghijklmnopa').at(-1), '.');
  });

  it('S3-FIFO takes what it gave up recently straight into its main queue', () => {
    const policy = new S3Fifo(10);
    // `a` leaves the small queue, returns as known, and outlasts the next ten strangers.
    assert.equal(played(policy, 'abcdefghijkalmnopqrsta').at(-1), 'h');
  });

  it('GDSF gives up one large object before many small ones', () => {
    const sizes = { L: 8 };
    assert.equal(played(new Gdsf(10), 'abLcabL', sizes), '....hh.');
  });

  it('GDSF forgets old fame: what was used often long ago goes in the end', () => {
    const order = `aaaa${'bcbcbcdededefgfgfghihihijkjkjklmlmlm'}a`;
    assert.equal(played(new Gdsf(2), order).at(-1), '.');
  });

  it('ours takes anything below a block for a block, so that the older of two equals goes', () => {
    const sizes = { a: 100, b: 4 * KB, c: 4 * KB };
    assert.equal(played(new BaluPiPolicy(8 * KB), 'abcab', sizes), '.....');
    assert.equal(played(new Gdsf(8 * KB), 'abcab', sizes), '...h.');
  });

  it('Belady keeps what is used again soonest, and nothing that never is', () => {
    assert.equal(played(new Belady(2), 'abcabxac'), '...hh.h.');
  });

  it('Belady by size prefers two small hits to one large', () => {
    assert.equal(played(new BeladySize(4), 'Labab', { L: 4, a: 2, b: 2 }), '...hh');
  });

  it('no policy holds more than it may, or keeps what is larger than all of it', () => {
    const sizes = { a: 3, b: 5, c: 7, d: 11, X: 21 };
    const policies = [Lru, S3Fifo, Gdsf, BaluPiPolicy, Belady, BeladySize];
    for (const One of policies) {
      const result = replay(trace('abcdXdcbaXabacadXbcbdcdXX', sizes), new One(20));
      assert.ok(result.mostBytes <= 20, One.name);
      const policy = new One(20);
      assert.equal(played(policy, 'XXX', sizes), '...', One.name);
    }
  });

  it('knowing the future is worth at least as much as any policy that does not', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const order = Array.from({ length: 3_000 }, () =>
      String.fromCharCode(97 + Math.min(random(26), random(26))),
    ).join('');
    const bound = replay(trace(order), new Belady(6)).objectHitRatio;
    for (const One of [Lru, S3Fifo, Gdsf, BaluPiPolicy]) {
      assert.ok(replay(trace(order), new One(6)).objectHitRatio <= bound, One.name);
    }
  });

  it('ratios count objects and bytes apart', () => {
    const result = replay(trace('aabb', { a: 1, b: 3 }), new Lru(1));
    assert.equal(result.objectHitRatio, 0.25);
    assert.equal(result.byteHitRatio, 1 / 8);
  });

  it('a trace names the line that cannot be read', () => {
    assert.throws(() => traceOf('t', 'time,key,size\n1,2,3\n1,2'), /Line 3 of the trace t/);
    assert.throws(() => traceOf('t', 'a,b\n1,2,3'), /wanted time,key,size/);
  });
});
