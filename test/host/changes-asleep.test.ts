import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const SETTINGS = {
  BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
  BALUPI_WAKE_ON_MISS: 'false',
};

interface Answered {
  readonly status: number;
  readonly cache: string | null;
  readonly retryAfter: string | null;
  readonly body: Record<string, unknown>;
}

interface Row {
  readonly id: string;
  readonly path: string;
  readonly state: string;
  readonly kind?: string;
  readonly to_path?: string;
}

interface Conflict {
  readonly id: number;
  readonly path: string;
  readonly kind?: string;
  readonly detail?: string;
}

describe('Changes while the NAS sleeps, through a running BaluPi', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;

  beforeEach(async () => {
    pi = await BootedBaluPi.start({ hurry: 5, environment: SETTINGS });
    token = await pi.signIn('alice');
    for (const [path, text] of [
      ['alice/A/a.txt', 'a'],
      ['alice/A/in/b.txt', 'b'],
      ['alice/B/x.txt', 'x'],
      ['alice/c.txt', 'c'],
      ['alice/d e+f.txt', 'd'],
    ] as const) {
      await pi.nas.putFile(path, Buffer.from(text), 'alice');
    }
    for (const folder of ['alice', 'alice/A', 'alice/A/in', 'alice/B']) await list(folder);
    await sleep();
  });

  afterEach(async () => {
    await pi.stop();
  });

  async function call(line: string, body?: object): Promise<Answered> {
    const [method = 'GET', path = ''] = line.split(' ');
    const answered = await fetch(`${pi.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return {
      status: answered.status,
      cache: answered.headers.get('x-balupi-cache'),
      retryAfter: answered.headers.get('retry-after'),
      body: (await answered.json()) as Record<string, unknown>,
    };
  }

  async function list(folder: string): Promise<string[]> {
    const answered = await call(`GET /api/files/list?path=${encodeURIComponent(folder)}`);
    assert.equal(answered.status, 200, JSON.stringify(answered.body));
    return (answered.body['files'] as { path: string }[]).map(({ path }) => path).sort();
  }

  async function read(path: string): Promise<string | number> {
    const answered = await fetch(`${pi.url}/api/files/download/${path}`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const text = await answered.text();
    return answered.status === 200 ? text : answered.status;
  }

  const status = async () => (await call('GET /api/files/sync/status')).body;

  async function sleep(): Promise<void> {
    await pi.nas.sleep('suspend');
    await pi.until(
      'the NAS to be seen asleep',
      async () => (await status())['nas_online'] === false,
    );
  }

  async function wakeAndSettle(): Promise<void> {
    await pi.nas.wake();
    await pi.until('the queue to be empty', async () => {
      const {
        nas_online: online,
        pending_changes: changes,
        pending_uploads: uploads,
      } = await status();
      return online === true && changes === 0 && uploads === 0;
    });
  }

  async function rows(): Promise<readonly Row[]> {
    return (await call('GET /api/files/uploads')).body['uploads'] as Row[];
  }

  async function conflicts(): Promise<readonly Conflict[]> {
    return (await call('GET /api/files/conflicts')).body['conflicts'] as Conflict[];
  }

  async function onNas(): Promise<string[]> {
    return (await pi.nas.tree()).map(({ path }) => path).sort();
  }

  async function taken(line: string, message: string, body?: object): Promise<void> {
    const answered = await call(line, body);
    assert.deepEqual(
      [answered.status, answered.cache, answered.body],
      [200, 'queued', { message }],
      line,
    );
  }

  it('takes every spelling, shows it at once, and has it done when the NAS is up', async () => {
    await taken('DELETE /api/files/alice/d%20e%2Bf.txt', 'Deleted');
    await taken('DELETE /api/files?path=alice/c.txt', 'Deleted');
    await taken('POST /api/files/folder', 'Folder created', { path: 'alice', name: 'new' });
    await taken('POST /api/files/mkdir', 'Folder created', { path: '/alice/new/er' });
    // After the rename the NAS would know no owner of it (docs/NAS.md).
    await taken('PUT /api/files/move', 'Moved', {
      source_path: 'alice/A/a.txt',
      destination_path: 'alice/new/er',
    });
    await taken('PUT /api/files/rename', 'Renamed', { old_path: 'alice/A', new_name: 'Z' });
    assert.deepEqual(await list('alice'), ['alice/B', 'alice/Z', 'alice/new']);
    assert.deepEqual(await list('alice/Z'), ['alice/Z/in']);
    assert.deepEqual(await list('alice/new/er'), ['alice/new/er/a.txt']);
    assert.equal((await status())['pending_changes'], 6);
    assert.equal((await call('POST /api/sync/changes', { device_id: 'd' })).status, 503);
    assert.equal(await read('alice/c.txt'), 404);
    await wakeAndSettle();
    assert.deepEqual(await onNas(), ['alice/B/x.txt', 'alice/Z/in/b.txt', 'alice/new/er/a.txt']);
    assert.deepEqual(await list('alice/new/er'), ['alice/new/er/a.txt']);
    assert.equal(await read('alice/new/er/a.txt'), 'a');
    assert.ok((await rows()).every(({ state }) => state === 'synced'));
  });

  it('serves a kept file at the place it was moved to while the NAS sleeps', async () => {
    await pi.nas.wake();
    await pi.until('the NAS to be seen awake', async () => (await status())['nas_online'] === true);
    assert.equal(await read('alice/A/a.txt'), 'a');
    await sleep();
    await taken('PUT /api/files/rename', 'Renamed', { old_path: 'alice/A', new_name: 'Z' });
    assert.equal(await read('alice/Z/a.txt'), 'a');
    assert.equal(await read('alice/A/a.txt'), 404);
  });

  it('says 503 with Retry-After to what was not shown, and no to what may not be', async () => {
    for (const [line, body, wanted] of [
      ['DELETE /api/files/alice/unheard.txt', undefined, 503],
      ['DELETE /api/files/alice/never/listed.txt', undefined, 503],
      ['PUT /api/files/rename', { old_path: 'alice/zzz.txt', new_name: 'y.txt' }, 503],
      ['DELETE /api/files/bob/x.txt', undefined, 403],
      ['DELETE /api/files/alice', undefined, 403],
      ['PUT /api/files/rename', { old_path: 'alice/c.txt', new_name: 'A' }, 409],
      ['PUT /api/files/rename', { old_path: 'alice/c.txt', new_name: 'a\u202Eb' }, 400],
      ['POST /api/files/folder', { path: 'alice', name: 'a\u0007b' }, 400],
    ] as const) {
      const answered = await call(line, body);
      assert.equal(answered.status, wanted, `${line} ${JSON.stringify(answered.body)}`);
      if (wanted === 503) assert.match(answered.retryAfter ?? '', /^\d+$/);
    }
    assert.deepEqual(await rows(), []);
  });

  it('survives kill -9 right after the answer, and the loss of the queue’s database', async () => {
    await taken('DELETE /api/files/alice/c.txt', 'Deleted');
    await taken('PUT /api/files/rename', 'Renamed', { old_path: 'alice/A', new_name: 'Z' });
    pi.signal('SIGKILL');
    await pi.exit();
    await pi.restart();
    assert.deepEqual(await list('alice'), ['alice/B', 'alice/Z', 'alice/d e+f.txt']);
    pi.signal('SIGKILL');
    await pi.exit();
    for (const suffix of ['', '-wal', '-shm']) {
      rmSync(join(pi.dataFolder, `queue.db${suffix}`), { force: true });
    }
    await pi.nas.wake();
    await pi.restart();
    token = await pi.signIn('alice');
    await wakeAndSettle();
    await pi.until('the file at its new place', async () =>
      (await onNas()).includes('alice/Z/a.txt'),
    );
    assert.ok(!(await onNas()).includes('alice/c.txt'));
  });

  it('touches nothing that changed, says why, and does it when its user says so', async () => {
    await taken('DELETE /api/files/alice/A', 'Deleted');
    await taken('DELETE /api/files/alice/c.txt', 'Deleted');
    await pi.nas.putFile('alice/A/in/new.txt', Buffer.from('new'), 'alice');
    await pi.nas.putFile('alice/c.txt', Buffer.from('theirs'), 'alice');
    await pi.nas.wake();
    await pi.until('two conflicts', async () => (await conflicts()).length === 2);
    const [file, folder] = await conflicts();
    assert.ok(file !== undefined && folder !== undefined);
    assert.deepEqual([file.kind, file.path], ['delete', 'alice/c.txt']);
    assert.equal(folder.detail, 'alice/A/in/new.txt: It was not there when you decided.');
    assert.equal((await status())['conflicts'], 2);
    assert.equal((await onNas()).length, 6);
    const settle = (id: number, resolution: string): Promise<Answered> =>
      call(`POST /api/files/conflicts/${String(id)}`, { resolution });
    assert.equal((await settle(file.id, 'renamed')).status, 422);
    assert.equal((await settle(file.id, 'dropped')).status, 200);
    assert.equal((await settle(folder.id, 'done')).status, 200);
    await pi.until(
      'the delete on the NAS',
      async () => !(await onNas()).some((path) => path.startsWith('alice/A/')),
    );
    assert.ok((await onNas()).includes('alice/c.txt'));
    await pi.until('no conflict', async () => (await status())['conflicts'] === 0);
  });

  it('has an upload and a change in their order, also when the NAS is awake by then', async () => {
    const form = new FormData();
    form.set('path', 'alice/A');
    form.set('file', new Blob(['u']), 'u.txt');
    const sent = await fetch(`${pi.url}/api/files/upload`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
      body: form,
    });
    assert.equal(sent.status, 200);
    await taken('PUT /api/files/rename', 'Renamed', { old_path: 'alice/A', new_name: 'Z' });
    assert.deepEqual(await list('alice/Z'), ['alice/Z/a.txt', 'alice/Z/in', 'alice/Z/u.txt']);
    assert.equal(await read('alice/Z/u.txt'), 'u');
    await wakeAndSettle();
    const tree = await pi.nas.tree();
    const uploaded = tree.find(({ path }) => path === 'alice/Z/u.txt');
    assert.equal(uploaded?.sha256, createHash('sha256').update('u').digest('hex'));
  });

  it('drops and retries a change by its id', async () => {
    await taken('DELETE /api/files/alice/c.txt', 'Deleted');
    const [row] = await rows();
    assert.deepEqual([row?.kind, row?.state, row?.path], ['delete', 'queued', 'alice/c.txt']);
    assert.equal((await call(`POST /api/files/uploads/${row?.id ?? ''}/retry`)).status, 200);
    assert.equal((await call(`DELETE /api/files/uploads/${row?.id ?? ''}`)).status, 200);
    assert.ok((await list('alice')).includes('alice/c.txt'));
    await wakeAndSettle();
    assert.ok((await onNas()).includes('alice/c.txt'));
  });

  it('answers as before with CHANGES_ASLEEP=off', async () => {
    await pi.restart({ BALUPI_CHANGES_ASLEEP: 'off' });
    const answered = await call('DELETE /api/files/alice/c.txt');
    assert.deepEqual([answered.status, answered.body['code']], [503, 'nas_asleep']);
    assert.deepEqual(await rows(), []);
  });
});
