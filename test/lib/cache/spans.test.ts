import fc from 'fast-check';
import assert from 'node:assert/strict';
import { Spans } from '../../../nodes/lib/cache/download/ranges.ts';

const SIZE = 64;

describe('Spans', () => {
  it('says what a plain list of bytes says, whatever is added and removed', () => {
    const step = fc.record({
      what: fc.constantFrom('add' as const, 'remove' as const),
      start: fc.integer({ min: 0, max: SIZE }),
      length: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const spans = new Spans();
        const bytes = new Array<boolean>(SIZE).fill(false);
        for (const { what, start, length } of steps) {
          const end = Math.min(SIZE, start + length);
          spans[what](start, end);
          bytes.fill(what === 'add', start, Math.max(start, end));
        }
        assert.equal(spans.totalBytes, bytes.filter(Boolean).length);
        for (let at = 0; at < SIZE; at += 1) {
          let end = at;
          while (end < SIZE && bytes[end] === true) end += 1;
          assert.equal(spans.endFrom(at), end);
          const next = bytes.indexOf(true, at);
          assert.equal(spans.nextFrom(at, SIZE), next === -1 ? SIZE : next);
          const gap = bytes.indexOf(false, at);
          assert.equal(spans.firstGap(at, SIZE)?.start ?? -1, gap);
        }
      }),
    );
  });
});
