import assert from 'node:assert/strict';
import {
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { NasDownload } from '../../../nodes/lib/nas/nas-client.ts';
import { wireStats } from '../../../nodes/lib/cache/cache.ts';
import { sha256, streamOf } from '../../fakes/file-nas.ts';
import { CacheBench, patterned, type Got } from './cache-bench.ts';

const MB = 1024 * 1024;

describe('Cache', function () {
  // Files of tens of MB, on a machine that is busy with other things too.
  this.timeout(20_000);
  let bench: CacheBench;

  beforeEach(async () => {
    bench = new CacheBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  function labelOf(got: Got): string {
    return `${got.status} ${String(got.headers['x-balupi-cache'])}`;
  }

  /** Makes the next download a stream that the test writes. */
  function byHand(path: string): PassThrough {
    const body = new PassThrough();
    bench.nas.downloads.push((_asked, range): NasDownload => {
      const file = bench.nas.files.get(path);
      assert.ok(file !== undefined);
      return streamOf(file, range, body);
    });
    return body;
  }

  async function settled(): Promise<void> {
    for (let turn = 0; turn < 50; turn += 1) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await settled();
  }

  describe('in the course of a day', () => {
    it('fetches a file once, then serves it awake as a hit and asleep as stale with its age', async () => {
      const bytes = patterned(3 * MB + 5);
      bench.nas.put('alice/a.bin', bytes);
      const first = await bench.get('alice/a.bin');
      assert.equal(labelOf(first), '200 miss');
      assert.ok(first.body.equals(bytes));
      const second = await bench.get('alice/a.bin');
      assert.equal(labelOf(second), '200 hit');
      assert.ok(second.body.equals(bytes));
      assert.equal(second.headers.etag, first.headers.etag);
      assert.equal(second.headers['last-modified'], first.headers['last-modified']);
      assert.equal(bench.downloads(), 1);
      await bench.clock.advance(60_000);
      bench.awake = false;
      const third = await bench.get('alice/a.bin');
      assert.equal(labelOf(third), '200 stale');
      assert.equal(third.headers.age, '60');
      assert.ok(third.body.equals(bytes));
      assert.equal(third.headers['cache-control'], 'private, no-store');
      assert.deepEqual(bench.onDisk('fills'), []);
    });

    it('tells how long ago a copy was held against the NAS, on hits as well', async () => {
      bench.nas.put('alice/a.txt', 'one');
      await bench.get('alice/a.txt');
      await bench.clock.advance(20_000);
      const ages: (string | undefined)[] = [];
      const read = async (): Promise<void> => {
        ages.push((await bench.get('alice/a.txt')).headers.age);
      };
      await read();
      await bench.clock.advance(8_400);
      await read();
      // By now the hit's note is written, and it must not count as a revalidation.
      await bench.clock.advance(1_100);
      await read();
      bench.awake = false;
      await bench.clock.advance(60_000);
      await read();
      assert.deepEqual(ages, ['0', '8', '9', '69']);
    });

    it('fetches a changed file again and gives up the old bytes', async () => {
      bench.nas.put('alice/a.txt', 'one');
      await bench.get('alice/a.txt');
      bench.nas.put('alice/a.txt', 'two', { modifiedAt: '2026-02-21T10:00:00.000001Z' });
      await bench.clock.advance(10_001);
      assert.equal((await bench.get('alice/a.txt')).body.toString(), 'two');
      assert.equal(bench.onDisk('blobs').length, 1);
      assert.equal(bench.cache.stats().fileCount, 1);
    });

    it('serves an empty file, and one of one byte', async () => {
      bench.nas.put('alice/0.txt', '');
      bench.nas.put('alice/1.txt', 'x');
      for (const text of ['', 'x']) {
        const got = await bench.get(`alice/${text.length}.txt`);
        assert.equal(got.headers['content-length'], String(text.length));
        assert.equal(got.body.toString(), text);
        // An empty answer has no last byte to hold back until the file is kept.
        await until(() => bench.cache.isKept(`alice/${text.length}.txt`));
        assert.equal(labelOf(await bench.get(`alice/${text.length}.txt`)), '200 hit');
      }
    });

    it('does not serve a copy known to be outdated while the NAS sleeps', async () => {
      bench.nas.put('alice/a.txt', 'one');
      await bench.get('alice/a.txt');
      bench.nas.put('alice/a.txt', 'three');
      await bench.clock.advance(10_001);
      await bench.files.list(bench.alice, 'alice');
      bench.awake = false;
      assert.equal((await bench.get('alice/a.txt')).status, 503);
    });

    it('serves a copy made for one user to another only where they may read it', async () => {
      bench.nas.put('Shared/s.txt', 'all');
      bench.nas.put('alice/a.txt', 'mine');
      bench.nas.put('bob/admins.txt', 'not bob’s', { ownerId: '4' });
      bench.nas.shares.push({ path: 'bob', isDirectory: true, toUserId: 4 });
      for (const path of ['Shared/s.txt', 'alice/a.txt', 'bob/admins.txt']) {
        assert.equal((await bench.get(path)).status, 200, path);
      }
      bench.awake = false;
      const asBob = { 'x-user': 'bob' };
      assert.equal(labelOf(await bench.get('Shared/s.txt', asBob)), '200 stale');
      assert.equal((await bench.get('alice/a.txt', asBob)).status, 404);
      assert.equal((await bench.get('bob/admins.txt', asBob)).status, 503);
      for (const method of ['HEAD', 'GET']) {
        const tagged = { ...asBob, 'if-none-match': '*', range: 'bytes=0-0' };
        assert.equal((await bench.get('alice/a.txt', tagged, method)).status, 404);
      }
    });

    it('serves a single shared file to its user from the owner’s copy', async () => {
      bench.nas.put('alice/a.txt', 'shared');
      bench.nas.shares.push({ path: 'alice/a.txt', isDirectory: false, toUserId: 5 });
      await bench.get('alice/a.txt');
      assert.equal(labelOf(await bench.get('alice/a.txt', { 'x-user': 'bob' })), '200 hit');
    });

    it('drops copies below a path, and all', async () => {
      for (const path of ['alice/d/1.txt', 'alice/d/e/2.txt', 'alice/dx.txt']) {
        bench.nas.put(path, path);
        await bench.get(path);
      }
      await bench.cache.drop('alice/d');
      assert.equal(bench.cache.isKept('alice/d/e/2.txt'), false);
      assert.equal(bench.cache.isKept('alice/dx.txt'), true);
      await bench.cache.drop('');
      assert.deepEqual(bench.onDisk('blobs'), []);
      assert.equal(bench.cache.stats().totalBytes, 0);
    });

    it('counts hits, misses, bytes and wakes avoided, over a restart too', async () => {
      bench.nas.put('alice/a.txt', 'x'.repeat(1000));
      await bench.get('alice/a.txt');
      await bench.get('alice/a.txt');
      bench.awake = false;
      await bench.get('alice/a.txt');
      await bench.get('alice/a.txt');
      await bench.cache.stop();
      await bench.reopen();
      const wire = wireStats(bench.cache.stats(), 3);
      assert.equal(wire.hit_rate_percent, 75);
      assert.equal(wire.byte_hit_rate_percent, 75);
      assert.equal(wire.nas_wakes_avoided, 1);
      assert.equal(wire.dirty_files, 3);
      assert.equal(wire.total_files, 1);
    });

    it('tells a small cache its own size', () => {
      const stats = { ...bench.cache.stats(), maxBytes: 5_000_000 };
      assert.equal(wireStats(stats, 0).max_size_gb, 0.005);
    });

    it('keeps a delivered upload as a copy without asking the NAS for it', async () => {
      const file = bench.nas.put('alice/up.txt', 'uploaded');
      const lying = join(bench.folder, 'delivered');
      writeFileSync(lying, file.bytes);
      const located = await bench.files.locate(bench.alice, 'alice/up.txt');
      assert.ok(located.kind === 'located' && located.file.version !== null);
      const { version } = located.file;
      const hash = sha256(file.bytes);
      const delivered = { path: 'alice/up.txt', version, sha256: hash, file: lying };
      const admitted = await bench.cache.admit({ ...delivered, mimeType: null, ownerId: null });
      assert.equal(admitted, 'admitted');
      assert.equal(labelOf(await bench.get('alice/up.txt')), '200 hit');
      assert.equal(bench.downloads(), 0);
    });
  });

  it('serves a queued upload under its own label, and says when it is gone', async () => {
    const file = join(bench.folder, 'queued');
    writeFileSync(file, 'not yet there');
    bench.queuedFile = {
      file,
      name: 'q.txt',
      sizeBytes: 13,
      sha256: sha256('not yet there'),
      mimeType: 'text/plain',
      acceptedAtMs: 0,
    };
    const got = await bench.get('queued', { range: 'bytes=4-6' });
    assert.equal(labelOf(got), '206 queued');
    assert.equal(got.body.toString(), 'yet');
    rmSync(file);
    assert.equal((await bench.get('queued')).body.toString(), 'gone');
  });

  describe('while a file is being fetched', () => {
    it('costs one stream for eight readers, who follow it as it grows', async () => {
      const bytes = patterned(2 * MB);
      bench.nas.put('alice/v.bin', bytes);
      const body = byHand('alice/v.bin');
      const readers = Array.from({ length: 4 }, () => bench.get('alice/v.bin'));
      await until(() => bench.downloads() === 1);
      body.write(bytes.subarray(0, MB));
      // Otherwise the late reader asks far beyond what has come, and gets a stream of its own.
      await until(() => bench.onDisk('fills').some((file) => statSync(file).size > MB / 2));
      readers.push(...Array.from({ length: 3 }, () => bench.get('alice/v.bin')));
      const late = bench.get('alice/v.bin', { range: `bytes=${MB / 2}-` });
      await settled();
      body.end(bytes.subarray(MB));
      for (const got of await Promise.all(readers)) assert.ok(got.body.equals(bytes));
      assert.ok((await late).body.equals(bytes.subarray(MB / 2)));
      assert.equal(bench.downloads(), 1);
    });

    it('gives a range far ahead its own stream at once, and fetches no byte twice', async () => {
      const bytes = patterned(4 * MB);
      bench.nas.put('alice/v.bin', bytes);
      const body = byHand('alice/v.bin');
      const whole = bench.get('alice/v.bin');
      await until(() => bench.downloads() === 1);
      const far = await bench.get('alice/v.bin', { range: 'bytes=4000000-4000999' });
      assert.equal(labelOf(far), '206 miss');
      assert.ok(far.body.equals(bytes.subarray(4_000_000, 4_001_000)));
      body.end(bytes);
      assert.ok((await whole).body.equals(bytes));
      assert.equal(bench.downloads(), 2);
      assert.ok(bench.nas.calls.includes(`download token-4 alice/v.bin 4000000-${4 * MB - 1}`));
      assert.equal(labelOf(await bench.get('alice/v.bin')), '200 hit');
    });

    it('keeps all of a file of which somebody reads a part far within', async () => {
      const bytes = patterned(2 * MB);
      bench.nas.put('alice/v.bin', bytes);
      const far = await bench.get('alice/v.bin', { range: 'bytes=2000000-2000099' });
      assert.equal(labelOf(far), '206 miss');
      assert.ok(far.body.equals(bytes.subarray(2_000_000, 2_000_100)));
      await until(() => bench.cache.isKept('alice/v.bin'));
      const asked = bench.nas.calls.filter((call) => call.startsWith('download'));
      assert.deepEqual(
        asked.map((call) => call.split(' ')[3]).filter((stretch) => stretch !== '0-0'),
        [`2000000-${2 * MB - 1}`, '0-1999999'],
      );
      assert.ok((await bench.get('alice/v.bin')).body.equals(bytes));
    });

    it('ends a part of a file that still comes only where its version stands', async () => {
      const bytes = patterned(MB);
      bench.nas.put('alice/v.bin', bytes, { checksum: null });
      const body = byHand('alice/v.bin');
      const whole = bench.get('alice/v.bin');
      await until(() => bench.downloads() === 1);
      body.write(bytes.subarray(0, MB / 2));
      await settled();
      const good = await bench.get('alice/v.bin', { range: 'bytes=0-99' });
      assert.deepEqual([good.cut, good.body.length], [false, 100]);
      const before = { checksum: null, modifiedAt: '2026-02-21T11:00:00.000001Z' };
      const part = bench.get('alice/v.bin', { range: 'bytes=100-199' });
      bench.nas.put('alice/v.bin', patterned(MB, 3), before);
      const torn = await part;
      assert.ok(torn.cut && torn.body.length < 100, `${torn.body.length} bytes`);
      assert.equal((await whole).cut, true);
      body.destroy();
    });

    it('ends a fetch at once that nobody reads and nobody may keep', async () => {
      const bytes = patterned(MB);
      bench.nas.put('alice/v.bin', bytes);
      const body = byHand('alice/v.bin');
      const reader = bench.begin('alice/v.bin');
      await until(() => bench.downloads() === 1);
      body.write(bytes.subarray(0, MB / 4));
      (await reader).abort();
      await settled();
      await bench.cache.drop('alice');
      await until(() => body.destroyed && bench.onDisk('fills').length === 0);
      assert.equal(bench.cache.isKept('alice/v.bin'), false);
    });

    for (const [what, at] of [
      ['at once', 0],
      ['in the middle', MB],
      ['at its last byte', 2 * MB - 1],
    ] as const) {
      it(`cuts every reader off when the NAS dies ${what}, and keeps nothing`, async () => {
        const bytes = patterned(2 * MB);
        bench.nas.put('alice/v.bin', bytes);
        const body = byHand('alice/v.bin');
        const readers = [bench.get('alice/v.bin'), bench.get('alice/v.bin')];
        await until(() => bench.downloads() === 1);
        body.write(bytes.subarray(0, at));
        await settled();
        body.destroy(new Error('reset'));
        for (const got of await Promise.all(readers)) assert.equal(got.cut, true);
        await until(() => bench.onDisk('fills').length === 0);
        assert.equal(bench.cache.isKept('alice/v.bin'), false);
        assert.deepEqual(bench.onDisk('blobs'), []);
        assert.ok((await bench.get('alice/v.bin')).body.equals(bytes));
      });
    }

    it('cuts off a short answer that ended cleanly, and one that is too long', async () => {
      const bytes = patterned(MB);
      bench.nas.put('alice/v.bin', bytes);
      for (const sent of [bytes.subarray(0, MB - 1), Buffer.concat([bytes, bytes])]) {
        const body = byHand('alice/v.bin');
        const before = bench.downloads();
        const reading = bench.get('alice/v.bin');
        await until(() => bench.downloads() > before);
        body.end(sent);
        assert.equal((await reading).cut, true);
        assert.equal(bench.cache.isKept('alice/v.bin'), false);
        await settled();
      }
    });

    it('cuts off a torn read of full length, and keeps nothing of it', async () => {
      const bytes = patterned(MB);
      bench.nas.put('alice/v.bin', bytes);
      const body = byHand('alice/v.bin');
      const reading = bench.get('alice/v.bin');
      await until(() => bench.downloads() === 1);
      body.end(Buffer.concat([bytes.subarray(0, MB / 2), patterned(MB / 2, 7)]));
      assert.equal((await reading).cut, true);
      assert.equal(bench.cache.isKept('alice/v.bin'), false);
      assert.ok((await bench.get('alice/v.bin')).body.equals(bytes));
    });

    it('cuts off a file overwritten during the fetch where no checksum can tell', async () => {
      const bytes = patterned(MB);
      bench.nas.put('alice/v.bin', bytes, { checksum: null });
      const body = byHand('alice/v.bin');
      const reading = bench.get('alice/v.bin');
      await until(() => bench.downloads() === 1);
      body.write(bytes.subarray(0, MB / 2));
      const next = patterned(MB, 3);
      const modifiedAt = '2026-02-21T11:00:00.000001Z';
      bench.nas.put('alice/v.bin', next, { checksum: null, modifiedAt });
      body.end(next.subarray(MB / 2));
      assert.equal((await reading).cut, true);
      assert.equal(bench.cache.isKept('alice/v.bin'), false);
      assert.ok((await bench.get('alice/v.bin')).body.equals(next));
    });

    it('believes the bytes over a stale checksum after a second read', async () => {
      bench.nas.put('alice/v.bin', 'renamed over', { checksum: 'a'.repeat(64) });
      const got = await bench.get('alice/v.bin');
      assert.equal(got.body.toString(), 'renamed over');
      assert.equal(got.cut, false);
      assert.equal(bench.downloads(), 2);
      assert.equal(labelOf(await bench.get('alice/v.bin')), '200 hit');
      assert.equal(bench.downloads(), 2);
    });

    it('keeps a file without a checksum whose size and time stand', async () => {
      bench.nas.put('alice/v.bin', 'by samba', { checksum: null });
      assert.equal((await bench.get('alice/v.bin')).body.toString(), 'by samba');
      assert.equal(labelOf(await bench.get('alice/v.bin')), '200 hit');
    });

    it('finishes a small file whose last reader left, and stops a large one', async () => {
      const bytes = patterned(MB);
      bench.nas.put('alice/small.bin', bytes);
      const large = Buffer.alloc(70 * MB);
      bench.nas.put('alice/large.bin', large, { checksum: null });
      let body = byHand('alice/small.bin');
      let reader = bench.begin('alice/small.bin');
      await until(() => bench.downloads() === 1);
      body.write(bytes.subarray(0, MB / 4));
      (await reader).abort();
      await settled();
      body.end(bytes.subarray(MB / 4));
      await until(() => bench.cache.isKept('alice/small.bin'));
      body = byHand('alice/large.bin');
      reader = bench.begin('alice/large.bin');
      await until(() => bench.downloads() === 2);
      body.write(large.subarray(0, MB));
      (await reader).abort();
      await settled();
      body.write(large.subarray(MB, 5 * MB));
      await until(() => body.destroyed && bench.onDisk('fills').length === 0);
      assert.equal(bench.cache.isKept('alice/large.bin'), false);
      // The segment it had begun is kept, and nothing beyond it.
      assert.equal(bench.cache.keptBytes(), MB + 4 * MB);
    });

    it('does not keep what was deleted during the fetch', async () => {
      const bytes = patterned(MB);
      bench.nas.put('alice/v.bin', bytes);
      const body = byHand('alice/v.bin');
      const reading = bench.get('alice/v.bin');
      await until(() => bench.downloads() === 1);
      await bench.cache.drop('alice');
      body.end(bytes);
      assert.ok((await reading).body.equals(bytes));
      await settled();
      assert.equal(bench.cache.isKept('alice/v.bin'), false);
    });

    it('looks once more when the file is another than the listing showed', async () => {
      bench.nas.put('alice/v.bin', 'old');
      await bench.files.list(bench.alice, 'alice');
      bench.nas.put('alice/v.bin', 'newer', { modifiedAt: '2026-02-21T10:00:00Z' });
      const got = await bench.get('alice/v.bin');
      assert.equal(got.body.toString(), 'newer');
      assert.equal(labelOf(await bench.get('alice/v.bin')), '200 hit');
    });

    it('is unreachable, not a fault of the caller’s, when the NAS goes as it is asked for a token', async () => {
      bench.nas.put('alice/going.bin', patterned(5_000));
      let asked = 0;
      bench.tokenOf = (caller) => {
        asked += 1;
        if (asked === 1) return Promise.resolve(caller.nasToken);
        bench.awake = false;
        return Promise.resolve(null);
      };
      const got = await bench.get('alice/going.bin');
      assert.equal(`${got.status} ${got.body.toString()}`, '502 unreachable');
    });

    it('tells a refusal of the NAS before a byte is written', async () => {
      bench.nas.put('alice/v.bin', 'x');
      const table: [NasDownload, string][] = [
        [{ kind: 'refused', status: 404 }, 'not_found'],
        [{ kind: 'refused', status: 403 }, 'not_found'],
        [{ kind: 'refused', status: 401 }, 'token_refused'],
        [{ kind: 'refused', status: 429 }, 'nas_busy'],
        [{ kind: 'refused', status: 503 }, 'unreachable'],
        [{ kind: 'bad_answer', status: 200 }, 'nas_bad_answer'],
        [{ kind: 'bad_answer', status: 429 }, 'nas_busy'],
        [{ kind: 'unreachable', cause: new Error('gone') }, 'unreachable'],
      ];
      for (const [answer, expected] of table) {
        bench.nas.downloads.push(() => answer);
        assert.equal((await bench.get('alice/v.bin')).body.toString(), expected);
      }
      assert.deepEqual(bench.refused, ['token-4']);
    });

    it('ends its downloads when it is stopped, and leaves nothing behind', async () => {
      bench.nas.put('alice/v.bin', patterned(MB));
      byHand('alice/v.bin').write(patterned(1000));
      const reading = bench.get('alice/v.bin');
      await until(() => bench.downloads() === 1);
      await settled();
      await bench.cache.stop();
      assert.equal((await reading).cut, true);
      assert.deepEqual(bench.onDisk('fills'), []);
    });
  });

  describe('on a disk that fails it', () => {
    async function kept(path: string): Promise<string> {
      bench.nas.put(path, 'kept bytes');
      await bench.get(path);
      const [blob] = bench.onDisk('blobs');
      assert.ok(blob !== undefined);
      return blob;
    }

    it('names no file after a client’s, and keeps them from others', async () => {
      const blob = await kept('alice/secret name.txt'.replace(' ', '_'));
      assert.match(blob, /\/blobs\/[0-9a-f]{2}\/[0-9a-f]{32}$/);
      assert.equal(readFileSync(blob).toString(), 'kept bytes');
    });

    for (const [what, spoil] of [
      ['shortened', (blob: string) => truncateSync(blob, 3)],
      ['lost', (blob: string) => rmSync(blob)],
      [
        'replaced by a link',
        (blob: string) => {
          renameSync(blob, `${blob}x`);
          symlinkSync(`${blob}x`, blob);
        },
      ],
    ] as const) {
      it(`drops a copy whose file was ${what}, and fetches it again`, async () => {
        spoil(await kept('alice/a.txt'));
        const got = await bench.get('alice/a.txt');
        assert.equal(labelOf(got), '200 miss');
        assert.equal(got.body.toString(), 'kept bytes');
        assert.equal(labelOf(await bench.get('alice/a.txt')), '200 hit');
        assert.equal(bench.cache.stats().fileCount, 1);
      });
    }

    it('takes up after a kill: partial files go, a row without its file heals', async () => {
      const blob = await kept('alice/a.txt');
      writeFileSync(join(bench.folder, 'cache', 'fills', 'left'), 'half');
      rmSync(blob);
      await bench.reopen();
      assert.deepEqual(bench.onDisk('fills'), []);
      assert.equal((await bench.get('alice/a.txt')).body.toString(), 'kept bytes');
    });

    it('serves past the cache when nothing can be written', async () => {
      rmSync(join(bench.folder, 'cache', 'fills'), { recursive: true });
      bench.nas.put('alice/a.txt', 'anyway');
      const got = await bench.get('alice/a.txt');
      assert.equal(labelOf(got), '200 bypass');
      assert.equal(got.body.toString(), 'anyway');
      assert.match(bench.warnings.join(), /ENOENT/);
      assert.ok(!bench.warnings.join().includes(bench.folder));
    });
  });

  describe('in its space', () => {
    async function fetchOf(name: string, sizeBytes: number): Promise<Got> {
      bench.nas.put(`alice/${name}`, Buffer.alloc(sizeBytes, name));
      await bench.clock.advance(10_001);
      return bench.get(`alice/${name}`);
    }

    it('never holds more than its limit and gives up what is worth least', async () => {
      bench.maxBytes = 5 * MB;
      await bench.reopen();
      await fetchOf('hot', MB);
      for (let use = 0; use < 5; use += 1) await bench.get('alice/hot');
      for (let index = 0; index < 12; index += 1) {
        await fetchOf(`cold${index}`, MB);
        assert.ok(bench.cache.keptBytes() <= 5 * MB);
      }
      assert.equal(bench.cache.isKept('alice/hot'), true);
      assert.equal(bench.cache.isKept('alice/cold11'), true);
      assert.equal(bench.cache.stats().evictions, 8);
      assert.equal(bench.onDisk('blobs').length, 5);
    });

    it('lets no large file flush what is used, and gives all its readers one stream', async () => {
      bench.maxBytes = 10 * MB;
      bench.threshold = 0.5;
      await bench.reopen();
      for (const name of ['a', 'b', 'c']) {
        await fetchOf(name, MB);
        for (let use = 0; use < 4; use += 1) await bench.get(`alice/${name}`);
      }
      const bytes = patterned(4.5 * MB);
      bench.nas.put('alice/large', bytes);
      await bench.clock.advance(10_001);
      const before = bench.downloads();
      const body = byHand('alice/large');
      const readers = [bench.get('alice/large'), bench.get('alice/large')];
      await until(() => bench.downloads() === before + 1);
      body.write(bytes.subarray(0, MB));
      await settled();
      body.end(bytes.subarray(MB));
      for (const got of await Promise.all(readers)) assert.ok(got.body.equals(bytes));
      assert.equal(bench.downloads(), before + 1);
      assert.equal(bench.cache.isKept('alice/large'), false);
      for (const name of ['a', 'b', 'c']) assert.equal(bench.cache.isKept(`alice/${name}`), true);
      await until(() => bench.onDisk('fills').length === 0);
    });

    it('remembers over a restart how often a file was used that it had to give up', async () => {
      const usesOf = (path: string): unknown =>
        bench.store.prepare('SELECT uses FROM cached_files WHERE path = ?').get(path)?.['uses'];
      bench.maxBytes = 3 * MB;
      await bench.reopen();
      await fetchOf('often', MB);
      for (let use = 0; use < 5; use += 1) await bench.get('alice/often');
      await bench.cache.stop();
      assert.equal(usesOf('alice/often'), 6);
      for (let index = 0; bench.cache.isKept('alice/often'); index += 1) {
        assert.ok(index < 100, 'old fame fades');
        await fetchOf(`other${index}`, MB);
      }
      await bench.reopen();
      await bench.get('alice/often');
      const uses = Number(usesOf('alice/often'));
      assert.ok(uses > 5 && uses < 7, String(uses));
    });

    it('streams a file larger than the cache through', async () => {
      bench.maxBytes = MB;
      await bench.reopen();
      const got = await fetchOf('big', 2 * MB);
      assert.equal(labelOf(got), '200 bypass');
      assert.equal(got.body.length, 2 * MB);
      assert.equal(bench.cache.isKept('alice/big'), false);
    });

    it('cuts off a file too large to keep when it was overwritten on its way', async () => {
      bench.maxBytes = MB;
      await bench.reopen();
      const bytes = patterned(2 * MB);
      bench.nas.put('alice/big', bytes, { checksum: null });
      const body = byHand('alice/big');
      const reading = bench.get('alice/big');
      await until(() => bench.downloads() === 1);
      body.write(bytes.subarray(0, MB));
      const modifiedAt = '2026-02-21T11:00:00.000001Z';
      const next = patterned(2 * MB, 3);
      bench.nas.put('alice/big', next, { checksum: null, modifiedAt });
      body.end(next.subarray(MB));
      assert.equal((await reading).cut, true);
      await bench.clock.advance(10_001);
      assert.ok((await bench.get('alice/big')).body.equals(next));
    });

    it('shrinks with the disk and with the queue', () => {
      bench.maxBytes = 100 * MB;
      bench.otherBytes = 950 * MB;
      assert.equal(bench.cache.stats().capacityBytes, 50 * MB);
      bench.otherBytes = 0;
      bench.queuedBytes = 980 * MB;
      assert.equal(bench.cache.stats().capacityBytes, 20 * MB);
    });

    it('frees space for an upload out of copies, or evicts nothing in vain', async () => {
      for (const name of ['a', 'b', 'c']) await fetchOf(name, MB);
      bench.otherBytes = bench.diskBytes - 3 * MB;
      assert.equal(await bench.cache.space.evictFor(5 * MB), false);
      assert.equal(bench.cache.keptBytes(), 3 * MB);
      assert.equal(await bench.cache.space.evictFor(2 * MB), true);
      assert.equal(bench.cache.keptBytes(), MB);
    });

    it('does not give up a copy that is being read', async () => {
      bench.maxBytes = 40 * MB;
      await bench.reopen();
      await fetchOf('reading', 30 * MB);
      const reader = await bench.begin('alice/reading');
      const other = await fetchOf('other', 20 * MB);
      assert.equal(labelOf(other), '200 bypass');
      assert.equal(bench.cache.isKept('alice/reading'), true);
      reader.abort();
    });
  });
});
