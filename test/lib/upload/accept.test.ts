import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { NodeDisk } from '../../../nodes/lib/upload/spool/disk.ts';
import {
  ADMIN,
  ALICE,
  BOB,
  BOUNDARY,
  UploadBench,
  multipart,
  PATIENCE_MS,
} from './upload-bench.ts';
import { sha256 } from './memory-nas.ts';

describe('accepting an upload', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('answers with what was queued, and has the bytes on the disk by then', async () => {
    const { status, body } = await bench.send('alice/Photos', 'Größe ä.jpg', 'pixels');
    assert.equal(status, 200);
    const [id] = body['upload_ids'] as string[];
    assert.deepEqual(body, {
      message: 'Files uploaded',
      uploaded: 1,
      upload_ids: [id],
      id,
      filename: 'Größe ä.jpg',
      size_bytes: 6,
      status: 'queued',
      files: [
        {
          id,
          filename: 'Größe ä.jpg',
          path: 'alice/Photos/Größe ä.jpg',
          size_bytes: 6,
          sha256: sha256('pixels'),
          status: 'queued',
        },
      ],
    });
    const file = join(bench.queueFolder, id ?? '');
    assert.equal(readFileSync(file, 'utf8'), 'pixels');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(bench.onDisk(), [id]);
  });

  it('takes the path from the query, before the files and after them', async () => {
    const file = { name: 'files', filename: 'a.txt', content: 'a' };
    const path = { name: 'path', content: '/alice/x' };
    const answers = [
      await bench.post(multipart([{ ...file, content: '1' }]), {}, 'alice/x'),
      await bench.post(multipart([path, { ...file, content: '2' }])),
      await bench.post(multipart([{ ...file, content: '3' }, path])),
    ];
    for (const { status, body } of answers) {
      assert.equal(status, 200);
      const [first] = body['files'] as { path: string }[];
      assert.equal(first?.path, 'alice/x/a.txt');
    }
  });

  it('queues all of several files, always into a folder', async () => {
    const { status, body } = await bench.post(
      multipart([
        { name: 'path', content: 'alice/v1.2' },
        { name: 'files', filename: 'a.txt', content: 'a' },
        { name: 'files', filename: 'b.txt', content: 'b' },
      ]),
    );
    assert.equal(status, 200);
    assert.equal(body['uploaded'], 2);
    const paths = (body['files'] as { path: string }[]).map(({ path }) => path);
    assert.deepEqual(paths, ['alice/v1.2/a.txt', 'alice/v1.2/b.txt']);
  });

  it('takes none of several files when two that differ would be one', async () => {
    const pairs = [
      ['image.jpg', 'image.jpg'],
      ['Rome/IMG_1.jpg', 'Oslo/IMG_1.jpg'],
    ] as const;
    for (const [first, second] of pairs) {
      const { status, body } = await bench.post(
        multipart([
          { name: 'files', filename: first, content: 'one' },
          { name: 'files', filename: 'other.jpg', content: 'x' },
          { name: 'files', filename: second, content: 'two' },
          { name: 'path', content: 'alice/Album' },
        ]),
      );
      assert.deepEqual([status, body['code']], [422, 'invalid']);
      assert.ok(String(body['detail']).includes(`alice/Album/${first.split('/').at(-1) ?? ''}`));
      assert.deepEqual(
        [body['errors'], bench.onDisk(), bench.states()],
        [[{ loc: ['body', 'files'], msg: body['detail'] }], [], []],
      );
    }
  });

  it('makes one row of two parts with the same name and content', async () => {
    const part = { name: 'files', filename: 'a/image.jpg', content: 'one' };
    const { status, body } = await bench.post(
      multipart([part, { ...part, filename: 'image.jpg' }, { name: 'path', content: 'alice' }]),
    );
    assert.equal(status, 200);
    const [first, second] = body['upload_ids'] as string[];
    assert.equal(first, second);
    assert.deepEqual([bench.onDisk(), bench.states()], [[first], ['queued']]);
  });

  it('refuses a path in the query and another in the body', async () => {
    const file = { name: 'file', filename: 'a.txt', content: 'a' };
    const path = { name: 'path', content: 'alice/x' };
    const other = await bench.post(multipart([file, path]), {}, 'alice/y');
    assert.deepEqual([other.status, other.body['code']], [422, 'invalid']);
    assert.deepEqual(bench.onDisk(), []);
    assert.equal((await bench.post(multipart([path, file]), {}, '/alice/x/')).status, 200);
  });

  it('refuses a place below what is known to be a file, or is on its way to be one', async () => {
    const at = { sizeBytes: 1, modifiedAt: '', checksum: null, listedAtMs: 0 };
    bench.listed.set('1 alice/f', { kind: 'file', ...at });
    assert.equal((await bench.send('alice/q', 'q', 'a file')).status, 200);
    for (const path of ['alice/f/sub/a.txt', 'alice/q/a.txt']) {
      const { status, body } = await bench.send(path, 'a.txt', 'x');
      assert.deepEqual([status, body['code']], [409, 'conflict']);
      assert.match(String(body['detail']), /^alice\/[fq] is a file/);
    }
    const input = { filename: 'a.txt', totalBytes: 1, folder: 'alice/f' };
    const begun = await bench.upload.resumable.begin(ALICE, input);
    assert.partialDeepStrictEqual(begun, { kind: 'refused', code: 'conflict' });
    bench.who = BOB;
    bench.listed.set('2 Shared/f', { kind: 'unknown' });
    assert.equal((await bench.send('Shared/f/sub', 'a.txt', 'x')).status, 200);
  });

  it('refuses a file with the name of a folder that is known, which it would hide', async () => {
    bench.listed.set('1 alice/Photos', { kind: 'folder' });
    const { status, body } = await bench.send('alice', 'Photos', 'no folder');
    assert.deepEqual([status, body['code']], [409, 'conflict']);
    assert.match(String(body['detail']), /^alice\/Photos is a folder/);
    const input = { filename: 'Photos', totalBytes: 1, folder: 'alice' };
    const begun = await bench.upload.resumable.begin(ALICE, input);
    assert.partialDeepStrictEqual(begun, { kind: 'refused', code: 'conflict' });
    assert.equal((await bench.send('alice/Photos', 'late.jpg', 'a photo')).status, 200);
  });

  it('takes names with marks of direction, and names what it refuses', async () => {
    for (const name of ['a\u200eb.txt', 'שלום\u200f.txt', 'c\u061c.txt']) {
      const { status, body } = await bench.send('alice', name, name);
      assert.deepEqual([status, body['filename']], [200, name]);
    }
    const bad = [
      ['evil\u202egpj.exe', 'evil<U+202E>gpj.exe'],
      ['iso\u2067late.txt', 'iso<U+2067>late.txt'],
      ['c1\u0085.txt', 'c1<U+0085>.txt'],
    ] as const;
    for (const [name, shown] of bad) {
      const { status, body } = await bench.post(
        multipart([
          { name: 'path', content: 'alice' },
          { name: 'files', filename: 'good.txt', content: 'x' },
          { name: 'files', filename: name, content: 'y' },
        ]),
      );
      assert.deepEqual([status, body['code']], [400, 'bad_path']);
      assert.ok(
        String(body['detail']).startsWith(`File 2: The name "${shown}"`),
        String(body['detail']),
      );
    }
    assert.equal(bench.states().length, 3);
  });

  it('keeps none of several files when one has a bad name', async () => {
    const { status, body } = await bench.post(
      multipart([
        { name: 'path', content: 'alice' },
        { name: 'files', filename: 'a.txt', content: 'a' },
        { name: 'files', filename: '..', content: 'b' },
      ]),
    );
    assert.equal(status, 400);
    assert.equal(body['code'], 'bad_path');
    assert.deepEqual(bench.onDisk(), []);
    assert.deepEqual(bench.states(), []);
  });

  it('collapses a file name to its last component, as the NAS does', async () => {
    const { body } = await bench.send('alice', 'bob/evil.txt', 'x');
    assert.equal((body['files'] as { path: string }[])[0]?.path, 'alice/evil.txt');
  });

  for (const [what, path, filename] of [
    ['a parent in the path', 'alice/../bob', 'a.txt'],
    ['a way out in the path', '../../x.txt', 'x.txt'],
    ['a way out in the name', 'alice', '../../x.txt'],
    ['an empty part in the path', 'alice//x', 'a.txt'],
    ['a control character in the path', 'alice/\u0007', 'a.txt'],
    ['a control character in the name', 'alice', 'a\u0085.txt'],
    ['a backslash in the name', 'alice', '..\\\\..\\\\x'],
    ['a name that turns the writing round', 'alice', 'photo\u202egpj.exe'],
    ['a name that is a dot', 'alice', '.'],
    ['an empty name', 'alice', 'x/'],
    ['a name of more than 255 bytes', 'alice', 'ä'.repeat(128)],
  ] as const) {
    it(`refuses ${what} with 400`, async () => {
      const { status, body } = await bench.send(path, filename, 'x');
      assert.equal(status, 400);
      assert.equal(body['code'], 'bad_path');
      assert.deepEqual(bench.onDisk(), []);
    });
  }

  it('refuses a place the caller cannot write the same whether it exists or not', async () => {
    bench.listed.set('1 bob', { kind: 'folder' });
    const there = await bench.send('bob', 'a.txt', 'x');
    const nowhere = await bench.send('carol/none', 'a.txt', 'x');
    const none = await bench.post(multipart([{ name: 'file', filename: 'a.txt', content: 'x' }]));
    for (const { status, body } of [there, nowhere, none]) {
      assert.equal(status, 403);
      assert.deepEqual(body, there.body);
    }
    assert.equal(there.body['code'], 'not_yours');
    assert.deepEqual(bench.onDisk(), []);
  });

  it('gives the same id for the same content while it is undelivered and the newest', async () => {
    const first = await bench.send('alice', 'a.txt', 'one');
    const again = await bench.send('alice', 'a.txt', 'one');
    assert.equal(again.body['id'], first.body['id']);
    const second = await bench.send('alice', 'a.txt', 'two');
    const third = await bench.send('alice', 'a.txt', 'one');
    assert.notEqual(third.body['id'], first.body['id']);
    assert.notEqual(third.body['id'], second.body['id']);
    bench.who = BOB;
    const bobs = await bench.send('Shared', 'a.txt', 'one');
    bench.who = ALICE;
    const alices = await bench.send('Shared', 'a.txt', 'one');
    assert.notEqual(bobs.body['id'], alices.body['id']);
    assert.equal(bench.onDisk().length, 5);
  });

  it('makes a new row of the same content once the first was delivered', async () => {
    const first = await bench.send('alice', 'a.txt', 'one');
    await bench.deliver();
    bench.presence.set(false);
    const again = await bench.send('alice', 'a.txt', 'one');
    assert.notEqual(again.body['id'], first.body['id']);
    const sent = bench.nas.count('init');
    await bench.deliver();
    assert.equal(bench.nas.count('init'), sent);
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('answers a repeated Idempotency-Key with the same id for 24 hours', async () => {
    const headers = { 'Idempotency-Key': 'k-1' };
    const first = await bench.send('alice', 'a.txt', 'one', headers);
    await bench.deliver();
    const again = await bench.send('alice', 'a.txt', 'one', headers);
    assert.equal(again.status, 200);
    assert.equal(again.body['id'], first.body['id']);
    await bench.clock.advance(86_400_001);
    const late = await bench.send('alice', 'a.txt', 'one', headers);
    assert.notEqual(late.body['id'], first.body['id']);
  });

  it('refuses an Idempotency-Key that comes with another body, per user', async () => {
    const headers = { 'Idempotency-Key': 'k-1' };
    await bench.send('alice', 'a.txt', 'one', headers);
    for (const [path, content] of [
      ['alice', 'two'],
      ['alice/b', 'one'],
    ] as const) {
      const { status, body } = await bench.send(path, 'a.txt', content, headers);
      assert.equal(status, 422);
      assert.equal(body['code'], 'invalid');
      const msg = 'This Idempotency-Key was used with another body.';
      assert.deepEqual(body['errors'], [{ loc: ['header', 'Idempotency-Key'], msg }]);
    }
    bench.who = BOB;
    assert.equal((await bench.send('bob', 'a.txt', 'two', headers)).status, 200);
    assert.equal(bench.onDisk().length, 2);
  });

  it('checks X-Content-SHA256', async () => {
    const good = { 'X-Content-SHA256': sha256('one').toUpperCase() };
    assert.equal((await bench.send('alice', 'a.txt', 'one', good)).status, 200);
    const wrong = await bench.send('alice', 'b.txt', 'two', good);
    assert.equal(wrong.status, 422);
    const garbled = await bench.send('alice', 'b.txt', 'two', { 'X-Content-SHA256': 'abc' });
    assert.equal(garbled.status, 422);
    assert.equal(bench.onDisk().length, 1);
  });

  it('refuses a body without files, of another type, or without a boundary', async () => {
    const none = await bench.post(multipart([{ name: 'path', content: 'alice' }]));
    assert.equal(none.status, 422);
    const other = await bench.post(
      multipart([{ name: 'photo', filename: 'a.txt', content: 'a' }]),
      {},
      'alice',
    );
    assert.equal(other.status, 422);
    const typed = await bench.post(Buffer.from('{}'), { 'Content-Type': 'application/json' });
    assert.equal(typed.status, 415);
    const bare = await bench.post(Buffer.from('x'), { 'Content-Type': 'multipart/form-data' });
    assert.equal(bare.status, 400);
    assert.equal(bare.body['code'], 'malformed');
    assert.deepEqual(bench.onDisk(), []);
  });

  it('takes an empty file and one of exactly the largest size, and none larger', async () => {
    assert.equal((await bench.send('alice', 'empty', '')).status, 200);
    const largest = Buffer.alloc(10_000_000, 7);
    assert.equal((await bench.send('alice', 'big', largest)).status, 200);
    const larger = await bench.send('alice', 'bigger', Buffer.alloc(10_000_001, 7));
    assert.equal(larger.status, 413);
    assert.equal(larger.body['detail'], 'An upload may hold 10 MB. Send less at a time.');
    assert.equal(bench.onDisk().length, 2);
  });

  it('refuses at the headers what is too large, has no room or is not the caller’s', async () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=x', 'content-length': '100' };
    const admit = async (over: object, path: string | null = null): Promise<string> => {
      const call = { caller: ALICE, headers: { ...headers, ...over }, path };
      const admitted = await bench.upload.admission.check(call);
      return admitted.kind === 'refused' ? admitted.code : admitted.kind;
    };
    assert.equal(await admit({}), 'admitted');
    assert.equal(await admit({}, 'alice'), 'admitted');
    assert.equal(await admit({ 'content-length': '11000000' }), 'too_large');
    assert.equal(await admit({}, 'bob'), 'not_yours');
    assert.equal(await admit({}, 'alice/..'), 'bad_path');
    assert.equal(await admit({ 'content-type': 'text/plain' }), 'wrong_body_type');
    assert.equal(await admit({ 'content-type': 'multipart/form-data' }), 'malformed');
    assert.equal(await admit({ 'idempotency-key': 'a b' }), 'invalid');
    assert.equal(await admit({ 'x-base-checksum': 'zz' }), 'invalid');
  });

  it('has copies evicted before it says that there is no room', async () => {
    class SmallDisk extends NodeDisk {
      freeNow = 1_000;
      override async freeBytes(): Promise<number> {
        return Promise.resolve(this.freeNow);
      }
    }
    const disk = new SmallDisk();
    const asked: number[] = [];
    await bench.close();
    bench = new UploadBench({
      disk,
      minFreeBytes: 500,
      evictFor: (bytes) => {
        asked.push(bytes);
        if (bytes < 5_000) disk.freeNow += bytes;
      },
    });
    await bench.start();
    assert.equal((await bench.send('alice', 'a', Buffer.alloc(2_000))).status, 200);
    assert.ok(asked.length > 0);
    disk.freeNow = 1_000;
    const refused = await bench.send('alice', 'b', Buffer.alloc(20_000));
    assert.equal(refused.status, 507);
    assert.equal(refused.body['code'], 'no_room');
    assert.equal(bench.onDisk().length, 1);
  });

  it('leaves nothing behind when the caller cuts the body', async () => {
    const body = multipart([{ name: 'file', filename: 'a.txt', content: Buffer.alloc(300_000) }]);
    for (const share of [0.1, 0.5, 0.999]) {
      const before = bench.outcomes.length;
      await new Promise<void>((resolve) => {
        const socket = connect(bench.port, '127.0.0.1', () => {
          socket.write(
            `POST /upload?path=alice HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n` +
              `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`,
          );
          socket.write(body.subarray(0, Math.floor(body.length * share)), () => {
            socket.destroy();
          });
        });
        socket.on('error', () => undefined);
        socket.on('close', () => {
          resolve();
        });
      });
      while (bench.outcomes.length === before) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
    }
    assert.deepEqual(
      bench.outcomes.map(({ kind }) => kind),
      ['gone', 'gone', 'gone'],
    );
    assert.deepEqual(bench.onDisk(), []);
  });

  it('receives at most eight bodies of a user at once and lets the rest wait', async () => {
    const body = multipart([{ name: 'file', filename: 'a.txt', content: Buffer.alloc(100_000) }]);
    const half = Math.floor(body.length / 2);
    const requests = Array.from({ length: 12 }, (_, index) => {
      const sent = httpRequest({
        port: bench.port,
        method: 'POST',
        path: `/upload?path=alice/${index}`,
        headers: {
          'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`,
          'Content-Length': String(body.length),
        },
      });
      const answered = new Promise<number>((resolve, reject) => {
        sent.on('response', (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        sent.on('error', reject);
      });
      sent.write(body.subarray(0, half));
      return { sent, answered };
    });
    const opened = async (): Promise<number> => {
      const limitMs = performance.now() + PATIENCE_MS;
      // With eight open, a ninth would have been opened too by then.
      let left = 2_000;
      while (left > 0 && performance.now() < limitMs) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        if (bench.onDisk().length >= 8) left -= 1;
      }
      return bench.onDisk().length;
    };
    assert.equal(await opened(), 8);
    for (const { sent } of requests) sent.end(body.subarray(half));
    const statuses = await Promise.all(requests.map(({ answered }) => answered));
    assert.deepEqual(statuses, Array<number>(12).fill(200));
  });

  it('shows only the caller’s uploads, and an admin the sums of all', async () => {
    await bench.send('alice', 'a.txt', 'a');
    bench.who = BOB;
    const bobs = await bench.send('bob', 'b.txt', 'b');
    assert.deepEqual(bench.upload.retry(ALICE, String(bobs.body['id'])), {
      kind: 'refused',
      code: 'not_found',
    });
    const own = bench.upload.view.status(ALICE, false);
    assert.equal(own.kind === 'status' && own.status.pending_uploads, 1);
    const all = bench.upload.view.status(ADMIN, true);
    assert.equal(all.kind === 'status' && all.status.pending_uploads, 2);
    assert.equal(bench.upload.view.status(ALICE, true).kind, 'refused');
    assert.equal(bench.upload.view.list(ALICE, 'nonsense').kind, 'refused');
    const listed = bench.upload.view.list(BOB, 'queued');
    assert.deepEqual(listed.kind === 'uploads' && listed.uploads, [
      {
        id: bobs.body['id'],
        path: 'bob/b.txt',
        size_bytes: 1,
        sha256: sha256('b'),
        state: 'queued',
        attempts: 0,
        created_at: '2026-02-22T14:30:00Z',
        next_attempt_at: null,
        detail: null,
      },
    ]);
  });

  it('drops an upload with its bytes', async () => {
    const { body } = await bench.send('alice', 'a.txt', 'a');
    assert.equal((await bench.upload.drop(BOB, String(body['id']))).kind, 'refused');
    assert.equal((await bench.upload.drop(ALICE, String(body['id']))).kind, 'done');
    assert.deepEqual(bench.onDisk(), []);
    assert.deepEqual(bench.states(), []);
    assert.equal(bench.upload.queuedBytes(), 0);
  });

  it('tells listings of the newest queued version of each name', async () => {
    await bench.send('alice', 'a.txt', 'one');
    await bench.send('alice', 'a.txt', 'three');
    await bench.send('alice/sub', 'b.txt', 'x');
    const folders = bench.upload.view.pendingFolders(1).map(({ path }) => path);
    assert.deepEqual(folders.sort(), ['alice', 'alice/sub']);
    assert.deepEqual(bench.upload.view.pendingFolders(99), []);
    const pending = bench.upload.view.pendingInFolder(1, 'alice');
    assert.deepEqual(
      pending.map(({ name, sizeBytes }) => [name, sizeBytes]),
      [['a.txt', 5]],
    );
    assert.deepEqual(bench.upload.view.pendingInFolder(2, 'alice'), []);
    const file = bench.upload.view.queuedFile(1, 'alice/a.txt');
    assert.equal(readFileSync(file?.file ?? '', 'utf8'), 'three');
    assert.equal(bench.upload.view.queuedFile(2, 'alice/a.txt'), null);
    assert.equal(bench.upload.hasUnfinished(1), true);
    assert.equal(bench.upload.hasUnfinished(2), false);
  });

  it('refuses new bodies once it is stopped', async () => {
    await bench.upload.stop();
    assert.equal((await bench.send('alice', 'a.txt', 'a')).status, 503);
  });
});
