import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { CacheBench, patterned } from './cache-bench.ts';

const MB = 1024 * 1024;

describe('The slow check', function () {
  this.timeout(20_000);
  let bench: CacheBench;

  beforeEach(async () => {
    bench = new CacheBench();
    bench.maxBytes = 400 * MB;
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  async function keep(path: string, content: Buffer): Promise<void> {
    bench.nas.put(path, content);
    await bench.clock.advance(10_001);
    await bench.get(path);
    await bench.until(() => bench.cache.isKept(path) && bench.onDisk('fills').length === 0);
  }

  /** Turns one bit of a file over, as a failing card does: size and times say nothing. */
  function flip(file: string, at: number): void {
    const fd = openSync(file, 'r+');
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 4;
    writeSync(fd, byte, 0, 1, at);
    closeSync(fd);
  }

  /** Rounds of a day. */
  async function day(): Promise<{ checked: number; damaged: number; orphans: number }> {
    const sum = { checked: 0, damaged: 0, orphans: 0 };
    for (let round = 0; round < 96; round += 1) {
      const report = await bench.cache.check();
      sum.checked += report.checked;
      sum.damaged += report.damaged;
      sum.orphans += report.orphans;
    }
    return sum;
  }

  it('reads about 1 % of the bytes a day, and comes to each copy', async () => {
    for (let index = 0; index < 200; index += 1) {
      bench.nas.put(`alice/${index}.bin`, patterned(1000, index + 1));
    }
    for (let index = 0; index < 200; index += 1) await bench.get(`alice/${index}.bin`);
    await bench.until(() => bench.cache.stats().fileCount === 200);
    let checked = 0;
    for (let count = 0; count < 30; count += 1) checked += (await day()).checked;
    assert.ok(checked >= 55 && checked <= 65, `${checked} of 200 were checked in 30 days`);
    const cursor = bench.store.prepare('SELECT copy_cursor FROM cache_care').get();
    assert.equal(cursor?.['copy_cursor'], checked);
  });

  it('comes to each segment of a large file, and finds a flipped bit there', async () => {
    await keep('alice/large.bin', patterned(70 * MB));
    const segments = bench.onDisk('blobs').length;
    flip(bench.onDisk('blobs').at(-1) ?? '', 123_456);
    let [checked, damaged] = [0, 0];
    for (let count = 0; count < 110; count += 1) {
      const report = await day();
      checked += report.checked;
      damaged += report.damaged;
    }
    assert.ok(checked >= segments, `${checked} of ${segments} were checked in 110 days`);
    assert.equal(damaged, 1);
  });

  it('finds a flipped bit in a copy and in a piece, drops just those, and they are fetched anew', async () => {
    const small = patterned(100_000, 5);
    const large = patterned(70 * MB);
    await keep('alice/small.bin', small);
    const [smallBlob] = bench.onDisk('blobs');
    await keep('alice/large.bin', large);
    const segmentBlob = bench.onDisk('blobs').find((file) => file !== smallBlob);
    flip(smallBlob ?? '', 77_777);
    flip(segmentBlob ?? '', 123_456);
    // As after a crash, so that all of it is looked at in one round.
    await bench.reopen();
    assert.equal((await bench.cache.check()).damaged, 2);
    assert.equal(bench.onDisk('blobs').length, 17);
    assert.equal(bench.cache.isKept('alice/small.bin'), false);
    assert.equal(bench.cache.isKept('alice/large.bin'), false);
    assert.match(bench.warnings.join(), /2 cached files had changed/);
    assert.ok((await bench.get('alice/small.bin')).body.equals(small));
    assert.ok((await bench.get('alice/large.bin')).body.equals(large));
  });

  it('looks first at what is read most after a run that did not end in order', async () => {
    await keep('alice/hot.bin', patterned(10_000, 3));
    const [hot] = bench.onDisk('blobs');
    for (let index = 0; index < 30; index += 1) bench.nas.put(`alice/${index}`, patterned(5000));
    await bench.clock.advance(10_001);
    for (let index = 0; index < 30; index += 1) await bench.get(`alice/${index}`);
    for (let use = 0; use < 9; use += 1) await bench.get('alice/hot.bin');
    await bench.until(() => bench.cache.stats().fileCount === 31);
    await bench.cache.stop();
    await bench.reopen();
    assert.equal((await bench.cache.check()).damaged, 0);
    flip(hot ?? '', 1);
    // New services over the same folder, and nobody stopped the old ones.
    await bench.reopen();
    const report = await bench.cache.check();
    assert.ok(report.checked >= 31);
    assert.equal(report.damaged, 1);
    assert.equal(bench.cache.isKept('alice/hot.bin'), false);
  });

  it('collects files that no row knows, within a day, and nothing else', async () => {
    await keep('alice/a.bin', patterned(1000));
    const orphan = 'c3'.repeat(16);
    mkdirSync(join(bench.folder, 'cache', 'blobs', 'c3'), { recursive: true });
    writeFileSync(join(bench.folder, 'cache', 'blobs', 'c3', orphan), 'left');
    assert.equal((await day()).orphans, 1);
    assert.equal(bench.onDisk('blobs').length, 1);
    assert.equal((await day()).orphans, 0);
  });

  it('looks through all folders at once after a run that did not end in order', async () => {
    for (const [folder, content] of [
      ['05', 'left'],
      ['fe', 'by a lost database'],
    ] as const) {
      mkdirSync(join(bench.folder, 'cache', 'blobs', folder), { recursive: true });
      writeFileSync(join(bench.folder, 'cache', 'blobs', folder, folder.repeat(16)), content);
    }
    await bench.reopen();
    assert.equal((await bench.cache.check()).orphans, 2);
    assert.deepEqual(bench.onDisk('blobs'), []);
  });

  it('drops a row whose file is gone', async () => {
    await keep('alice/a.bin', patterned(1000));
    for (const blob of bench.onDisk('blobs')) rmSync(blob);
    assert.equal((await bench.cache.check()).damaged, 1);
    assert.equal(bench.cache.stats().totalBytes, 0);
  });

  it('hashes a large file that came together in any order, and drops what does not fit', async () => {
    for (const [name, checksum] of [
      ['good', true],
      ['torn', 'a'.repeat(64)],
    ] as const) {
      const path = `alice/${name}.bin`;
      const bytes = patterned(90 * MB, name.length);
      bench.nas.put(path, bytes, { checksum });
      await bench.clock.advance(10_001);
      // Backwards, so that nothing can be hashed on its way.
      for (let segment = 22; segment >= 0; segment -= 1) {
        const first = segment * 4 * MB;
        await bench.get(path, { range: `bytes=${first}-${Math.min(first + 4, bytes.length - 1)}` });
      }
      await bench.until(() => bench.cache.isKept(path) && bench.onDisk('fills').length === 0);
      const row = bench.store.prepare('SELECT sha256 FROM pieced_files WHERE path = ?');
      assert.equal(row.get(path)?.['sha256'], null);
      await bench.cache.check();
      assert.equal(bench.cache.isKept(path), checksum === true);
    }
  });
});
