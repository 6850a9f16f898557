import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { BootedBaluPi, isPiToken } from '../fakes/boot-balupi.ts';

interface Told {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A desktop of a running BaluPi, whose refresh token the NAS refuses as BaluHost 1.38 does. */
describe('A desktop that was paired through the Pi', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let alice: string;

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1' },
    });
    // With this the Pi also registers itself for her, by which it acts later.
    alice = await pi.signIn('alice');
    await pi.until('a credential of alice', async () => {
      const { body } = await ask('GET /api/nas/credentials', undefined, admin());
      const stored = body['credentials'] as readonly { readonly username: string }[];
      return stored.some(({ username }) => username === 'alice');
    });
  });

  after(async () => {
    await pi.stop();
  });

  const admin = (): string => pi.nas.accounts.accessToken('admin');

  let address = 1;

  /** From an address of its own, as pairing is limited by address. */
  async function ask(line: string, body?: unknown, token?: string): Promise<Told> {
    const [method = 'GET', path = ''] = line.split(' ');
    const { promise, resolve, reject } = Promise.withResolvers<Told>();
    const headers = {
      'Content-Type': 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    };
    const localAddress = `127.0.7.${String((address += 1))}`;
    const asked = request(`${pi.url}${path}`, { method, headers, localAddress }, (answered) => {
      textOf(answered).then((said) => {
        const told = JSON.parse(said === '' ? '{}' : said) as Told['body'];
        resolve({ status: answered.statusCode ?? 0, body: told });
      }, reject);
    });
    asked.on('error', reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    return await promise;
  }

  async function pair(deviceId: string): Promise<string> {
    const { body: begun } = await ask('POST /api/desktop-pairing/device-code', {
      ...{ device_id: deviceId, device_name: 'Desk', platform: 'linux' },
    });
    const approved = { user_code: begun['user_code'] };
    await ask('POST /api/desktop-pairing/approve', approved, pi.nas.accounts.accessToken('alice'));
    const polled = { device_code: begun['device_code'] };
    const { body } = await ask('POST /api/desktop-pairing/poll', polled);
    assert.equal(body['status'], 'approved', JSON.stringify(body));
    return String(body['refresh_token']);
  }

  async function refresh(token: string): Promise<Told> {
    return await ask('POST /api/auth/refresh', { refresh_token: token });
  }

  it('goes on when its 15 minutes are over: files, sync and its own name, by tokens of the Pi', async () => {
    const told = await refresh(await pair('desk-1'));
    assert.equal(told.status, 200, JSON.stringify(told.body));
    const token = String(told.body['access_token']);
    assert.ok(isPiToken(token));
    assert.equal((await ask('GET /api/auth/me', undefined, token)).body['username'], 'alice');
    assert.equal((await ask('GET /api/files/list?path=alice', undefined, token)).status, 200);
    const bell = await ask('GET /api/notifications/unread-count', undefined, token);
    assert.deepEqual([bell.status, bell.body], [200, { count: 0 }]);
    const device = { device_id: 'desk-1', file_list: [] };
    assert.equal((await ask('POST /api/sync/changes', device, token)).status, 200);
    const keys = await ask('POST /api/api-keys', { name: 'k' }, token);
    assert.deepEqual([keys.status, keys.body['code']], [401, 'refresh_token_now']);
    assert.ok(!pi.nas.requests.some(({ headers }) => isPiToken(headers['authorization'] ?? '')));
  });

  it('ends with a password that is changed through the Pi', async () => {
    const token = await pair('desk-2');
    assert.equal((await refresh(token)).status, 200);
    const words = { current_password: 'Practice-alice-1', new_password: 'Practice-alice-2' };
    const changed = await ask('POST /api/auth/change-password', words, alice);
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
    const over = await refresh(token);
    assert.deepEqual([over.status, over.body['detail']], [401, 'Refresh token has been revoked']);
  });

  it('ends with a password that is changed on the NAS, as soon as the NAS tells', async () => {
    const token = await pair('desk-3');
    assert.equal((await refresh(token)).status, 200);
    pi.nas.changePassword('alice', 'Practice-alice-1');
    const me = await ask('GET /api/auth/me', undefined, pi.nas.accounts.accessToken('alice'));
    assert.equal(me.status, 200);
    assert.equal((await refresh(token)).status, 401);
  });

  it('is shown to its user, who may take it away', async () => {
    const token = await pair('desk-4');
    const own = pi.nas.accounts.accessToken('alice');
    const bob = pi.nas.accounts.accessToken('bob');
    const { body } = await ask('GET /api/auth/desktops', undefined, own);
    assert.partialDeepStrictEqual(body, {
      desktops: [{ device_id: 'desk-4', device_name: 'Desk', username: 'alice' }],
    });
    const line = 'DELETE /api/auth/desktops/desk-4';
    assert.equal((await ask(line, undefined, bob)).status, 404);
    assert.equal((await refresh(token)).status, 200);
    assert.equal((await ask(line, undefined, own)).status, 200);
    assert.equal((await refresh(token)).status, 401);
  });
});
