import assert from 'node:assert/strict';
import { ChangesAsleep } from '../../../nodes/lib/changes/changes-asleep.ts';
import type { PassRequest } from '../../../nodes/lib/pass/pass-hook.ts';
import type { ChangeTaken } from '../../../nodes/lib/upload/changes/change-queue.ts';
import type { QueuedInput } from '../../../nodes/lib/upload/upload.ts';
import { ALICE, ASLEEP, AWAKE } from '../../fakes/fake-services.ts';

describe('a change on its way to the NAS', () => {
  let isAwake: boolean;
  let isInLine: boolean;
  let taken: ChangeTaken;
  let inputs: QueuedInput[];
  let hook: ChangesAsleep;

  beforeEach(() => {
    isAwake = false;
    isInLine = false;
    taken = { kind: 'taken', id: 'c1' };
    inputs = [];
    hook = new ChangesAsleep({
      upload: () => ({
        acceptChange: (_caller, input) => {
          inputs.push(input);
          return Promise.resolve(taken);
        },
        changes: { intake: { isInLine: () => isInLine } },
      }),
      files: () => ({ pathOfId: (_user, id) => (id === 7 ? 'alice/seven.txt' : null) }),
      presence: {
        get state() {
          return isAwake ? AWAKE : ASLEEP;
        },
      },
    });
  });

  function request(line: string, body?: unknown): PassRequest {
    const [method = '', path = ''] = line.split(' ');
    const segments = path.split('/').filter((segment) => segment !== '');
    const isFile = method === 'DELETE' && segments[1] !== 'delete';
    return {
      method,
      segments,
      filePath: isFile ? segments.slice(segments[1] === 'raw' ? 2 : 1).join('/') : null,
      query: new URLSearchParams(),
      caller: ALICE,
      auto: false,
      body,
      headers: {},
      signal: new AbortController().signal,
    };
  }

  it('is taken asleep in every spelling, and answered as the NAS does', async () => {
    for (const [line, body, input, message] of [
      ['DELETE files/alice/a.txt', undefined, { kind: 'delete', path: 'alice/a.txt' }, 'Deleted'],
      ['DELETE files/raw/alice/a', undefined, { kind: 'delete', path: 'alice/a' }, 'Deleted'],
      ['DELETE files/7', undefined, { kind: 'delete', path: 'alice/seven.txt' }, 'Deleted'],
      ['POST files/delete', { path: '/alice/a' }, { kind: 'delete', path: 'alice/a' }, 'Deleted'],
      ['DELETE files/delete', { path: 'alice/a' }, { kind: 'delete', path: 'alice/a' }, 'Deleted'],
      [
        'POST files/folder',
        { path: 'alice/', name: 'n' },
        { kind: 'mkdir', path: 'alice/n' },
        'Folder created',
      ],
      [
        'POST files/mkdir',
        { path: 'alice/n' },
        { kind: 'mkdir', path: 'alice/n' },
        'Folder created',
      ],
      [
        'PUT files/rename',
        { old_path: 'alice/a', new_name: 'b' },
        { kind: 'rename', path: 'alice/a', name: 'b' },
        'Renamed',
      ],
      [
        'PUT files/rename',
        { path: 'alice/a', new_name: 'b' },
        { kind: 'rename', path: 'alice/a', name: 'b' },
        'Renamed',
      ],
      [
        'PUT files/rename',
        { file_id: 7, new_name: 'b' },
        { kind: 'rename', path: 'alice/seven.txt', name: 'b' },
        'Renamed',
      ],
      ...['target_path', 'destination_path', 'new_path'].map(
        (name) =>
          [
            'PUT files/move',
            { source_path: 'alice/a', [name]: '/alice/B/' },
            { kind: 'move', path: 'alice/a', target: 'alice/B' },
            'Moved',
          ] as const,
      ),
    ] as const) {
      const asked = request(line, body);
      assert.notEqual(hook.concerns(asked), false, line);
      const before = await hook.before(asked);
      assert.ok(before.kind === 'answer', line);
      assert.deepEqual(before.answer.payload, { message });
      assert.equal(before.answer.headers['X-Balupi-Cache'], 'queued');
      assert.deepEqual(inputs.pop(), input);
    }
  });

  it('is left to the NAS where nothing of it can wait', async () => {
    for (const line of [
      'POST files/transfer-ownership',
      'PUT files/permissions',
      'GET files/list',
    ]) {
      assert.equal(hook.concerns(request(line)), false, line);
    }
    assert.equal(hook.concerns(request('PUT sync/devices')), false);
    assert.deepEqual(await hook.before(request('DELETE files/8')), { kind: 'go' });
    taken = { kind: 'asleep' };
    assert.deepEqual(await hook.before(request('DELETE files/alice/a')), { kind: 'go' });
  });

  const MALFORMED: readonly (readonly [string, unknown, number, string])[] = [
    ['PUT files/rename', undefined, 400, ''],
    ['PUT files/rename', [], 400, ''],
    ['PUT files/rename', {}, 422, 'new_name'],
    ['PUT files/rename', { old_path: 'alice/a' }, 422, 'new_name'],
    ['PUT files/rename', { old_path: 'alice/a', new_name: '' }, 400, ''],
    ['PUT files/rename', { old_path: 5, new_name: 'b' }, 422, 'old_path'],
    ['PUT files/rename', { new_name: 'b' }, 422, 'old_path'],
    ['PUT files/rename', { old_path: '', new_name: 'b' }, 400, ''],
    ['PUT files/rename', { old_path: 'alice/a', path: 'alice/c', new_name: 'b' }, 422, 'path'],
    ['PUT files/move', { source_path: 'alice/a' }, 422, 'target_path'],
    ['PUT files/move', { source_path: 'alice/a', target_path: 7 }, 422, 'target_path'],
    ['PUT files/move', { target_path: 'alice/B' }, 422, 'source_path'],
    ['POST files/folder', { path: 'alice' }, 422, 'name'],
    ['POST files/folder', { path: 'alice', name: '' }, 400, ''],
    ['POST files/folder', { path: 'alice', name: 'x/y' }, 400, ''],
    ['POST files/folder', { path: 5, name: 'n' }, 422, 'path'],
    ['POST files/mkdir', {}, 422, 'path'],
    ['POST files/delete', { path: null }, 422, 'path'],
    ['DELETE files', undefined, 400, ''],
  ];

  it('says at once asleep what can never be done, and leaves it to the NAS awake', async () => {
    for (const [line, body, status, field] of MALFORMED) {
      const what = `${line} ${JSON.stringify(body)}`;
      isAwake = false;
      const before = await hook.before(request(line, body));
      assert.ok(before.kind === 'answer', what);
      assert.equal(before.answer.statusCode, status, what);
      const { code, errors } = before.answer.payload as {
        code: string;
        errors?: readonly { loc: readonly string[] }[];
      };
      assert.equal(code === 'invalid', status === 422, what);
      assert.deepEqual(errors?.[0]?.loc, status === 422 ? ['body', field] : undefined, what);
      isAwake = true;
      assert.deepEqual(await hook.before(request(line, body)), { kind: 'go' }, what);
    }
    assert.deepEqual(inputs, []);
  });

  it('takes one path that a body names twice', async () => {
    const body = { old_path: '/alice/a', path: 'alice/a', new_name: 'b' };
    assert.equal((await hook.before(request('PUT files/rename', body))).kind, 'answer');
    assert.deepEqual(inputs, [{ kind: 'rename', path: 'alice/a', name: 'b' }]);
  });

  it('waits in line awake too, and is taken where the NAS fell asleep before it was asked', async () => {
    isAwake = true;
    const before = await hook.before(request('DELETE files/alice/a'));
    assert.ok(before.kind === 'go' && before.after !== undefined);
    assert.equal(await before.after({ kind: 'answered', status: 200, body: undefined }), undefined);
    assert.equal(await before.after({ kind: 'not_sent' }), undefined);
    assert.deepEqual(inputs, []);
    isAwake = false;
    const instead = await before.after({ kind: 'not_sent' });
    assert.deepEqual([instead?.statusCode, inputs.length], [200, 1]);
    isAwake = true;
    isInLine = true;
    assert.equal((await hook.before(request('DELETE files/alice/a'))).kind, 'answer');
    assert.equal(inputs.length, 2);
  });
});
