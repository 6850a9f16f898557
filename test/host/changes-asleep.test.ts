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
  let me = '';
  let count = 0;

  before(async () => {
    pi = await BootedBaluPi.start({ hurry: 5, environment: SETTINGS });
  });

  after(async () => {
    await pi.stop();
  });

  /** Each of them by somebody of their own, to whom nobody else's queue is shown. */
  beforeEach(async () => {
    await pi.nas.wake();
    await pi.until('the NAS to be seen awake', async () => {
      const health = (await (await fetch(`${pi.url}/api/health`)).json()) as {
        checks: Record<string, string>;
      };
      return health.checks['nas'] === 'awake';
    });
    count += 1;
    me = `user${String(count)}`;
    const id = 100 + count;
    await pi.nas.addUser({ id, username: me, password: `Practice-${me}-1`, role: 'user' });
    token = await pi.signIn(me);
    for (const [path, text] of [
      [`${me}/A/a.txt`, 'a'],
      [`${me}/A/in/b.txt`, 'b'],
      [`${me}/B/x.txt`, 'x'],
      [`${me}/c.txt`, 'c'],
      [`${me}/d e+f.txt`, 'd'],
    ] as const) {
      await pi.nas.putFile(path, Buffer.from(text), me);
    }
    for (const folder of [me, `${me}/A`, `${me}/A/in`, `${me}/B`]) await list(folder);
    await sleep();
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
    return (await pi.nas.tree())
      .map(({ path }) => path)
      .filter((path) => path.startsWith(`${me}/`))
      .sort();
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
    await taken(`DELETE /api/files/${me}/d%20e%2Bf.txt`, 'Deleted');
    await taken(`DELETE /api/files?path=${me}/c.txt`, 'Deleted');
    await taken('POST /api/files/folder', 'Folder created', { path: me, name: 'new' });
    await taken('POST /api/files/mkdir', 'Folder created', { path: `/${me}/new/er` });
    // After the rename the NAS would know no owner of it (docs/NAS.md).
    await taken('PUT /api/files/move', 'Moved', {
      source_path: `${me}/A/a.txt`,
      destination_path: `${me}/new/er`,
    });
    await taken('PUT /api/files/rename', 'Renamed', { old_path: `${me}/A`, new_name: 'Z' });
    assert.deepEqual(await list(me), [`${me}/B`, `${me}/Z`, `${me}/new`]);
    assert.deepEqual(await list(`${me}/Z`), [`${me}/Z/in`]);
    assert.deepEqual(await list(`${me}/new/er`), [`${me}/new/er/a.txt`]);
    assert.equal((await status())['pending_changes'], 6);
    assert.equal((await call('POST /api/sync/changes', { device_id: 'd' })).status, 503);
    assert.equal(await read(`${me}/c.txt`), 404);
    await wakeAndSettle();
    assert.deepEqual(await onNas(), [`${me}/B/x.txt`, `${me}/Z/in/b.txt`, `${me}/new/er/a.txt`]);
    assert.deepEqual(await list(`${me}/new/er`), [`${me}/new/er/a.txt`]);
    assert.equal(await read(`${me}/new/er/a.txt`), 'a');
    assert.ok((await rows()).every(({ state }) => state === 'synced'));
  });

  it('serves a kept file at the place it was moved to while the NAS sleeps', async () => {
    await pi.nas.wake();
    await pi.until('the NAS to be seen awake', async () => (await status())['nas_online'] === true);
    assert.equal(await read(`${me}/A/a.txt`), 'a');
    await sleep();
    await taken('PUT /api/files/rename', 'Renamed', { old_path: `${me}/A`, new_name: 'Z' });
    assert.equal(await read(`${me}/Z/a.txt`), 'a');
    assert.equal(await read(`${me}/A/a.txt`), 404);
  });

  it('says 503 with Retry-After to what was not shown, and no to what may not be', async () => {
    for (const [line, body, wanted] of [
      [`DELETE /api/files/${me}/unheard.txt`, undefined, 503],
      [`DELETE /api/files/${me}/never/listed.txt`, undefined, 503],
      ['PUT /api/files/rename', { old_path: `${me}/zzz.txt`, new_name: 'y.txt' }, 503],
      ['DELETE /api/files/bob/x.txt', undefined, 403],
      [`DELETE /api/files/${me}`, undefined, 403],
      ['PUT /api/files/rename', { old_path: `${me}/c.txt`, new_name: 'A' }, 409],
      ['PUT /api/files/rename', { old_path: `${me}/c.txt`, new_name: 'a\u202Eb' }, 400],
      ['POST /api/files/folder', { path: me, name: 'a\u0007b' }, 400],
    ] as const) {
      const answered = await call(line, body);
      assert.equal(answered.status, wanted, `${line} ${JSON.stringify(answered.body)}`);
      if (wanted === 503) assert.match(answered.retryAfter ?? '', /^\d+$/);
    }
    assert.deepEqual(await rows(), []);
  });

  it('survives kill -9 right after the answer, and the loss of the queue’s database', async () => {
    await taken(`DELETE /api/files/${me}/c.txt`, 'Deleted');
    await taken('PUT /api/files/rename', 'Renamed', { old_path: `${me}/A`, new_name: 'Z' });
    pi.signal('SIGKILL');
    await pi.exit();
    await pi.restart();
    assert.deepEqual(await list(me), [`${me}/B`, `${me}/Z`, `${me}/d e+f.txt`]);
    pi.signal('SIGKILL');
    await pi.exit();
    for (const suffix of ['', '-wal', '-shm']) {
      rmSync(join(pi.dataFolder, `queue.db${suffix}`), { force: true });
    }
    await pi.nas.wake();
    await pi.restart();
    token = await pi.signIn(me);
    await wakeAndSettle();
    await pi.until('the file at its new place', async () =>
      (await onNas()).includes(`${me}/Z/a.txt`),
    );
    assert.ok(!(await onNas()).includes(`${me}/c.txt`));
  });

  it('touches nothing that changed, says why, and does it when its user says so', async () => {
    await taken(`DELETE /api/files/${me}/A`, 'Deleted');
    await taken(`DELETE /api/files/${me}/c.txt`, 'Deleted');
    await pi.nas.putFile(`${me}/A/in/new.txt`, Buffer.from('new'), me);
    await pi.nas.putFile(`${me}/c.txt`, Buffer.from('theirs'), me);
    await pi.nas.wake();
    await pi.until('two conflicts', async () => (await conflicts()).length === 2);
    const [file, folder] = await conflicts();
    assert.ok(file !== undefined && folder !== undefined);
    assert.deepEqual([file.kind, file.path], ['delete', `${me}/c.txt`]);
    assert.equal(folder.detail, `${me}/A/in/new.txt: It was not there when you decided.`);
    assert.equal((await status())['conflicts'], 2);
    assert.equal((await onNas()).length, 6);
    const settle = (id: number, resolution: string): Promise<Answered> =>
      call(`POST /api/files/conflicts/${String(id)}`, { resolution });
    assert.equal((await settle(file.id, 'renamed')).status, 422);
    assert.equal((await settle(file.id, 'dropped')).status, 200);
    assert.equal((await settle(folder.id, 'done')).status, 200);
    await pi.until(
      'the delete on the NAS',
      async () => !(await onNas()).some((path) => path.startsWith(`${me}/A/`)),
    );
    assert.ok((await onNas()).includes(`${me}/c.txt`));
    await pi.until('no conflict', async () => (await status())['conflicts'] === 0);
  });

  it('has an upload and a change in their order, also when the NAS is awake by then', async () => {
    const form = new FormData();
    form.set('path', `${me}/A`);
    form.set('file', new Blob(['u']), 'u.txt');
    const sent = await fetch(`${pi.url}/api/files/upload`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
      body: form,
    });
    assert.equal(sent.status, 200);
    await taken('PUT /api/files/rename', 'Renamed', { old_path: `${me}/A`, new_name: 'Z' });
    assert.deepEqual(await list(`${me}/Z`), [`${me}/Z/a.txt`, `${me}/Z/in`, `${me}/Z/u.txt`]);
    assert.equal(await read(`${me}/Z/u.txt`), 'u');
    await wakeAndSettle();
    const tree = await pi.nas.tree();
    const uploaded = tree.find(({ path }) => path === `${me}/Z/u.txt`);
    assert.equal(uploaded?.sha256, createHash('sha256').update('u').digest('hex'));
  });

  it('drops and retries a change by its id', async () => {
    await taken(`DELETE /api/files/${me}/c.txt`, 'Deleted');
    const [row] = await rows();
    assert.deepEqual([row?.kind, row?.state, row?.path], ['delete', 'queued', `${me}/c.txt`]);
    assert.equal((await call(`POST /api/files/uploads/${row?.id ?? ''}/retry`)).status, 200);
    assert.equal((await call(`DELETE /api/files/uploads/${row?.id ?? ''}`)).status, 200);
    assert.ok((await list(me)).includes(`${me}/c.txt`));
    await wakeAndSettle();
    assert.ok((await onNas()).includes(`${me}/c.txt`));
  });

  it('answers as before with CHANGES_ASLEEP=off', async () => {
    await pi.restart({ BALUPI_CHANGES_ASLEEP: 'off' });
    const answered = await call(`DELETE /api/files/${me}/c.txt`);
    assert.deepEqual([answered.status, answered.body['code']], [503, 'nas_asleep']);
    assert.deepEqual(await rows(), []);
  });
});
