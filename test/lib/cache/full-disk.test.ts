import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { Download } from '../../../nodes/lib/cache/download/download.ts';
import type { Origin } from '../../../nodes/lib/cache/download/origin.ts';
import type { BlobStore } from '../../../nodes/lib/cache/entries/blob-store.ts';
import type { EntryStore } from '../../../nodes/lib/cache/entries/entry-store.ts';
import type { SegmentRows } from '../../../nodes/lib/cache/entries/segment-rows.ts';
import { FakeFileNas, streamOf } from '../../fakes/file-nas.ts';

const MB = 1024 * 1024;

/** A download onto /dev/full, where every write fails with ENOSPC. */
function onFullDisk(sizeBytes: number, hasSpace: boolean) {
  const file = new FakeFileNas().put('alice/v.mp4', Buffer.alloc(sizeBytes));
  const asked: string[] = [];
  const origin: Origin = {
    open: (range) => {
      asked.push('open');
      return Promise.resolve(streamOf(file, range));
    },
    relist: () => Promise.resolve({ kind: 'unknown' }),
  };
  const version = {
    sizeBytes,
    modifiedAtText: file.modifiedAt,
    modifiedAtMs: 0,
    checksum: null,
    etag: null,
  };
  const faults: unknown[] = [];
  let released = 0;
  const reservation = {
    isPassing: false,
    wroteBytes: () => undefined,
    release: () => (released += 1),
  };
  const blobs = {
    tempPath: () => '/dev/full',
    createTemp: () => Promise.resolve({ name: 'full', fd: openSync('/dev/full', 'r+') }),
    dropTemp: (temp: { fd: number }) => Promise.resolve(closeSync(temp.fd)),
  } as unknown as BlobStore;
  const download = new Download(
    {
      blobs,
      entries: {} as unknown as EntryStore,
      segments: { find: () => null } as unknown as SegmentRows,
      clock: { monotonicMs: () => 0 },
      reserve: () => Promise.resolve(hasSpace ? reservation : null),
      storageFailed: (cause) => faults.push((cause as { code?: string }).code),
    },
    origin,
    { path: 'alice/v.mp4', version, mimeType: null, ownerId: null },
  );
  const reader = { origin, position: 0, last: sizeBytes - 1, isPartial: false };
  download.join(reader);
  return { download, reader, faults, asked, released: () => released };
}

describe('A download on a full disk', () => {
  it('sends its readers to the NAS for the rest, keeps nothing and tells the log', async () => {
    const { download, reader, faults, released } = onFullDisk(1000, true);
    assert.equal((await download.begin(reader)).kind, 'open');
    assert.equal(await download.open(reader, 0), 'unstored');
    assert.equal(download.isJoinable, false);
    download.leave(reader);
    await download.finished;
    assert.deepEqual(faults, ['ENOSPC']);
    assert.ok(released() > 0);
  });

  it('asks the NAS for nothing where there is no space for it', async () => {
    const { download, reader, faults, asked } = onFullDisk(1000, false);
    assert.equal((await download.begin(reader)).kind, 'no_storage');
    assert.equal(download.isJoinable, false);
    download.leave(reader);
    await download.finished;
    assert.deepEqual([faults, asked], [[], []]);
  });

  it('does the same for a file in segments, and for a segment there is no space for', async () => {
    for (const hasSpace of [true, false]) {
      const { download, reader, faults, released } = onFullDisk(70 * MB, hasSpace);
      assert.equal((await download.begin(reader)).kind, 'open');
      assert.equal(await download.open(reader, 0), 'unstored');
      assert.equal(download.isJoinable, false);
      download.leave(reader);
      await download.finished;
      assert.deepEqual(faults, hasSpace ? ['ENOSPC'] : []);
      assert.equal(released() > 0, hasSpace);
    }
  });
});
