import assert from 'node:assert/strict';
import { CacheBench } from './cache-bench.ts';

const MB = 1024 * 1024;

/** Cache entries and pins after a move or delete on the NAS. */
describe('What is kept of a place that changed', () => {
  let bench: CacheBench;

  beforeEach(async () => {
    bench = new CacheBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  /** Moves a file on the NAS and notifies both services. */
  async function moved(from: string, to: string): Promise<void> {
    for (const [path, file] of [...bench.nas.files]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      bench.nas.files.delete(path);
      bench.nas.put(to + path.slice(from.length), file.bytes, file);
    }
    bench.files.changed({ kind: 'moved', from, to }, 4);
    await bench.cache.moved(from, to);
  }

  it('is read under the new name without the NAS, and no more under the old one', async () => {
    bench.nas.put('alice/docs/a.txt', 'small');
    bench.nas.put('alice/docs/deep/b.bin', Buffer.alloc(70 * MB, 'b'));
    for (const path of ['alice/docs/a.txt', 'alice/docs/deep/b.bin']) {
      assert.equal((await bench.get(path)).status, 200);
    }
    await bench.until(() => bench.cache.isKept('alice/docs/deep/b.bin'));
    await bench.files.list(bench.alice, 'alice');
    bench.nas.folders.delete('alice/docs');
    await moved('alice/docs', 'alice/papers');
    bench.awake = false;
    assert.equal((await bench.get('alice/papers/a.txt')).body.toString(), 'small');
    const large = await bench.get('alice/papers/deep/b.bin');
    assert.deepEqual([large.status, large.body.length], [200, 70 * MB]);
    assert.ok(!bench.cache.isKept('alice/docs/a.txt'));
    assert.equal((await bench.get('alice/docs/a.txt')).status, 404);
    assert.equal(bench.cache.stats().fileCount, 2);
  });

  it('gives way to what replaced it', async () => {
    bench.nas.put('alice/a.txt', 'one');
    bench.nas.put('alice/b.txt', 'other');
    await bench.get('alice/a.txt');
    await bench.get('alice/b.txt');
    await moved('alice/a.txt', 'alice/b.txt');
    bench.awake = false;
    assert.equal((await bench.get('alice/b.txt')).body.toString(), 'one');
    assert.equal(bench.cache.stats().fileCount, 1);
  });

  it('takes its pins along, and loses what leaves a pin', async () => {
    const { pins } = bench.cache.background;
    const file = (path: string) => ({
      path,
      sizeBytes: 5,
      modifiedAtText: '2026-02-20T10:00:00.123456Z',
      modifiedAtMs: 1,
    });
    bench.nas.put('alice/docs/deep/a.txt', 'small');
    await bench.get('alice/docs/deep/a.txt');
    pins.put(4, 'alice/docs');
    pins.put(5, 'alice/docs/deep');
    for (const userId of [4, 5]) {
      pins.learn(userId, 'alice/docs/deep', [file('alice/docs/deep/a.txt')]);
      pins.share(userId);
    }
    assert.partialDeepStrictEqual(pins.find(4, 'alice/docs'), { files: 1, keptFiles: 1 });
    await moved('alice/docs', 'alice/papers');
    assert.equal(pins.find(4, 'alice/docs'), null);
    assert.partialDeepStrictEqual(pins.find(4, 'alice/papers'), { files: 1, keptFiles: 1 });
    assert.partialDeepStrictEqual(pins.find(5, 'alice/papers/deep'), { files: 1, keptFiles: 1 });
    await moved('alice/papers/deep', 'alice/deep');
    assert.partialDeepStrictEqual(pins.find(4, 'alice/papers'), { files: 0 });
    assert.partialDeepStrictEqual(pins.find(5, 'alice/deep'), { files: 1, keptFiles: 1 });
    await moved('alice/deep/a.txt', 'alice/deep/b.txt');
    assert.partialDeepStrictEqual(pins.find(5, 'alice/deep'), { files: 1, keptFiles: 1 });
    await bench.cache.gone('alice/deep');
    assert.partialDeepStrictEqual(pins.find(5, 'alice/deep'), { files: 0, state: 'missing' });
    assert.ok(!bench.cache.isKept('alice/deep/b.txt'));
  });
});
