import assert from 'node:assert/strict';
import { EntryRows } from '../../../nodes/lib/cache/entries/entry-rows.ts';
import {
  type NewSegment,
  PIECE_BYTES,
  SegmentRows,
} from '../../../nodes/lib/cache/entries/segment-rows.ts';
import type { Store } from '../../../nodes/lib/store/store.ts';
import { openStore } from '../files/files-bench.ts';

const SIZE = 20 * PIECE_BYTES + 5;

describe('The rows of pieces', () => {
  let store: Store;
  let pieces: SegmentRows;
  let copies: EntryRows;

  beforeEach(() => {
    store = openStore(':memory:');
    pieces = new SegmentRows(store);
    copies = new EntryRows(store);
  });

  afterEach(() => {
    store.close();
  });

  function piece(number: number, blob: string, modifiedAtText = 'then'): NewSegment {
    const modifiedAtMs = 1;
    const version = { sizeBytes: SIZE, modifiedAtText, modifiedAtMs, checksum: null, etag: null };
    const file = { path: 'alice/v.mp4', version, mimeType: null, ownerId: null, validatedAtMs: 1 };
    return { file, number, blob, crc32: 7 };
  }

  it('count bytes and files as copies do, and forget a file with its last piece', () => {
    assert.deepEqual(pieces.keep(piece(0, 'a'), 1), []);
    assert.deepEqual(pieces.keep(piece(20, 'b'), 1), []);
    assert.deepEqual(copies.totals(), { fileCount: 1, totalBytes: PIECE_BYTES + 5 });
    const file = pieces.find('alice/v.mp4');
    assert.ok(file !== null);
    assert.equal(file.heldBytes, PIECE_BYTES + 5);
    assert.equal(pieces.covers(file.id, 0, 0), true);
    assert.equal(pieces.covers(file.id, 0, 1), false);
    assert.deepEqual([...pieces.numbers(file.id)], [0, 20]);
    for (const kept of pieces.below('alice', 10)) assert.equal(pieces.remove(kept), true);
    assert.equal(pieces.find('alice/v.mp4'), null);
    assert.deepEqual(copies.totals(), { fileCount: 0, totalBytes: 0 });
  });

  it('never hold two versions of a path', () => {
    pieces.keep(piece(0, 'a'), 1);
    pieces.keep(piece(1, 'b'), 1);
    assert.deepEqual(pieces.keep(piece(1, 'c', 'now'), 1).sort(), ['a', 'b']);
    const file = pieces.find('alice/v.mp4');
    assert.equal(file?.version.modifiedAtText, 'now');
    assert.deepEqual([...pieces.numbers(file?.id ?? 0)], [1]);
    assert.equal(copies.totals().totalBytes, PIECE_BYTES);
  });

  it('give up the coldest piece first, and what a piece was worth lifts those used later', () => {
    for (const [number, blob] of ['a', 'b', 'c'].entries()) pieces.keep(piece(number, blob), 1);
    const first = pieces.lowest(null);
    assert.equal(first?.number, 0);
    pieces.touch(first?.id ?? 0, 1, 2);
    const coldest = pieces.lowest(null);
    assert.equal(coldest?.number, 1);
    assert.ok(coldest !== null && pieces.evict(coldest));
    assert.equal(pieces.evict(coldest), false);
    pieces.keep(piece(1, 'd'), 3);
    assert.ok((pieces.piece(1, 1)?.priority ?? 0) > (coldest.priority ?? 0));
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
      pieces.keep(piece(number, `blob ${number}`), 1);
    }
    assert.equal(kept(), 1);
    const lowest = pieces.lowest(null);
    assert.equal(lowest?.pinned, 1);
    assert.ok(lowest !== null && pieces.evict(lowest));
    assert.equal(kept(), 0);
    store.prepare('DELETE FROM pinned_files').run();
    assert.equal(pieces.lowest(null)?.pinned, 0);
  });
});
