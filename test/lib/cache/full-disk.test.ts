import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { Download } from '../../../nodes/lib/cache/download/download.ts';
import type { Origin } from '../../../nodes/lib/cache/download/origin.ts';
import { SegmentedDownload } from '../../../nodes/lib/cache/download/segmented-download.ts';
import type { BlobStore } from '../../../nodes/lib/cache/entries/blob-store.ts';
import type { SegmentStore } from '../../../nodes/lib/cache/entries/entry-store.ts';
import { FakeFileNas, streamOf } from '../../fakes/file-nas.ts';

describe('A fill on a full disk', () => {
  it('sends its readers to the NAS for the rest, keeps nothing and tells the log', async () => {
    const file = new FakeFileNas().put('alice/a.bin', 'x'.repeat(1000));
    const origin: Origin = {
      open: () => Promise.resolve(streamOf(file)),
      relist: () => Promise.resolve({ kind: 'unknown' }),
    };
    const faults: unknown[] = [];
    let released = 0;
    const blobs = {
      // The kernel's own full disk: every write to it fails with ENOSPC.
      createTemp: () => Promise.resolve({ name: 'full', fd: openSync('/dev/full', 'r+') }),
      dropTemp: (temp: { fd: number }) => Promise.resolve(closeSync(temp.fd)),
    } as unknown as BlobStore;
    const version = {
      sizeBytes: 1000,
      modifiedAtText: file.modifiedAt,
      modifiedAtMs: 0,
      checksum: null,
      etag: null,
    };
    const download = new Download(
      {
        blobs,
        reserve: () =>
          Promise.resolve({
            wroteBytes: () => undefined,
            isPassing: false,
            release: () => (released += 1),
          }),
        publish: () => Promise.reject(new Error('must not be published')),
        storageFailed: (cause) => faults.push(cause),
      },
      origin,
      { path: 'alice/a.bin', version, mimeType: null, ownerId: null },
    );
    download.join();
    assert.equal((await download.opened).kind, 'open');
    assert.deepEqual(await download.extent().available(0), { kind: 'unstored' });
    assert.equal(download.isJoinable, false);
    download.leave();
    await download.finished;
    assert.equal((faults[0] as { code?: string }).code, 'ENOSPC');
    assert.equal(released, 1);
  });

  it('does the same for a file in pieces, and for a piece there is no room for', async () => {
    const file = new FakeFileNas().put('alice/v.mp4', Buffer.alloc(70 * 1024 * 1024));
    const origin: Origin = {
      open: (range) => Promise.resolve(streamOf(file, range)),
      relist: () => Promise.resolve({ kind: 'unknown' }),
    };
    const version = {
      sizeBytes: file.bytes.length,
      modifiedAtText: file.modifiedAt,
      modifiedAtMs: 0,
      checksum: null,
      etag: null,
    };
    for (const hasRoom of [true, false]) {
      const faults: unknown[] = [];
      let released = 0;
      const room = {
        isPassing: false,
        wroteBytes: () => undefined,
        release: () => (released += 1),
      };
      const blobs = {
        tempPath: () => '/dev/full',
        createTemp: () => Promise.resolve({ name: 'full', fd: openSync('/dev/full', 'r+') }),
        dropTemp: (temp: { fd: number }) => Promise.resolve(closeSync(temp.fd)),
      } as unknown as BlobStore;
      const download = new SegmentedDownload(
        {
          blobs,
          shelf: { find: () => null } as unknown as SegmentStore,
          clock: { monotonicMs: () => 0 },
          reserve: () => Promise.resolve(hasRoom ? room : null),
          storageFailed: (cause) => faults.push(cause),
        },
        origin,
        { path: 'alice/v.mp4', version, mimeType: null, ownerId: null },
      );
      const reader = { origin, position: 0, last: version.sizeBytes - 1, isPartial: false };
      download.join(reader);
      assert.equal((await download.begin(reader)).kind, 'open');
      assert.equal(await download.open(reader, 0), 'unstored');
      assert.equal(download.isJoinable, false);
      download.leave(reader);
      await download.finished;
      assert.deepEqual(
        faults.map((fault) => (fault as { code?: string }).code),
        hasRoom ? ['ENOSPC'] : [],
      );
      assert.equal(released > 0, hasRoom);
    }
  });
});
