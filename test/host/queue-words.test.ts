import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const SETTINGS = { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' };

interface Row {
  readonly id: string;
  readonly path: string;
  readonly state: string;
}

interface Settled {
  readonly id: number;
  readonly upload_id: string;
  readonly path: string;
  readonly conflict_path: string;
}

describe('What the queue says of itself', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;

  before(async () => {
    pi = await BootedBaluPi.start({ hurry: 5, environment: SETTINGS });
    token = await pi.signIn('alice');
  });

  after(async () => {
    await pi.stop();
  });

  async function call(
    path: string,
    method = 'GET',
    body?: object,
  ): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    const answered = await fetch(`${pi.url}/api${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answered.status, body: (await answered.json()) as Record<string, unknown> };
  }

  async function send(name: string, content: string, headers = {}): Promise<string> {
    const body = new FormData();
    body.set('path', 'alice');
    body.set('file', new Blob([content]), name);
    const answered = await fetch(`${pi.url}/api/files/upload`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, ...headers },
      body,
    });
    assert.equal(answered.status, 200);
    return ((await answered.json()) as { id: string }).id;
  }

  const status = async () => (await call('/files/sync/status')).body;

  async function uploads(state = ''): Promise<readonly Row[]> {
    const query = state === '' ? '' : `?state=${state}`;
    return (await call(`/files/uploads${query}`)).body['uploads'] as Row[];
  }

  async function conflicts(): Promise<readonly Settled[]> {
    return (await call('/files/conflicts')).body['conflicts'] as Settled[];
  }

  const stateOf = async (id: string): Promise<string | undefined> =>
    (await uploads()).find((row) => row.id === id)?.state;

  async function delivered(): Promise<void> {
    await pi.until('the delivery', async () => (await status())['pending_uploads'] === 0);
  }

  async function theirs(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      await pi.nas.putFile(`alice/${name}`, Buffer.from('theirs'), 'alice');
    }
  }

  /** Makes a conflict with the file that is at the path by then. */
  async function conflict(name: string): Promise<Settled> {
    const id = await send(name, 'mine', { 'X-Base-Checksum': '0'.repeat(64) });
    await pi.until('the conflict', async () => (await stateOf(id)) === 'conflict');
    const open = (await conflicts()).find(({ upload_id: of }) => of === id);
    assert.ok(open);
    return open;
  }

  const settle = (id: number, resolution: string) =>
    call(`/files/conflicts/${String(id)}`, 'POST', { resolution });

  it('leaves a folder where it is, whatever is settled about a file of its name', async () => {
    await pi.nas.putFile('alice/Photos/2026/a.jpg', Buffer.from('a'), 'alice');
    const id = await send('Photos', 'mine');
    await pi.until('the conflict', async () => (await stateOf(id)) === 'conflict');
    const [open] = await conflicts();
    assert.equal(open?.path, 'alice/Photos');
    const refused = await settle(open.id, 'local');
    assert.deepEqual([refused.status, refused.body['code']], [409, 'conflict']);
    assert.match(String(refused.body['detail']), /alice\/Photos is a folder/);
    const listed = await call('/files/list?path=alice');
    const names = (listed.body['files'] as { name: string; type: string }[]).map(
      ({ name, type }) => `${name} ${type}`,
    );
    assert.deepEqual(names.sort(), [
      `${open.conflict_path.slice('alice/'.length)} file`,
      'Photos directory',
    ]);
    const kept = await fetch(`${pi.url}/api/files/download/alice/Photos/2026/a.jpg`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    assert.equal(await kept.text(), 'a');
    assert.equal((await conflicts()).length, 1);
    assert.equal((await settle(open.id, 'renamed')).status, 200);
  });

  it('shows as a conflict what is one, until it is settled', async () => {
    await theirs('kept.txt', 'placed.txt', 'removed.txt');
    await pi.until('them to be listed', async () => {
      const { files } = (await call('/files/list?path=alice')).body as { files: Row[] };
      return files.some(({ path }) => path === 'alice/removed.txt');
    });
    const [kept, placed, removed] = [
      await conflict('kept.txt'),
      await conflict('placed.txt'),
      await conflict('removed.txt'),
    ];
    // A later version of that branch replaces its copy.
    const later = await send('kept.txt', 'mine too', {
      'X-Base-Checksum': createHash('sha256').update('mine').digest('hex'),
    });
    await delivered();
    assert.deepEqual([await stateOf(kept.upload_id), await stateOf(later)], ['synced', 'conflict']);
    assert.equal((await conflicts()).length, 3);
    assert.equal((await settle(kept.id, 'renamed')).status, 200);
    assert.equal((await settle(placed.id, 'local')).status, 200);
    assert.equal((await settle(removed.id, 'remote')).status, 200);
    assert.deepEqual(await uploads('conflict'), []);
    const paths = new Map((await uploads()).map(({ id, path }) => [id, path]));
    assert.equal(paths.get(later), kept.conflict_path);
    assert.equal(paths.get(placed.upload_id), 'alice/placed.txt');
    assert.equal(paths.has(removed.upload_id), false);
    assert.deepEqual([(await status())['conflicts'], await conflicts()], [0, []]);
    // What lies beside is not what was listed at its own place: the next save goes on from that.
    const again = await send('kept.txt', 'once more');
    await delivered();
    assert.equal(await stateOf(again), 'synced');
  });

  it('drops no upload that a conflict is about', async () => {
    await theirs('g.txt');
    const open = await conflict('g.txt');
    for (const path of ['/files/uploads/', '/mobile/upload/queue/']) {
      const refused = await call(`${path}${open.upload_id}`, 'DELETE');
      assert.deepEqual([refused.status, refused.body['code']], [409, 'conflict']);
    }
    assert.equal(await stateOf(open.upload_id), 'conflict');
    assert.equal((await settle(open.id, 'renamed')).status, 200);
    assert.equal((await call(`/files/uploads/${open.upload_id}`, 'DELETE')).status, 200);
    assert.deepEqual(await conflicts(), []);
  });

  it('counts what was found again and waits for its owner, wherever it says how it stands', async () => {
    await pi.nas.sleep('suspend');
    await pi.until(
      'the NAS to be seen asleep',
      async () => (await status())['nas_online'] === false,
    );
    for (const name of ['k4.txt', 'k5.txt']) await send(name, `of ${name}`);
    pi.signal('SIGKILL');
    await pi.exit();
    for (const suffix of ['', '-wal', '-shm']) {
      rmSync(join(pi.dataFolder, `queue.db${suffix}`), { force: true });
    }
    writeFileSync(join(pi.dataFolder, 'queue', 'restored'), '');
    await pi.nas.wake();
    await pi.restart();
    token = await pi.signIn('alice');
    await pi.until('the NAS to be seen awake', async () => (await status())['nas_online'] === true);
    const found = await uploads('found');
    assert.equal(found.length, 2);
    const oldest = (await status())['oldest_pending_at'];
    assert.deepEqual(
      {
        counts: [(await status())['pending_uploads'], (await status())['waiting_for_owner']],
        oldest: typeof oldest,
        inbox: (await call('/handshake/status')).body['inbox_files'],
        dirty: (await call('/cache/stats')).body['dirty_files'],
        phone: ((await call('/mobile/upload/queue/phone')).body['items'] as Row[]).length,
      },
      { counts: [2, 2], oldest: 'string', inbox: 2, dirty: 2, phone: 2 },
    );
    // They block nothing else: a desktop compares as usual.
    const delta = await call('/sync/changes', 'POST', { device_id: 'desk', local_state: [] });
    assert.notEqual(delta.status, 503);
    for (const { id } of found) {
      assert.equal((await call(`/files/uploads/${id}/retry`, 'POST')).status, 200);
    }
    await delivered();
    assert.equal((await status())['waiting_for_owner'], 0);
    assert.equal((await call('/handshake/status')).body['inbox_files'], 0);
  });
});
