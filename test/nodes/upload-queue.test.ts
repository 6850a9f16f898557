import assert from 'node:assert/strict';
import type { AcceptOutcome } from '../../nodes/lib/upload/receive/intake.ts';
import type { UploadNews } from '../../nodes/lib/upload/upload.ts';
import type { UploadItem } from '../../nodes/lib/upload/view/answers.ts';
import { ALICE, ASLEEP, type FakeServices } from '../fakes/fake-services.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { answerOf, codeOf } from './described.ts';
import { type Stage, stages } from './stage.ts';

const type = 'balupi-upload-queue';
const SHA = 'ab'.repeat(32);
const FILE = {
  id: '01JMQ8ZK3V9X0000000000000A',
  filename: 'a.jpg',
  path: 'alice/a.jpg',
  sizeBytes: 3,
  sha256: SHA,
};
const ITEM: UploadItem = {
  id: FILE.id,
  path: FILE.path,
  size_bytes: 3,
  sha256: SHA,
  state: 'queued',
  attempts: 0,
  created_at: '2026-02-22T14:30:00Z',
  next_attempt_at: null,
  detail: null,
};

/** A queue that delivers on request and emits what a test wants. */
class Queue {
  readonly done: string[] = [];
  readonly #news = new Set<(news: UploadNews) => void>();
  readonly #due = new Set<() => void>();

  readonly port: FakeServices['upload'] = {
    queuedCount: () => 0,
    delivery: {
      flush: () => {
        this.done.push('flushed');
        return Promise.resolve();
      },
      onDue: (listener) => heard(this.#due, listener),
    },
    wakeIfDue: () => {
      this.done.push('looked whether to wake');
    },
    onNews: (listener) => heard(this.#news, listener),
  };

  get listening(): number {
    return this.#due.size;
  }

  due(): void {
    for (const listener of this.#due) listener();
  }

  tell(kind: UploadNews['kind']): void {
    const { id, path, sizeBytes } = FILE;
    const of = { id, path, sizeBytes, userId: 1, username: 'alice', what: 'upload' } as const;
    const detail = kind === 'upload_waits' ? 'The NAS went away.' : null;
    for (const listener of this.#news) listener({ kind, ...of, conflictPath: null, detail });
  }
}

function heard<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

describe('The node balupi-upload-queue', () => {
  const open = stages();
  const opened = (op: string, upload: FakeServices['upload'], more: object = {}): Promise<Stage> =>
    open({
      ...{ type, op, more: { ...more } },
      services: {
        clock: new ManualClock(),
        upload: { queuedCount: () => 1, failedCount: () => 0, ...upload },
      },
    });

  it('takes a body and answers with what is queued', async () => {
    const seen: unknown[] = [];
    const stage = await opened('accept', {
      accept: (caller, request, query) => {
        seen.push(caller, request.method, query);
        return Promise.resolve({ kind: 'accepted', files: [FILE] });
      },
    });
    const payload = await answerOf(stage, 'files-upload', { query: { path: 'alice' } });
    assert.partialDeepStrictEqual(payload, { status: 'queued', upload_ids: [FILE.id] });
    assert.deepEqual(seen, [ALICE, 'GET', { path: 'alice' }]);
    assert.deepEqual(stage.statuses, [
      { fill: 'blue', shape: 'dot', text: 'upload-queue.status.waiting|1' },
    ]);
  });

  it('answers a refusal with its code', async () => {
    const refused: AcceptOutcome = { kind: 'refused', code: 'no_room' };
    const stage = await opened('accept', { accept: () => Promise.resolve(refused) });
    const { status, payload } = await stage.ask();
    assert.equal(status, 507);
    assert.partialDeepStrictEqual(payload, { code: 'no_room' });
  });

  for (const version of [undefined, 2]) {
    it(`parts accepted from refused ${version === 2 ? 'at two outputs' : 'at none in a flow of before'}`, async () => {
      const outcomes: AcceptOutcome[] = [
        { kind: 'accepted', files: [FILE] },
        { kind: 'refused', code: 'no_room' },
      ];
      const accept = () => Promise.resolve(outcomes.shift() ?? ({ kind: 'gone' } as const));
      const stage = await opened('accept', { accept }, { version });
      assert.deepEqual([(await stage.ask()).status, (await stage.ask()).status], [200, 507]);
      const sent = stage.out.map(({ length }) => length);
      assert.deepEqual(sent, version === 2 ? [1, 1, 0, 0] : [2, 0, 0, 0]);
    });
  }

  it('answers nobody when the caller went away', async () => {
    const gone: AcceptOutcome = { kind: 'gone' };
    const stage = await opened('accept', { accept: () => Promise.resolve(gone) });
    await stage.send({ req: { call: stage.callOf({}) } });
    assert.deepEqual([stage.out[0]?.length, stage.caught.length], [0, 0]);
  });

  it('counts the queue of the caller, or of everybody for an admin who asks', async () => {
    const asked: boolean[] = [];
    const stage = await opened('status', {
      view: {
        status: (_caller, all) => {
          asked.push(all);
          if (all) return { kind: 'refused', code: 'admin_only' };
          const waiting = {
            pending_uploads: 1,
            pending_changes: 0,
            waiting_for_owner: 0,
            pending_downloads: 0,
            conflicts: 0,
          };
          const more = { nas_online: false, failed_uploads: 0, waiting_for_credential: [] };
          const times = { oldest_pending_at: ITEM.created_at, last_sync: null };
          return { kind: 'status', status: { is_syncing: false, ...waiting, ...more, ...times } };
        },
      },
    });
    const payload = await answerOf(stage, 'files-sync-status', { query: { all: false } });
    assert.partialDeepStrictEqual(payload, { pending_uploads: 1 });
    const call = { query: { all: true } };
    assert.equal(await codeOf(stage, 'files-sync-status', call, 403), 'admin_only');
    assert.deepEqual(asked, [false, true]);
  });

  it('lists the queue by state', async () => {
    const states: unknown[] = [];
    const stage = await opened('list', {
      view: {
        list: (_caller, state) => {
          states.push(state);
          return { kind: 'uploads', uploads: [ITEM] };
        },
      },
    });
    assert.deepEqual(await answerOf(stage, 'files-uploads-list'), { uploads: [ITEM] });
    await answerOf(stage, 'files-uploads-list', { query: { state: 'failed' } });
    assert.deepEqual(states, [null, 'failed']);
  });

  it('tries an upload again', async () => {
    const stage = await opened('retry', {
      retry: (_caller, id) =>
        id === ITEM.id ? { kind: 'done', upload: ITEM } : { kind: 'refused', code: 'not_found' },
    });
    const payload = await answerOf(stage, 'files-uploads-retry', { params: { id: ITEM.id } });
    assert.deepEqual(payload, ITEM);
    const call = { params: { id: 'another' } };
    assert.equal(await codeOf(stage, 'files-uploads-retry', call, 404), 'not_found');
  });

  it('drops an upload, unless it is being sent', async () => {
    const stage = await opened('drop', {
      drop: (_caller, id) =>
        Promise.resolve(
          id === ITEM.id ? { kind: 'done', upload: ITEM } : { kind: 'refused', code: 'conflict' },
        ),
    });
    await answerOf(stage, 'files-uploads-drop', { params: { id: ITEM.id } });
    const call = { params: { id: 'another' } };
    assert.equal(await codeOf(stage, 'files-uploads-drop', call, 409), 'conflict');
  });

  it('delivers at a tick, and sends nothing on by itself', async () => {
    const queue = new Queue();
    const stage = await opened('flush', queue.port, { version: 2 });
    await stage.send();
    assert.deepEqual([queue.done, stage.out.flat().length], [['flushed'], 0]);
    assert.deepEqual(stage.statuses, [
      { fill: 'grey', shape: 'dot', text: 'upload-queue.status.empty' },
    ]);
  });

  it('tells of each upload at the output of its outcome, and of whom it is', async () => {
    const queue = new Queue();
    const stage = await opened('flush', queue.port, { version: 2 });
    await stage.send();
    await stage.send();
    const kinds = ['upload_delivered', 'upload_waits', 'conflict', 'upload_failed'] as const;
    for (const kind of ['upload_accepted', ...kinds] as const) queue.tell(kind);
    await stage.turn();
    assert.deepEqual(
      stage.out.map((messages) => messages.map(({ topic }) => topic)),
      kinds.map((kind) => [kind]),
    );
    assert.partialDeepStrictEqual(stage.out[1]?.[0], {
      audience: 'user',
      username: 'alice',
      payload: { path: FILE.path, detail: 'The NAS went away.' },
    });
  });

  it('wakes for what waits at a tick of its own', async () => {
    const queue = new Queue();
    const stage = await opened('wake-for-queue', queue.port, { version: 2 });
    await stage.send();
    assert.deepEqual(queue.done, ['looked whether to wake']);
  });

  it('goes on as it was in a flow of before: one tick wakes and delivers', async () => {
    const queue = new Queue();
    const stage = await opened('flush', queue.port, { outputs: 0 });
    await stage.send();
    assert.deepEqual(queue.done, ['looked whether to wake', 'flushed']);
  });

  it('sends a message whenever something can be delivered, until the flow ends', async () => {
    const queue = new Queue();
    const stage = await opened('due', queue.port, { version: 2 });
    queue.due();
    await stage.turn();
    assert.deepEqual(
      stage.out.map(({ length }) => length),
      [1, 0, 0, 0],
    );
    await stage.endFlows();
    assert.equal(queue.listening, 0);
  });

  it('shows what failed before what waits', async () => {
    const stage = await opened('status', {
      failedCount: () => 2,
      view: {
        deviceQueue: () => [],
        status: () => ({ kind: 'refused', code: 'admin_only' }),
      },
    });
    await stage.ask({ query: { all: true } });
    assert.deepEqual(stage.statuses, [
      { fill: 'red', shape: 'ring', text: 'upload-queue.status.failed|2' },
    ]);
  });

  it("shows the queue in BaluHost's shape", async () => {
    const item = {
      id: FILE.id,
      device_id: 'phone',
      folder_id: null,
      filename: 'a.jpg',
      remote_path: 'alice/a.jpg',
      file_size: 3,
      file_size_bytes: 3,
      uploaded_bytes: 0,
      status: 'pending',
      error_message: null,
      retry_count: 0,
      created_at: '2026-02-22T14:30:00Z',
    } as const;
    const stage = await opened('device-queue', { view: { deviceQueue: () => [item] } });
    const params = { device_id: 'phone' };
    const payload = await answerOf(stage, 'mobile-upload-queue', { params });
    assert.deepEqual(payload, { items: [item] });
  });

  it('lists and settles conflicts, and says 503 while the NAS sleeps', async () => {
    const conflict = {
      id: 7,
      upload_id: FILE.id,
      path: 'alice/a.jpg',
      conflict_path: 'alice/a (conflict).jpg',
      size_bytes: 3,
      sha256: SHA,
      found_at: '2026-02-22T14:30:00Z',
      resolution: null,
    };
    const listing = await opened('conflicts', { conflicts: () => [conflict] });
    assert.partialDeepStrictEqual(await answerOf(listing, 'files-conflicts'), {
      conflicts: [{ id: 7, path: 'alice/a.jpg', conflict_path: 'alice/a (conflict).jpg' }],
    });
    const call = { params: { id: '7' }, body: { resolution: 'local' } };
    const settling = await opened('conflicts-resolve', {
      resolveConflict: (_caller, id, resolution) =>
        Promise.resolve({ kind: 'resolved', conflict: { ...conflict, id, resolution } } as const),
    });
    assert.partialDeepStrictEqual(await answerOf(settling, 'files-conflicts-resolve', call), {
      id: 7,
      resolution: 'local',
    });
    const asleep = await open({
      type,
      op: 'conflicts-resolve',
      services: {
        nas: { presence: { state: ASLEEP } },
        upload: {
          queuedCount: () => 0,
          failedCount: () => 0,
          resolveConflict: () => Promise.resolve({ kind: 'asleep' } as const),
        },
      },
    });
    assert.equal(await codeOf(asleep, 'files-conflicts-resolve', call, 503), 'nas_asleep');
  });
});
