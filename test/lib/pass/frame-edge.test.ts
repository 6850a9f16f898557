import fc from 'fast-check';
import assert from 'node:assert/strict';
import { FrameEdge } from '../../../nodes/lib/pass/live-sockets.ts';

/** A frame of that many bytes, as a server or a client sends it. */
function frame(bytes: number, isMasked: boolean): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const head = [0x82];
  if (bytes < 126) head.push(mask | bytes);
  else if (bytes < 65_536) head.push(mask | 126, bytes >> 8, bytes & 0xff);
  else head.push(mask | 127, 0, 0, 0, 0, 0, bytes >> 16, (bytes >> 8) & 0xff, bytes & 0xff);
  if (isMasked) head.push(1, 2, 3, 4);
  return Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, 0xff)]);
}

describe('The edge between two frames of a websocket', () => {
  it('is known after each whole frame and nowhere else, however the bytes come', () => {
    const sizes = fc.array(fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536), { maxLength: 5 });
    fc.assert(
      fc.property(sizes, fc.boolean(), fc.integer({ min: 1, max: 70_000 }), (all, mask, step) => {
        const edge = new FrameEdge();
        const bytes = Buffer.concat(all.map((size) => frame(size, mask)));
        const ends = new Set<number>([0]);
        let end = 0;
        for (const size of all) ends.add((end += frame(size, mask).length));
        for (let at = 0; at < bytes.length; at += step) {
          const to = Math.min(at + step, bytes.length);
          edge.follow(bytes.subarray(at, to));
          assert.equal(edge.isBetween, ends.has(to));
        }
      }),
      { numRuns: 200 },
    );
  });
});
