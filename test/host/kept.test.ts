import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

interface Answered {
  readonly status: number;
  readonly age: string | null;
  readonly body: unknown;
}

/** What the tiles of the app's dashboard and its monitor request, each of them every minute. */
const TILES = [
  '/api/system/info',
  '/api/shares/statistics',
  '/api/system/raid/status',
  '/api/system/smart/status',
  '/api/monitoring/uptime/current',
  '/api/monitoring/network/current',
  '/api/activity/recent-files?limit=5',
];

describe('What is kept of the NAS for its sleep', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let alice: string;
  let bob: string;

  beforeEach(async () => {
    pi = await BootedBaluPi.start({ environment: { BALUPI_WAKE_ON_MISS: 'false' } });
    alice = await pi.signIn('alice');
    bob = await pi.signIn('bob');
    await pi.nas.putFile('alice/Photos/a.jpg', Buffer.from('a'), 'alice');
  });

  afterEach(async () => {
    await pi.stop();
  });

  async function ask(
    token: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Answered> {
    const answered = await fetch(`${pi.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answered.text();
    return {
      status: answered.status,
      age: answered.headers.get('age'),
      body: text === '' ? null : (JSON.parse(text) as unknown),
    };
  }

  /** Registers a phone with one folder at the NAS. @returns its id */
  async function phone(): Promise<string> {
    const headers = { Authorization: `Bearer ${alice}`, 'Content-Type': 'application/json' };
    const at = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
      const method = 'POST';
      const sent = await fetch(`${pi.nas.url}${path}`, {
        method,
        headers,
        body: JSON.stringify(body),
      });
      return (await sent.json()) as Record<string, unknown>;
    };
    const made = await at(
      '/api/mobile/token/generate?device_name=phone&token_validity_days=90',
      {},
    );
    const info = {
      device_name: 'phone',
      device_type: 'android',
      device_model: 'Pixel',
      os_version: '15',
      app_version: '1.0',
    };
    const registered = await at('/api/mobile/register', {
      token: made['token'],
      device_info: info,
    });
    assert.ok('device' in registered, JSON.stringify([made, registered]));
    const { id } = registered['device'] as { readonly id: string };
    const folder = { local_path: '/DCIM', remote_path: 'alice/Photos', sync_type: 'upload' };
    await at(`/api/mobile/sync/folders/${id}`, folder);
    return id;
  }

  it('is told in its sleep to its own user: folders, schedules, preflight, who is registered', async () => {
    const id = await phone();
    const desk = { device_id: 'desk-1', device_name: 'desk' };
    const routes = [
      `/api/mobile/sync/folders/${id}`,
      '/api/sync/schedule/list',
      '/api/system/sleep/my-permissions',
      '/api/files/permissions?path=alice',
    ];
    for (const path of routes) {
      const { status, body } = await ask(alice, 'GET', path);
      assert.equal(status, 200, `${path} ${JSON.stringify(body)}`);
    }
    assert.equal((await ask(alice, 'POST', '/api/sync/register-desktop', desk)).status, 200);
    assert.equal((await ask(bob, 'GET', routes[0] ?? '')).status, 404);
    assert.equal((await ask(alice, 'GET', '/api/files/list?path=alice/Photos')).status, 200);
    const awake = await ask(alice, 'GET', '/api/sync/preflight');
    assert.partialDeepStrictEqual(awake.body, { current_sleep_state: 'awake' });

    const before = pi.nas.requests.length;
    await pi.nas.sleep('suspend');
    for (const path of routes) {
      const { status, age } = await ask(alice, 'GET', path);
      assert.equal(status, 200, path);
      assert.match(age ?? '', /^\d+$/);
      assert.ok((await ask(bob, 'GET', path)).status >= 400, path);
    }
    const folders = (await ask(alice, 'GET', routes[0] ?? '')).body;
    assert.ok(Array.isArray(folders) && folders.length === 1);
    const again = await ask(alice, 'POST', '/api/sync/register-desktop', desk);
    assert.partialDeepStrictEqual(again.body, { status: 'already_registered' });
    const preflight = await ask(alice, 'GET', '/api/sync/preflight');
    assert.partialDeepStrictEqual(preflight.body, { sync_allowed: true, block_reason: null });
    assert.partialDeepStrictEqual((await ask(bob, 'GET', '/api/sync/preflight')).body, {
      sync_allowed: false,
      block_reason: 'sleep_active',
    });
    assert.ok(pi.nas.requests.length >= before);
  });

  it('leaves the NAS asleep however often an app polls, and costs it three requests a minute awake', async () => {
    await ask(alice, 'GET', '/api/files/list?path=alice');
    for (const path of TILES) {
      const { status, body } = await ask(alice, 'GET', path);
      assert.equal(status, 200, `${path} ${JSON.stringify(body)}`);
    }
    pi.nas.resetCounters();
    for (let round = 0; round < 10; round += 1) {
      for (const path of TILES) assert.equal((await ask(alice, 'GET', path)).status, 200, path);
    }
    assert.ok(pi.nas.requests.length <= 3, String(pi.nas.requests.length));
    await pi.nas.sleep('soft');
    await ask(alice, 'GET', '/api/sync/preflight');
    for (const path of TILES) {
      const { status, age } = await ask(alice, 'GET', path);
      assert.equal(status, 200, path);
      assert.notEqual(age, null, path);
    }
    assert.equal(pi.nas.sleepState, 'soft_sleep');
    assert.deepEqual(pi.nas.wokenBy, []);
  });
});
