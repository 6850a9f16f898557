import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { BufferPool } from '../../../nodes/lib/cache/serve/byte-source.ts';
import type { NasDownload } from '../../../nodes/lib/nas/nas-client.ts';
import { CacheBench, type Got, patterned } from './cache-bench.ts';

const SIZE = 300_001;

describe('Serving', () => {
  let bench: CacheBench;
  const bytes = patterned(SIZE);

  beforeEach(async () => {
    bench = new CacheBench();
    await bench.start();
    bench.nas.put('alice/f.bin', bytes);
  });

  afterEach(async () => {
    await bench.close();
  });

  // The same requests get the same answers whether the file is kept, fetched or bypasses the cache.
  const states: [string, () => Promise<unknown>][] = [
    ['a kept copy', () => bench.get('alice/f.bin')],
    ['a miss', () => Promise.resolve()],
    [
      'a file too large to keep',
      () => {
        bench.maxBytes = 1000;
        return bench.reopen();
      },
    ],
  ];
  for (const [what, arrange] of states) {
    describe(`from ${what}`, () => {
      beforeEach(async () => {
        await arrange();
      });

      it('sends ranges as asked', async () => {
        const table: [string, number, number][] = [
          ['bytes=0-0', 0, 0],
          ['bytes=10-70000', 10, 70_000],
          ['bytes=-4', SIZE - 4, SIZE - 1],
          ['bytes=299000-', 299_000, SIZE - 1],
          ['bytes=0-', 0, SIZE - 1],
        ];
        for (const [range, first, last] of table) {
          const got = await bench.get('alice/f.bin', { range });
          assert.equal(got.status, 206, range);
          assert.equal(got.headers['content-range'], `bytes ${first}-${last}/${SIZE}`);
          assert.equal(got.headers['content-length'], String(last - first + 1));
          assert.ok(got.body.equals(bytes.subarray(first, last + 1)));
        }
      });

      it('sends several ranges as parts', async () => {
        const got = await bench.get('alice/f.bin', { range: 'bytes=0-99,250000-299999' });
        assert.equal(got.status, 206);
        const parts = partsOf(got);
        assert.deepEqual(
          parts.map((part) => part.range),
          [`bytes 0-99/${SIZE}`, `bytes 250000-299999/${SIZE}`],
        );
        assert.ok(parts[0]?.body.equals(bytes.subarray(0, 100)));
        assert.ok(parts[1]?.body.equals(bytes.subarray(250_000, 300_000)));
        assert.equal(got.headers['content-length'], String(got.body.length));
      });

      it('says 416 in JSON with the size', async () => {
        const got = await bench.get('alice/f.bin', { range: `bytes=${SIZE}-` });
        assert.equal(got.status, 416);
        assert.equal(got.headers['content-range'], `bytes */${SIZE}`);
        const { code } = JSON.parse(got.body.toString()) as { code: string };
        assert.equal(code, 'range_not_satisfiable');
      });

      it('answers HEAD with the headers of GET and no bytes', async () => {
        const head = await bench.get('alice/f.bin', { range: 'bytes=0-5' }, 'HEAD');
        const got = await bench.get('alice/f.bin');
        assert.equal(head.status, 200);
        assert.equal(head.body.length, 0);
        for (const name of ['content-length', 'etag', 'last-modified', 'content-type'] as const) {
          assert.equal(head.headers[name], got.headers[name], name);
        }
        assert.ok(got.body.equals(bytes));
      });

      it('says 304 to whoever has it, and resumes only the same version', async () => {
        const { headers } = await bench.get('alice/f.bin', {}, 'HEAD');
        const etag = headers.etag ?? '';
        const same = await bench.get('alice/f.bin', { 'if-none-match': etag });
        assert.equal(same.status, 304);
        assert.equal(same.body.length, 0);
        const since = { 'if-modified-since': headers['last-modified'] ?? '' };
        assert.equal((await bench.get('alice/f.bin', since)).status, 304);
        const range = 'bytes=299990-';
        assert.equal((await bench.get('alice/f.bin', { range, 'if-range': etag })).status, 206);
        const other = await bench.get('alice/f.bin', { range, 'if-range': '"other"' });
        assert.equal(other.status, 200);
        assert.ok(other.body.equals(bytes));
      });
    });
  }

  it('names the file safely and never as something a browser would run', async () => {
    bench.nas.put('alice/ä "b".html', '<script>', {});
    await bench.clock.advance(10_001);
    const got = await bench.get('alice/%C3%A4%20%22b%22.html');
    assert.equal(got.body.toString(), '<script>');
    assert.match(got.headers['content-disposition'] ?? '', /^attachment; filename="_ _b_\.html"/);
    assert.equal(got.headers['x-content-type-options'], 'nosniff');
    assert.equal(got.headers['accept-ranges'], 'bytes');
  });

  it('passes 256 MB through to a file and a reader with a bounded number of buffers', async () => {
    const sizeBytes = 256 * 1024 * 1024;
    const chunk = Buffer.alloc(64 * 1024);
    let mostHeld = 0;
    bench.maxBytes = 2 * sizeBytes;
    await bench.reopen();
    const file = bench.nas.put('alice/huge.bin', '', { checksum: null });
    Object.defineProperty(file, 'bytes', { value: { length: sizeBytes } });
    function* chunks(): Generator<Buffer> {
      for (let sent = 0; sent < sizeBytes; sent += chunk.length) {
        const filling = bench.onDisk('fills').reduce((sum, file) => sum + statSync(file).size, 0);
        // What the NAS has sent and the disk does not have yet is held in memory somewhere.
        mostHeld = Math.max(mostHeld, sent - filling - bench.cache.keptBytes());
        yield chunk;
      }
    }
    bench.nas.downloads.push((): NasDownload => {
      const body = Readable.from(chunks(), { objectMode: false, highWaterMark: 64 * 1024 });
      const head = { etag: null, lastModified: null, contentType: null };
      return { kind: 'stream', status: 200, lengthBytes: sizeBytes, sizeBytes, ...head, body };
    });
    const received = await bench.count('alice/huge.bin');
    assert.equal(received, sizeBytes);
    assert.ok(mostHeld > 0 && mostHeld < 1024 * 1024, `${mostHeld} bytes were held`);
    await bench.until(() => bench.cache.isKept('alice/huge.bin'));
  }).timeout(20_000);
});

describe('The buffer pool', () => {
  it('makes no more than its bound, and lets nobody wait', () => {
    const pool = new BufferPool(1024, 2, 16);
    const taken = [pool.take(), pool.take(), pool.take()];
    assert.deepEqual(
      taken.map((buffer) => buffer.length),
      [1024, 1024, 16],
    );
    for (const buffer of taken) pool.giveBack(buffer);
    assert.deepEqual([pool.take(), pool.take()], [taken[1], taken[0]]);
    assert.equal(pool.take().length, 16);
  });
});

function partsOf(got: Got): { range: string; body: Buffer }[] {
  const boundary = /boundary=(\w+)/.exec(got.headers['content-type'] ?? '')?.[1];
  assert.ok(boundary !== undefined);
  const text = got.body.toString('latin1');
  assert.ok(text.endsWith(`\r\n--${boundary}--\r\n`));
  return text
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const [head = '', ...rest] = part.split('\r\n\r\n');
      const range = /Content-Range: (.*)/.exec(head)?.[1]?.trim() ?? '';
      return { range, body: Buffer.from(rest.join('\r\n\r\n').slice(0, -2), 'latin1') };
    });
}
