import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { NodeDisk } from '../../../nodes/lib/upload/spool/disk.ts';
import { systemError } from './faulty-disk.ts';
import { ADMIN, ALICE, BOB, type UploadBench } from './upload-bench.ts';
import { json, sha256 } from './memory-nas.ts';
import { TreeBench } from './tree-bench.ts';

/** Alice on a known device. */
const DESK = { ...ALICE, device: 'refresh:desk' };
/** The photo's hash on the NAS. */
const A = sha256('a');

function removeDatabase(bench: UploadBench): void {
  for (const name of ['queue.db', 'queue.db-wal', 'queue.db-shm']) {
    rmSync(join(bench.path, name), { force: true });
  }
}

describe('changes while the NAS sleeps', function () {
  this.timeout(30_000);
  let tree: TreeBench;

  beforeEach(async () => {
    tree = new TreeBench();
    const { nas } = tree.bench;
    for (const folder of ['alice/A', 'alice/A/in', 'alice/B']) nas.folders.add(folder);
    nas.put('alice/A/a.txt', 'a');
    nas.put('alice/A/in/b.txt', 'b');
    nas.put('alice/c.txt', 'c');
    await tree.start();
    await tree.lookAround();
    tree.bench.presence.set(false);
  });

  afterEach(async () => {
    await tree.close();
  });

  async function save(content: string): Promise<void> {
    tree.bench.who = DESK;
    assert.equal((await tree.bench.send('alice/A', 'a.txt', content)).status, 200);
  }

  const onNas = (): string[] => [...tree.bench.nas.files.keys()].sort();

  async function seen(): Promise<string[]> {
    return [...(await tree.seen()).keys()].sort();
  }

  function conflicts(): { id: number; path: string; detail: string }[] {
    return tree.bench.upload
      .conflicts(ALICE)
      .map(({ id, path, detail = '' }) => ({ id, path, detail }));
  }

  it('deletes a file: gone for its user at once, from the NAS when it is up', async () => {
    assert.equal(await tree.delete('alice/c.txt'), 'taken');
    assert.ok(!(await seen()).includes('alice/c.txt'));
    assert.equal(await tree.download('alice/c.txt'), 'not_found');
    assert.ok(onNas().includes('alice/c.txt'));
    await tree.bench.deliver();
    assert.ok(!onNas().includes('alice/c.txt'));
    assert.deepEqual(tree.states(), ['delete synced']);
  });

  it('renames and moves, and shows and serves what is in them at their new place', async () => {
    assert.equal(await tree.rename('alice/A', 'Z'), 'taken');
    assert.equal(await tree.move('alice/Z/a.txt', 'alice/B'), 'taken');
    assert.equal(await tree.rename('alice/B/a.txt', 'aa.txt'), 'taken');
    assert.deepEqual(await seen(), [
      'alice/B',
      'alice/B/aa.txt',
      'alice/Z',
      'alice/Z/in',
      'alice/Z/in/b.txt',
      'alice/c.txt',
    ]);
    assert.equal(await tree.download('alice/B/aa.txt'), A);
    assert.equal(await tree.download('alice/A/a.txt'), 'not_found');
    await tree.bench.deliver();
    assert.deepEqual(onNas(), ['alice/B/aa.txt', 'alice/Z/in/b.txt', 'alice/c.txt']);
    assert.deepEqual(tree.states(), ['rename synced', 'move synced', 'rename synced']);
  });

  for (const wasSaved of [false, true]) {
    const first = wasSaved ? ', where the deleted one had a version that waited' : '';
    it(`puts a new version onto a file that took the place of a deleted one${first}`, async () => {
      tree.bench.who = DESK;
      if (wasSaved) await tree.bench.send('alice', 'c.txt', 'soon deleted');
      assert.equal(await tree.delete('alice/c.txt'), 'taken');
      assert.equal(await tree.move('alice/A/a.txt', 'alice'), 'taken');
      assert.equal(await tree.rename('alice/a.txt', 'c.txt'), 'taken');
      await tree.seen(DESK);
      await tree.bench.send('alice', 'c.txt', 'new');
      await tree.bench.deliver();
      assert.deepEqual(onNas(), ['alice/A/in/b.txt', 'alice/c.txt']);
      assert.equal(tree.bench.nas.text('alice/c.txt'), 'new');
      assert.deepEqual(conflicts(), []);
    });
  }

  it('makes a folder, takes uploads into it, and renames it with them', async () => {
    assert.equal(await tree.mkdir('alice/new'), 'taken');
    assert.equal(await tree.mkdir('alice/new'), 'taken');
    await tree.bench.send('alice/new', 'u.txt', 'u');
    assert.equal(await tree.rename('alice/new', 'newer'), 'taken');
    assert.ok((await seen()).includes('alice/newer/u.txt'));
    assert.equal(await tree.download('alice/newer/u.txt'), sha256('u'));
    await tree.bench.deliver();
    assert.ok(onNas().includes('alice/newer/u.txt'));
    assert.ok(!tree.bench.nas.folders.has('alice/new'));
  });

  it('takes only what its user was shown: a folder only when all below it was listed', async () => {
    assert.equal(await tree.delete('alice/unheard.txt'), 'asleep');
    assert.equal(await tree.rename('alice/A/zzz.txt', 'y.txt'), 'asleep');
    assert.equal(await tree.delete('alice/A', BOB), 'not_yours');
    assert.equal(await tree.delete('alice', ALICE), 'not_yours');
    assert.equal(await tree.delete('Shared/x.txt'), 'asleep');
    tree.bench.nas.folders.add('alice/deep').add('alice/deep/er');
    tree.bench.presence.set(true);
    await tree.bench.clock.advance(10_001);
    await tree.files.list(ALICE, 'alice');
    await tree.files.list(ALICE, 'alice/deep');
    tree.bench.presence.set(false);
    assert.equal(await tree.delete('alice/deep'), 'asleep');
    assert.equal(await tree.move('alice/c.txt', 'alice/deep/er/c.txt'), 'asleep');
  });

  it('takes nothing onto a name that is taken, and no folder into itself', async () => {
    assert.equal(await tree.rename('alice/c.txt', 'A'), 'conflict');
    assert.equal(await tree.move('alice/A/a.txt', 'alice/c.txt'), 'conflict');
    assert.equal(await tree.move('alice/A', 'alice/A/in'), 'conflict');
    assert.equal(await tree.mkdir('alice/c.txt'), 'conflict');
    assert.equal(await tree.move('alice/c.txt', 'alice/none/c.txt'), 'asleep');
    assert.equal(await tree.mkdir('alice/A'), 'taken');
    assert.deepEqual(tree.states(), []);
  });

  it('refuses all of it with CHANGES_ASLEEP=off', async () => {
    await tree.close();
    tree = new TreeBench({ takesChanges: false });
    tree.bench.nas.put('alice/c.txt', 'c');
    await tree.start();
    await tree.lookAround();
    assert.equal(await tree.delete('alice/c.txt'), 'asleep');
    assert.equal(await tree.mkdir('alice/new'), 'asleep');
  });

  it('is taken once, however often it is asked for', async () => {
    for (let time = 0; time < 3; time += 1) {
      assert.equal(await tree.delete('alice/c.txt'), 'taken');
      assert.equal(await tree.rename('alice/A', 'Z'), 'taken');
    }
    assert.deepEqual(tree.states(), ['delete queued', 'rename queued']);
  });

  for (const [what, change] of [
    ['a file that changed', () => tree.bench.nas.put('alice/c.txt', 'theirs')],
    ['one written over in its size', () => tree.bench.nas.put('alice/c.txt', 'd')],
  ] as const) {
    it(`deletes nothing of ${what}, and says so`, async () => {
      await tree.delete('alice/c.txt');
      change();
      await tree.bench.deliver();
      assert.ok(onNas().includes('alice/c.txt'));
      assert.deepEqual(tree.states(), ['delete conflict']);
      const [open] = conflicts();
      assert.match(open?.detail ?? '', /alice\/c\.txt: It changed on the NAS/);
      assert.ok((await seen()).includes('alice/c.txt'));
      const status = tree.bench.upload.view.status(ALICE, false);
      assert.equal(status.kind === 'status' && status.status.conflicts, 1);
    });
  }

  it('reads a file back before it deletes one whose checksum proves nothing', async () => {
    await tree.delete('alice/c.txt');
    tree.bench.nas.put('alice/c.txt', 'x', { checksum: sha256('c') });
    await tree.bench.deliver();
    assert.equal(tree.bench.nas.text('alice/c.txt'), 'x');
    assert.deepEqual(tree.states(), ['delete conflict']);
    tree.bench.presence.set(false);
  });

  for (const verb of ['delete', 'rename'] as const) {
    for (const [what, change] of [
      ['one unknown name in it', () => tree.bench.nas.put('alice/A/in/new.txt', 'new')],
      ['an unknown folder in it', () => tree.bench.nas.folders.add('alice/A/in/new')],
      ['another version in it', () => tree.bench.nas.put('alice/A/in/b.txt', 'other')],
    ] as const) {
      it(`does not ${verb} a folder for ${what}`, async () => {
        await (verb === 'delete' ? tree.delete('alice/A') : tree.rename('alice/A', 'Z'));
        change();
        const before = onNas();
        await tree.bench.deliver();
        assert.deepEqual(onNas(), before);
        assert.deepEqual(tree.states(), [`${verb} conflict`]);
      });
    }
  }

  it('deletes a folder that lost something meanwhile, with the rest', async () => {
    await tree.delete('alice/A');
    tree.bench.nas.files.delete('alice/A/a.txt');
    await tree.bench.deliver();
    assert.deepEqual(onNas(), ['alice/c.txt']);
    assert.deepEqual(tree.states(), ['delete synced']);
  });

  it('settles a conflict: done does it with what is there now, dropped leaves it', async () => {
    await tree.delete('alice/A');
    await tree.delete('alice/c.txt');
    tree.bench.nas.put('alice/A/in/new.txt', 'new');
    tree.bench.nas.put('alice/c.txt', 'theirs');
    await tree.bench.deliver();
    const open = conflicts();
    assert.deepEqual(
      open.map(({ path }) => path),
      ['alice/c.txt', 'alice/A'],
    );
    const [file, folder] = open;
    assert.ok(file !== undefined && folder !== undefined);
    const dropped = await tree.bench.upload.resolveConflict(ALICE, file.id, 'dropped');
    assert.equal(dropped.kind, 'resolved');
    const wrong = await tree.bench.upload.resolveConflict(ALICE, folder.id, 'local');
    assert.deepEqual(wrong.kind === 'refused' && wrong.code, 'invalid');
    const foreign = await tree.bench.upload.resolveConflict(BOB, folder.id, 'done');
    assert.deepEqual(foreign.kind === 'refused' && foreign.code, 'not_found');
    tree.bench.nas.put('alice/A/in/newer.txt', 'newer');
    await tree.bench.upload.resolveConflict(ALICE, folder.id, 'done');
    await tree.bench.flushed();
    assert.deepEqual(tree.states(), ['delete conflict'], 'something came since it was told');
    await tree.bench.upload.resolveConflict(ALICE, folder.id, 'done');
    await tree.bench.flushed();
    assert.deepEqual(onNas(), ['alice/c.txt']);
    assert.deepEqual(tree.states(), ['delete synced']);
  });

  it('does nothing that builds on what was not done', async () => {
    await tree.rename('alice/A', 'Z');
    await tree.delete('alice/Z/a.txt');
    await tree.delete('alice/c.txt');
    tree.bench.nas.put('alice/A/new.txt', 'new');
    await tree.bench.deliver();
    assert.deepEqual(tree.states(), ['rename conflict', 'delete conflict', 'delete synced']);
    assert.ok(onNas().includes('alice/A/a.txt'));
  });

  it('renames nothing onto what came meanwhile', async () => {
    await tree.rename('alice/c.txt', 'd.txt');
    tree.bench.nas.put('alice/d.txt', 'theirs');
    await tree.bench.deliver();
    assert.deepEqual(
      [tree.bench.nas.text('alice/c.txt'), tree.bench.nas.text('alice/d.txt')],
      ['c', 'theirs'],
    );
    assert.deepEqual(tree.states(), ['rename conflict']);
  });

  it('takes an upload of what was not there and its later delete back together', async () => {
    await tree.bench.send('alice', 'u.txt', 'u');
    assert.equal(await tree.delete('alice/u.txt'), 'taken');
    assert.deepEqual(tree.states(), []);
    assert.ok(!(await seen()).includes('alice/u.txt'));
    assert.equal(tree.bench.onDisk().filter((name) => name.startsWith('kept/')).length, 1);
    await tree.bench.deliver();
    assert.equal(tree.bench.nas.count('init'), 0);
    assert.equal(tree.bench.nas.count('delete'), 0);
  });

  it('deletes what was there, in the version an upload that is not sent was made from', async () => {
    await tree.bench.send('alice', 'c.txt', 'mine');
    await tree.bench.send('alice', 'c.txt', 'mine, later');
    assert.equal(await tree.delete('alice/c.txt'), 'taken');
    assert.deepEqual(tree.states(), ['delete queued']);
    await tree.bench.deliver();
    assert.deepEqual([tree.bench.nas.text('alice/c.txt'), tree.bench.nas.count('init')], [null, 0]);
    const kept = tree.bench.onDisk().filter((name) => name.startsWith('kept/'));
    assert.equal(kept.length, 2);
  });

  it('puts an upload after a delete in its place', async () => {
    await tree.delete('alice/c.txt');
    await tree.bench.send('alice', 'c.txt', 'new');
    assert.equal(await tree.download('alice/c.txt'), sha256('new'));
    await tree.bench.deliver();
    assert.equal(tree.bench.nas.text('alice/c.txt'), 'new');
    assert.deepEqual(tree.states(), ['delete synced', 'upload synced']);
  });

  it('takes an upload again whose earlier one was moved away since', async () => {
    await tree.bench.send('alice/B', 'u.txt', 'u');
    await tree.rename('alice/B/u.txt', 'v.txt');
    await tree.bench.send('alice/B', 'u.txt', 'u');
    assert.deepEqual(await seen(), [
      ...['alice/A', 'alice/A/a.txt', 'alice/A/in', 'alice/A/in/b.txt', 'alice/B'],
      ...['alice/B/u.txt', 'alice/B/v.txt', 'alice/c.txt'],
    ]);
    await tree.bench.deliver();
    assert.ok(onNas().includes('alice/B/u.txt') && onNas().includes('alice/B/v.txt'));
  });

  it('has a later version of a moved upload go on from it', async () => {
    await tree.bench.send('alice/B', 'u.txt', 'one');
    await tree.rename('alice/B', 'Z');
    await tree.bench.send('alice/Z', 'u.txt', 'two');
    await tree.bench.deliver();
    assert.equal(tree.bench.nas.text('alice/Z/u.txt'), 'two');
    assert.deepEqual(tree.states(), ['upload synced', 'rename synced', 'upload synced']);
  });

  it('has a version go on from what was moved to its path, not from one that was moved away', async () => {
    await save('one');
    await tree.rename('alice/A/a.txt', 'z.txt');
    await tree.move('alice/c.txt', 'alice/A/a.txt');
    await tree.files.list(DESK, 'alice/A');
    await save('two');
    await tree.bench.deliver();
    assert.deepEqual(onNas(), ['alice/A/a.txt', 'alice/A/in/b.txt', 'alice/A/z.txt']);
    assert.equal(tree.bench.nas.text('alice/A/a.txt'), 'two');
    assert.equal(tree.bench.nas.text('alice/A/z.txt'), 'one');
    assert.ok(tree.states().every((state) => state.endsWith('synced')));
  });

  it('puts a version beside what was moved to its path and changed there', async () => {
    await save('one');
    await tree.rename('alice/A/a.txt', 'z.txt');
    await tree.move('alice/c.txt', 'alice/A/a.txt');
    await tree.files.list(DESK, 'alice/A');
    await save('two');
    tree.bench.nas.put('alice/c.txt', 'theirs');
    await tree.bench.deliver();
    const texts = onNas().map((path) => tree.bench.nas.text(path));
    for (const text of ['one', 'two', 'theirs']) assert.ok(texts.includes(text), text);
  });

  it('loses no version where a move between two of them is refused', async () => {
    await save('one');
    await tree.rename('alice/A/a.txt', 'z.txt');
    await tree.move('alice/c.txt', 'alice/A/a.txt');
    await tree.files.list(DESK, 'alice/A');
    await save('two');
    tree.bench.nas.trouble = (call) =>
      call.startsWith('rename') ? json(403, { detail: 'Operation not permitted' }) : null;
    await tree.bench.deliver();
    const texts = onNas().map((path) => tree.bench.nas.text(path));
    for (const text of ['one', 'two', 'c']) assert.ok(texts.includes(text), text);
  });

  it('puts a version beside what was moved to its path unseen by its device', async () => {
    await save('one');
    await tree.rename('alice/A/a.txt', 'z.txt');
    await tree.files.list(DESK, 'alice/A');
    await tree.move('alice/c.txt', 'alice/A/a.txt');
    await save('two');
    await tree.bench.deliver();
    assert.equal(tree.bench.nas.text('alice/A/a.txt'), 'c');
    const texts = onNas().map((path) => tree.bench.nas.text(path));
    for (const text of ['one', 'two']) assert.ok(texts.includes(text), text);
  });

  it('puts a save beside what was moved to a path that its device last saw as another file', async () => {
    await tree.files.list(DESK, 'alice/A');
    await tree.rename('alice/A/a.txt', 'z.txt');
    await tree.move('alice/c.txt', 'alice/A/a.txt');
    await save('two');
    await tree.bench.deliver();
    assert.equal(tree.bench.nas.text('alice/A/a.txt'), 'c');
    assert.ok(onNas().some((path) => tree.bench.nas.text(path) === 'two'));
  });

  describe('a save at the place of a delivered file that was moved away', () => {
    beforeEach(async () => {
      tree.bench.presence.set(true);
      await save('one');
      await tree.bench.deliver();
      await tree.bench.clock.advance(1_000);
      tree.bench.presence.set(false);
    });

    function texts(): (string | null)[] {
      return onNas().map((path) => tree.bench.nas.text(path));
    }

    it('takes it once the move is done', async () => {
      await tree.rename('alice/A/a.txt', 'z.txt');
      await save('two');
      await tree.bench.deliver();
      assert.equal(tree.bench.nas.text('alice/A/a.txt'), 'two');
      assert.equal(tree.bench.nas.text('alice/A/z.txt'), 'one');
      assert.deepEqual(tree.states().slice(1), ['rename synced', 'upload synced']);
    });

    for (const [how, spoil] of [
      [
        'is refused',
        () => {
          tree.bench.nas.trouble = (call) =>
            call.startsWith('rename') ? json(403, { detail: 'Operation not permitted' }) : null;
        },
      ],
      ['finds its new name taken', () => tree.bench.nas.put('alice/A/z.txt', 'theirs')],
    ] as const) {
      it(`goes beside where the move ${how}`, async () => {
        await tree.rename('alice/A/a.txt', 'z.txt');
        await save('two');
        spoil();
        await tree.bench.deliver();
        assert.equal(tree.bench.nas.text('alice/A/a.txt'), 'one');
        assert.ok(texts().includes('two'), JSON.stringify(onNas()));
      });
    }

    it('goes beside what was moved there since unseen by its device', async () => {
      await tree.rename('alice/A/a.txt', 'z.txt');
      await tree.files.list(DESK, 'alice/A');
      await tree.move('alice/c.txt', 'alice/A/a.txt');
      await save('two');
      await tree.bench.deliver();
      assert.equal(tree.bench.nas.text('alice/A/a.txt'), 'c');
      for (const text of ['one', 'two']) assert.ok(texts().includes(text), text);
    });

    it('goes on from what was moved there since and its device saw', async () => {
      await tree.rename('alice/A/a.txt', 'z.txt');
      await tree.move('alice/c.txt', 'alice/A/a.txt');
      await tree.files.list(DESK, 'alice/A');
      await save('two');
      await tree.bench.deliver();
      assert.equal(tree.bench.nas.text('alice/A/a.txt'), 'two');
      assert.ok(texts().includes('one') && !texts().includes('c'));
    });
  });

  it('puts an upload beside what it was not made for when the delete before it found that', async () => {
    await tree.delete('alice/c.txt');
    await tree.bench.send('alice', 'c.txt', 'new');
    tree.bench.nas.put('alice/c.txt', 'theirs');
    await tree.bench.deliver();
    assert.equal(tree.bench.nas.text('alice/c.txt'), 'theirs');
    assert.deepEqual(tree.states(), ['delete conflict', 'upload conflict']);
  });

  it('keeps the order of uploads and changes along a path', async () => {
    await tree.bench.send('alice/A', 'u.txt', 'u');
    await tree.rename('alice/A', 'Z');
    await tree.bench.send('alice/A', 'again.txt', 'again');
    await tree.bench.send('alice/Z', 'v.txt', 'v');
    await tree.bench.deliver();
    assert.deepEqual(onNas(), [
      'alice/A/again.txt',
      'alice/Z/a.txt',
      'alice/Z/in/b.txt',
      'alice/Z/u.txt',
      'alice/Z/v.txt',
      'alice/c.txt',
    ]);
  });

  it('keeps the order over all users', async () => {
    tree.bench.nas.folders.add('Shared/F');
    tree.bench.nas.put('Shared/F/x.txt', 'x');
    await tree.lookAround(ALICE, 'Shared');
    await tree.lookAround(BOB, 'Shared');
    tree.bench.who = BOB;
    await tree.bench.send('Shared/F', 'bob.txt', 'bobs');
    tree.bench.who = ALICE;
    assert.equal(await tree.delete('Shared/F'), 'taken');
    await tree.bench.deliver();
    assert.deepEqual(
      onNas().filter((path) => path.startsWith('Shared')),
      ['Shared/F/bob.txt', 'Shared/F/x.txt'],
    );
    assert.deepEqual(tree.states(), ['delete conflict']);
  });

  it('shows a change to nobody else before it is done', async () => {
    tree.bench.nas.put('Shared/s.txt', 's');
    await tree.lookAround(ALICE, 'Shared');
    await tree.lookAround(ADMIN, 'Shared');
    await tree.delete('Shared/s.txt');
    assert.deepEqual([...(await tree.seen(ADMIN, 'Shared')).keys()], ['Shared/s.txt']);
    assert.deepEqual([...(await tree.seen(ALICE, 'Shared')).keys()], []);
  });

  for (const isLost of [false, true]) {
    const also = isLost ? ', though the database is lost then' : '';
    it(`follows what somebody else moved through the Pi meanwhile${also}`, async () => {
      const { bench } = tree;
      for (const folder of ['Shared/trip', 'Shared/2026']) bench.nas.folders.add(folder);
      for (const name of ['x.txt', 'y.txt', 'z.txt']) bench.nas.put(`Shared/trip/${name}`, name);
      await tree.lookAround(ALICE, 'Shared');
      assert.equal(await tree.delete('Shared/trip/x.txt'), 'taken');
      assert.equal(await tree.rename('Shared/trip/y.txt', 'yy.txt'), 'taken');
      assert.equal(await tree.move('Shared/trip/z.txt', 'Shared'), 'taken');
      bench.nas.moveTree('Shared/trip', 'Shared/2026/trip');
      const mark = bench.upload.mark();
      assert.equal(await tree.mkdir('Shared/trip/later'), 'taken');
      assert.equal(
        await bench.upload.changedPaths.followMove('Shared/trip', 'Shared/2026/trip', mark),
        3,
      );
      const listed = bench.upload.view.list(ALICE, null);
      assert.deepEqual(
        listed.kind === 'uploads' && listed.uploads.map(({ path, to_path: to }) => [path, to]),
        [
          ['Shared/trip/later', undefined],
          ['Shared/2026/trip/z.txt', 'Shared/z.txt'],
          ['Shared/2026/trip/y.txt', 'Shared/2026/trip/yy.txt'],
          ['Shared/2026/trip/x.txt', undefined],
        ],
      );
      if (isLost) await tree.restart({}, removeDatabase);
      await bench.deliver();
      const shared = onNas().filter((path) => path.startsWith('Shared/'));
      assert.deepEqual(shared, ['Shared/2026/trip/yy.txt', 'Shared/z.txt']);
    });
  }

  it('survives a power cut, and the loss of the database', async () => {
    await tree.delete('alice/c.txt');
    await tree.rename('alice/A', 'Z');
    await tree.restart();
    assert.deepEqual(tree.states(), ['delete queued', 'rename queued']);
    await tree.restart({}, removeDatabase);
    assert.deepEqual(tree.states(), ['delete found', 'rename found']);
    assert.equal(tree.bench.upload.recoveryWord(), 'found');
    await tree.bench.deliver();
    assert.deepEqual(onNas(), ['alice/Z/a.txt', 'alice/Z/in/b.txt']);
    await tree.restart({}, removeDatabase);
    assert.deepEqual(tree.states(), []);
  });

  /**
   * Takes a delete in a process that dies before it writes the ends; what it wrote before stays.
   */
  async function deleteAndDie(path: string): Promise<void> {
    const died = Promise.withResolvers<undefined>();
    class DyingDisk extends NodeDisk {
      #die(file: string): boolean {
        const isEnds = basename(file).startsWith('ends-');
        if (isEnds) died.resolve(undefined);
        return isEnds;
      }

      override create(file: string): ReturnType<NodeDisk['create']> {
        return this.#die(file) ? new Promise(() => undefined) : super.create(file);
      }

      override goOn(file: string, bytes: number): ReturnType<NodeDisk['goOn']> {
        return this.#die(file) ? new Promise(() => undefined) : super.goOn(file, bytes);
      }
    }
    await tree.restart({ disk: new DyingDisk() });
    void tree.delete(path);
    await died.promise;
    await tree.restart();
  }

  for (const isLost of [false, true]) {
    const also = isLost ? ', and its database then' : '';
    it(`keeps an upload whose delete died with the process before it was taken${also}`, async () => {
      await tree.bench.send('alice', 'new.txt', 'new');
      await deleteAndDie('alice/new.txt');
      assert.deepEqual(tree.states(), ['upload queued']);
      assert.ok((await seen()).includes('alice/new.txt'));
      if (isLost) await tree.restart({}, removeDatabase);
      await tree.bench.deliver();
      assert.equal(tree.bench.nas.text('alice/new.txt'), 'new');
    });

    it(`ends a delete that died half taken, with the upload it was of${also}`, async () => {
      await tree.bench.send('alice', 'c.txt', 'c, mine');
      await deleteAndDie('alice/c.txt');
      assert.deepEqual(tree.states(), ['delete found']);
      assert.equal(tree.bench.onDisk().filter((name) => name.startsWith('kept/')).length, 1);
      assert.equal(tree.bench.upload.recoveryWord(), 'found');
      await tree.bench.send('alice', 'c.txt', 'c, anew');
      if (isLost) await tree.restart({}, removeDatabase);
      await tree.bench.deliver();
      assert.equal(tree.bench.nas.text('alice/c.txt'), 'c, anew');
      assert.deepEqual(
        onNas().filter((path) => path.includes('conflict')),
        [],
      );
      assert.deepEqual(tree.states(), ['delete synced', 'upload synced']);
    });
  }

  it('goes on with what was to be dropped where the disk takes no end of it', async () => {
    class FullDisk extends NodeDisk {
      override create(file: string): ReturnType<NodeDisk['create']> {
        const isEnds = basename(file).startsWith('ends-');
        return isEnds ? Promise.reject(systemError('ENOSPC')) : super.create(file);
      }
    }
    await tree.restart({ disk: new FullDisk() });
    const { body } = await tree.bench.send('alice', 'new.txt', 'new');
    await tree.delete('alice/c.txt');
    const listed = tree.bench.upload.view.list(ALICE, null);
    const ids = listed.kind === 'uploads' ? listed.uploads.map(({ id }) => id) : [];
    assert.equal(ids.length, 2);
    assert.equal(await tree.delete('alice/new.txt'), 'no_room');
    for (const id of ids) {
      const dropped = await tree.bench.upload.drop(ALICE, id);
      assert.equal(dropped.kind === 'refused' && dropped.code, 'no_room');
    }
    assert.ok(ids.includes(String(body['id'])));
    assert.deepEqual(tree.states(), ['upload queued', 'delete queued']);
  });

  it('waits on no clock of a process that is gone', async () => {
    await tree.delete('alice/c.txt');
    tree.bench.nas.trouble = (call) =>
      call.startsWith('delete') ? json(500, { detail: 'Internal server error' }) : null;
    await tree.bench.deliver();
    assert.deepEqual(tree.states(), ['delete waiting']);
    // It died while retrying, and the monotonic clock restarts with the machine.
    tree.bench.data.queue.exec("UPDATE queued_changes SET state = 'sending', due_tick_ms = 9e12");
    tree.bench.nas.trouble = () => null;
    await tree.restart();
    await tree.bench.deliver();
    assert.deepEqual(tree.states(), ['delete synced']);
  });

  it('lets what it finds again wait for its owner where something changed', async () => {
    await tree.delete('alice/c.txt');
    await tree.restart({}, removeDatabase);
    tree.bench.nas.put('alice/c.txt', 'theirs');
    await tree.bench.deliver();
    assert.deepEqual(tree.states(), ['delete found']);
    const status = tree.bench.upload.view.status(ALICE, false);
    assert.equal(status.kind === 'status' && status.status.waiting_for_owner, 1);
    assert.equal(tree.bench.nas.text('alice/c.txt'), 'theirs');
  });

  it('finds its work done after an answer was lost, or a 500 that had done it', async () => {
    await tree.rename('alice/A', 'Z');
    await tree.delete('alice/c.txt');
    tree.bench.nas.loseAnswerOf.add('rename');
    tree.bench.nas.loseAnswerOf.add('delete');
    await tree.bench.deliver();
    for (let time = 0; time < 3; time += 1) {
      await tree.bench.clock.advance(60_000);
      await tree.bench.flushed();
    }
    assert.deepEqual(tree.states(), ['rename synced', 'delete synced']);
    assert.equal(tree.bench.nas.count('rename'), 1);
    tree.bench.presence.set(false);
    await tree.lookAround();
    await tree.rename('alice/Z', 'Y');
    let renamed = false;
    tree.bench.nas.trouble = (call) => {
      if (!call.startsWith('rename') || renamed) return null;
      renamed = true;
      tree.bench.nas.moveTree('alice/Z', 'alice/Y');
      return json(500, { detail: 'Internal server error' });
    };
    await tree.bench.deliver();
    assert.deepEqual(tree.states(), ['rename synced', 'delete synced', 'rename synced']);
  });

  it('counts as the last thing that reached the NAS once it is carried out', async () => {
    const last = (): string | null => {
      const status = tree.bench.upload.view.status(ALICE, false);
      assert.ok(status.kind === 'status');
      return status.status.last_sync;
    };
    await tree.delete('alice/c.txt');
    assert.equal(last(), null);
    await tree.bench.deliver();
    const { clock, upload } = tree.bench;
    const first = last();
    assert.match(first ?? '', /^2026-/);
    await clock.advance(5_000);
    await tree.bench.send('alice', 'u.txt', 'u');
    await tree.bench.flushed();
    assert.ok((last() ?? '') > (first ?? ''));
    const others = upload.view.status(BOB, false);
    assert.equal(others.kind === 'status' && others.status.last_sync, null);
  });

  it('is settled with the time at which the conflict was listed, and unknown ones are 404', async () => {
    await tree.delete('alice/c.txt');
    tree.bench.nas.put('alice/c.txt', 'theirs');
    await tree.bench.clock.advance(61_000);
    await tree.bench.deliver();
    const { upload } = tree.bench;
    const [open] = upload.conflicts(ALICE);
    assert.ok(open !== undefined);
    for (const resolution of ['renamed', 'done', 'dropped'] as const) {
      for (const [who, id] of [
        [ALICE, 77],
        [ALICE, open.id + 1_000],
        [BOB, open.id],
      ] as const) {
        const none = await upload.resolveConflict(who, id, resolution);
        assert.equal(none.kind === 'refused' && none.code, 'not_found', `${id} ${resolution}`);
      }
    }
    const other = await upload.resolveConflict(ALICE, open.id, 'local');
    assert.equal(other.kind === 'refused' && other.code, 'invalid');
    const settled = await upload.resolveConflict(ALICE, open.id, 'done');
    assert.deepEqual(settled, { kind: 'resolved', conflict: { ...open, resolution: 'done' } });
  });

  it('is dropped and tried again as an upload is', async () => {
    await tree.delete('alice/c.txt');
    await tree.rename('alice/A', 'Z');
    const listed = tree.bench.upload.view.list(ALICE, null);
    assert.ok(listed.kind === 'uploads');
    const [rename, gone] = listed.uploads;
    assert.ok(rename !== undefined && gone !== undefined);
    assert.deepEqual([rename.kind, rename.to_path, gone.kind], ['rename', 'alice/Z', 'delete']);
    assert.equal((await tree.bench.upload.drop(BOB, gone.id)).kind, 'refused');
    assert.equal((await tree.bench.upload.drop(ALICE, gone.id)).kind, 'done');
    assert.ok((await seen()).includes('alice/c.txt'));
    tree.bench.nas.trouble = (call) =>
      call.startsWith('rename') ? json(403, { detail: 'Operation not permitted' }) : null;
    await tree.bench.deliver();
    assert.deepEqual(tree.states(), ['rename failed']);
    for (const [who, all] of [
      [ALICE, false],
      [ADMIN, true],
    ] as const) {
      const status = tree.bench.upload.view.status(who, all);
      assert.ok(status.kind === 'status');
      assert.deepEqual([status.status.failed_uploads, status.status.pending_changes], [1, 0]);
    }
    assert.ok((await seen()).includes('alice/A/a.txt'));
    tree.bench.nas.trouble = () => null;
    assert.equal(tree.bench.upload.retry(ALICE, rename.id).kind, 'done');
    await tree.bench.flushed();
    assert.deepEqual(tree.states(), ['rename synced']);
    assert.equal((await tree.bench.upload.drop(ALICE, rename.id)).kind, 'refused');
    await tree.restart({}, removeDatabase);
    assert.deepEqual(tree.states(), [], 'nothing dropped or done comes back');
  });

  it('waits for its user’s credential, and holds what its user left behind', async () => {
    await tree.delete('alice/c.txt');
    tree.bench.tokens.delete(1);
    await tree.bench.deliver();
    assert.deepEqual(tree.states(), ['delete waiting_for_credential']);
    const status = tree.bench.upload.view.status(ALICE, false);
    assert.ok(status.kind === 'status');
    assert.deepEqual(
      [status.status.pending_changes, status.status.waiting_for_credential],
      [1, ['alice']],
    );
    assert.equal(tree.bench.upload.hasUnfinished(1), true);
    assert.equal(tree.bench.upload.held.hold(1), 1);
    assert.deepEqual(tree.states(ADMIN), ['delete held']);
    tree.bench.tokens.set(1, 'token-alice');
    tree.bench.upload.credentialArrived(1);
    await tree.bench.flushed();
    assert.ok(onNas().includes('alice/c.txt'));
  });

  it('waits in line while the NAS is awake where something of its user is still to happen', async () => {
    await tree.rename('alice/A', 'Z');
    const { upload } = tree.bench;
    assert.equal(
      upload.changes.intake.isInLine(ALICE, { kind: 'delete', path: 'alice/Z/a.txt' }),
      true,
    );
    assert.equal(upload.changes.intake.isInLine(ALICE, { kind: 'delete', path: 'alice/A' }), true);
    assert.equal(
      upload.changes.intake.isInLine(ALICE, { kind: 'delete', path: 'alice/c.txt' }),
      false,
    );
    assert.equal(upload.changes.intake.isInLine(BOB, { kind: 'delete', path: 'alice/A' }), false);
    await tree.bench.send('alice', 'c.txt', 'new');
    assert.equal(
      upload.changes.intake.isInLine(ALICE, { kind: 'delete', path: 'alice/c.txt' }),
      true,
    );
  });

  it('lets an id go on meaning its file', async () => {
    const listed = await tree.files.list(ALICE, 'alice/A');
    const id = listed.kind === 'listing' ? (listed.listing.items.at(-1)?.piId ?? 0) : 0;
    await tree.rename('alice/A', 'Z');
    const found = await tree.files.locate(ALICE, String(id));
    assert.equal(found.kind === 'located' && found.file.shownPath, 'alice/Z/a.txt');
    assert.equal(found.kind === 'located' && found.file.path, 'alice/A/a.txt');
  });
});
