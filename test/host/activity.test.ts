import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { HttpSink } from '../fakes/http-sink.ts';
import { importExample } from '../flows/imported-example.ts';

interface Entry {
  readonly id: number;
  readonly kind: string;
  readonly ended_at: string | null;
  readonly username: string | null;
  readonly cause: string | null;
  readonly path: string | null;
  readonly address: string | null;
}

/** The kinds that the webhook receives are logged by then. */
const KINDS = ['nas_asleep', 'upload_delivered'];

describe('GET /api/activity', function () {
  this.timeout(60_000);
  const webhook = new HttpSink();
  let pi: BootedBaluPi;
  const tokens = new Map<string, string>();

  before(async () => {
    const url = await webhook.start();
    pi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1' },
      prepare: ({ flows }) => {
        importExample(flows, '21 - What matters to a webhook', (node) => ({
          ...node,
          ...(node.type === 'balupi-events' ? { kinds: KINDS } : {}),
          ...(node.type === 'http request' ? { url } : {}),
        }));
      },
    });
    // The NAS answers the first sign-in, which shows that it is awake.
    for (const name of ['alice', 'bob', 'admin']) tokens.set(name, await pi.signIn(name));
    assert.ok((await read('admin')).some(({ kind }) => kind === 'nas_awake'));
  });

  after(async () => {
    await pi.stop();
    await webhook.stop();
  });

  async function told(kind: string): Promise<void> {
    await webhook.took(({ body }) => (JSON.parse(body) as { event: string }).event === kind);
  }

  async function call(who: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${tokens.get(who) ?? ''}` };
    return await fetch(`${pi.url}${path}`, { ...init, headers });
  }

  async function read(who: string, query = ''): Promise<readonly Entry[]> {
    const answered = await call(who, `/api/activity${query}`);
    assert.equal(answered.status, 200);
    return ((await answered.json()) as { entries: Entry[] }).entries;
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
    await told('nas_asleep');
    assert.equal((await read('admin'))[0]?.kind, 'nas_asleep');
    await upload('alice', 'at-night.txt');
    assert.equal((await call('admin', '/api/nas/wol', { method: 'POST' })).status, 200);
    await told('upload_delivered');
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

  it('is there after a restart, and the NAS is not awake again for that', async () => {
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
