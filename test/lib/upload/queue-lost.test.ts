import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { ADMIN, ALICE, UploadBench } from './upload-bench.ts';
import { sha256 } from './memory-nas.ts';

/** Removes the queue's database with its WAL and shared-memory files. */
function removeDatabase(bench: UploadBench): void {
  for (const name of ['queue.db', 'queue.db-wal', 'queue.db-shm']) {
    rmSync(join(bench.path, name), { force: true });
  }
}

/** Copies the database. @returns what restores it */
function copyOfDatabase(bench: UploadBench): () => void {
  bench.data.queue.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  const copy = join(bench.path, 'copy');
  copyFileSync(join(bench.path, 'queue.db'), copy);
  return () => {
    removeDatabase(bench);
    copyFileSync(copy, join(bench.path, 'queue.db'));
  };
}

function overwrite(file: string, at: number, length: number): void {
  const handle = openSync(file, 'r+');
  writeSync(handle, Buffer.alloc(length, 'x'), 0, length, at);
  closeSync(handle);
}

function intentFiles(bench: UploadBench): string[] {
  return readdirSync(bench.queueFolder).filter((name) => name.endsWith('.intents'));
}

describe('a queue whose database is lost', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('keeps every accepted upload, whole and in order, and delivers it by itself', async () => {
    for (const version of ['one', 'two']) await bench.send('alice', 'a.txt', version);
    await bench.send('alice/new', 'b.txt', 'three');
    await bench.restart({}, removeDatabase);
    assert.deepEqual(bench.states(), ['found', 'found', 'found']);
    assert.equal(bench.upload.recoveryWord(), 'found');
    assert.ok(bench.log.lines.some((line) => line.startsWith('Found 3 accepted uploads')));
    await bench.deliver();
    assert.deepEqual(bench.nas.published.get('alice/a.txt'), ['one', 'two']);
    assert.equal(bench.nas.text('alice/new/b.txt'), 'three');
    assert.deepEqual(bench.states(), ['synced', 'synced', 'synced']);
    assert.equal(bench.upload.recoveryWord(), 'ok');
    assert.deepEqual([bench.onDisk(), intentFiles(bench)], [[], []]);
  });

  for (const [what, damage] of [
    ['is cut short', (file: string) => truncateSync(file, 20_000)],
    ['is cut to nothing', (file: string) => truncateSync(file, 0)],
    ['begins with something else', (file: string) => overwrite(file, 0, 100)],
    ['holds rubbish in its middle', (file: string) => overwrite(file, 8_192, 16_384)],
  ] as const) {
    it(`is not stopped by a database that ${what}`, async () => {
      for (const name of ['a.txt', 'b.txt']) await bench.send('alice', name, name);
      await bench.restart({}, () => {
        damage(join(bench.path, 'queue.db'));
      });
      assert.deepEqual(bench.states(), ['found', 'found']);
      const [aside] = bench.data.setAside;
      assert.match(aside?.name ?? '', /^queue\.db\.damaged-2\d{3}-/);
      assert.equal(bench.data.hasSetAside('queue'), true);
      await bench.deliver();
      assert.equal(bench.nas.text('alice/b.txt'), 'b.txt');
    });
  }

  it('brings nothing back that was delivered or dropped, whatever copy is put back', async () => {
    const { body } = await bench.send('alice', 'dropped.txt', 'dropped');
    await bench.send('alice', 'delivered.txt', 'delivered');
    const putBack = copyOfDatabase(bench);
    await bench.upload.drop(ALICE, String(body['id']));
    await bench.deliver();
    bench.nas.files.delete('alice/delivered.txt');
    bench.presence.set(false);
    await bench.send('alice', 'since.txt', 'accepted since');
    await bench.restart({}, putBack);
    assert.deepEqual(bench.states(), ['synced', 'found']);
    assert.equal(bench.upload.lost.countLost(), 0);
    await bench.deliver();
    assert.equal(bench.nas.text('alice/since.txt'), 'accepted since');
    assert.equal(bench.nas.text('alice/delivered.txt'), null);
    assert.equal(bench.nas.text('alice/dropped.txt'), null);
    await bench.restart({}, removeDatabase);
    assert.deepEqual(bench.states(), []);
  });

  it('lets what it finds wait for its owner where what it was made from changed', async () => {
    bench.nas.put('alice/a.txt', 'zero');
    const base = { 'X-Base-Checksum': sha256('zero') };
    const { body } = await bench.send('alice', 'a.txt', 'mine', base);
    bench.nas.put('alice/a.txt', 'theirs');
    listed('alice/a.txt');
    await bench.restart({}, removeDatabase);
    await bench.deliver();
    assert.deepEqual(bench.states(), ['found']);
    assert.equal(bench.nas.text('alice/a.txt'), 'theirs');
    const [item] = items('found');
    assert.match(String(item?.detail), /changed on the NAS/);
    // It blocks nothing, and is delivered once its owner says so.
    await bench.send('alice', 'b.txt', 'other');
    await bench.deliver();
    assert.deepEqual(bench.states(), ['found', 'synced']);
    assert.equal(bench.upload.retry(ALICE, String(body['id'])).kind, 'done');
    await bench.deliver();
    assert.deepEqual(bench.states(), ['conflict', 'synced']);
    assert.equal(bench.nas.text('alice/a.txt'), 'theirs');
  });

  it('delivers what it finds where its base still stands', async () => {
    bench.nas.put('alice/a.txt', 'zero');
    await bench.send('alice', 'a.txt', 'mine', { 'X-Base-Checksum': sha256('zero') });
    listed('alice/a.txt');
    await bench.restart({}, removeDatabase);
    await bench.deliver();
    assert.deepEqual([bench.states(), bench.nas.text('alice/a.txt')], [['synced'], 'mine']);
  });

  it('stands on the version before it though that was delivered and its row is gone', async () => {
    await bench.send('alice', 'a.txt', 'one');
    await bench.send('alice', 'a.txt', 'two');
    bench.nas.trouble = (call) => (call.startsWith('complete') ? stopAfterFirst() : null);
    let completed = 0;
    const stopAfterFirst = () => {
      completed += 1;
      return completed > 1 ? ({ kind: 'unreachable', cause: new Error('gone') } as const) : null;
    };
    await bench.deliver();
    bench.nas.trouble = () => null;
    assert.equal(bench.nas.text('alice/a.txt'), 'one');
    listed('alice/a.txt');
    await bench.restart({}, removeDatabase);
    assert.deepEqual(bench.states(), ['found']);
    await bench.deliver();
    assert.deepEqual(bench.nas.published.get('alice/a.txt'), ['one', 'two']);
  });

  it('lets all that it finds after a restore wait, to be delivered or dropped', async () => {
    const first = await bench.send('alice', 'a.txt', 'one');
    const second = await bench.send('alice', 'b.txt', 'two');
    await bench.restart({}, () => {
      removeDatabase(bench);
      writeFileSync(join(bench.queueFolder, 'restored'), '');
    });
    await bench.deliver();
    assert.deepEqual(bench.states(), ['found', 'found']);
    assert.equal((await bench.upload.drop(ALICE, String(first.body['id']))).kind, 'done');
    assert.equal(bench.upload.retry(ALICE, String(second.body['id'])).kind, 'done');
    await bench.deliver();
    assert.deepEqual(bench.states(), ['synced']);
    assert.deepEqual([bench.onDisk(), intentFiles(bench)], [[], []]);
    await bench.restart();
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('holds what belongs to a person whose id is another’s by now', async () => {
    bench.born.set(1, '2026-01-01T00:00:00Z');
    await bench.send('alice', 'a.txt', 'private');
    await bench.restart({}, () => {
      removeDatabase(bench);
      bench.born.clear();
    });
    bench.born.set(1, '2026-11-01T00:00:00Z');
    bench.upload.credentialArrived(1);
    await bench.deliver();
    assert.deepEqual([bench.states(), bench.states(ADMIN)], [[], ['held']]);
    assert.equal(bench.nas.text('alice/a.txt'), null);
  });

  it('takes up what a spoilt line leaves, and says how many cannot be read', async () => {
    await bench.send('alice', 'a.txt', 'one');
    await bench.send('alice', 'b.txt', 'two');
    const [file = ''] = intentFiles(bench);
    const path = join(bench.queueFolder, file);
    writeFileSync(path, readFileSync(path, 'utf8').replace('alice', 'alicf'));
    await bench.restart({}, removeDatabase);
    assert.deepEqual(bench.states(), ['found']);
    assert.ok(bench.log.lines.some((line) => /1 lines? of .*cannot be read/.test(line)));
    assert.equal(bench.upload.recoveryWord(), 'strangers');
    assert.equal(bench.onDisk().length, 2);
  });

  it('writes intents for what an older BaluPi accepted without', async () => {
    await bench.send('alice', 'a.txt', 'one');
    bench.data.queue.prepare('UPDATE upload_queue SET intent_file = NULL').run();
    for (const name of intentFiles(bench)) rmSync(join(bench.queueFolder, name));
    await bench.restart();
    assert.deepEqual(bench.states(), ['queued']);
    assert.equal(intentFiles(bench).length, 1);
    await bench.restart({}, removeDatabase);
    assert.deepEqual(bench.states(), ['found']);
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), 'one');
  });

  it('gives a held upload to a user at a path of theirs, for good', async () => {
    await bench.send('alice', 'a.txt', 'inherited');
    const [before] = bench.onDisk();
    bench.upload.held.hold(1);
    const input = { username: 'bob', path: 'bob/From alice/a.txt' };
    const id = before ?? '';
    const refused = async (who: typeof ALICE, over = {}) => {
      const done = await bench.upload.takeUp(who, id, { ...input, ...over });
      return done.kind === 'refused' ? done.code : done.kind;
    };
    assert.equal(await refused(ALICE), 'admin_only');
    assert.equal(await refused(ADMIN, { path: 'alice/a.txt' }), 'not_yours');
    assert.equal(await refused(ADMIN, { username: 'nobody' }), 'invalid');
    assert.equal(await refused(ADMIN), 'done');
    await bench.restart({}, removeDatabase);
    await bench.deliver();
    assert.equal(bench.nas.text('bob/From alice/a.txt'), 'inherited');
    assert.deepEqual([bench.onDisk(), intentFiles(bench)], [[], []]);
  });

  for (const [chunkBytes, whole] of [
    [8 * 1024 * 1024, 1],
    [200_000, 2],
  ] as const) {
    it(`goes on with an upload in chunks of ${chunkBytes}, and starts others over`, async () => {
      const bytes = randomBytes(whole * chunkBytes + 1_000);
      const id = await begun(bytes.length);
      const given = (index: number) =>
        bench.chunk(id, index, bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes));
      for (let index = 0; index < whole; index += 1) {
        assert.equal((await given(index)).status, 200);
      }
      appendFileSync(partOf(id), 'half a chunk that was never acknowledged');
      await bench.restart({}, removeDatabase);
      assert.ok(bench.log.lines.some((line) => line.startsWith('Found 1 unfinished upload')));
      assert.equal(bench.upload.queuedBytes(), whole * chunkBytes);
      const after = await given(whole + 1);
      assert.equal(after.body['detail'], `Expected chunk ${whole}, got ${whole + 1}`);
      assert.equal((await given(whole)).status, 200);
      // Once the next chunk is in, earlier ones are refused, as always.
      const again = await given(whole - 1);
      assert.equal(again.body['detail'], `Expected chunk ${whole + 1}, got ${whole - 1}`);
      await completed(id);
      assert.equal(sha256(readFileSync(join(bench.queueFolder, id))), sha256(bytes));
      assert.deepEqual(readdirSync(join(bench.queueFolder, 'resumable')), []);
      await completed(await begun(0));
    });
  }

  it('goes on with an upload whose chunks are of any length, one of nothing too', async () => {
    const id = await begun(1_500);
    const lengths = [100, 300, 0, 300, 7];
    for (const [index, length] of lengths.entries()) {
      assert.equal((await bench.chunk(id, index, Buffer.alloc(length, index))).status, 200);
      await bench.restart({}, removeDatabase);
    }
    assert.equal(bench.upload.queuedBytes(), 707);
    assert.equal((await bench.chunk(id, 5, Buffer.alloc(793, 5))).status, 200);
    await completed(id);
  });

  it('takes a chunk again whose bytes came and whose acknowledgement did not', async () => {
    const id = await begun(300);
    assert.equal((await bench.chunk(id, 0, Buffer.alloc(100, 1))).status, 200);
    appendFileSync(partOf(id), Buffer.alloc(100, 9));
    await bench.restart();
    assert.equal((await bench.chunk(id, 1, Buffer.alloc(100, 2))).status, 200);
    assert.equal((await bench.chunk(id, 2, Buffer.alloc(100, 3))).status, 200);
    await completed(id);
    const expected = Buffer.concat([1, 2, 3].map((byte) => Buffer.alloc(100, byte)));
    assert.deepEqual(readFileSync(join(bench.queueFolder, id)), expected);
  });

  it('loses no chunk and no completed upload to an older copy of the database', async () => {
    const [id, whole] = [await begun(300), await begun(10)];
    assert.equal((await bench.chunk(id, 0, Buffer.alloc(100, 1))).status, 200);
    const putBack = copyOfDatabase(bench);
    for (const index of [1, 2]) {
      assert.equal((await bench.chunk(id, index, Buffer.alloc(100, 1))).status, 200);
    }
    assert.equal((await bench.chunk(whole, 0, Buffer.alloc(10))).status, 200);
    await completed(whole);
    await bench.restart({}, putBack);
    assert.deepEqual(bench.states(), ['found']);
    assert.equal(bench.upload.lost.countLost(), 0);
    await completed(id);
    assert.deepEqual(bench.states(), ['found', 'queued']);
  });

  it('leaves what is unfinished to its person, not to whoever has the id now', async () => {
    bench.born.set(1, '2026-01-01T00:00:00Z');
    const id = await begun(20);
    assert.equal((await bench.chunk(id, 0, Buffer.alloc(10))).status, 200);
    bench.born.clear();
    await bench.restart({}, removeDatabase);
    bench.born.set(1, '2026-11-01T00:00:00Z');
    bench.upload.credentialArrived(1);
    assert.equal((await bench.chunk(id, 1, Buffer.alloc(10))).status, 404);
    await bench.restart({}, removeDatabase);
    assert.equal((await bench.chunk(id, 1, Buffer.alloc(10))).status, 404);
    assert.ok(existsSync(partOf(id)));
  });

  it('keeps the bytes of an unfinished upload whose intent is spoilt, and says so', async () => {
    const id = await begun(20);
    assert.equal((await bench.chunk(id, 0, Buffer.alloc(10))).status, 200);
    overwrite(join(bench.queueFolder, 'resumable', `${id}.intent`), 30, 5);
    await bench.restart({}, removeDatabase);
    assert.ok(existsSync(partOf(id)));
    assert.ok(bench.log.lines.some((line) => /unfinished upload belong to no user/.test(line)));
  });

  it('gives up an unfinished upload that it found, a day later, and leaves nothing', async () => {
    const id = await begun(20);
    assert.equal((await bench.chunk(id, 0, Buffer.alloc(10))).status, 200);
    await bench.restart({}, removeDatabase);
    await bench.clock.advance(25 * 3_600_000);
    await bench.restart();
    assert.deepEqual(readdirSync(join(bench.queueFolder, 'resumable')), []);
    assert.equal((await bench.chunk(id, 1, Buffer.alloc(10))).status, 404);
  });

  async function begun(totalBytes: number): Promise<string> {
    const input = { filename: 'big.bin', totalBytes, folder: 'alice' };
    const answered = await bench.upload.resumable.begin(ALICE, input);
    assert.equal(answered.kind, 'begun');
    return answered.kind === 'begun' ? answered.id : '';
  }

  async function completed(id: string): Promise<void> {
    const answered = await bench.upload.resumable.complete(ALICE, id, {});
    assert.deepEqual(answered.kind === 'refused' ? answered : null, null);
  }

  function partOf(id: string): string {
    return join(bench.queueFolder, 'resumable', `${id}.part`);
  }

  function items(state: string) {
    const found = bench.upload.view.list(ALICE, state);
    return found.kind === 'uploads' ? found.uploads : [];
  }

  /** Makes alice's stored listing show the file as it is on the NAS now. */
  function listed(path: string): void {
    const item = bench.nas.item(path);
    assert.ok(item);
    bench.listed.set(`1 ${path}`, {
      kind: 'file',
      sizeBytes: item.size,
      modifiedAt: item.modified_at,
      checksum: item.checksum,
      listedAtMs: bench.clock.nowMs(),
    });
  }
});
