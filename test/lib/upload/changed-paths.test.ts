import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ALICE, BOB, House } from './house.ts';

/** What waits in the queue, when its place on the NAS was moved or deleted. */
describe('The queue after a change on the NAS', () => {
  let house: House;

  beforeEach(async () => {
    house = new House();
    await house.start();
  });

  afterEach(async () => {
    await house.close();
  });

  function paths(who = ALICE): string[] {
    const listed = house.upload.view.list(who, null);
    if (listed.kind !== 'uploads') throw new Error('no list');
    return listed.uploads.map(({ path }) => path).sort();
  }

  async function sendAs(who: typeof ALICE, folder: string, name: string, text: string) {
    house.who = who;
    const { status } = await house.send(folder, name, text);
    assert.equal(status, 200);
    house.who = ALICE;
  }

  it('follows a renamed folder, whosever it is, and is delivered there', async () => {
    await sendAs(ALICE, 'Shared/trip', 'a.txt', 'one');
    await sendAs(BOB, 'Shared/trip/day 2', 'b.txt', 'two');
    await sendAs(ALICE, 'Shared', 'trip.txt', 'beside');
    const moved = await house.upload.changedPaths.followMove(
      'Shared/trip',
      'Shared/2026',
      house.upload.mark(),
    );
    assert.equal(moved, 2);
    assert.deepEqual(paths(), ['Shared/2026/a.txt', 'Shared/trip.txt']);
    assert.deepEqual(paths(BOB), ['Shared/2026/day 2/b.txt']);
    await house.deliver();
    assert.equal(house.nas.text('Shared/2026/a.txt'), 'one');
    assert.equal(house.nas.text('Shared/2026/day 2/b.txt'), 'two');
  });

  it('leaves alone what was accepted after the change', async () => {
    await sendAs(ALICE, 'alice/docs', 'a.txt', 'before');
    const mark = house.upload.mark();
    await sendAs(ALICE, 'alice/docs', 'b.txt', 'after');
    await house.upload.changedPaths.followMove('alice/docs', 'alice/papers', mark);
    assert.deepEqual(paths(), ['alice/docs/b.txt', 'alice/papers/a.txt']);
    assert.equal(await house.upload.changedPaths.dropOwn(1, 'alice/docs', mark), 0);
    assert.equal(paths().length, 2);
  });

  it('still knows the new place when the database is lost', async () => {
    await sendAs(ALICE, 'alice/docs', 'a.txt', 'one');
    await sendAs(ALICE, 'alice/else', 'b.txt', 'two');
    await house.upload.changedPaths.followMove(
      'alice/docs/a.txt',
      'alice/z.txt',
      house.upload.mark(),
    );
    await house.restart({}, ({ path }) => {
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
    const dropped = await house.upload.changedPaths.dropOwn(1, 'Shared/docs', house.upload.mark());
    assert.equal(dropped, 2);
    assert.deepEqual([paths(), paths(BOB)], [[], ['Shared/docs/c.txt']]);
    assert.equal(readdirSync(join(house.queueFolder, 'kept')).length, 2);
    await house.restart({}, ({ path }) => {
      for (const name of ['queue.db', 'queue.db-wal', 'queue.db-shm']) {
        rmSync(join(path, name), { force: true });
      }
    });
    assert.deepEqual(paths(), []);
    await house.deliver();
    assert.deepEqual([...house.nas.files.keys()], ['Shared/docs/c.txt']);
  });

  it('takes conflicts along, and has none to settle about a copy that is gone', async () => {
    house.nas.put('alice/docs/a.txt', 'theirs');
    await sendAs(ALICE, 'alice/docs', 'a.txt', 'mine');
    await house.deliver();
    assert.equal(house.upload.conflicts(ALICE).length, 1);
    await house.upload.changedPaths.followMove('alice/docs', 'alice/papers', house.upload.mark());
    const [conflict] = house.upload.conflicts(ALICE);
    assert.equal(conflict?.path, 'alice/papers/a.txt');
    assert.match(conflict?.conflict_path ?? '', /^alice\/papers\/a \(conflict /);
    await house.upload.changedPaths.dropOwn(1, 'alice/papers', house.upload.mark());
    assert.deepEqual(house.upload.conflicts(ALICE), []);
  });

  it('is not delivered to, above or below a place that somebody is at work on', async () => {
    await sendAs(ALICE, 'alice/docs', 'a.txt', 'one');
    const release = await house.upload.locks.takeSoon(['alice/docs'], 1_000);
    assert.ok(release !== null);
    house.presence.set(true);
    for (let turn = 0; turn < 20; turn += 1) await house.clock.advance(500);
    assert.equal(house.nas.files.size, 0);
    release();
    await house.flushed();
    await house.clock.advance(3_000);
    await house.flushed();
    assert.equal(house.nas.text('alice/docs/a.txt'), 'one');
  });
});
