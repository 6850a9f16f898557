import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ALICE, BOB, UploadBench } from './upload-bench.ts';

/** Queued uploads after their place on the NAS was moved or deleted. */
describe('The queue after a change on the NAS', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  function paths(who = ALICE): string[] {
    const listed = bench.upload.view.list(who, null);
    if (listed.kind !== 'uploads') throw new Error('no list');
    return listed.uploads.map(({ path }) => path).sort();
  }

  async function sendAs(who: typeof ALICE, folder: string, name: string, text: string) {
    bench.who = who;
    const { status } = await bench.send(folder, name, text);
    assert.equal(status, 200);
    bench.who = ALICE;
  }

  it('follows a renamed folder, whosever it is, and is delivered there', async () => {
    await sendAs(ALICE, 'Shared/trip', 'a.txt', 'one');
    await sendAs(BOB, 'Shared/trip/day 2', 'b.txt', 'two');
    await sendAs(ALICE, 'Shared', 'trip.txt', 'beside');
    const moved = await bench.upload.changedPaths.followMove(
      'Shared/trip',
      'Shared/2026',
      bench.upload.mark(),
    );
    assert.equal(moved, 2);
    assert.deepEqual(paths(), ['Shared/2026/a.txt', 'Shared/trip.txt']);
    assert.deepEqual(paths(BOB), ['Shared/2026/day 2/b.txt']);
    await bench.deliver();
    assert.equal(bench.nas.text('Shared/2026/a.txt'), 'one');
    assert.equal(bench.nas.text('Shared/2026/day 2/b.txt'), 'two');
  });

  it('leaves alone what was accepted after the change', async () => {
    await sendAs(ALICE, 'alice/docs', 'a.txt', 'before');
    const mark = bench.upload.mark();
    await sendAs(ALICE, 'alice/docs', 'b.txt', 'after');
    await bench.upload.changedPaths.followMove('alice/docs', 'alice/papers', mark);
    assert.deepEqual(paths(), ['alice/docs/b.txt', 'alice/papers/a.txt']);
    assert.equal(await bench.upload.changedPaths.dropOwn(1, 'alice/docs', mark), 0);
    assert.equal(paths().length, 2);
  });

  it('still knows the new place when the database is lost', async () => {
    await sendAs(ALICE, 'alice/docs', 'a.txt', 'one');
    await sendAs(ALICE, 'alice/else', 'b.txt', 'two');
    await bench.upload.changedPaths.followMove(
      'alice/docs/a.txt',
      'alice/z.txt',
      bench.upload.mark(),
    );
    await bench.restart({}, ({ path }) => {
      for (const name of ['queue.db', 'queue.db-wal', 'queue.db-shm']) {
        rmSync(join(path, name), { force: true });
      }
    });
    assert.deepEqual(paths(), ['alice/else/b.txt', 'alice/z.txt']);
  });

  it('does not bring back what its own user deleted, and keeps its bytes', async () => {
    await sendAs(ALICE, 'Shared/docs', 'a.txt', 'mine');
    await sendAs(ALICE, 'Shared/docs/deep', 'b.txt', 'mine too');
    await sendAs(BOB, 'Shared/docs', 'c.txt', 'his');
    const dropped = await bench.upload.changedPaths.dropOwn(1, 'Shared/docs', bench.upload.mark());
    assert.equal(dropped, 2);
    assert.deepEqual([paths(), paths(BOB)], [[], ['Shared/docs/c.txt']]);
    assert.equal(readdirSync(join(bench.queueFolder, 'kept')).length, 2);
    await bench.restart({}, ({ path }) => {
      for (const name of ['queue.db', 'queue.db-wal', 'queue.db-shm']) {
        rmSync(join(path, name), { force: true });
      }
    });
    assert.deepEqual(paths(), []);
    await bench.deliver();
    assert.deepEqual([...bench.nas.files.keys()], ['Shared/docs/c.txt']);
  });

  it('takes conflicts along, and has none to settle about a copy that is gone', async () => {
    bench.nas.put('alice/docs/a.txt', 'theirs');
    await sendAs(ALICE, 'alice/docs', 'a.txt', 'mine');
    await bench.deliver();
    assert.equal(bench.upload.conflicts(ALICE).length, 1);
    await bench.upload.changedPaths.followMove('alice/docs', 'alice/papers', bench.upload.mark());
    const [conflict] = bench.upload.conflicts(ALICE);
    assert.equal(conflict?.path, 'alice/papers/a.txt');
    assert.match(conflict?.conflict_path ?? '', /^alice\/papers\/a \(conflict /);
    await bench.upload.changedPaths.dropOwn(1, 'alice/papers', bench.upload.mark());
    assert.deepEqual(bench.upload.conflicts(ALICE), []);
  });

  it('is not delivered to, above or below a place that somebody is at work on', async () => {
    await sendAs(ALICE, 'alice/docs', 'a.txt', 'one');
    const release = await bench.upload.locks.takeSoon(['alice/docs'], 1_000);
    assert.ok(release !== null);
    bench.presence.set(true);
    for (let turn = 0; turn < 20; turn += 1) await bench.clock.advance(500);
    assert.equal(bench.nas.files.size, 0);
    release();
    await bench.flushed();
    await bench.clock.advance(3_000);
    await bench.flushed();
    assert.equal(bench.nas.text('alice/docs/a.txt'), 'one');
  });
});
