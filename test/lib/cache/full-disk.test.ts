import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import type { BlobStore } from '../../../nodes/lib/cache/blob-store.ts';
import { Fill } from '../../../nodes/lib/cache/fill.ts';
import type { Origin } from '../../../nodes/lib/cache/origin.ts';
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
    const fill = new Fill(
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
    fill.join();
    assert.equal((await fill.opened).kind, 'open');
    assert.deepEqual(await fill.extent().available(0), { kind: 'unstored' });
    assert.equal(fill.isJoinable, false);
    fill.leave();
    await fill.finished;
    assert.equal((faults[0] as { code?: string }).code, 'ENOSPC');
    assert.equal(released, 1);
  });
});
