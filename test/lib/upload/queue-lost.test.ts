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
import { ADMIN, ALICE, House } from './house.ts';
import { sha256 } from './memory-nas.ts';

/** Every file of the queue's database, with what SQLite keeps beside it. */
function removeDatabase(house: House): void {
  for (const name of ['queue.db', 'queue.db-wal', 'queue.db-shm']) {
    rmSync(join(house.path, name), { force: true });
  }
}

/** The database as it is now, to be put back later. */
function copyOfDatabase(house: House): () => void {
  house.data.queue.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  const copy = join(house.path, 'copy');
  copyFileSync(join(house.path, 'queue.db'), copy);
  return () => {
    removeDatabase(house);
    copyFileSync(copy, join(house.path, 'queue.db'));
  };
}

function overwrite(file: string, at: number, length: number): void {
  const handle = openSync(file, 'r+');
  writeSync(handle, Buffer.alloc(length, 'x'), 0, length, at);
  closeSync(handle);
}

function intentFiles(house: House): string[] {
  return readdirSync(house.queueFolder).filter((name) => name.endsWith('.intents'));
}

describe('a queue whose database is lost', () => {
  let house: House;

  beforeEach(async () => {
    house = new House();
    await house.start();
  });

  afterEach(async () => {
    await house.close();
  });

  it('keeps every accepted upload, whole and in order, and delivers it by itself', async () => {
    for (const version of ['one', 'two']) await house.send('alice', 'a.txt', version);
    await house.send('alice/new', 'b.txt', 'three');
    await house.restart({}, removeDatabase);
    assert.deepEqual(house.states(), ['found', 'found', 'found']);
    assert.equal(house.upload.recoveryWord(), 'found');
    assert.ok(house.log.lines.some((line) => line.startsWith('Found 3 accepted uploads')));
    await house.deliver();
    assert.deepEqual(house.nas.published.get('alice/a.txt'), ['one', 'two']);
    assert.equal(house.nas.text('alice/new/b.txt'), 'three');
    assert.deepEqual(house.states(), ['synced', 'synced', 'synced']);
    assert.equal(house.upload.recoveryWord(), 'ok');
    assert.deepEqual([house.onDisk(), intentFiles(house)], [[], []]);
  });

  for (const [what, damage] of [
    ['is cut short', (file: string) => truncateSync(file, 20_000)],
    ['is cut to nothing', (file: string) => truncateSync(file, 0)],
    ['begins with something else', (file: string) => overwrite(file, 0, 100)],
    ['holds rubbish in its middle', (file: string) => overwrite(file, 8_192, 16_384)],
  ] as const) {
    it(`is not stopped by a database that ${what}`, async () => {
      for (const name of ['a.txt', 'b.txt']) await house.send('alice', name, name);
      await house.restart({}, () => {
        damage(join(house.path, 'queue.db'));
      });
      assert.deepEqual(house.states(), ['found', 'found']);
      const [aside] = house.data.setAside;
      assert.match(aside?.name ?? '', /^queue\.db\.damaged-2\d{3}-/);
      assert.equal(house.data.hasSetAside('queue'), true);
      await house.deliver();
      assert.equal(house.nas.text('alice/b.txt'), 'b.txt');
    });
  }

  it('brings nothing back that was delivered or dropped, whatever copy is put back', async () => {
    const { body } = await house.send('alice', 'dropped.txt', 'dropped');
    await house.send('alice', 'delivered.txt', 'delivered');
    const putBack = copyOfDatabase(house);
    await house.upload.drop(ALICE, String(body['id']));
    await house.deliver();
    house.nas.files.delete('alice/delivered.txt');
    house.presence.set(false);
    await house.send('alice', 'since.txt', 'accepted since');
    await house.restart({}, putBack);
    assert.deepEqual(house.states(), ['synced', 'found']);
    assert.equal(house.upload.lostUploads(), 0);
    await house.deliver();
    assert.equal(house.nas.text('alice/since.txt'), 'accepted since');
    assert.equal(house.nas.text('alice/delivered.txt'), null);
    assert.equal(house.nas.text('alice/dropped.txt'), null);
    await house.restart({}, removeDatabase);
    assert.deepEqual(house.states(), []);
  });

  it('lets what it finds wait for its owner where what it was made from changed', async () => {
    house.nas.put('alice/a.txt', 'zero');
    const base = { 'X-Base-Checksum': sha256('zero') };
    const { body } = await house.send('alice', 'a.txt', 'mine', base);
    house.nas.put('alice/a.txt', 'theirs');
    listed('alice/a.txt');
    await house.restart({}, removeDatabase);
    await house.deliver();
    assert.deepEqual(house.states(), ['found']);
    assert.equal(house.nas.text('alice/a.txt'), 'theirs');
    const [item] = items('found');
    assert.match(String(item?.detail), /changed on the NAS/);
    // It stands in the way of nothing, and is delivered when its owner says so.
    await house.send('alice', 'b.txt', 'other');
    await house.deliver();
    assert.deepEqual(house.states(), ['found', 'synced']);
    assert.equal(house.upload.retry(ALICE, String(body['id'])).kind, 'done');
    await house.deliver();
    assert.deepEqual(house.states(), ['conflict', 'synced']);
    assert.equal(house.nas.text('alice/a.txt'), 'theirs');
  });

  it('delivers what it finds where its base still stands', async () => {
    house.nas.put('alice/a.txt', 'zero');
    await house.send('alice', 'a.txt', 'mine', { 'X-Base-Checksum': sha256('zero') });
    listed('alice/a.txt');
    await house.restart({}, removeDatabase);
    await house.deliver();
    assert.deepEqual([house.states(), house.nas.text('alice/a.txt')], [['synced'], 'mine']);
  });

  it('stands on the version before it though that was delivered and its row is gone', async () => {
    await house.send('alice', 'a.txt', 'one');
    await house.send('alice', 'a.txt', 'two');
    house.nas.trouble = (call) => (call.startsWith('complete') ? stopAfterFirst() : null);
    let completed = 0;
    const stopAfterFirst = () => {
      completed += 1;
      return completed > 1 ? ({ kind: 'unreachable', cause: new Error('gone') } as const) : null;
    };
    await house.deliver();
    house.nas.trouble = () => null;
    assert.equal(house.nas.text('alice/a.txt'), 'one');
    listed('alice/a.txt');
    await house.restart({}, removeDatabase);
    assert.deepEqual(house.states(), ['found']);
    await house.deliver();
    assert.deepEqual(house.nas.published.get('alice/a.txt'), ['one', 'two']);
  });

  it('lets all that it finds after a restore wait, to be delivered or dropped', async () => {
    const first = await house.send('alice', 'a.txt', 'one');
    const second = await house.send('alice', 'b.txt', 'two');
    await house.restart({}, () => {
      removeDatabase(house);
      writeFileSync(join(house.queueFolder, 'restored'), '');
    });
    await house.deliver();
    assert.deepEqual(house.states(), ['found', 'found']);
    assert.equal((await house.upload.drop(ALICE, String(first.body['id']))).kind, 'done');
    assert.equal(house.upload.retry(ALICE, String(second.body['id'])).kind, 'done');
    await house.deliver();
    assert.deepEqual(house.states(), ['synced']);
    assert.deepEqual([house.onDisk(), intentFiles(house)], [[], []]);
    await house.restart();
    assert.deepEqual(house.states(), ['synced']);
  });

  it('holds what belongs to a person whose id is another’s by now', async () => {
    house.born.set(1, '2026-01-01T00:00:00Z');
    await house.send('alice', 'a.txt', 'private');
    await house.restart({}, () => {
      removeDatabase(house);
      house.born.clear();
    });
    house.born.set(1, '2026-11-01T00:00:00Z');
    house.upload.credentialArrived(1);
    await house.deliver();
    assert.deepEqual([house.states(), house.states(ADMIN)], [[], ['held']]);
    assert.equal(house.nas.text('alice/a.txt'), null);
  });

  it('takes up what a spoilt line leaves, and says how many cannot be read', async () => {
    await house.send('alice', 'a.txt', 'one');
    await house.send('alice', 'b.txt', 'two');
    const [file = ''] = intentFiles(house);
    const path = join(house.queueFolder, file);
    writeFileSync(path, readFileSync(path, 'utf8').replace('alice', 'alicf'));
    await house.restart({}, removeDatabase);
    assert.deepEqual(house.states(), ['found']);
    assert.ok(house.log.lines.some((line) => /1 lines? of .*cannot be read/.test(line)));
    assert.equal(house.upload.recoveryWord(), 'strangers');
    assert.equal(house.onDisk().length, 2);
  });

  it('writes intents for what an older BaluPi accepted without', async () => {
    await house.send('alice', 'a.txt', 'one');
    house.data.queue.prepare('UPDATE upload_queue SET intent_file = NULL').run();
    for (const name of intentFiles(house)) rmSync(join(house.queueFolder, name));
    await house.restart();
    assert.deepEqual(house.states(), ['queued']);
    assert.equal(intentFiles(house).length, 1);
    await house.restart({}, removeDatabase);
    assert.deepEqual(house.states(), ['found']);
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), 'one');
  });

  it('gives a held upload to a user at a path of theirs, for good', async () => {
    await house.send('alice', 'a.txt', 'inherited');
    const [before] = house.onDisk();
    house.upload.hold(1);
    const wish = { username: 'bob', path: 'bob/From alice/a.txt' };
    const id = before ?? '';
    const refused = async (who: typeof ALICE, over = {}) => {
      const done = await house.upload.takeUp(who, id, { ...wish, ...over });
      return done.kind === 'refused' ? done.code : done.kind;
    };
    assert.equal(await refused(ALICE), 'admin_only');
    assert.equal(await refused(ADMIN, { path: 'alice/a.txt' }), 'not_yours');
    assert.equal(await refused(ADMIN, { username: 'nobody' }), 'invalid');
    assert.equal(await refused(ADMIN), 'done');
    await house.restart({}, removeDatabase);
    await house.deliver();
    assert.equal(house.nas.text('bob/From alice/a.txt'), 'inherited');
    assert.deepEqual([house.onDisk(), intentFiles(house)], [[], []]);
  });

  for (const [chunkBytes, whole] of [
    [8 * 1024 * 1024, 1],
    [200_000, 2],
  ] as const) {
    it(`goes on with an upload in chunks of ${chunkBytes}, and begins others anew`, async () => {
      const bytes = randomBytes(whole * chunkBytes + 1_000);
      const id = await begun(bytes.length);
      const given = (index: number) =>
        house.chunk(id, index, bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes));
      for (let index = 0; index < whole; index += 1) {
        assert.equal((await given(index)).status, 200);
      }
      appendFileSync(partOf(id), 'half a chunk that was never acknowledged');
      await house.restart({}, removeDatabase);
      assert.ok(house.log.lines.some((line) => line.startsWith('Found 1 unfinished upload')));
      assert.equal(house.upload.queuedBytes(), whole * chunkBytes);
      const after = await given(whole + 1);
      assert.equal(after.body['detail'], `Expected chunk ${whole}, got ${whole + 1}`);
      assert.equal((await given(whole)).status, 200);
      // Once it goes on, what is behind it is over, as ever.
      const again = await given(whole - 1);
      assert.equal(again.body['detail'], `Expected chunk ${whole + 1}, got ${whole - 1}`);
      await completed(id);
      assert.equal(sha256(readFileSync(join(house.queueFolder, id))), sha256(bytes));
      assert.deepEqual(readdirSync(join(house.queueFolder, 'resumable')), []);
      await completed(await begun(0));
    });
  }

  it('goes on with an upload whose chunks are of any length, one of nothing too', async () => {
    const id = await begun(1_500);
    const lengths = [100, 300, 0, 300, 7];
    for (const [index, length] of lengths.entries()) {
      assert.equal((await house.chunk(id, index, Buffer.alloc(length, index))).status, 200);
      await house.restart({}, removeDatabase);
    }
    assert.equal(house.upload.queuedBytes(), 707);
    assert.equal((await house.chunk(id, 5, Buffer.alloc(793, 5))).status, 200);
    await completed(id);
  });

  it('takes a chunk again whose bytes came and whose acknowledgement did not', async () => {
    const id = await begun(300);
    assert.equal((await house.chunk(id, 0, Buffer.alloc(100, 1))).status, 200);
    appendFileSync(partOf(id), Buffer.alloc(100, 9));
    await house.restart();
    assert.equal((await house.chunk(id, 1, Buffer.alloc(100, 2))).status, 200);
    assert.equal((await house.chunk(id, 2, Buffer.alloc(100, 3))).status, 200);
    await completed(id);
    const expected = Buffer.concat([1, 2, 3].map((byte) => Buffer.alloc(100, byte)));
    assert.deepEqual(readFileSync(join(house.queueFolder, id)), expected);
  });

  it('loses no chunk and no completed upload to an older copy of the database', async () => {
    const [id, whole] = [await begun(300), await begun(10)];
    assert.equal((await house.chunk(id, 0, Buffer.alloc(100, 1))).status, 200);
    const putBack = copyOfDatabase(house);
    for (const index of [1, 2]) {
      assert.equal((await house.chunk(id, index, Buffer.alloc(100, 1))).status, 200);
    }
    assert.equal((await house.chunk(whole, 0, Buffer.alloc(10))).status, 200);
    await completed(whole);
    await house.restart({}, putBack);
    assert.deepEqual(house.states(), ['found']);
    assert.equal(house.upload.lostUploads(), 0);
    await completed(id);
    assert.deepEqual(house.states(), ['found', 'queued']);
  });

  it('leaves what is unfinished to its person, not to whoever has the id now', async () => {
    house.born.set(1, '2026-01-01T00:00:00Z');
    const id = await begun(20);
    assert.equal((await house.chunk(id, 0, Buffer.alloc(10))).status, 200);
    house.born.clear();
    await house.restart({}, removeDatabase);
    house.born.set(1, '2026-11-01T00:00:00Z');
    house.upload.credentialArrived(1);
    assert.equal((await house.chunk(id, 1, Buffer.alloc(10))).status, 404);
    await house.restart({}, removeDatabase);
    assert.equal((await house.chunk(id, 1, Buffer.alloc(10))).status, 404);
    assert.ok(existsSync(partOf(id)));
  });

  it('keeps the bytes of an unfinished upload whose intent is spoilt, and says so', async () => {
    const id = await begun(20);
    assert.equal((await house.chunk(id, 0, Buffer.alloc(10))).status, 200);
    overwrite(join(house.queueFolder, 'resumable', `${id}.intent`), 30, 5);
    await house.restart({}, removeDatabase);
    assert.ok(existsSync(partOf(id)));
    assert.ok(house.log.lines.some((line) => /unfinished upload are nobody’s/.test(line)));
  });

  it('gives up an unfinished upload that it found, a day later, and leaves nothing', async () => {
    const id = await begun(20);
    assert.equal((await house.chunk(id, 0, Buffer.alloc(10))).status, 200);
    await house.restart({}, removeDatabase);
    await house.clock.advance(25 * 3_600_000);
    await house.restart();
    assert.deepEqual(readdirSync(join(house.queueFolder, 'resumable')), []);
    assert.equal((await house.chunk(id, 1, Buffer.alloc(10))).status, 404);
  });

  async function begun(totalBytes: number): Promise<string> {
    const wish = { filename: 'big.bin', totalBytes, folder: 'alice' };
    const answered = await house.upload.resumable.begin(ALICE, wish);
    assert.equal(answered.kind, 'begun');
    return answered.kind === 'begun' ? answered.id : '';
  }

  async function completed(id: string): Promise<void> {
    const answered = await house.upload.resumable.complete(ALICE, id, {});
    assert.deepEqual(answered.kind === 'refused' ? answered : null, null);
  }

  function partOf(id: string): string {
    return join(house.queueFolder, 'resumable', `${id}.part`);
  }

  function items(state: string) {
    const found = house.upload.view.list(ALICE, state);
    return found.kind === 'uploads' ? found.uploads : [];
  }

  /** A stored listing of alice's shows that file as it is on the NAS now. */
  function listed(path: string): void {
    const item = house.nas.item(path);
    assert.ok(item);
    house.listed.set(`1 ${path}`, {
      kind: 'file',
      sizeBytes: item.size,
      modifiedAt: item.modified_at,
      checksum: item.checksum,
      listedAtMs: house.clock.nowMs(),
    });
  }
});
