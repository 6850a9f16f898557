import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

interface Entry {
  readonly id: number;
  readonly kind: string;
  readonly ended_at: string | null;
  readonly username: string | null;
  readonly cause: string | null;
  readonly path: string | null;
  readonly address: string | null;
}

describe('GET /api/activity', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  const tokens = new Map<string, string>();

  before(async () => {
    pi = await BootedBaluPi.start({ environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1' } });
    for (const name of ['alice', 'bob', 'admin']) tokens.set(name, await pi.signIn(name));
    await told('admin', (entries) => entries.some(({ kind }) => kind === 'nas_awake'));
  });

  after(async () => {
    await pi.stop();
  });

  async function call(who: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${tokens.get(who) ?? ''}` };
    return await fetch(`${pi.url}${path}`, { ...init, headers });
  }

  async function read(who: string, query = ''): Promise<readonly Entry[]> {
    const answered = await call(who, `/api/activity${query}`);
    assert.equal(answered.status, 200);
    return ((await answered.json()) as { entries: Entry[] }).entries;
  }

  async function told(who: string, holds: (entries: readonly Entry[]) => boolean): Promise<void> {
    for (let look = 0; look < 400 && !holds(await read(who)); look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(holds(await read(who)), JSON.stringify(await read(who)));
  }

  async function upload(who: string, name: string): Promise<void> {
    const body = new FormData();
    body.set('file', new Blob([`of ${name}`]), name);
    assert.equal(
      (await call(who, `/api/files/upload?path=${who}`, { method: 'POST', body })).status,
      200,
    );
  }

  it('tells each who signed in from where, and nobody of anybody else but an admin', async () => {
    const own = await read('alice', '?kind=sign_in');
    assert.deepEqual(
      own.map(({ username, address }) => [username, address]),
      [['alice', '127.0.0.1']],
    );
    assert.equal((await read('bob', '?kind=sign_in'))[0]?.username, 'bob');
    assert.equal((await read('admin', '?kind=sign_in')).length, 3);
  });

  it('tells what came to the NAS to whom it belongs, and who woke it by name to them alone', async () => {
    await pi.nas.sleep('suspend');
    await told('admin', ([newest]) => newest?.kind === 'nas_asleep');
    await upload('alice', 'at-night.txt');
    assert.equal((await call('admin', '/api/nas/wol', { method: 'POST' })).status, 200);
    await told('alice', (entries) => entries.some(({ kind }) => kind === 'upload_delivered'));
    const [delivered] = await read('alice', '?kind=upload_delivered');
    assert.deepEqual([delivered?.path, delivered?.username], ['alice/at-night.txt', 'alice']);
    assert.equal((await read('admin', '?kind=upload_delivered')).length, 1);
    assert.deepEqual(await read('bob', '?kind=upload_delivered'), []);
    const woken = (who: string) => read(who, '?kind=nas_awake&limit=1');
    assert.deepEqual(
      (await woken('admin')).map(({ cause, username }) => [cause, username]),
      [['user', 'admin']],
    );
    assert.deepEqual(
      (await woken('bob')).map(({ cause, username }) => [cause, username]),
      [['user', null]],
    );
    assert.doesNotMatch(JSON.stringify(await read('bob')), /alice|at-night|"admin"/);
  });

  it('is there after a restart, and the NAS is not awake anew for that', async () => {
    const before = await read('admin');
    await pi.restart();
    for (const name of ['admin']) tokens.set(name, await pi.signIn(name));
    const after = await read('admin');
    assert.deepEqual(after.slice(-before.length), before);
    assert.equal(after.filter(({ kind }) => kind === 'nas_awake').length, 2);
  });

  it('refuses what it does not know, and whoever is not signed in', async () => {
    assert.equal((await call('admin', '/api/activity?kind=everything')).status, 422);
    assert.equal((await call('admin', '/api/activity?days=91')).status, 422);
    assert.equal((await fetch(`${pi.url}/api/activity`)).status, 401);
  });
});
