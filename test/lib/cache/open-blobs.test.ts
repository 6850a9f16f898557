import assert from 'node:assert/strict';
import {
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BLOCK_BYTES,
  type OpenBlob,
  OpenBlobs,
  WarmReads,
} from '../../../nodes/lib/cache/entries/open-blobs.ts';
import { CacheBench, patterned } from './cache-bench.ts';

const BLOCKS = 4;
const SIZE = BLOCKS * BLOCK_BYTES - 100;

describe('Open blobs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-blobs-'));
  const bytes = patterned(SIZE);
  let nowMs = 0;
  let eachReadMs = 0;
  let availableBytes = 0;
  let blobs: OpenBlobs;

  beforeEach(() => {
    nowMs = 0;
    eachReadMs = 0;
    availableBytes = 1024 * 1024 * 1024;
    const monotonicMs = (): number => (nowMs += eachReadMs);
    const warm = new WarmReads({ monotonicMs, availableBytes: () => availableBytes });
    blobs = new OpenBlobs(warm, 2);
    for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, name), bytes);
  });

  afterEach(() => blobs.close());
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const open = async (name: string): Promise<OpenBlob> => {
    const known = blobs.borrow(name, SIZE);
    if (known !== null) return known;
    const blob = await blobs.take(name, openSync(join(folder, name), 'r'), SIZE);
    assert.ok(blob !== null);
    return blob;
  };
  /** Closed descriptors are soon reused, so the process is asked which file is behind each. */
  const isOpen = (name: string): boolean =>
    readdirSync('/proc/self/fd').some((fd) => {
      try {
        const file = readlinkSync(join('/proc/self/fd', fd));
        return file === join(folder, name) || file === `${join(folder, name)} (deleted)`;
      } catch {
        return false;
      }
    });
  /** Reads the whole blob block by block. @returns how many blocks were read synchronously */
  const readAll = async (blob: OpenBlob): Promise<number> => {
    const into = Buffer.alloc(BLOCK_BYTES);
    let onTheSpot = 0;
    for (let at = 0; at < SIZE; at += BLOCK_BYTES) {
      const reading = blob.read(into, Math.min(BLOCK_BYTES, SIZE - at), at);
      if (typeof reading === 'number') onTheSpot += 1;
      const count = await reading;
      assert.ok(into.subarray(0, count).equals(bytes.subarray(at, at + BLOCK_BYTES)));
    }
    return onTheSpot;
  };

  it('stay open for the next reader, no more than the bound', async () => {
    const first = await open('a');
    await first.close();
    const again = await open('a');
    assert.equal(again.fd, first.fd);
    await again.close();
    await (await open('b')).close();
    await (await open('c')).close();
    assert.equal(blobs.borrow('a', SIZE), null);
    for (const name of ['b', 'c']) {
      const kept = blobs.borrow(name, SIZE);
      assert.ok(kept !== null, name);
      await kept.close();
    }
  });

  it('are read to their end after they were removed, and are closed right then', async () => {
    const reader = await open('a');
    await blobs.forget('a');
    assert.equal(blobs.isRead('a'), true);
    assert.equal(blobs.borrow('a', SIZE), null);
    rmSync(join(folder, 'a'));
    await readAll(reader);
    assert.equal(isOpen('a'), true);
    await reader.close();
    await reader.close();
    assert.equal(blobs.isRead('a'), false);
    assert.equal(isOpen('a'), false);
  });

  it('that nobody reads are closed when they are removed, so that their space is free', async () => {
    const reader = await open('a');
    await reader.close();
    assert.equal(blobs.isRead('a'), false);
    assert.equal(isOpen('a'), true);
    await blobs.forget('a');
    assert.equal(isOpen('a'), false);
  });

  it('are not lent once they are shorter than they were, or gone', async () => {
    const [a, b] = [await open('a'), await open('b')];
    await a.close();
    truncateSync(join(folder, 'a'), SIZE - 1);
    assert.equal(blobs.borrow('a', SIZE), null);
    await b.close();
    rmSync(join(folder, 'b'));
    assert.equal(blobs.borrow('b', SIZE), null);
    // Nobody waits until the system has closed them.
    while (isOpen('a') || isOpen('b')) await new Promise(setImmediate);
  });

  it('are read on the spot only where they were read before', async () => {
    const blob = await open('a');
    assert.equal(await readAll(blob), 0);
    assert.equal(await readAll(blob), BLOCKS);
    await blob.close();
  });

  it('are not read on the spot when the system had to free memory for other things', async () => {
    availableBytes = 4 * 2 * SIZE - 4 * 1000;
    const [a, b] = [await open('a'), await open('b')];
    await readAll(a);
    assert.equal(await readAll(a), BLOCKS);
    await readAll(b);
    nowMs += 1_001;
    availableBytes = 4 * 1000;
    assert.equal(await readAll(a), 0);
    await a.close();
    await b.close();
  });

  it('hold the loop up once at most when the guess was wrong, and not again for a while', async () => {
    const blob = await open('a');
    await readAll(blob);
    eachReadMs = 20;
    assert.equal(await readAll(blob), 1);
    eachReadMs = 0;
    assert.equal(await readAll(blob), 0);
    nowMs += 5_001;
    // What was read before the slow read has to be read again first.
    assert.equal(await readAll(blob), BLOCKS);
    await blob.close();
  });
});

describe('A kept file of a megabyte', () => {
  it('comes the same each time, from anywhere in it, and frees its space when it is dropped', async () => {
    const bench = new CacheBench();
    await bench.start();
    const bytes = patterned(1024 * 1024 + 12_345);
    bench.nas.put('alice/f.bin', bytes);
    for (let turn = 0; turn < 4; turn += 1) {
      const whole = await bench.get('alice/f.bin');
      assert.ok(whole.body.equals(bytes));
      const { body } = await bench.get('alice/f.bin', { range: 'bytes=100001-900000' });
      assert.ok(body.equals(bytes.subarray(100_001, 900_001)));
    }
    await bench.cache.drop('alice/f.bin');
    assert.deepEqual(bench.onDisk('blobs'), []);
    await bench.close();
  });
});
