import fc from 'fast-check';
import assert from 'node:assert/strict';
import { BLOCK_BYTES } from '../../../nodes/lib/cache/entries/open-blobs.ts';
import { BufferPool, sendWhole } from '../../../nodes/lib/cache/serve/byte-source.ts';
import { patterned } from './cache-bench.ts';

const SIZE = 9 * BLOCK_BYTES + 777;
const BYTES = patterned(SIZE);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Consumes what is written only later, as a socket does, so that a buffer reused too early shows.
 */
class SlowWriter {
  readonly taken: Buffer[] = [];
  batches = 0;
  leaveAfter = Infinity;

  async writeAll(chunks: readonly Buffer[]): Promise<boolean> {
    this.batches += 1;
    if (this.batches > this.leaveAfter) return false;
    await turn();
    await turn();
    for (const chunk of chunks) this.taken.push(Buffer.from(chunk));
    return true;
  }
}

/** @param warm for each block whether it is in memory */
const reader =
  (warm: readonly boolean[], lastByte = SIZE) =>
  (into: Buffer, length: number, position: number): number | Promise<number> => {
    const download = (): number =>
      BYTES.copy(into, 0, position, Math.min(position + length, lastByte));
    const block = Math.floor(position / BLOCK_BYTES);
    return warm[block] === true ? download() : turn().then(download);
  };

/** Tracks buffers on loan, so that none is lost. */
class CountedPool extends BufferPool {
  readonly out = new Set<Buffer>();

  override take(): Buffer {
    const buffer = super.take();
    this.out.add(buffer);
    return buffer;
  }

  override giveBack(buffer: Buffer): void {
    assert.ok(this.out.delete(buffer), 'given back twice');
    super.giveBack(buffer);
  }
}

const pool = (most: number): CountedPool => new CountedPool(BLOCK_BYTES, most, 32 * 1024);

describe('Sending a file that is all there', () => {
  it('sends the stretch as it is, whatever of it is in memory and however few buffers are left', async () => {
    const stretch = fc.tuple(fc.nat(SIZE - 1), fc.nat(SIZE - 1));
    const warmth = fc.array(fc.boolean(), { minLength: 10, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(stretch, warmth, fc.nat(10), async ([one, other], warm, most) => {
        const range = { first: Math.min(one, other), last: Math.max(one, other) };
        const [writer, buffers] = [new SlowWriter(), pool(most)];
        assert.equal(await sendWhole(writer, reader(warm), range, buffers), true);
        const sent = Buffer.concat(writer.taken);
        assert.ok(sent.equals(BYTES.subarray(range.first, range.last + 1)));
        assert.equal(buffers.out.size, 0);
      }),
      { numRuns: 60, seed: 20260222 },
    );
  }).timeout(30_000);

  it('sends a megabyte from memory in one go, and from disk one buffer after the other', async () => {
    const range = { first: 0, last: 4 * BLOCK_BYTES - 1 };
    const [fromMemory, fromDisk] = [new SlowWriter(), new SlowWriter()];
    const all = (warm: boolean): boolean[] => Array.from({ length: 10 }, () => warm);
    await sendWhole(fromMemory, reader(all(true)), range, pool(16));
    await sendWhole(fromDisk, reader(all(false)), range, pool(16));
    assert.equal(fromMemory.batches, 1);
    assert.equal(fromDisk.batches, 4);
  });

  it('lets others have their turn after each megabyte', async () => {
    let turns = 0;
    let isOver = false;
    const count = async (): Promise<void> => {
      while (!isOver) {
        await turn();
        turns += 1;
      }
    };
    const counting = count();
    const writer = { writeAll: () => Promise.resolve(true) };
    const warm = Array.from({ length: 10 }, () => true);
    await sendWhole(writer, reader(warm), { first: 0, last: SIZE - 1 }, pool(16));
    isOver = true;
    await counting;
    assert.ok(turns >= 2, `${turns} turns`);
  });

  it('stops for a reader who left, and for a file that ends too early', async () => {
    const cold: boolean[] = [];
    const gone = new SlowWriter();
    gone.leaveAfter = 2;
    const buffers = pool(4);
    const whole = { first: 0, last: SIZE - 1 };
    assert.equal(await sendWhole(gone, reader(cold), whole, buffers), false);
    assert.equal(Buffer.concat(gone.taken).length, 2 * BLOCK_BYTES);
    const short = reader(cold, 3 * BLOCK_BYTES);
    assert.equal(await sendWhole(new SlowWriter(), short, whole, buffers), false);
    assert.equal(buffers.out.size, 0);
  });
});
