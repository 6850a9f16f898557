import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALICE, UploadBench, multipart, type Answered } from './upload-bench.ts';
import { systemError, WatchedDisk } from './faulty-disk.ts';

/** Two files, received in several writes each. */
const BODY = multipart([
  { name: 'path', content: 'alice/set' },
  { name: 'files', filename: 'a.bin', content: Buffer.alloc(150_000, 1) },
  { name: 'files', filename: 'b.txt', content: 'small' },
]);

const FOR_EVER = new Promise<never>(() => undefined);

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Every row has its complete file, and every file a row. */
function assertWhole(bench: UploadBench): void {
  const rows = bench.data.queue
    .prepare('SELECT id, size_bytes FROM upload_queue WHERE has_bytes = 1 ORDER BY id')
    .all();
  assert.deepEqual(
    bench.onDisk(),
    rows.map((row) => row['id']),
  );
  for (const row of rows) {
    const bytes = readFileSync(join(bench.queueFolder, String(row['id'])));
    assert.equal(bytes.length, row['size_bytes']);
  }
}

describe('a disk that fails', () => {
  for (const code of ['EIO', 'ENOSPC'] as const) {
    it(`answers ${code} at any open, write, fsync or rename honestly, and goes on`, async function () {
      this.timeout(20_000);
      const disk = new WatchedDisk();
      const bench = new UploadBench({ disk });
      await bench.start();
      const fds = openFiles();
      let accepted = 0;
      for (let k = 1; accepted === 0; k += 1) {
        assert.ok(k < 40, 'the sweep should have come to a clean run');
        disk.operations.length = 0;
        let count = 0;
        disk.around = (operation, when) => {
          if (operation === 'remove' || when === 'after') return;
          count += 1;
          if (count === k) throw systemError(code);
        };
        const { status, body } = await bench.post(BODY);
        disk.around = () => undefined;
        if (status === 200) accepted += 1;
        else {
          assert.equal(status, code === 'EIO' ? 503 : 507);
          assert.equal(body['code'], code === 'EIO' ? 'disk_failing' : 'no_room');
          assert.deepEqual(bench.states(), []);
        }
        assertWhole(bench);
      }
      assert.equal(openFiles() <= fds + 1, true, 'a file was left open');
      assert.equal((await bench.send('alice', 'next.txt', 'x')).status, 200);
      await bench.deliver();
      assert.deepEqual(bench.states(), ['synced', 'synced', 'synced']);
      await bench.close();
    });
  }

  it('never syncs a file a second time after its sync failed', async () => {
    const disk = new WatchedDisk();
    const bench = new UploadBench({ disk });
    await bench.start();
    disk.operations.length = 0;
    disk.around = (operation, when) => {
      if (operation === 'fsync' && when === 'before') throw systemError('EIO');
    };
    assert.equal((await bench.send('alice', 'a.txt', 'x')).status, 503);
    assert.deepEqual(disk.operations, ['open', 'write', 'fsync', 'remove']);
    disk.around = () => undefined;
    await bench.close();
  });

  it('costs three syncs and one commit for a single file, and shares them between many', async () => {
    const disk = new WatchedDisk();
    const bench = new UploadBench({ disk });
    await bench.start();
    let commits = 0;
    const { queue } = bench.data;
    const transaction = queue.transaction.bind(queue);
    queue.transaction = (work) => {
      commits += 1;
      return transaction(work);
    };
    disk.operations.length = 0;
    await bench.send('alice', 'a.txt', 'x');
    assert.deepEqual(disk.operations, [
      ...['open', 'write', 'fsync'],
      // The intent, stored next to the body.
      ...['open', 'write', 'fsync'],
      ...['rename', 'open', 'fsync'],
    ]);
    assert.equal(commits, 1);
    disk.operations.length = 0;
    const gate = Promise.withResolvers<undefined>();
    let files = 0;
    disk.around = async (operation, when) => {
      if (operation !== 'fsync' || when !== 'after' || files >= 6) return;
      files += 1;
      if (files === 6) gate.resolve(undefined);
      await gate.promise;
    };
    await Promise.all(
      [1, 2, 3, 4, 5, 6].map(async (n) => bench.send('alice', `many-${n}`, `${n}`)),
    );
    const syncs = disk.operations.filter((operation) => operation === 'fsync').length;
    assert.ok(syncs <= 10, `6 files took ${syncs} syncs`);
    assert.ok(commits <= 3, `6 uploads took ${commits - 1} commits`);
    await bench.close();
  });

  for (const [what, error, status] of [
    ['is full', Object.assign(new Error('full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 }), 507],
    ['fails', Object.assign(new Error('i/o'), { code: 'ERR_SQLITE_ERROR', errcode: 10 }), 503],
  ] as const) {
    it(`accepts nothing when the database ${what} at the commit`, async () => {
      const bench = new UploadBench();
      await bench.start();
      const { queue } = bench.data;
      const transaction = queue.transaction.bind(queue);
      queue.transaction = () => {
        throw error;
      };
      assert.equal((await bench.post(BODY)).status, status);
      assert.deepEqual(bench.onDisk(), []);
      queue.transaction = transaction;
      assert.equal((await bench.post(BODY)).status, 200);
      await bench.close();
    });
  }

  it('throws what is nobody’s fault as a surprise, keeping nothing', async () => {
    const bench = new UploadBench({
      mayWrite: () => {
        throw new Error('a bug');
      },
    });
    await bench.start();
    assert.equal((await bench.send('alice', 'a.txt', 'x')).status, 500);
    assert.deepEqual(bench.onDisk(), []);
    await bench.close();
  });
});

describe('a process that dies', () => {
  it('loses nothing it acknowledged, whenever it dies while accepting', async function () {
    this.timeout(60_000);
    let clean = false;
    for (let k = 1; !clean; k += 1) {
      assert.ok(k < 60, 'the sweep should have come to a clean run');
      const disk = new WatchedDisk();
      const bench = new UploadBench({ disk });
      await bench.start();
      const died = Promise.withResolvers<'died'>();
      let count = 0;
      disk.around = async () => {
        count += 1;
        if (count < k) return;
        died.resolve('died');
        await FOR_EVER;
      };
      const answered = bench.post(BODY).catch((): Answered => ({ status: 0, body: {} }));
      const outcome = await Promise.race([answered, died.promise]);
      await bench.restart();
      assertWhole(bench);
      if (outcome !== 'died') {
        clean = true;
        assert.equal(outcome.status, 200);
        assert.equal(bench.states().length, 2);
      } else {
        // As far as the next start can tell, a complete file may have been acknowledged.
        assert.ok(bench.states().every((state) => state === 'found'));
      }
      assert.equal((await bench.post(BODY)).status, 200);
      bench.nas.chunkSize = 64 * 1024;
      await bench.deliver();
      assert.deepEqual(bench.states(), ['synced', 'synced']);
      assert.deepEqual(
        [...bench.nas.published.values()].map((versions) => versions.length),
        [1, 1],
      );
      await bench.close();
    }
  });

  it('delivers all and nothing twice, whenever it dies while delivering', async function () {
    this.timeout(180_000);
    let clean = false;
    for (let k = 1; !clean; k += 1) {
      assert.ok(k < 200, 'the sweep should have come to a clean run');
      const disk = new WatchedDisk();
      const bench = new UploadBench({ disk });
      await bench.start();
      bench.nas.put('alice/x.txt', 'theirs');
      await bench.send('alice/new', 'a.txt', 'one'.repeat(50));
      await bench.send('alice/new', 'a.txt', 'two');
      await bench.send('alice', 'x.txt', 'mine');
      const died = Promise.withResolvers<'died'>();
      let count = 0;
      const maybeDie = async (): Promise<void> => {
        count += 1;
        if (count < k) return;
        died.resolve('died');
        await FOR_EVER;
      };
      disk.around = maybeDie;
      bench.nas.effect = maybeDie;
      bench.nas.trouble = async () => {
        await maybeDie();
        return null;
      };
      clean = (await Promise.race([bench.deliver(), died.promise])) !== 'died';
      disk.around = () => undefined;
      bench.nas.effect = () => undefined;
      bench.nas.trouble = () => null;
      await bench.restart();
      await bench.deliver();
      assert.deepEqual(bench.states(), ['synced', 'synced', 'conflict']);
      assert.deepEqual(bench.nas.published.get('alice/new/a.txt'), ['one'.repeat(50), 'two']);
      assert.equal(bench.nas.text('alice/x.txt'), 'theirs');
      const beside = [...bench.nas.published.keys()].filter((path) => path.includes('conflict'));
      assert.deepEqual(beside, ['alice/x (conflict 2026-02-22 15-30 alice).txt']);
      assert.equal(bench.nas.published.get(beside[0] ?? '')?.length, 1);
      assert.deepEqual(bench.onDisk(), []);
      await bench.close();
    }
  });

  it('stops in the middle of a delivery and goes on with the next start', async () => {
    const bench = new UploadBench();
    await bench.start();
    await bench.send('alice', 'a.txt', 'x'.repeat(200));
    const reached = Promise.withResolvers<undefined>();
    const goOn = Promise.withResolvers<undefined>();
    bench.nas.trouble = async (call) => {
      if (call === 'chunk 1') {
        reached.resolve(undefined);
        await goOn.promise;
        return { kind: 'unreachable', cause: new Error('aborted') };
      }
      return null;
    };
    bench.presence.set(true);
    await reached.promise;
    const stopping = bench.upload.stop();
    goOn.resolve(undefined);
    await stopping;
    assert.deepEqual(bench.states(), ['queued']);
    bench.nas.trouble = () => null;
    await bench.restart();
    await bench.deliver();
    assert.deepEqual(bench.states(), ['synced']);
    await bench.close();
  });

  it('keeps the key and the id of a repeated request over a restart', async () => {
    const bench = new UploadBench();
    await bench.start();
    const first = await bench.send('alice', 'a.txt', 'x', { 'Idempotency-Key': 'k' });
    await bench.restart();
    const again = await bench.send('alice', 'a.txt', 'x', { 'Idempotency-Key': 'k' });
    assert.equal(again.body['id'], first.body['id']);
    assert.equal(bench.onDisk().length, 1);
    await bench.close();
  });

  it('keeps what nobody knows, clears halves away and marks a row whose file is missing or cut', async () => {
    const bench = new UploadBench();
    await bench.start();
    const cut = await bench.send('alice', 'cut.txt', 'whole');
    const gone = await bench.send('alice', 'gone.txt', 'there');
    writeFileSync(join(bench.queueFolder, String(cut.body['id'])), 'who');
    rmSync(join(bench.queueFolder, String(gone.body['id'])));
    writeFileSync(join(bench.queueFolder, '0123456789ABCDEFGHJKMNPQRS'), 'orphan');
    writeFileSync(join(bench.queueFolder, 'incoming', 'x.part'), 'half');
    writeFileSync(join(bench.queueFolder, 'notes-of-a-person.txt'), 'theirs');
    await bench.restart();
    assert.deepEqual(bench.states(), ['failed', 'failed']);
    assert.equal(bench.upload.lost.countLost(), 2);
    assert.deepEqual(bench.onDisk(), [
      '0123456789ABCDEFGHJKMNPQRS',
      String(cut.body['id']),
      'notes-of-a-person.txt',
    ]);
    // The worse of the two results.
    assert.equal(bench.upload.recoveryWord(), 'lost');
    assert.ok(bench.log.lines.includes('2 accepted uploads have lost their file.'));
    assert.ok(bench.log.lines.every((line) => !line.includes(bench.path)));
    await bench.close();
  });

  for (const [how, mark] of [
    ['of a disk that is well again', false],
    ['of a restored backup, where it waits for its owner', true],
  ] as const) {
    it(`takes a lost upload back once its very bytes are there, ${how}`, async () => {
      const bench = new UploadBench();
      await bench.start();
      const { body } = await bench.send('alice', 'a.txt', 'there');
      const other = await bench.send('alice', 'b.txt', 'whole');
      const files = [body, other.body].map(({ id }) => join(bench.queueFolder, String(id)));
      for (const file of files) rmSync(file);
      await bench.restart();
      assert.equal(bench.upload.lost.countLost(), 2);
      await bench.restart({}, () => {
        writeFileSync(files[0] ?? '', 'there');
        writeFileSync(files[1] ?? '', 'wrong');
        if (mark) writeFileSync(join(bench.queueFolder, 'restored'), '');
      });
      assert.deepEqual(bench.states(), ['found', 'failed']);
      assert.equal(bench.upload.lost.countLost(), 1);
      await bench.deliver();
      if (mark) {
        assert.deepEqual([...bench.nas.published], []);
        bench.upload.retry(ALICE, String(body['id']));
        await bench.deliver();
      }
      assert.equal(bench.nas.text('alice/a.txt'), 'there');
      await bench.close();
    });
  }

  it('goes on soon with an upload whose delivery could not be written down', async () => {
    const bench = new UploadBench();
    await bench.start();
    await bench.send('alice', 'a.txt', 'x');
    const { queue } = bench.data;
    const transaction = queue.transaction.bind(queue);
    let failures = 0;
    queue.transaction = (work) => {
      if (bench.nas.text('alice/a.txt') === 'x' && failures < 1) {
        failures += 1;
        throw systemError('EIO');
      }
      return transaction(work);
    };
    await assert.rejects(bench.deliver(), /EIO/);
    assert.deepEqual(bench.states(), ['sending']);
    await bench.clock.advance(60_000);
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced']);
    assert.equal(bench.nas.count('complete'), 1);
    await bench.close();
  });

  it('writes down soon after, asleep too, that a delivered file left the disk', async () => {
    const { bench, mend } = await deliveredButNotWrittenDown();
    assert.deepEqual([bench.states(), bench.onDisk()], [['synced'], []]);
    assert.equal(bench.upload.queuedBytes(), 1);
    bench.presence.set(false);
    mend();
    await bench.clock.advance(120_000);
    await bench.flushed();
    assert.equal(bench.upload.queuedBytes(), 0);
    assertWhole(bench);
    await bench.close();
  });

  it('writes it down at the latest when it stops', async () => {
    const { bench, mend } = await deliveredButNotWrittenDown();
    mend();
    await bench.upload.stop();
    assertWhole(bench);
    await bench.close();
  });

  it('stops in order though it cannot be written down, and the next start does it', async () => {
    const { bench, mend } = await deliveredButNotWrittenDown();
    await bench.upload.stop();
    assert.equal(bench.upload.queuedBytes(), 1);
    mend();
    await bench.restart();
    assert.equal(bench.upload.queuedBytes(), 0);
    assert.equal(bench.upload.lost.countLost(), 0);
    await bench.close();
  });

  it('removes a delivered file later when the disk does not let it go at once', async () => {
    const disk = new WatchedDisk();
    const bench = new UploadBench({ disk });
    await bench.start();
    await bench.send('alice', 'a.txt', 'x');
    disk.around = (operation) => {
      if (operation === 'remove') throw systemError('EIO');
    };
    await bench.deliver();
    assert.deepEqual([bench.states(), bench.onDisk().length], [['synced'], 1]);
    disk.around = () => undefined;
    await bench.clock.advance(60_000);
    await bench.flushed();
    assert.deepEqual(bench.onDisk(), []);
    assertWhole(bench);
    await bench.close();
  });
});

/**
 * The file is on the NAS and off the Pi's disk, but the commit that records it fails until mended.
 */
async function deliveredButNotWrittenDown(): Promise<{
  readonly bench: UploadBench;
  readonly mend: () => void;
}> {
  const bench = new UploadBench();
  await bench.start();
  await bench.send('alice', 'a.txt', 'x');
  const { queue } = bench.data;
  const transaction = queue.transaction.bind(queue);
  queue.transaction = (work) => {
    if (bench.onDisk().length === 0) throw systemError('EIO');
    return transaction(work);
  };
  const mend = (): void => {
    queue.transaction = transaction;
  };
  await assert.rejects(bench.deliver(), /EIO/);
  return { bench, mend };
}
