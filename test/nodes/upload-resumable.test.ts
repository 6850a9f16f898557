import assert from 'node:assert/strict';
import type { Refused } from '../../nodes/lib/upload/receive/admission.ts';
import { ALICE, type FakeServices } from '../fakes/fake-services.ts';
import { answerOf, codeOf } from './described.ts';
import { type Stage, stages } from './stage.ts';

const type = 'balupi-upload-queue';
const ID = '01JMQ8ZK3V9X0000000000000A';
const GONE: Refused = { kind: 'refused', code: 'not_found', detail: 'Upload session not found' };
const params = { upload_id: ID };

describe('The node balupi-upload-queue, for uploads in chunks', () => {
  const open = stages();
  const opened = (op: string, resumable: object): Promise<Stage> => {
    const services = {
      upload: { queuedCount: () => 0, failedCount: () => 0, resumable },
    } as FakeServices;
    return open({ type, op, services });
  };

  it('begins one', async () => {
    const seen: unknown[] = [];
    const stage = await opened('begin', {
      begin: (...given: unknown[]) => {
        seen.push(...given);
        return Promise.resolve({ kind: 'begun', id: ID, chunkBytes: 8 });
      },
    });
    const body = { filename: 'a', total_size: 3 };
    const payload = await answerOf(stage, 'files-chunked-init', { body });
    assert.deepEqual(payload, { upload_id: ID, chunk_size: 8 });
    assert.deepEqual(seen, [ALICE, { filename: 'a', totalBytes: 3, folder: '' }]);
  });

  it('takes a chunk', async () => {
    const seen: unknown[] = [];
    const stage = await opened('chunk', {
      chunk: (_caller: unknown, _request: unknown, id: string, index: number) => {
        seen.push(id, index);
        return Promise.resolve({ kind: 'received', receivedBytes: 5 });
      },
    });
    const call = { params, query: { chunk_index: 2 } };
    assert.deepEqual(await answerOf(stage, 'files-chunked-chunk', call), { received_bytes: 5 });
    assert.deepEqual(seen, [ID, 2]);
  });

  it('answers nobody when the sender of a chunk went away', async () => {
    const stage = await opened('chunk', { chunk: () => Promise.resolve({ kind: 'gone' }) });
    await stage.send({ req: { call: stage.callOf({ query: { chunk_index: 0 } }) } });
    assert.deepEqual([stage.out[0]?.length, stage.caught.length], [0, 0]);
  });

  it('completes one and gives one up', async () => {
    const file = { id: ID, filename: 'a', path: 'alice/a', sizeBytes: 3, sha256: 'ab'.repeat(32) };
    const done = await opened('complete', {
      complete: () => Promise.resolve({ kind: 'completed', file }),
    });
    const payload = await answerOf(done, 'files-chunked-complete', { params });
    assert.partialDeepStrictEqual(payload, { path: 'alice/a', size: 3, id: ID, status: 'queued' });
    const gone = await opened('abort', { abort: () => Promise.resolve({ kind: 'done' }) });
    const said = await answerOf(gone, 'files-chunked-abort', { params });
    assert.deepEqual(said, { message: 'Upload aborted' });
  });

  it('lists what the caller did not complete, and where it goes on', async () => {
    const stage = await opened('unfinished', {
      unfinished: {
        of: (caller: unknown) => {
          assert.equal(caller, ALICE);
          return [
            {
              ...{ id: ID, userId: 2, ownerCreatedAt: null, folder: 'alice', filename: 'film.mp4' },
              ...{ totalBytes: 30, receivedBytes: 16, nextIndex: 2, touchedAtMs: 0 },
            },
          ];
        },
      },
    });
    const { uploads } = (await answerOf(stage, 'files-chunked-list', {})) as {
      readonly uploads: readonly unknown[];
    };
    assert.partialDeepStrictEqual(uploads, [
      {
        ...{ upload_id: ID, filename: 'film.mp4', target_path: 'alice', total_size: 30 },
        ...{ received_bytes: 16, next_chunk_index: 2, touched_at: '1970-01-01T00:00:00Z' },
      },
    ]);
  });

  it('knows none that the caller did not begin', async () => {
    const refusing = () => Promise.resolve(GONE);
    for (const [op, endpointId, query] of [
      ['chunk', 'files-chunked-chunk', { chunk_index: 0 }],
      ['complete', 'files-chunked-complete', {}],
      ['abort', 'files-chunked-abort', {}],
    ] as const) {
      const stage = await opened(op, { [op]: refusing });
      assert.equal(await codeOf(stage, endpointId, { params, query }, 404), 'not_found');
    }
  });
});
