import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { DepthRows } from '../../../nodes/lib/prefetch/depth-rows.ts';
import { NEED_LASTS_MS } from '../../../nodes/lib/prefetch/background-scheduler.ts';
import { streamOf } from '../../fakes/file-nas.ts';
import { MINUTE_MS, PrefetchBench } from './prefetch-bench.ts';

/** `alice/p/01.jpg` and so on. */
function nth(index: number): string {
  return `alice/p/${String(index).padStart(2, '0')}.jpg`;
}

describe('Fetching the neighbours of what is read', () => {
  let bench: PrefetchBench;

  beforeEach(async () => {
    bench = new PrefetchBench();
    await bench.start();
    for (let index = 1; index <= 30; index += 1) bench.nas.put(nth(index), `photo ${index}`);
    bench.turn(true);
  });

  afterEach(async () => {
    await bench.close();
  });

  it('keeps the next files, which are then read without the NAS', async () => {
    assert.equal(await bench.read(bench.alice, nth(5)), 'miss');
    bench.fetched();
    await bench.tick();
    const expected = [6, 7, 8, 9, 10, 11, 12, 13].map((index) => `token-4 ${nth(index)}`);
    assert.deepEqual(bench.fetched(), expected);
    bench.turn(false);
    for (let index = 6; index <= 13; index += 1) {
      assert.equal(await bench.read(bench.alice, nth(index)), 'stale');
    }
    assert.deepEqual(bench.fetched(), []);
  });

  it('goes on one file a step, backwards too', async () => {
    await bench.read(bench.alice, nth(5));
    await bench.tick();
    bench.fetched();
    await bench.read(bench.alice, nth(6));
    await bench.tick();
    assert.deepEqual(bench.fetched(), [`token-4 ${nth(14)}`]);
    await bench.read(bench.alice, nth(5));
    await bench.tick();
    assert.deepEqual(
      bench.fetched(),
      [4, 3, 2, 1].map((index) => `token-4 ${nth(index)}`),
    );
  });

  it('keeps the first files of a folder that is looked into', async () => {
    await bench.list(bench.alice, 'alice/p');
    await bench.tick();
    assert.deepEqual(
      bench.fetched(),
      [1, 2, 3, 4].map((index) => `token-4 ${nth(index)}`),
    );
  });

  it('leaves a file larger than 20 MB, and fetches small ones first', async () => {
    bench.nas.put(nth(6), Buffer.alloc(20_000_001));
    bench.nas.put(nth(7), Buffer.alloc(300_000));
    await bench.read(bench.alice, nth(5));
    await bench.tick();
    const names = bench.fetched().map((call) => call.slice(-6, -4));
    assert.deepEqual(names, ['05', '08', '09', '10', '11', '12', '13', '14', '07']);
  });

  it('fetches nothing that its reader may not read, and nothing without their own token', async () => {
    bench.nas.put(nth(6), 'not theirs', { ownerId: '9' });
    await bench.read(bench.alice, nth(5));
    bench.fetched();
    bench.tokens.delete(bench.alice.user.id);
    await bench.tick();
    assert.deepEqual(bench.fetched(), []);
    bench.tokens.set(bench.alice.user.id, 'token-4');
    await bench.read(bench.alice, nth(4));
    bench.fetched();
    await bench.tick();
    const asked = bench.fetched();
    assert.ok(asked.length > 0 && asked.every((call) => call.startsWith('token-4 ')));
    assert.ok(!asked.some((call) => call.includes(nth(6))));
  });

  it('fetches nothing for a user who was switched off', async () => {
    await bench.read(bench.alice, nth(5));
    bench.fetched();
    bench.switchedOff.add(bench.alice.user.id);
    await bench.tick();
    assert.deepEqual(bench.fetched(), []);
  });

  it('takes a call that asks to leave the NAS asleep for no browsing and no need', async () => {
    await bench.clock.advance(NEED_LASTS_MS);
    await bench.get(nth(5));
    const doing = { caller: bench.alice, auto: true, fromHere: false };
    bench.prefetch.read({ ...doing, path: nth(5) });
    bench.prefetch.listed({ ...doing, path: 'alice/p' });
    bench.fetched();
    await bench.tick();
    assert.deepEqual(bench.fetched(), []);
    assert.ok((bench.need.idleMs ?? 0) >= NEED_LASTS_MS);
  });

  describe('and the NAS’s sleep', () => {
    it('begins until five minutes after the last need, and not later', async () => {
      await bench.read(bench.alice, nth(5));
      bench.fetched();
      await bench.clock.advance(NEED_LASTS_MS);
      await bench.tick();
      assert.deepEqual(bench.fetched(), []);
      await bench.read(bench.alice, nth(5));
      await bench.read(bench.alice, nth(6));
      bench.fetched();
      await bench.clock.advance(NEED_LASTS_MS - 1_000);
      await bench.tick();
      assert.ok(bench.fetched().length > 0);
    });

    it('stops in the middle of it once the five minutes are over', async () => {
      await bench.read(bench.alice, nth(5));
      bench.fetched();
      const body = new PassThrough();
      bench.nas.downloads.push((_path, range) => {
        const file = bench.nas.files.get(nth(6));
        assert.ok(file !== undefined);
        return streamOf(file, range, body);
      });
      const ticking = bench.beginTick();
      while (bench.nas.count('download') === 0) await bench.clock.advance(10);
      await bench.clock.advance(NEED_LASTS_MS);
      body.end('photo 6');
      await bench.through(ticking);
      assert.equal(bench.fetched().length, 1);
      assert.equal(bench.cache.isKept(nth(6)), true);
    });

    it('asks nothing of a sleeping NAS', async () => {
      await bench.read(bench.alice, nth(5));
      bench.turn(false);
      await bench.read(bench.alice, nth(5));
      bench.fetched();
      bench.nas.calls.splice(0);
      await bench.tick();
      assert.deepEqual(bench.nas.calls, []);
    });

    it('ends at once when the NAS goes, and keeps nothing half', async () => {
      await bench.read(bench.alice, nth(5));
      bench.fetched();
      const body = new PassThrough();
      bench.nas.downloads.push((_path, range) => {
        const file = bench.nas.files.get(nth(6));
        assert.ok(file !== undefined);
        return streamOf(file, range, body);
      });
      const ticking = bench.beginTick();
      while (bench.nas.count('download') === 0) await bench.clock.advance(10);
      body.write('ph');
      await bench.clock.advance(10);
      bench.turn(false);
      await bench.through(ticking);
      assert.ok(body.destroyed);
      assert.equal(bench.fetched().length, 1);
      assert.equal(bench.cache.isKept(nth(6)), false);
      while (bench.onDisk('fills').length > 0) await bench.clock.advance(1);
    });

    it('goes on for a caller who reads along when the NAS says goodbye', async () => {
      await bench.read(bench.alice, nth(5));
      const body = new PassThrough();
      bench.nas.downloads.push((_path, range) => {
        const file = bench.nas.files.get(nth(6));
        assert.ok(file !== undefined);
        return streamOf(file, range, body);
      });
      const ticking = bench.beginTick();
      while (bench.nas.count('download') < 2) await bench.clock.advance(10);
      const reading = bench.get(nth(6));
      body.write('phot');
      await bench.clock.advance(500);
      while (!bench.cache.background.isServingCallers) await bench.clock.advance(10);
      bench.turn(false);
      body.end('o 6');
      const got = await reading;
      await bench.through(ticking);
      assert.equal(got.body.toString(), 'photo 6');
    });
  });

  describe('and callers', () => {
    it('waits while the NAS gives bytes to one', async () => {
      await bench.read(bench.alice, nth(5));
      bench.fetched();
      const body = new PassThrough();
      bench.nas.put('alice/video', 'a video');
      bench.nas.downloads.push((_path, range) => {
        const file = bench.nas.files.get('alice/video');
        assert.ok(file !== undefined);
        return streamOf(file, range, body);
      });
      const reading = bench.get('alice/video');
      while (bench.nas.count('download') === 0) await bench.clock.advance(10);
      assert.equal(bench.cache.background.isServingCallers, true);
      const ticking = bench.beginTick();
      await bench.clock.advance(5_000);
      assert.deepEqual(bench.fetched(), ['token-4 alice/video']);
      body.end('a video');
      await reading;
      await bench.through(ticking);
      assert.equal(bench.fetched().length, 8);
    });

    it('waits while the Pi is short of memory', async () => {
      await bench.read(bench.alice, nth(5));
      bench.fetched();
      bench.isShortOfMemory = true;
      const ticking = bench.beginTick();
      await bench.clock.advance(60_000);
      assert.deepEqual(bench.fetched(), []);
      bench.isShortOfMemory = false;
      await bench.through(ticking);
      assert.ok(bench.fetched().length > 0);
    });

    it('is silent for a minute when the NAS is asked too much', async () => {
      await bench.read(bench.alice, nth(5));
      bench.fetched();
      bench.nas.downloads.push(() => ({ kind: 'refused', status: 429 }));
      await bench.tick();
      assert.equal(bench.fetched().length, 1);
      await bench.tick();
      assert.equal(bench.fetched().length, 0);
      await bench.clock.advance(MINUTE_MS);
      await bench.tick();
      assert.ok(bench.fetched().length > 0);
    });

    it('stays far below what the NAS allows in a minute', async () => {
      for (let index = 0; index < 300; index += 1) {
        bench.nas.put(`alice/many/${index}`, String(index), { checksum: null });
      }
      const { store } = bench;
      const deep = { files: 64, round: 1, now: { fetched: 0, used: 0 } };
      new DepthRows(store).put({ userId: 4, after: 'read' }, { ...deep, before: deep.now });
      const asked: { readonly atMs: number; readonly kind: string }[] = [];
      const download = bench.nas.download.bind(bench.nas);
      const list = bench.nas.list.bind(bench.nas);
      bench.nas.download = (...given) => {
        asked.push({ atMs: bench.clock.monotonicMs(), kind: 'download' });
        return download(...given);
      };
      bench.nas.list = (...given) => {
        asked.push({ atMs: bench.clock.monotonicMs(), kind: 'list' });
        return list(...given);
      };
      await bench.read(bench.alice, 'alice/many/0');
      await bench.tick();
      await bench.tick();
      await bench.read(bench.alice, 'alice/many/150');
      await bench.tick();
      await bench.tick();
      for (const { atMs } of asked) {
        const inMinute = asked.filter((call) => call.atMs >= atMs && call.atMs < atMs + MINUTE_MS);
        const lists = inMinute.filter(({ kind }) => kind === 'list').length;
        assert.ok(lists <= 90, `${lists} lists in a minute`);
        assert.ok(inMinute.length - lists <= 210);
      }
      assert.ok(asked.length > 150);
    }).timeout(20_000);
  });

  describe('counting', () => {
    it('counts what was fetched and what of it was read, in files and bytes', async () => {
      await bench.read(bench.alice, nth(5));
      await bench.tick();
      await bench.read(bench.alice, nth(6));
      await bench.read(bench.alice, nth(6));
      const { prefetchedFiles, prefetchedBytes, usedFiles, usedBytes } = bench.cache.stats();
      assert.deepEqual([prefetchedFiles, prefetchedBytes], [8, 8 * 8 - 4]);
      assert.deepEqual([usedFiles, usedBytes], [1, 7]);
    });

    it('remembers over a restart what was of use, and fetches further ahead for it', async () => {
      for (let index = 1; index <= 90; index += 1) {
        bench.nas.put(`alice/q/${String(index).padStart(2, '0')}`, String(index));
      }
      for (let index = 1; index <= 80; index += 1) {
        await bench.read(bench.alice, `alice/q/${String(index).padStart(2, '0')}`);
        await bench.tick();
        if (index === 40) await bench.reopen();
      }
      bench.cache.stats();
      const { files } = new DepthRows(bench.store).of({ userId: 4, after: 'read' });
      assert.ok(files > 8, `${files} ahead`);
    }).timeout(20_000);

    it('does not count a file as fetched ahead that a caller read along', async () => {
      await bench.read(bench.alice, nth(5));
      const body = new PassThrough();
      bench.nas.downloads.push((_path, range) => {
        const file = bench.nas.files.get(nth(6));
        assert.ok(file !== undefined);
        return streamOf(file, range, body);
      });
      const ticking = bench.beginTick();
      while (bench.nas.count('download') < 2) await bench.clock.advance(10);
      const reading = bench.get(nth(6));
      body.write('phot');
      while (!bench.cache.background.isServingCallers) await bench.clock.advance(10);
      body.end('o 6');
      await reading;
      await bench.through(ticking);
      assert.equal(bench.cache.stats().prefetchedFiles, 7);
    });
  });

  it('gives up what was fetched ahead before a like file that somebody read', async () => {
    bench.nas.put('alice/r/1', Buffer.alloc(8_000));
    bench.nas.put('alice/r/2', Buffer.alloc(8_000));
    bench.nas.put('alice/new', Buffer.alloc(8_000));
    await bench.read(bench.alice, 'alice/r/1');
    await bench.tick();
    bench.cache.stats();
    bench.maxBytes = 20_000;
    await bench.reopen();
    await bench.read(bench.alice, 'alice/new');
    assert.deepEqual(
      ['alice/r/1', 'alice/r/2', 'alice/new'].map((path) => bench.cache.isKept(path)),
      [true, false, true],
    );
  });
});
