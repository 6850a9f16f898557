import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Resolution } from '../../../nodes/lib/upload/rows/conflict-rows.ts';
import type { Settled } from '../../../nodes/lib/upload/upload.ts';
import { ALICE, BOB, UploadBench, PATIENCE_MS } from './upload-bench.ts';
import { json, sha256 } from './memory-nas.ts';

const COPY = 'alice/a (conflict 2026-02-22 15-30 alice).txt';

describe('settling a conflict', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
    bench.nas.put('alice/a.txt', 'theirs');
    await bench.send('alice', 'a.txt', 'mine');
    await bench.deliver();
    assert.deepEqual(bench.states(), ['conflict']);
    assert.deepEqual(texts(), { 'alice/a.txt': 'theirs', [COPY]: 'mine' });
  });

  afterEach(async () => {
    await bench.close();
  });

  function texts(): Record<string, string> {
    return Object.fromEntries(
      [...bench.nas.files].map(([path, file]) => [path, file.bytes.toString()]),
    );
  }

  const idOf = (): number => bench.upload.conflicts(ALICE)[0]?.id ?? 0;

  /** A restart after a "death" in the middle is a plain second call, as all state is outside. */
  async function resolve(resolution: Resolution, who = ALICE): Promise<Settled> {
    let done = false;
    const resolving = bench.upload.resolveConflict(who, idOf(), resolution).finally(() => {
      done = true;
    });
    // A NAS that was busy is asked less often.
    const limitMs = performance.now() + PATIENCE_MS;
    for (let turn = 0; !done && performance.now() < limitMs; turn += 1) {
      await new Promise((next) => setImmediate(next));
      if (turn % 50 === 49) await bench.clock.advance(100);
    }
    return await resolving;
  }

  function kept(): string[] {
    return readdirSync(join(bench.queueFolder, 'kept'));
  }

  it('shows it to its owner alone, and holds no delta of a desktop off', async () => {
    const [conflict] = bench.upload.conflicts(ALICE);
    assert.partialDeepStrictEqual(conflict, {
      path: 'alice/a.txt',
      conflict_path: COPY,
      size_bytes: 4,
      sha256: sha256('mine'),
    });
    assert.deepEqual(bench.upload.conflicts(BOB), []);
    assert.ok(!bench.upload.hasUnfinished(1));
    const other = await bench.upload.resolveConflict(BOB, conflict?.id ?? 0, 'renamed');
    assert.partialDeepStrictEqual(other, { kind: 'refused', code: 'not_found' });
    assert.equal((await resolve('renamed')).kind, 'resolved');
    assert.deepEqual(bench.upload.conflicts(ALICE), []);
    assert.deepEqual(texts(), { 'alice/a.txt': 'theirs', [COPY]: 'mine' });
  });

  it('waits for the NAS', async () => {
    bench.presence.set(false);
    assert.deepEqual(await resolve('local'), { kind: 'asleep' });
    assert.deepEqual(await resolve('renamed'), { kind: 'asleep' });
  });

  it('local puts the upload in place and the other under the conflict name', async () => {
    assert.equal((await resolve('local')).kind, 'resolved');
    assert.deepEqual(texts(), { 'alice/a.txt': 'mine', [COPY]: 'theirs' });
    assert.deepEqual(bench.states(), ['synced']);
    assert.deepEqual(bench.touched.slice(0, 2), ['alice/a.txt', COPY]);
    const again = await bench.upload.resolveConflict(ALICE, 1, 'local');
    assert.equal(again.kind, 'resolved');
    const late = await bench.upload.resolveConflict(ALICE, 1, 'remote');
    assert.partialDeepStrictEqual(late, { kind: 'refused', code: 'conflict' });
  });

  for (let fault = 1; fault <= 12; fault += 1) {
    it(`local loses nothing when call ${fault} fails for good, and goes on from there`, async () => {
      let count = 0;
      bench.nas.trouble = () => {
        count += 1;
        return count >= fault ? json(503, { detail: 'busy' }) : null;
      };
      const first = await resolve('local');
      assert.deepEqual(Object.values(texts()).sort(), ['mine', 'theirs']);
      bench.nas.trouble = () => null;
      if (first.kind !== 'resolved') assert.equal((await resolve('local')).kind, 'resolved');
      assert.deepEqual(texts(), { 'alice/a.txt': 'mine', [COPY]: 'theirs' });
    });
  }

  it('local goes on after lost answers of its renames', async () => {
    bench.nas.loseAnswerOf.add('rename');
    assert.equal((await resolve('local')).kind, 'resolved');
    assert.deepEqual(texts(), { 'alice/a.txt': 'mine', [COPY]: 'theirs' });
  });

  it('local never renames onto a name that somebody took in the middle', async () => {
    bench.nas.effect = (call) => {
      if (call.startsWith('rename alice/a.txt')) bench.nas.put('alice/a.txt', 'newest');
    };
    assert.partialDeepStrictEqual(await resolve('local'), { kind: 'refused', code: 'conflict' });
    assert.deepEqual(Object.values(texts()).sort(), ['mine', 'newest', 'theirs']);
    bench.nas.effect = () => undefined;
    assert.equal((await resolve('local')).kind, 'resolved');
    assert.equal(bench.nas.text('alice/a.txt'), 'mine');
    assert.deepEqual(Object.values(texts()).sort(), ['mine', 'newest', 'theirs']);
  });

  it('local moves the upload alone where the other is gone, and says so where the upload is', async () => {
    bench.nas.files.delete('alice/a.txt');
    assert.equal((await resolve('local')).kind, 'resolved');
    assert.deepEqual(texts(), { 'alice/a.txt': 'mine' });
  });

  it('local puts a folder back that came in the very moment before the rename', async () => {
    bench.nas.trouble = (call) => {
      if (call.startsWith('rename alice/a.txt') && bench.nas.files.delete('alice/a.txt')) {
        bench.nas.folders.add('alice/a.txt');
      }
      return null;
    };
    assert.partialDeepStrictEqual(await resolve('local'), { kind: 'refused', code: 'conflict' });
    assert.ok(bench.nas.folders.has('alice/a.txt'));
    assert.deepEqual(texts(), { [COPY]: 'mine' });
  });

  it('local changes nothing where the conflict copy is gone', async () => {
    bench.nas.files.delete(COPY);
    assert.partialDeepStrictEqual(await resolve('local'), { kind: 'refused', code: 'conflict' });
    assert.deepEqual(texts(), { 'alice/a.txt': 'theirs' });
  });

  it('local says that it may not where the NAS forbids the first rename', async () => {
    bench.nas.trouble = (call) =>
      call.startsWith('rename') ? json(403, { detail: 'Operation not permitted' }) : null;
    assert.partialDeepStrictEqual(await resolve('local'), { kind: 'refused', code: 'not_allowed' });
    assert.deepEqual(texts(), { 'alice/a.txt': 'theirs', [COPY]: 'mine' });
  });

  it('remote takes the copy off the NAS and keeps its bytes on the Pi for 30 days', async () => {
    const before = bench.upload.queuedBytes();
    assert.equal((await resolve('remote')).kind, 'resolved');
    assert.deepEqual(texts(), { 'alice/a.txt': 'theirs' });
    assert.equal(kept().length, 1);
    assert.equal(bench.upload.queuedBytes(), before + 4);
    await bench.restart();
    await bench.deliver();
    assert.equal(kept().length, 1);
    await bench.clock.advance(29 * 86_400_000);
    await bench.flushed();
    assert.equal(kept().length, 1);
    await bench.clock.advance(2 * 86_400_000);
    await bench.flushed();
    assert.deepEqual(kept(), []);
    assert.equal(bench.upload.queuedBytes(), before);
  });

  it('remote keeps the bytes for their 30 days though the database is lost', async () => {
    await resolve('remote');
    await bench.restart({}, ({ path }) => {
      for (const suffix of ['', '-wal', '-shm']) {
        rmSync(join(path, `queue.db${suffix}`), { force: true });
      }
    });
    await bench.deliver();
    assert.equal(kept().length, 1);
    await bench.clock.advance(29 * 86_400_000);
    await bench.flushed();
    assert.equal(kept().length, 1);
    await bench.clock.advance(2 * 86_400_000);
    await bench.flushed();
    assert.deepEqual(kept(), []);
  });

  it('remote keeps the bytes for their 30 days when the Pi’s clock jumps ahead', async () => {
    await resolve('remote');
    await bench.deliver();
    bench.clock.stepWallTo(bench.clock.nowMs() + 60 * 86_400_000);
    await bench.clock.advance(2 * 86_400_000);
    await bench.flushed();
    assert.equal(kept().length, 1);
  });

  it('remote keeps the bytes while the time is not proved, and 30 days from then at most', async () => {
    bench.isClockProved = false;
    await resolve('remote');
    await bench.deliver();
    await bench.clock.advance(91 * 86_400_000);
    await bench.flushed();
    assert.equal(kept().length, 1);
    bench.clock.stepWallTo(bench.clock.nowMs() - 91 * 86_400_000 - 3 * 365 * 86_400_000);
    bench.isClockProved = true;
    for (const days of [0, 2, 27]) {
      await bench.clock.advance(days * 86_400_000);
      await bench.flushed();
    }
    assert.equal(kept().length, 1);
    for (const days of [5, 2]) {
      await bench.clock.advance(days * 86_400_000);
      await bench.flushed();
    }
    assert.equal(kept().length, 0);
  });

  for (let fault = 1; fault <= 4; fault += 1) {
    it(`remote never deletes what is not kept, whichever call fails (${fault})`, async () => {
      let count = 0;
      bench.nas.trouble = () => {
        count += 1;
        return count === fault ? json(503, { detail: 'busy' }) : null;
      };
      const first = await resolve('remote');
      assert.notEqual(first.kind, 'resolved');
      assert.equal(bench.nas.text(COPY), 'mine');
      bench.nas.trouble = () => null;
      assert.equal((await resolve('remote')).kind, 'resolved');
      assert.equal(bench.nas.text(COPY), null);
      assert.equal(kept().length, 1);
    });
  }

  it('remote does not delete a copy that changes meanwhile', async () => {
    let looks = 0;
    bench.nas.trouble = (call) => {
      looks += call === 'list alice' ? 1 : 0;
      if (call === 'list alice' && looks === 2) bench.nas.put(COPY, 'edited');
      return null;
    };
    assert.partialDeepStrictEqual(await resolve('remote'), { kind: 'refused', code: 'conflict' });
    assert.equal(bench.nas.text(COPY), 'edited');
  });

  it('is refused while another version is on its way to one of the places', async () => {
    bench.presence.set(false);
    await bench.send('alice', 'a.txt', 'another');
    bench.presence.awake = true;
    assert.partialDeepStrictEqual(await resolve('local'), { kind: 'refused', code: 'conflict' });
    await bench.deliver();
    assert.equal((await resolve('remote')).kind, 'resolved');
  });

  it('waits for the delivery that met it, and goes by what another call settled meanwhile', async () => {
    const places = ['alice/a.txt', COPY];
    const id = idOf();
    for (const [resolution, expected] of [
      ['renamed', 'resolved'],
      ['renamed', 'resolved'],
      ['local', 'refused'],
    ] as const) {
      const letGo = bench.upload.locks.take(places);
      const settled = bench.upload.resolveConflict(ALICE, id, resolution);
      await new Promise((next) => setImmediate(next));
      letGo?.();
      assert.equal((await settled).kind, expected);
    }
    assert.deepEqual(texts(), { 'alice/a.txt': 'theirs', [COPY]: 'mine' });
  });

  it('is refused where another version came while it waited', async () => {
    const letGo = bench.upload.locks.take(['alice/a.txt']);
    const settled = bench.upload.resolveConflict(ALICE, idOf(), 'local');
    bench.presence.set(false);
    await bench.send('alice', 'a.txt', 'another');
    bench.presence.awake = true;
    letGo?.();
    assert.partialDeepStrictEqual(await settled, { kind: 'refused', code: 'conflict' });
    assert.deepEqual(texts(), { 'alice/a.txt': 'theirs', [COPY]: 'mine' });
  });
});
