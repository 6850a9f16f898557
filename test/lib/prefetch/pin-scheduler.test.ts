import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import type { Pin } from '../../../nodes/lib/cache/cache.ts';
import { NEED_LASTS_MS } from '../../../nodes/lib/prefetch/background-scheduler.ts';
import { streamOf } from '../../fakes/file-nas.ts';
import { MINUTE_MS, PrefetchBench } from './prefetch-bench.ts';

const KB = 1_000;

describe('Pinned folders', () => {
  let bench: PrefetchBench;

  beforeEach(async () => {
    bench = new PrefetchBench();
    await bench.start();
    bench.nas.put('alice/d/1.txt', 'one', { modifiedAt: '2026-01-01T00:00:00Z' });
    bench.nas.put('alice/d/2.txt', 'two', { modifiedAt: '2026-01-02T00:00:00Z' });
    bench.nas.put('alice/d/e/f/3.txt', 'three', { modifiedAt: '2026-01-03T00:00:00Z' });
    bench.turn(true);
  });

  afterEach(async () => {
    await bench.close();
  });

  async function pin(path: string, caller: Caller = bench.alice): Promise<string> {
    return (await bench.prefetch.pin(caller, path, false)).kind;
  }

  function pinOf(path: string, caller: Caller = bench.alice): Pin {
    const found = bench.prefetch.pins.list(caller).pins.find((each) => each.path === path);
    assert.ok(found !== undefined, path);
    return found;
  }

  function kept(...paths: string[]): boolean[] {
    return paths.map((path) => bench.cache.isKept(path));
  }

  async function later(ms: number): Promise<void> {
    await bench.clock.advance(ms);
    bench.need.needed();
    await bench.tick();
  }

  describe('while the NAS is awake', () => {
    it('are fetched with all below them, newest first, and then read without it', async () => {
      assert.equal(await pin('/alice/d'), 'pinned');
      assert.deepEqual([pinOf('alice/d').files, pinOf('alice/d').pendingFiles], [3, 3]);
      assert.equal(bench.cache.background.pins.files.pendingCount(4), 3);
      bench.fetched();
      await bench.tick();
      assert.deepEqual(bench.fetched(), [
        'token-4 alice/d/e/f/3.txt',
        'token-4 alice/d/2.txt',
        'token-4 alice/d/1.txt',
      ]);
      assert.equal(bench.cache.background.pins.files.pendingCount(4), 0);
      const { keptFiles, keptBytes, sizeBytes, state } = pinOf('alice/d');
      assert.deepEqual([keptFiles, keptBytes, sizeBytes, state], [3, 11, 11, 'whole']);
      bench.turn(false);
      assert.equal(await bench.read(bench.alice, 'alice/d/e/f/3.txt'), 'stale');
    });

    it('are kept fresh: what changed is fetched, what is new too, what went is let go', async () => {
      await pin('alice/d');
      await bench.tick();
      bench.nas.put('alice/d/1.txt', 'other', { modifiedAt: '2026-02-01T00:00:00Z' });
      bench.nas.put('alice/d/new/4.txt', 'four');
      bench.nas.files.delete('alice/d/2.txt');
      bench.nas.files.delete('alice/d/e/f/3.txt');
      bench.nas.folders.delete('alice/d/e/f');
      bench.nas.folders.delete('alice/d/e');
      bench.fetched();
      await later(2 * MINUTE_MS);
      assert.deepEqual(bench.fetched().sort(), [
        'token-4 alice/d/1.txt',
        'token-4 alice/d/new/4.txt',
      ]);
      assert.deepEqual([pinOf('alice/d').files, pinOf('alice/d').keptFiles], [2, 2]);
    });

    it('learn from a listing of their user at once', async () => {
      await pin('alice/d');
      await bench.tick();
      bench.nas.put('alice/d/new.txt', 'new');
      await bench.clock.advance(10_001);
      await bench.list(bench.alice, 'alice/d');
      bench.fetched();
      await bench.tick();
      assert.ok(bench.fetched().includes('token-4 alice/d/new.txt'));
    });

    it('write nothing where nothing changed', async () => {
      await pin('alice/d');
      await bench.tick();
      bench.fetched();
      const before = bench.store.prepare('SELECT total_changes() AS count').get()?.['count'];
      await later(2 * MINUTE_MS);
      const after = bench.store.prepare('SELECT total_changes() AS count').get()?.['count'];
      assert.deepEqual(bench.fetched(), []);
      // Four listings seen again, and the read of the pin itself.
      assert.ok(Number(after) - Number(before) <= 8, `${Number(after) - Number(before)} rows`);
    });

    it('are not looked at later than five minutes after the last need', async () => {
      await pin('alice/d');
      await bench.clock.advance(NEED_LASTS_MS);
      bench.nas.calls.splice(0);
      await bench.tick();
      assert.deepEqual(bench.nas.calls, []);
    });

    it('go out with their own user’s token, and wait for it', async () => {
      await pin('alice/d');
      bench.tokens.delete(4);
      bench.nas.calls.splice(0);
      await bench.tick();
      assert.deepEqual(bench.nas.calls, []);
      bench.tokens.set(4, 'token-4');
      bench.prefetch.credentialArrived(4);
      await bench.tick();
      assert.ok(bench.fetched().every((call) => call.startsWith('token-4 ')));
      assert.equal(pinOf('alice/d').keptFiles, 3);
    });

    it('try a file that cannot be had once, and the others all the same', async () => {
      await pin('alice/d');
      bench.nas.downloads.push(() => ({ kind: 'refused', status: 403 }));
      bench.fetched();
      await bench.tick();
      assert.equal(bench.fetched().length, 3);
      assert.equal(bench.cache.background.pins.files.pendingCount(4), 1);
      await later(2 * MINUTE_MS);
      assert.equal(bench.cache.background.pins.files.pendingCount(4), 0);
    });
  });

  describe('while it sleeps', () => {
    it('can be set, and are fetched when it is awake again', async () => {
      await bench.list(bench.alice, 'alice/d');
      bench.turn(false);
      assert.equal(await pin('alice/d'), 'pinned');
      assert.deepEqual([pinOf('alice/d').state, pinOf('alice/d').pendingFiles], ['unchecked', 2]);
      await bench.tick();
      assert.deepEqual(bench.fetched(), []);
      bench.turn(true);
      await bench.tick();
      assert.equal(pinOf('alice/d').keptFiles, 3);
    });

    it('can be set for a folder nobody ever listed', async () => {
      bench.turn(false);
      assert.equal(await pin('alice/d'), 'pinned');
      bench.turn(true);
      await bench.tick();
      assert.equal(pinOf('alice/d').keptFiles, 3);
    });

    it('are gone from a NAS that does not have them, and say so', async () => {
      bench.turn(false);
      await pin('alice/never');
      bench.turn(true);
      await bench.tick();
      assert.equal(pinOf('alice/never').state, 'missing');
    });
  });

  describe('and who may see what', () => {
    it('refuse what the caller may not see, what is not there and what is no folder', async () => {
      bench.nas.put('bob/b.txt', 'b');
      for (const path of ['bob', 'bob/nothing', 'alice/nothing']) {
        assert.equal(await pin(path), 'not_found', path);
      }
      for (const path of ['', '/', 'Shared with me', 'alice/d/1.txt']) {
        assert.equal(await pin(path), 'not_a_folder', path);
      }
      assert.equal(await pin('alice/../bob'), 'bad_path');
      bench.turn(false);
      assert.equal(await pin('bob'), 'not_found');
      assert.deepEqual(bench.prefetch.pins.list(bench.alice).pins, []);
    });

    it('are each user’s own', async () => {
      await pin('alice/d');
      assert.deepEqual(bench.prefetch.pins.list(bench.bob).pins, []);
      assert.equal(bench.prefetch.pins.unpin(bench.bob, 'alice/d'), 'not_found');
      assert.equal(bench.cache.background.pins.files.pendingCount(5), 0);
      assert.equal(bench.cache.background.pins.files.pendingCount(null), 3);
    });

    it('fetch no more once a share was withdrawn, and say so', async () => {
      bench.nas.shares.push({ path: 'alice/d', isDirectory: true, toUserId: 5 });
      assert.equal(await pin('alice/d', bench.bob), 'pinned');
      await bench.tick();
      assert.equal(pinOf('alice/d', bench.bob).keptFiles, 3);
      bench.nas.shares.splice(0);
      bench.nas.put('alice/d/1.txt', 'secret', { modifiedAt: '2026-02-01T00:00:00Z' });
      bench.fetched();
      await later(11 * MINUTE_MS);
      assert.deepEqual(bench.fetched(), []);
      const { state, files, sizeBytes } = pinOf('alice/d', bench.bob);
      assert.deepEqual([state, files, sizeBytes], ['no_access', 0, 0]);
      assert.equal(bench.cache.background.pins.files.pendingCount(5), 0);
      // Once shared again, they are synced again.
      bench.nas.shares.push({ path: 'alice/d', isDirectory: true, toUserId: 5 });
      await later(11 * MINUTE_MS);
      assert.equal(pinOf('alice/d', bench.bob).keptFiles, 3);
    });

    it('leave out what belongs to somebody else', async () => {
      bench.nas.put('alice/d/admins.txt', 'not hers', { ownerId: '1' });
      await pin('alice/d');
      bench.fetched();
      await bench.tick();
      assert.ok(!bench.fetched().some((call) => call.includes('admins')));
      assert.equal(pinOf('alice/d').pendingFiles, 0);
    });
  });

  describe('and space', () => {
    beforeEach(async () => {
      bench.maxBytes = 100 * KB;
      await bench.reopen();
      for (let index = 1; index <= 4; index += 1) {
        const modifiedAt = `2026-01-0${index}T00:00:00Z`;
        bench.nas.put(`alice/a/${index}`, Buffer.alloc(10 * KB, index), { modifiedAt });
        bench.nas.put(`bob/b/${index}`, Buffer.alloc(10 * KB, 10 + index), { modifiedAt });
      }
    });

    it('hold at most half of it, and refuse a folder that is larger', async () => {
      assert.equal(await pin('alice/a'), 'pinned');
      bench.nas.put('alice/big/1', Buffer.alloc(11 * KB));
      const refused = await bench.prefetch.pin(bench.alice, 'alice/big', false);
      assert.deepEqual(refused, {
        kind: 'too_large',
        shareBytes: 50 * KB,
        wantedBytes: 51 * KB,
      });
      assert.deepEqual(
        bench.prefetch.pins.list(bench.alice).pins.map(({ path }) => path),
        ['alice/a'],
      );
      assert.equal(bench.cache.background.pins.files.pendingCount(4), 4);
    });

    it('are shared evenly among the users who pin, newest files first', async () => {
      await pin('alice/a');
      await bench.tick();
      assert.deepEqual(
        kept('alice/a/1', 'alice/a/2', 'alice/a/3', 'alice/a/4'),
        Array(4).fill(true),
      );
      bench.nas.files.delete('bob/b/1');
      bench.nas.files.delete('bob/b/2');
      assert.equal(await pin('bob/b', bench.bob), 'pinned');
      assert.equal(bench.prefetch.pins.list(bench.alice).shareBytes, 25 * KB);
      assert.equal(bench.prefetch.pins.list(bench.alice).wantedBytes, 20 * KB);
      assert.equal(pinOf('alice/a').leftOutFiles, 2);
      await bench.tick();
      assert.equal(pinOf('bob/b', bench.bob).keptFiles, 2);
      // The two oldest of alice's files are evictable now, and go first.
      const more = ['1', '2', '3', '4', '5', '6'].map((name) => `alice/x${name}`);
      for (const path of more) bench.nas.put(path, Buffer.alloc(10 * KB));
      // A listing is reused for ten seconds.
      await bench.clock.advance(10_001);
      for (const path of more) assert.equal(await bench.read(bench.alice, path), 'miss');
      assert.deepEqual(kept('alice/a/1', 'alice/a/2', 'alice/a/3', 'alice/a/4'), [
        false,
        false,
        true,
        true,
      ]);
      assert.equal(bench.prefetch.pins.unpin(bench.bob, 'bob/b'), 'unpinned');
      assert.equal(bench.prefetch.pins.list(bench.alice).wantedBytes, 40 * KB);
    });

    it('keep a folder that outgrows its share newest first', async () => {
      await pin('alice/a');
      await bench.tick();
      for (const day of [5, 6]) {
        const modifiedAt = `2026-01-0${day}T00:00:00Z`;
        bench.nas.put(`alice/a/${day}`, Buffer.alloc(10 * KB, day), { modifiedAt });
      }
      await later(2 * MINUTE_MS);
      const { files, leftOutFiles, pendingFiles } = pinOf('alice/a');
      assert.deepEqual([files, leftOutFiles, pendingFiles], [6, 1, 0]);
      assert.deepEqual(kept('alice/a/2', 'alice/a/6'), [true, true]);
      assert.equal(bench.cache.background.pins.files.pendingCount(4), 0);
    });

    it('are evicted last, for callers as for uploads', async () => {
      await pin('alice/a');
      await bench.tick();
      bench.nas.put('alice/used', Buffer.alloc(60 * KB));
      for (let time = 0; time < 9; time += 1) await bench.get('alice/used');
      bench.nas.put('alice/next', Buffer.alloc(40 * KB));
      await bench.clock.advance(10_001);
      await bench.get('alice/next');
      assert.deepEqual(kept('alice/used', 'alice/next', 'alice/a/1'), [false, true, true]);
      bench.diskBytes = bench.cache.keptBytes();
      assert.equal(await bench.cache.space.evictFor(20 * KB), true);
      assert.deepEqual(kept('alice/next', 'alice/a/1'), [false, true]);
      // Only when there is nothing else left to evict.
      bench.diskBytes = bench.cache.keptBytes();
      assert.equal(await bench.cache.space.evictFor(10 * KB), true);
      assert.equal(pinOf('alice/a').keptFiles, 3);
      assert.equal(bench.cache.background.pins.files.pendingCount(4), 1);
    });

    it('stay when the cache is emptied, and go when their path is deleted', async () => {
      await pin('alice/a');
      await bench.tick();
      await bench.get('alice/d/1.txt');
      await bench.cache.kept.empty('');
      assert.deepEqual(kept('alice/d/1.txt', 'alice/a/1'), [false, true]);
      await bench.cache.drop('alice/a');
      assert.deepEqual(kept('alice/a/1'), [false]);
      assert.equal(bench.cache.background.pins.files.pendingCount(4), 4);
    });

    it('let their files be evicted like others once unpinned, but not those of another pin', async () => {
      await pin('alice/d');
      await pin('alice/d/e');
      await bench.tick();
      assert.equal(bench.prefetch.pins.unpin(bench.alice, '/alice/d/'), 'unpinned');
      assert.deepEqual(kept('alice/d/1.txt', 'alice/d/e/f/3.txt'), [true, true]);
      await bench.cache.kept.empty('');
      assert.deepEqual(kept('alice/d/1.txt', 'alice/d/e/f/3.txt'), [false, true]);
      assert.equal(bench.prefetch.pins.unpin(bench.alice, 'alice/d'), 'not_found');
    });
  });

  it('are there after a restart, and are looked at again', async () => {
    await pin('alice/d');
    await bench.tick();
    bench.nas.put('alice/d/1.txt', 'after', { modifiedAt: '2026-02-01T00:00:00Z' });
    await bench.reopen();
    bench.need.needed();
    await bench.clock.advance(10_001);
    bench.fetched();
    await bench.tick();
    assert.deepEqual(bench.fetched(), ['token-4 alice/d/1.txt']);
  });

  describe('with a file larger than 64 MB', () => {
    const film = Buffer.alloc(70 * 1024 * 1024, 7);

    beforeEach(async () => {
      bench.maxBytes = 400_000_000;
      await bench.reopen();
      bench.nas.put('alice/v/film.mp4', film);
      await pin('alice/v');
    });

    it('keep all its segments', async () => {
      await bench.tick();
      assert.deepEqual([pinOf('alice/v').keptFiles, pinOf('alice/v').pendingFiles], [1, 0]);
      bench.turn(false);
      assert.equal(await bench.read(bench.alice, 'alice/v/film.mp4'), 'stale');
      bench.turn(true);
      bench.fetched();
      await later(2 * MINUTE_MS);
      assert.deepEqual(bench.fetched(), []);
    }).timeout(20_000);

    it('end at once when the NAS goes, and go on from there when it is back', async () => {
      const body = new PassThrough();
      bench.nas.downloads.push((_path, range) => streamOf(bench.nas.put('x', film), range, body));
      const ticking = bench.beginTick();
      while (bench.nas.count('download') === 0) await bench.clock.advance(10);
      body.write(film.subarray(0, 9 * 1024 * 1024));
      for (let turn = 0; turn < 50; turn += 1) await bench.clock.advance(1);
      bench.turn(false);
      await bench.through(ticking);
      assert.ok(body.destroyed);
      bench.turn(true);
      await bench.tick();
      assert.equal(pinOf('alice/v').keptFiles, 1);
    }).timeout(20_000);
  });
});
