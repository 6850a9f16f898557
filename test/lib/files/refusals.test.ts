import assert from 'node:assert/strict';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { FilesBench } from './files-bench.ts';

/** The NAS's last word counts, also once it sleeps. */
describe('What the NAS refuses', () => {
  let bench: FilesBench;

  beforeEach(() => {
    bench = new FilesBench();
    bench.nas.put('alice/docs/deep/b.txt', 'b');
    bench.nas.put('alice/a.txt', 'a');
  });

  afterEach(() => {
    bench.close();
  });

  const list = async (caller: Caller, path: string): Promise<string> =>
    (await bench.files.list(caller, path)).kind;

  const locate = async (caller: Caller, path: string): Promise<string> => {
    const found = await bench.files.locate(caller, path);
    return found.kind === 'located' ? found.file.known : found.kind;
  };

  describe('inside a share', () => {
    beforeEach(async () => {
      bench.nas.shares.push({ path: 'alice/docs', isDirectory: true, toUserId: 5 });
      bench.nas.shares.push({ path: 'alice/a.txt', isDirectory: false, toUserId: 5 });
      assert.equal(await list(bench.bob, 'alice/docs'), 'listing');
      assert.equal(await list(bench.bob, 'alice/docs/deep'), 'listing');
      assert.equal(await locate(bench.bob, 'alice/a.txt'), 'fresh');
      bench.nas.shares = [];
      await bench.clock.advance(11_000);
    });

    const shutAsleep = async (...paths: readonly string[]): Promise<void> => {
      bench.awake = false;
      for (const path of paths) {
        bench.kept.add(path);
        assert.equal(await locate(bench.bob, path), 'not_found', path);
      }
    };

    it('ends it at once, for all that lies in it', async () => {
      assert.equal(await list(bench.bob, 'alice/docs/deep'), 'not_found');
      assert.equal(bench.nas.count('shares token-5'), 2);
      assert.equal(await list(bench.bob, 'alice/docs'), 'not_found');
      await shutAsleep('alice/docs/deep/b.txt', 'alice/docs/deep');
      assert.equal(await list(bench.bob, 'alice/docs'), 'not_found');
    });

    it('ends it where the NAS does not say what is shared now', async () => {
      bench.nas.sharesAnswer = { kind: 'answer', status: 429, body: {} };
      assert.equal(await list(bench.bob, 'alice/docs'), 'not_found');
      await shutAsleep('alice/docs/deep/b.txt');
      bench.awake = true;
      bench.nas.sharesAnswer = null;
      bench.nas.shares.push({ path: 'alice/docs', isDirectory: true, toUserId: 5 });
      // After a failed question, the next one is allowed soon.
      await bench.clock.advance(10_000);
      assert.equal(await list(bench.bob, 'alice/docs'), 'listing');
    });

    it('ends that of a single file', async () => {
      assert.equal(await locate(bench.bob, 'alice/a.txt'), 'not_found');
      await shutAsleep('alice/a.txt', 'alice/docs/deep/b.txt');
    });

    it('ends it when a download gets no byte', async () => {
      await bench.files.refused(bench.bob, 'token-5', 'alice/docs/deep/b.txt');
      await shutAsleep('alice/docs/deep/b.txt');
    });

    it('leaves what is still shared', async () => {
      bench.nas.shares.push({ path: 'alice/docs/deep', isDirectory: true, toUserId: 5 });
      assert.equal(await list(bench.bob, 'alice/docs'), 'not_found');
      bench.awake = false;
      assert.equal(await list(bench.bob, 'alice/docs/deep'), 'not_found');
      bench.awake = true;
      assert.equal(await list(bench.bob, 'alice/docs/deep'), 'listing');
      bench.awake = false;
      assert.equal(await list(bench.bob, 'alice/docs/deep'), 'listing');
    });
  });

  describe('of a folder of one’s own', () => {
    beforeEach(async () => {
      for (const path of ['', 'alice', 'alice/docs', 'alice/docs/deep']) {
        assert.equal(await list(bench.alice, path), 'listing');
      }
      await bench.clock.advance(11_000);
      bench.nas.listings.push({ kind: 'refused', status: 403 });
      assert.equal(await list(bench.alice, 'alice/docs'), 'not_found');
    });

    it('is shut asleep with all below it, though the folder above shows it', async () => {
      await list(bench.alice, 'alice');
      bench.reopened();
      bench.awake = false;
      bench.kept.add('alice/docs/deep/b.txt');
      for (const path of ['alice/docs', 'alice/docs/deep']) {
        assert.equal(await list(bench.alice, path), 'not_found', path);
      }
      assert.equal(await locate(bench.alice, 'alice/docs/deep/b.txt'), 'not_found');
      assert.equal(await locate(bench.alice, 'alice/a.txt'), 'stored');
    });

    it('is open again once the NAS lists it', async () => {
      assert.equal(await list(bench.alice, 'alice/docs'), 'listing');
      assert.equal(await list(bench.alice, 'alice/docs/deep'), 'listing');
      bench.awake = false;
      assert.equal(await list(bench.alice, 'alice/docs'), 'listing');
      assert.equal(await locate(bench.alice, 'alice/docs/deep/b.txt'), 'stored');
    });
  });

  it('for haste is no refusal: what is kept is served', async () => {
    bench.nas.shares.push({ path: 'alice/a.txt', isDirectory: false, toUserId: 5 });
    assert.equal(await locate(bench.bob, 'alice/a.txt'), 'fresh');
    bench.kept.add('alice/a.txt');
    bench.kept.add('bob/never-listed.txt');
    await bench.clock.advance(11_000);
    bench.nas.downloads.push(() => ({ kind: 'refused', status: 429 }));
    assert.equal(await locate(bench.bob, 'alice/a.txt'), 'unlisted');
    bench.nas.listings.push({ kind: 'refused', status: 429 });
    assert.equal(await locate(bench.bob, 'bob/never-listed.txt'), 'unlisted');
    bench.nas.listings.push({ kind: 'refused', status: 429 });
    assert.equal(await locate(bench.bob, 'bob/not-kept.txt'), 'nas_busy');
  });
});
