import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { SmallFiles } from '../../../nodes/lib/cache/entries/blob-store.ts';
import { CacheBench } from './cache-bench.ts';

describe('Small files in memory', () => {
  it('are no more than their bound, what each costs beside its bytes included', () => {
    const files = new SmallFiles(10 * 1024);
    for (let index = 0; index < 100; index += 1) files.put(`blob-${index}`, Buffer.alloc(1024));
    const held = heldOf(files, 'blob');
    assert.ok(held.length >= 5 && held.length <= 9, String(held));
    assert.equal(held.at(-1), 99);
  });

  it('keep what was read again when many others pass through once', () => {
    const files = new SmallFiles(10 * 1024);
    files.put('loved', Buffer.from('loved'));
    for (let index = 0; index < 100; index += 1) {
      assert.equal(files.get('loved')?.toString(), 'loved');
      files.put(`passing-${index}`, Buffer.alloc(1024));
    }
  });

  it('take none above 64 KB, and none at all with no memory to spare', () => {
    assert.equal(new SmallFiles(1024 * 1024).takes(64 * 1024), true);
    assert.equal(new SmallFiles(1024 * 1024).takes(64 * 1024 + 1), false);
    const none = new SmallFiles(0);
    none.put('blob', Buffer.from('x'));
    assert.equal(none.get('blob'), null);
  });

  it('count nothing twice that is put again, and nothing that was dropped', () => {
    const files = new SmallFiles(10 * 1024);
    files.put('first', Buffer.alloc(1024));
    for (let index = 0; index < 100; index += 1) files.put('again', Buffer.alloc(1024));
    for (let index = 0; index < 100; index += 1) {
      files.put('gone', Buffer.alloc(1024));
      files.drop('gone');
      files.drop('gone');
    }
    assert.notEqual(files.get('first'), null);
    for (let index = 0; index < 100; index += 1) files.put(`blob-${index}`, Buffer.alloc(1024));
    assert.ok(heldOf(files, 'blob').length <= 9);
  });

  function heldOf(files: SmallFiles, name: string): number[] {
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    return numbers.filter((index) => files.get(`${name}-${index}`) !== null);
  }
});

describe('Small kept files', () => {
  let bench: CacheBench;

  beforeEach(async () => {
    bench = new CacheBench();
    await bench.start();
    bench.nas.put('alice/note.txt', 'first');
    await bench.get('alice/note.txt');
    assert.equal((await bench.get('alice/note.txt')).body.toString(), 'first');
  });

  afterEach(async () => {
    await bench.close();
  });

  it('are read from disk once, and from memory then', async () => {
    const [blob = ''] = bench.onDisk('blobs');
    writeFileSync(blob, 'FIRST');
    const again = await bench.get('alice/note.txt');
    assert.equal(again.body.toString(), 'first');
    assert.equal(again.headers['x-balupi-cache'], 'hit');
    assert.equal(bench.downloads(), 1);
  });

  it('are never served in an old version once they were replaced', async () => {
    bench.nas.put('alice/note.txt', 'second');
    await bench.clock.advance(10_001);
    assert.equal((await bench.get('alice/note.txt')).body.toString(), 'second');
    assert.equal((await bench.get('alice/note.txt')).body.toString(), 'second');
    bench.awake = false;
    const asleep = await bench.get('alice/note.txt');
    assert.equal(asleep.body.toString(), 'second');
    assert.equal(asleep.headers['x-balupi-cache'], 'stale');
  });

  it('are gone from memory too once they were dropped', async () => {
    await bench.cache.drop('alice/note.txt');
    bench.awake = false;
    assert.equal((await bench.get('alice/note.txt')).status, 503);
    bench.awake = true;
    assert.equal((await bench.get('alice/note.txt')).body.toString(), 'first');
    assert.equal(bench.downloads(), 2);
  });

  it('are shown to nobody who may not read them', async () => {
    assert.equal((await bench.get('alice/note.txt', { 'x-user': 'bob' })).status, 404);
  });

  it('are fetched again when the disk has too little or nothing of them after a start', async () => {
    for (const spoil of [
      (file: string) => {
        truncateSync(file, 2);
      },
      (file: string) => {
        rmSync(file);
      },
    ]) {
      const [blob = ''] = bench.onDisk('blobs');
      spoil(blob);
      await bench.reopen();
      assert.equal((await bench.get('alice/note.txt')).body.toString(), 'first');
      const [anew = ''] = bench.onDisk('blobs');
      assert.equal(readFileSync(anew, 'utf8'), 'first');
    }
    assert.equal(bench.downloads(), 3);
  });
});
