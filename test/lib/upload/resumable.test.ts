import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { systemError, WatchedDisk } from './faulty-disk.ts';
import { ADMIN, ALICE, BOB, UploadBench } from './upload-bench.ts';
import { until } from '../../fakes/until.ts';

const HOUR_MS = 3_600_000;

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('an upload in chunks', function () {
  let bench: UploadBench;

  this.timeout(10_000);

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  async function begin(
    totalBytes: number,
    input: { folder?: string; filename?: string } = {},
    who: Caller = ALICE,
  ): Promise<string> {
    const begun = await tryBegin(totalBytes, input, who);
    assert.equal(begun.kind, 'begun');
    return begun.kind === 'begun' ? begun.id : '';
  }

  function tryBegin(
    totalBytes: number,
    { folder = 'alice', filename = 'big.bin' }: { folder?: string; filename?: string } = {},
    who: Caller = ALICE,
  ) {
    return bench.upload.resumable.begin(who, { filename, totalBytes, folder });
  }

  async function complete(id: string, headers = {}, who = ALICE) {
    return bench.upload.resumable.complete(who, id, headers);
  }

  function fileOf(id: string): string {
    return join(bench.queueFolder, 'resumable', `${id}.part`);
  }

  /** A connection on which a chunk has started and not ended. */
  async function half(id: string, index: number, sent: Buffer): Promise<Socket> {
    const socket = connect(bench.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(
      `POST /chunk?id=${id}&index=${index} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n`,
    );
    socket.write(sent);
    return socket;
  }

  it('ends in the queue like any other, with BaluHost’s words', async () => {
    const bytes = randomBytes(700_000);
    const id = await begin(bytes.length, { folder: 'alice/Photos v1.2' });
    assert.deepEqual(await bench.chunk(id, 0, bytes.subarray(0, 300_000)), {
      status: 200,
      body: { received_bytes: 300_000 },
    });
    assert.deepEqual((await bench.chunk(id, 1, bytes.subarray(300_000))).body, {
      received_bytes: 700_000,
    });
    const done = await complete(id, { 'x-content-sha256': sha256(bytes) });
    assert.equal(done.kind, 'completed');
    const file = done.kind === 'completed' ? done.file : null;
    assert.deepEqual(file, {
      id,
      filename: 'big.bin',
      path: 'alice/Photos v1.2/big.bin',
      sizeBytes: 700_000,
      sha256: sha256(bytes),
    });
    assert.deepEqual(bench.onDisk(), [id]);
    assert.deepEqual(readFileSync(join(bench.queueFolder, id)), bytes);
    assert.equal((await complete(id)).kind, 'refused');
  });

  it('takes an empty file, and chunks of any size', async () => {
    const empty = await complete(await begin(0));
    assert.equal(empty.kind === 'completed' && empty.file.sha256, sha256(Buffer.alloc(0)));
    const id = await begin(3, { filename: 'tiny' });
    for (const [index, byte] of [...'abc'].entries()) {
      assert.equal((await bench.chunk(id, index, Buffer.from(byte))).status, 200);
    }
    const done = await complete(id);
    assert.equal(done.kind === 'completed' && done.file.sha256, sha256(Buffer.from('abc')));
    await bench.deliver();
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('takes its chunks in order only', async () => {
    const id = await begin(20);
    await bench.chunk(id, 0, Buffer.alloc(10));
    for (const [index, detail] of [
      [0, 'Expected chunk 1, got 0'],
      [5, 'Expected chunk 1, got 5'],
    ] as const) {
      const { status, body } = await bench.chunk(id, index, Buffer.alloc(10));
      assert.deepEqual([status, body['detail']], [400, detail]);
    }
    assert.equal((await bench.chunk(id, 1, Buffer.alloc(10))).status, 200);
  });

  it('is refused as complete while bytes are missing, and goes on', async () => {
    const id = await begin(20);
    await bench.chunk(id, 0, Buffer.alloc(10));
    const early = await complete(id);
    assert.deepEqual(early, {
      kind: 'refused',
      code: 'conflict',
      detail: '10 of 20 bytes are here. Send the rest first.',
    });
    await bench.chunk(id, 1, Buffer.alloc(10));
    assert.equal((await complete(id)).kind, 'completed');
  });

  it('is over when more comes than was said', async () => {
    for (const chunked of [false, true]) {
      const id = await begin(10);
      if (chunked) {
        const socket = connect(bench.port, '127.0.0.1');
        await once(socket, 'connect');
        socket.write(`POST /chunk?id=${id}&index=0 HTTP/1.1\r\nHost: x\r\n`);
        socket.write(`Transfer-Encoding: chunked\r\n\r\n${(99).toString(16)}\r\n${'x'.repeat(99)}`);
        const [answered] = (await once(socket, 'data')) as [Buffer];
        assert.match(answered.toString(), /^HTTP\/1\.1 400/);
        socket.destroy();
      } else {
        const { status, body } = await bench.chunk(id, 0, Buffer.alloc(11));
        assert.equal(status, 400);
        const detail = `Upload exceeds declared total_size (10 bytes) for session ${id}`;
        assert.equal(body['detail'], detail);
      }
      assert.equal((await bench.chunk(id, 0, Buffer.alloc(10))).status, 404);
    }
    assert.deepEqual(bench.onDisk(), []);
  });

  it('counts nothing of a chunk that breaks off, and takes it again', async () => {
    const id = await begin(900);
    const socket = await half(id, 0, Buffer.alloc(400, 1));
    await until('400 bytes on the disk', () => readFileSync(fileOf(id)).length === 400);
    socket.destroy();
    await until('an unfinished upload', () => bench.upload.hasUnfinished(ALICE.user.id));
    const bytes = randomBytes(900);
    assert.equal((await bench.chunk(id, 0, bytes)).status, 200);
    const done = await complete(id, { 'x-content-sha256': sha256(bytes) });
    assert.equal(done.kind, 'completed');
  });

  it('believes a new connection rather than one that may be dead', async () => {
    const id = await begin(900);
    const socket = await half(id, 0, Buffer.alloc(400, 1));
    await until('400 bytes on the disk', () => readFileSync(fileOf(id)).length === 400);
    const bytes = randomBytes(900);
    assert.equal((await bench.chunk(id, 0, bytes)).status, 200);
    const done = await complete(id);
    assert.equal(done.kind === 'completed' && done.file.sha256, sha256(bytes));
    socket.destroy();
  });

  it('survives a restart between chunks, whatever lies behind the last durable byte', async () => {
    const bytes = randomBytes(600_000);
    const id = await begin(bytes.length);
    await bench.chunk(id, 0, bytes.subarray(0, 400_000));
    appendFileSync(fileOf(id), 'half a chunk that was never acknowledged');
    await bench.restart();
    assert.equal(bench.upload.hasUnfinished(ALICE.user.id), true);
    assert.equal((await bench.chunk(id, 1, bytes.subarray(400_000))).status, 200);
    const done = await complete(id);
    assert.equal(done.kind === 'completed' && done.file.sha256, sha256(bytes));
  });

  it('holds a delta of a desktop off while it moves, and no longer once it was abandoned', async () => {
    const id = await begin(10);
    await bench.clock.advance(590_000);
    assert.equal((await bench.chunk(id, 0, Buffer.alloc(5))).status, 200);
    await bench.clock.advance(590_000);
    assert.equal(bench.upload.hasUnfinished(ALICE.user.id), true);
    await bench.clock.advance(20_000);
    assert.equal(bench.upload.hasUnfinished(ALICE.user.id), false);
    assert.equal((await bench.chunk(id, 1, Buffer.alloc(5))).status, 200);
    assert.equal(bench.upload.hasUnfinished(ALICE.user.id), true);
  });

  it('goes on after a process that died in the middle of completing it', async () => {
    const disk = new WatchedDisk();
    await bench.restart({ disk });
    const id = await begin(5);
    await bench.chunk(id, 0, Buffer.from('hello'));
    const never = new Promise<never>(() => undefined);
    const reached = Promise.withResolvers<undefined>();
    disk.around = async (operation, when) => {
      if (operation !== 'rename' || when !== 'after') return;
      reached.resolve(undefined);
      await never;
    };
    void complete(id);
    await reached.promise;
    await bench.restart();
    assert.deepEqual(bench.onDisk(), [`resumable/${id}.intent`, `resumable/${id}.part`]);
    assert.equal((await complete(id)).kind, 'completed');
    assert.deepEqual(bench.onDisk(), [id]);
  });

  it('is gone, not short, when its file is', async () => {
    const [cut, missing] = [await begin(20), await begin(20)];
    await bench.chunk(cut, 0, Buffer.alloc(10));
    truncateSync(fileOf(cut), 9);
    assert.equal((await bench.chunk(cut, 1, Buffer.alloc(10))).status, 404);
    rmSync(fileOf(missing));
    await bench.restart();
    assert.equal((await bench.chunk(missing, 0, Buffer.alloc(10))).status, 404);
    assert.deepEqual(bench.onDisk(), []);
  });

  it('is listed, with where it goes on, to whoever began it, until it is complete', async () => {
    const id = await begin(20, { filename: 'film.mp4' });
    const other = await begin(5, { filename: 'other.mp4' });
    await bench.chunk(id, 0, Buffer.alloc(10));
    const listed = (who: Caller) =>
      bench.upload.resumable.unfinished
        .of(who)
        .map(({ filename, receivedBytes, nextIndex }) => [filename, receivedBytes, nextIndex]);
    assert.deepEqual(listed(ALICE).sort(), [
      ['film.mp4', 10, 1],
      ['other.mp4', 0, 0],
    ]);
    assert.deepEqual(listed(BOB), []);
    await bench.chunk(id, 1, Buffer.alloc(10));
    await complete(id);
    await bench.upload.resumable.abort(ALICE, other);
    assert.deepEqual(listed(ALICE), []);
  });

  it('is there for its own user only', async () => {
    const id = await begin(10);
    bench.who = BOB;
    assert.equal((await bench.chunk(id, 0, Buffer.alloc(10))).status, 404);
    for (const who of [BOB, ADMIN]) {
      assert.deepEqual(await complete(id, {}, who), {
        kind: 'refused',
        code: 'not_found',
        detail: 'Upload session not found',
      });
      assert.equal((await bench.upload.resumable.abort(who, id)).kind, 'refused');
    }
    assert.equal(bench.upload.hasUnfinished(BOB.user.id), false);
    assert.equal(bench.upload.hasUnfinished(ALICE.user.id), true);
    assert.equal((await bench.upload.resumable.abort(ALICE, id)).kind, 'done');
    assert.equal(bench.upload.hasUnfinished(ALICE.user.id), false);
    assert.deepEqual(bench.onDisk(), []);
  });

  for (const [what, input, totalBytes, code] of [
    ['a foreign folder', { folder: 'bob' }, 1, 'not_yours'],
    ['a folder that is none', { folder: 'alice/..' }, 1, 'bad_path'],
    ['a name that is none', { filename: 'a\u0000b' }, 1, 'bad_path'],
    ['no name', { filename: '/' }, 1, 'bad_path'],
    ['a name that climbs', { filename: '../../bob/evil.txt' }, 1, 'bad_path'],
    ['too much', {}, 10_000_001, 'too_large'],
  ] as const) {
    it(`is not begun with ${what}`, async () => {
      const begun = await tryBegin(totalBytes, input);
      assert.equal(begun.kind === 'refused' && begun.code, code);
      assert.deepEqual(bench.onDisk(), []);
    });
  }

  it('keeps only the last part of a name, as the NAS does', async () => {
    const done = await complete(await begin(0, { filename: 'bob/evil.txt' }));
    assert.equal(done.kind === 'completed' && done.file.path, 'alice/evil.txt');
  });

  it('takes no space but that of the chunks that came, over a restart too', async () => {
    let free = 1_000;
    class SmallDisk extends WatchedDisk {
      override freeBytes(): Promise<number> {
        return Promise.resolve(free);
      }
    }
    await bench.restart({ disk: new SmallDisk() });
    const ids: string[] = [];
    for (let count = 0; count < 7; count += 1) ids.push(await begin(1_000));
    assert.equal((await bench.send('alice', 'a.txt', 'x'.repeat(300))).status, 200);
    bench.who = BOB;
    assert.equal((await bench.send('bob', 'b.txt', 'x'.repeat(300))).status, 200);
    bench.who = ALICE;
    free -= 600;
    const [id = ''] = ids;
    assert.equal((await bench.chunk(id, 0, Buffer.alloc(200))).status, 200);
    free -= 200;
    await bench.restart({ disk: new SmallDisk() });
    assert.equal(bench.upload.queuedBytes(), 800);
    const over = await bench.chunk(id, 1, Buffer.alloc(300));
    assert.deepEqual([over.status, over.body['code']], [507, 'share_used']);
    free += 600;
    assert.equal((await bench.chunk(id, 1, Buffer.alloc(100))).status, 200);
  });

  it('is given up after a day without a chunk', async () => {
    const [left, kept] = [await begin(20), await begin(20)];
    await bench.clock.advance(23 * HOUR_MS);
    await bench.chunk(kept, 0, Buffer.alloc(10));
    await bench.clock.advance(2 * HOUR_MS);
    assert.equal((await bench.chunk(left, 0, Buffer.alloc(10))).status, 404);
    assert.equal((await bench.chunk(kept, 1, Buffer.alloc(10))).status, 200);
    await until('two files', () => bench.onDisk().length === 2);
  });

  it('is given up for its age only while the time is proved', async () => {
    bench.isClockProved = false;
    const id = await begin(20);
    await bench.clock.advance(30 * HOUR_MS);
    assert.equal((await bench.chunk(id, 0, Buffer.alloc(10))).status, 200);
    bench.clock.stepWallTo(bench.clock.nowMs() - 60 * HOUR_MS);
    bench.isClockProved = true;
    await bench.clock.advance(2 * HOUR_MS);
    assert.equal((await bench.chunk(id, 1, Buffer.alloc(10))).status, 200);
  });

  it('is one of 16 of its user, of which the one longest idle makes place', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 16; count += 1) ids.push(await begin(1));
    const over = await tryBegin(1);
    assert.equal(over.kind === 'refused' && over.code, 'too_many_tries');
    await begin(1, { folder: 'bob' }, BOB);
    await bench.clock.advance(HOUR_MS);
    for (const id of ids.slice(1)) await bench.chunk(id, 0, Buffer.alloc(1));
    await begin(1);
    assert.equal((await bench.chunk(ids[0] ?? '', 0, Buffer.alloc(1))).status, 404);
  });

  it('is refused with nothing kept when its content is not what was said', async () => {
    const id = await begin(5);
    await bench.chunk(id, 0, Buffer.from('hello'));
    const done = await complete(id, { 'x-content-sha256': sha256(Buffer.from('other')) });
    assert.equal(done.kind === 'refused' && done.code, 'invalid');
    assert.deepEqual(bench.onDisk(), []);
    const bad = await complete(id, { 'x-base-checksum': 'zz' });
    assert.equal(bad.kind === 'refused' && bad.code, 'invalid');
  });

  for (const code of ['EIO', 'ENOSPC'] as const) {
    it(`survives ${code} at any open, write, fsync or rename`, async function () {
      this.timeout(20_000);
      const disk = new WatchedDisk();
      await bench.restart({ disk });
      for (let k = 1, clean = false; !clean; k += 1) {
        assert.ok(k < 40);
        let count = 0;
        disk.around = (operation, when) => {
          if (operation === 'remove' || when === 'after') return;
          count += 1;
          if (count === k) throw systemError(code);
        };
        clean = true;
        let begun = await tryBegin(10, { filename: `f${k}` });
        if (begun.kind === 'refused') {
          clean = false;
          begun = await tryBegin(10, { filename: `f${k}` });
        }
        const id = begun.kind === 'begun' ? begun.id : '';
        for (const index of [0, 1]) {
          let { status } = await bench.chunk(id, index, Buffer.from('hello'));
          if (status !== 200) {
            assert.equal(status, code === 'EIO' ? 503 : 507);
            clean = false;
            ({ status } = await bench.chunk(id, index, Buffer.from('hello')));
          }
          assert.equal(status, 200);
        }
        let done = await complete(id);
        if (done.kind === 'refused') {
          clean = false;
          done = await complete(id);
        }
        assert.equal(
          done.kind === 'completed' && done.file.sha256,
          sha256(Buffer.from('hellohello')),
        );
        disk.around = () => undefined;
      }
      assert.equal(bench.onDisk().length, bench.states().length);
    });
  }

  it('costs one sync and one commit a chunk, and three to complete', async () => {
    const disk = new WatchedDisk();
    await bench.restart({ disk });
    const id = await begin(10);
    disk.operations.length = 0;
    await bench.chunk(id, 0, Buffer.alloc(10));
    assert.deepEqual(disk.operations, ['open', 'write', 'fsync']);
    disk.operations.length = 0;
    await complete(id);
    const toComplete = ['open', 'write', 'fsync', 'rename', 'open', 'fsync', 'remove'];
    assert.deepEqual(disk.operations, toComplete);
  });
});
