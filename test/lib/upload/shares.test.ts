import assert from 'node:assert/strict';
import { ALICE, BOB, UploadBench, multipart } from './upload-bench.ts';
import { WatchedDisk } from './faulty-disk.ts';

const DAY_MS = 86_400_000;

/** A disk of which uploads may take 10,000 bytes in all, unless the test says otherwise. */
class SmallDisk extends WatchedDisk {
  taken: () => number = () => 0;
  totalBytes = 10_000;

  override freeBytes(): Promise<number> {
    return Promise.resolve(this.totalBytes - this.taken());
  }
}

describe('the quota of queued uploads', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    const disk = new SmallDisk();
    bench = new UploadBench({ disk });
    disk.taken = () => bench.upload.queuedBytes();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  async function send(who: typeof ALICE, name: string, bytes: number): Promise<string> {
    bench.who = who;
    const { status, body } = await bench.send(who.user.username, name, Buffer.alloc(bytes, name));
    return status === 200 ? 'taken' : `${status} ${String(body['code'])}`;
  }

  it('is all of one who is alone', async () => {
    assert.equal(await send(ALICE, 'a', 4_000), 'taken');
    assert.equal(await send(ALICE, 'b', 4_000), 'taken');
    assert.equal(await send(ALICE, 'c', 4_000), '507 no_room');
  });

  it('is shared evenly with who signed in or queued recently, and says so', async () => {
    bench.signedIn.add(1).add(2);
    assert.equal(await send(ALICE, 'a', 4_000), 'taken');
    bench.who = ALICE;
    const { status, body } = await bench.send('alice', 'b', Buffer.alloc(4_000));
    assert.deepEqual([status, body['code']], [507, 'share_used']);
    assert.match(String(body['detail']), /share|shared among 2 users/);
    assert.equal(await send(BOB, 'b', 4_000), 'taken');
    assert.equal(await send(BOB, 'c', 4_000), '507 share_used');
    // Delivered uploads no longer count, and whoever was away for 30 days has no share.
    await bench.deliver();
    assert.equal(await send(ALICE, 'c', 4_000), 'taken');
    bench.signedIn.clear();
    await bench.clock.advance(31 * DAY_MS);
    await bench.deliver();
    assert.equal(await send(ALICE, 'd', 6_000), 'taken');
  });

  it('counts a body while it comes, whatever length it says it has', async () => {
    const disk = new SmallDisk();
    disk.totalBytes = 40_000_000;
    await bench.restart({ disk, maxFileBytes: 30_000_000 });
    bench.signedIn.add(1).add(2);
    const content = Buffer.alloc(21_000_000);
    const body = multipart([{ name: 'file', filename: 'a', content }]);
    bench.who = ALICE;
    const { status, body: answered } = await bench.post(
      body,
      { 'Transfer-Encoding': 'chunked' },
      'alice',
    );
    assert.deepEqual([status, answered['code']], [507, 'share_used']);
    assert.deepEqual(bench.onDisk(), []);
    assert.equal(await send(ALICE, 'b', 4_000), 'taken');
  });

  it('is no more than 100,000 uploads, of several users an even part each', async () => {
    const insert = bench.data.queue.prepare(`
      INSERT INTO upload_queue (id, user_id, username, folder, filename, path, size_bytes, sha256,
        base_source, state, has_bytes, created_at_ms)
      VALUES (?, 1, 'alice', 'alice', ?, ?, 0, '', 'none', 'failed', 0, ?)`);
    bench.data.queue.transaction(() => {
      for (let n = 0; n < 49_999; n += 1) {
        insert.run(`id-${n}`, `n${n}`, `alice/n${n}`, bench.clock.nowMs());
      }
    });
    bench.signedIn.add(1).add(2);
    assert.equal(await send(ALICE, 'a', 1), 'taken');
    assert.equal(await send(ALICE, 'b', 1), '507 share_used');
    assert.equal(await send(BOB, 'b', 1), 'taken');
    const two = multipart([
      { name: 'files', filename: 'c', content: '1' },
      { name: 'files', filename: 'd', content: '2' },
    ]);
    bench.data.queue.prepare("DELETE FROM upload_queue WHERE id = 'id-0'").run();
    bench.who = ALICE;
    assert.equal((await bench.post(two, {}, 'alice')).status, 507);
    assert.equal(await send(ALICE, 'c', 1), 'taken');
  });
});
