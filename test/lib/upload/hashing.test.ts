import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HashThread } from '../../../nodes/lib/upload/spool/hashing.ts';
import { UploadBench } from './upload-bench.ts';

const MB = 1024 * 1024;

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('hashing beside the event loop', () => {
  let folder: string;
  let hashing: HashThread;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-hash-'));
    hashing = new HashThread();
  });

  afterEach(async () => {
    await hashing.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('follows several files while they grow', async () => {
    const wanted: string[] = [];
    const got = [1, 2, 3].map(async (number) => {
      const bytes = randomBytes(number * MB + number);
      wanted.push(sha256(bytes));
      const file = join(folder, String(number));
      writeFileSync(file, '');
      const followed = hashing.follow(file);
      for (let at = 0; at < bytes.length; at += 300_000) {
        appendFileSync(file, bytes.subarray(at, at + 300_000));
        followed.extend(Math.min(bytes.length, at + 300_000));
      }
      return followed.finish(bytes.length);
    });
    assert.deepEqual(await Promise.all(got), wanted);
  });

  it('says when it has caught up with what was written', async () => {
    const file = join(folder, 'large');
    writeFileSync(file, Buffer.alloc(40 * MB, 7));
    const followed = hashing.follow(file);
    followed.extend(40 * MB);
    assert.equal(followed.behindBytes, 40 * MB);
    await followed.caughtUp();
    assert.ok(followed.behindBytes <= 8 * MB);
    assert.equal(await followed.finish(40 * MB), sha256(Buffer.alloc(40 * MB, 7)));
    assert.equal(followed.behindBytes, 0);
  });

  it('fails the file that is gone or shorter than said, and no other', async () => {
    const file = join(folder, 'short');
    writeFileSync(file, 'abc');
    const missing = hashing.follow(join(folder, 'missing'));
    const short = hashing.follow(file);
    await assert.rejects(missing.finish(3), { code: 'ENOENT' });
    truncateSync(file, 2);
    await assert.rejects(short.finish(3));
    writeFileSync(file, 'abc');
    assert.equal(await hashing.follow(file).finish(3), sha256(Buffer.from('abc')));
  });

  it('fails what it was hashing when it is stopped or told to drop it, and starts again', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, 'abc');
    const dropped = hashing.follow(file);
    dropped.drop();
    dropped.extend(3);
    await assert.rejects(dropped.finish(3));
    const stopped = hashing.follow(file);
    await hashing.stop();
    await assert.rejects(stopped.finish(3));
    assert.equal(await hashing.follow(file).finish(3), sha256(Buffer.from('abc')));
  });
});

describe('an upload larger than what is hashed in passing', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('is told by its own hash, however it lies in the body', async () => {
    for (const size of [256 * 1024, 256 * 1024 + 1, 3 * MB]) {
      const content = randomBytes(size);
      const { status, body } = await bench.send('alice', `f${size}`, content);
      assert.equal(status, 200);
      assert.equal((body['files'] as { sha256: string }[])[0]?.sha256, sha256(content));
    }
  });

  it('is refused and leaves nothing when the hashing fails', async () => {
    await bench.close();
    let broken = true;
    const thread = new HashThread();
    bench = new UploadBench({
      hashing: {
        follow: (file) => thread.follow(broken ? `${file}-elsewhere` : file),
        stop: () => thread.stop(),
      },
    });
    await bench.start();
    const { status, body } = await bench.send('alice', 'a', randomBytes(MB));
    assert.deepEqual([status, body['code']], [503, 'disk_failing']);
    assert.deepEqual(bench.onDisk(), []);
    broken = false;
    assert.equal((await bench.send('alice', 'a', randomBytes(MB))).status, 200);
  });
});
