import assert from 'node:assert/strict';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import type { StoredItem } from '../../../nodes/lib/files/files.ts';
import { FilesBench } from './files-bench.ts';

/** What the files module stores about a path, after the NAS changed something there. */
describe('Listings, ids and shares after a change on the NAS', () => {
  let bench: FilesBench;

  beforeEach(() => {
    bench = new FilesBench();
    bench.nas.put('alice/a.txt', 'hello', { ownerId: '4' });
    bench.nas.put('alice/docs/b.txt', 'bye', { ownerId: '4' });
    bench.nas.put('alice/docs/deep/c.txt', 'far', { ownerId: '4' });
    bench.nas.put('Shared/s.txt', 'all');
  });

  afterEach(() => {
    bench.close();
  });

  async function items(caller: Caller, path: string): Promise<readonly StoredItem[]> {
    const outcome = await bench.files.list(caller, path);
    assert.equal(outcome.kind, 'listing', `${path}: ${outcome.kind}`);
    return outcome.listing.items;
  }

  async function names(caller: Caller, path: string): Promise<string[]> {
    return (await items(caller, path)).map(({ name }) => name);
  }

  async function everythingListed(): Promise<void> {
    for (const caller of [bench.alice, bench.admin]) {
      for (const path of ['alice', 'alice/docs', 'alice/docs/deep', 'Shared']) {
        await items(caller, path);
      }
    }
    bench.awake = false;
  }

  it('shows a renamed folder with all below it to everybody, under the ids it had', async () => {
    await everythingListed();
    const [before] = await items(bench.admin, 'alice/docs/deep');
    bench.files.changed({ kind: 'moved', from: 'alice/docs', to: 'alice/papers' }, 4);
    for (const caller of [bench.alice, bench.admin]) {
      assert.deepEqual(await names(caller, 'alice'), ['papers', 'a.txt']);
      assert.deepEqual(await names(caller, 'alice/papers'), ['deep', 'b.txt']);
      assert.equal((await bench.files.list(caller, 'alice/docs')).kind, 'not_found');
    }
    const [after] = await items(bench.admin, 'alice/papers/deep');
    assert.deepEqual([after?.path, after?.piId], ['alice/papers/deep/c.txt', before?.piId]);
    const located = await bench.files.locate(bench.alice, String(before?.piId));
    assert.equal(located.kind === 'located' && located.file.path, 'alice/papers/deep/c.txt');
  });

  it('shows a file at its new place wherever that is listed, in place of the one it replaced', async () => {
    bench.nas.put('Shared/a.txt', 'another', { ownerId: '5' });
    await everythingListed();
    const [first] = (await items(bench.alice, 'alice')).filter(({ name }) => name === 'a.txt');
    bench.files.changed({ kind: 'moved', from: 'alice/a.txt', to: 'Shared/a.txt' }, 4);
    assert.deepEqual(await names(bench.admin, 'alice'), ['docs']);
    for (const caller of [bench.alice, bench.admin]) {
      const moved = (await items(caller, 'Shared')).filter(({ name }) => name === 'a.txt');
      assert.deepEqual(
        moved.map(({ sizeBytes, piId }) => [sizeBytes, piId]),
        [[5, first?.piId]],
      );
    }
  });

  it('takes a deleted folder and all below it away from everybody, told twice or once', async () => {
    await everythingListed();
    for (let turn = 0; turn < 2; turn += 1) {
      bench.files.changed({ kind: 'deleted', path: 'alice/docs' }, 4);
      for (const caller of [bench.alice, bench.admin]) {
        assert.deepEqual(await names(caller, 'alice'), ['a.txt']);
        for (const gone of ['alice/docs', 'alice/docs/deep']) {
          assert.equal((await bench.files.list(caller, gone)).kind, 'not_found');
        }
      }
    }
  });

  it('keeps what lies at the new place where a move is told twice', async () => {
    await everythingListed();
    for (let turn = 0; turn < 2; turn += 1) {
      bench.files.changed({ kind: 'moved', from: 'alice/docs', to: 'alice/papers' }, 4);
      assert.deepEqual(await names(bench.alice, 'alice/papers'), ['deep', 'b.txt']);
      assert.deepEqual(await names(bench.alice, 'alice'), ['papers', 'a.txt']);
    }
  });

  it('shows a new folder as empty, and an old one that was made again as it is', async () => {
    await everythingListed();
    bench.files.changed({ kind: 'made', path: 'alice/new' }, 4);
    bench.files.changed({ kind: 'made', path: 'alice/docs' }, 4);
    assert.deepEqual(await names(bench.alice, 'alice/new'), []);
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs', 'new', 'a.txt']);
    assert.deepEqual(await names(bench.alice, 'alice/docs'), ['deep', 'b.txt']);
  });

  it('says of what nobody listed that the NAS must be asked what lies there now', async () => {
    await names(bench.alice, 'Shared');
    const change = { kind: 'moved', from: 'alice/docs/b.txt', to: 'Shared/b.txt' } as const;
    assert.deepEqual(bench.files.changed(change, 4).unknown, ['Shared/b.txt']);
  });

  it('forgets what is listed around a place that nobody can look at', async () => {
    await everythingListed();
    bench.files.doubted({ kind: 'deleted', path: 'alice/docs' });
    assert.equal((await bench.files.list(bench.alice, 'alice')).kind, 'asleep');
    assert.deepEqual(await names(bench.alice, 'Shared'), ['s.txt']);
  });

  it('ends what was shared of it for the others, until the NAS says so again', async () => {
    bench.nas.shares = [{ path: 'alice/docs', isDirectory: true, toUserId: 5 }];
    await names(bench.bob, 'alice/docs');
    bench.awake = false;
    assert.deepEqual(await names(bench.bob, 'alice/docs'), ['deep', 'b.txt']);
    const ended = bench.files.changed({ kind: 'shares', path: 'alice/docs' }, 4);
    assert.deepEqual(ended.holders, [5]);
    assert.equal((await bench.files.list(bench.bob, 'alice/docs')).kind, 'not_found');
    bench.awake = true;
    assert.deepEqual(await names(bench.bob, 'alice/docs'), ['deep', 'b.txt']);
    bench.nas.shares = [];
    bench.files.changed({ kind: 'shares', path: null }, 4);
    assert.equal((await bench.files.list(bench.bob, 'alice/docs')).kind, 'not_found');
  });

  it('asks again where something changed while the NAS was listing it', async () => {
    bench.nas.beforeListing = () => {
      bench.nas.beforeListing = () => Promise.resolve();
      bench.nas.files.delete('alice/a.txt');
      bench.files.changed({ kind: 'deleted', path: 'alice/a.txt' }, 4);
      return Promise.resolve();
    };
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs']);
    bench.awake = false;
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs']);
  });
});

describe('A program that follows the delta of its sync', () => {
  let bench: FilesBench;
  let desk: Caller;

  beforeEach(() => {
    bench = new FilesBench();
    bench.nas.put('alice/desk/a.txt', 'hello');
    desk = { ...bench.alice, agent: ' 192.168.1.7' };
  });

  afterEach(() => {
    bench.close();
  });

  it('costs the NAS a question for each folder that is there, and none for what is missing', async () => {
    bench.files.followers.asked(desk, true);
    const missing = Array.from({ length: 94 }, (_, index) => `alice/desk/alice/${index}/x.txt`);
    for (let round = 0; round < 3; round += 1) {
      for (const path of [...missing, 'alice/desk/gone.txt']) {
        assert.equal((await bench.files.locatePath(desk, path)).kind, 'not_found');
      }
      assert.equal((await bench.files.locatePath(desk, 'alice/desk/a.txt')).kind, 'located');
      await bench.clock.advance(30_000);
      bench.files.followers.asked(desk, false);
    }
    const asked = bench.nas.calls.filter((call) => call.startsWith('list'));
    assert.deepEqual(asked.sort(), ['list token-4 alice', 'list token-4 alice/desk']);
  });

  it('is shown what is new once its delta told something new', async () => {
    bench.files.followers.asked(desk, true);
    assert.equal((await bench.files.locatePath(desk, 'alice/desk/b.txt')).kind, 'not_found');
    await bench.clock.advance(30_000);
    bench.nas.put('alice/desk/b.txt', 'new');
    bench.files.followers.asked(desk, false);
    assert.equal((await bench.files.locatePath(desk, 'alice/desk/b.txt')).kind, 'not_found');
    bench.files.followers.asked(desk, true);
    assert.equal((await bench.files.locatePath(desk, 'alice/desk/b.txt')).kind, 'located');
  });

  it('is not the person who browses on the same desk', async () => {
    bench.files.followers.asked(desk, true);
    assert.ok(bench.files.followsSync(desk));
    assert.ok(!bench.files.followsSync({ ...desk, agent: 'BaluDesk/1.0 192.168.1.7' }));
    await bench.clock.advance(100_000);
    assert.ok(!bench.files.followsSync(desk));
  });
});
