import assert from 'node:assert/strict';
import { EntryRows } from '../../../nodes/lib/cache/entries/entry-rows.ts';
import {
  type NewSegment,
  SEGMENT_BYTES,
  SegmentRows,
} from '../../../nodes/lib/cache/entries/segment-rows.ts';
import type { Store } from '../../../nodes/lib/store/store.ts';
import { openStore } from '../files/files-bench.ts';

const SIZE = 20 * SEGMENT_BYTES + 5;

describe('The rows of segments', () => {
  let store: Store;
  let segments: SegmentRows;
  let entryRows: EntryRows;

  beforeEach(() => {
    store = openStore(':memory:');
    segments = new SegmentRows(store);
    entryRows = new EntryRows(store);
  });

  afterEach(() => {
    store.close();
  });

  function segment(number: number, blob: string, modifiedAtText = 'then'): NewSegment {
    const modifiedAtMs = 1;
    const version = { sizeBytes: SIZE, modifiedAtText, modifiedAtMs, checksum: null, etag: null };
    const file = { path: 'alice/v.mp4', version, mimeType: null, ownerId: null, validatedAtMs: 1 };
    return { file, number, blob, crc32: 7 };
  }

  it('count bytes and files as whole entries do, and forget a file with its last segment', () => {
    assert.deepEqual(segments.keep(segment(0, 'a'), 1), []);
    assert.deepEqual(segments.keep(segment(20, 'b'), 1), []);
    assert.deepEqual(entryRows.totals(), { fileCount: 1, totalBytes: SEGMENT_BYTES + 5 });
    const file = segments.find('alice/v.mp4');
    assert.ok(file !== null);
    assert.equal(file.heldBytes, SEGMENT_BYTES + 5);
    assert.equal(segments.covers(file.id, 0, 0), true);
    assert.equal(segments.covers(file.id, 0, 1), false);
    assert.deepEqual([...segments.numbers(file.id)], [0, 20]);
    for (const kept of segments.below('alice', 10)) assert.equal(segments.remove(kept), true);
    assert.equal(segments.find('alice/v.mp4'), null);
    assert.deepEqual(entryRows.totals(), { fileCount: 0, totalBytes: 0 });
  });

  it('never hold two versions of a path', () => {
    segments.keep(segment(0, 'a'), 1);
    segments.keep(segment(1, 'b'), 1);
    assert.deepEqual(segments.keep(segment(1, 'c', 'now'), 1).sort(), ['a', 'b']);
    const file = segments.find('alice/v.mp4');
    assert.equal(file?.version.modifiedAtText, 'now');
    assert.deepEqual([...segments.numbers(file?.id ?? 0)], [1]);
    assert.equal(entryRows.totals().totalBytes, SEGMENT_BYTES);
  });

  it('give up the coldest segment first, and what a segment was worth lifts those used later', () => {
    for (const [number, blob] of ['a', 'b', 'c'].entries()) segments.keep(segment(number, blob), 1);
    const first = segments.lowest(null);
    assert.equal(first?.number, 0);
    segments.touch(first?.id ?? 0, 1, 2);
    const coldest = segments.lowest(null);
    assert.equal(coldest?.number, 1);
    assert.ok(coldest !== null && segments.evict(coldest));
    assert.equal(segments.evict(coldest), false);
    segments.keep(segment(1, 'd'), 3);
    assert.ok((segments.segment(1, 1)?.priority ?? 0) > (coldest.priority ?? 0));
  });

  it('are pinned with their file, which is kept for its pin once all of it is here', () => {
    store
      .prepare(
        `INSERT INTO pinned_files (user_id, folder, path, size_bytes, modified_at, modified_at_ms,
           wanted) VALUES (4, 'alice', 'alice/v.mp4', ?, 'then', 1, 1)`,
      )
      .run(SIZE);
    const kept = (): unknown => store.prepare('SELECT kept FROM pinned_files').get()?.['kept'];
    for (let number = 0; number <= 20; number += 1) {
      assert.equal(kept(), 0);
      segments.keep(segment(number, `blob ${number}`), 1);
    }
    assert.equal(kept(), 1);
    const lowest = segments.lowest(null);
    assert.equal(lowest?.pinned, 1);
    assert.ok(lowest !== null && segments.evict(lowest));
    assert.equal(kept(), 0);
    store.prepare('DELETE FROM pinned_files').run();
    assert.equal(segments.lowest(null)?.pinned, 0);
  });
});
