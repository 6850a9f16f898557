import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { BootedBaluPi, isPiToken } from '../fakes/boot-balupi.ts';

interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
}

const PHONE = {
  device_name: 'Phone',
  device_type: 'android',
  device_model: 'Pixel',
  os_version: '15',
  app_version: '1.0',
};

describe('Phones and desktops that pair through the Pi', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let address = 1;
  /** The token of Bob, who signed in while the NAS was awake. */
  let watcher: string;

  before(async () => {
    pi = await BootedBaluPi.start({ environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1' } });
    watcher = await pi.signIn('bob');
  });

  after(async () => {
    await pi.stop();
  });

  /** From an address of its own, as limits count by address. */
  async function ask(
    line: string,
    body?: unknown,
    {
      token,
      from = `127.0.5.${String((address += 1) % 250)}`,
    }: { token?: string; from?: string } = {},
  ): Promise<Told> {
    const [method = 'GET', path = ''] = line.split(' ');
    const { promise, resolve, reject } = Promise.withResolvers<Told>();
    const asked = request(
      `${pi.url}${path}`,
      {
        ...{ method, localAddress: from },
        headers: {
          'Content-Type': 'application/json',
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        },
      },
      (answered) => {
        textOf(answered).then((said) => {
          const told = said === '' ? {} : (JSON.parse(said) as Told['body']);
          resolve({ status: answered.statusCode ?? 0, headers: answered.headers, body: told });
        }, reject);
      },
    );
    asked.on('error', reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    return await promise;
  }

  async function online(wanted: boolean): Promise<void> {
    for (let turn = 0; turn < 300; turn += 1) {
      const from = '127.0.5.251';
      const { body } = await ask('GET /api/nas/status', undefined, { token: watcher, from });
      if (body['online'] === wanted) return;
      await wait(50);
    }
    assert.fail('the NAS never changed');
  }

  async function registrationToken(): Promise<string> {
    const token = pi.nas.accounts.accessToken('alice');
    const path = '/api/mobile/token/generate?device_name=Phone&token_validity_days=90';
    const { body } = await ask(`POST ${path}`, undefined, { token });
    return String(body['token']);
  }

  async function pairDesktop(deviceId: string): Promise<Told> {
    const begun = await ask('POST /api/desktop-pairing/device-code', {
      ...{ device_id: deviceId, device_name: 'Desk', platform: 'linux' },
    });
    assert.equal(begun.status, 200, JSON.stringify(begun.body));
    const verification = new URL(String(begun.body['verification_url']));
    assert.equal(verification.host, new URL(pi.nas.url).host, 'the page is the NAS’s own');
    const code = { device_code: begun.body['device_code'] };
    const pending = await ask('POST /api/desktop-pairing/poll', code);
    assert.deepEqual([pending.status, pending.body['status']], [200, 'authorization_pending']);
    const token = pi.nas.accounts.accessToken('alice');
    const user = { user_code: begun.body['user_code'] };
    assert.equal((await ask('POST /api/desktop-pairing/approve', user)).status, 401);
    assert.equal((await ask('POST /api/desktop-pairing/approve', user, { token })).status, 200);
    return await ask('POST /api/desktop-pairing/poll', code);
  }

  it('get the NAS’s own answer, and its refusal with a code', async () => {
    const wrong = await ask('POST /api/mobile/register', { token: 'reg_no', device_info: PHONE });
    assert.equal(wrong.status, 401);
    assert.deepEqual(wrong.body, { detail: 'Invalid registration token', code: 'bad_credentials' });
    const nothing = await ask('POST /api/mobile/register', {});
    assert.deepEqual([nothing.status, nothing.body['code']], [422, 'invalid']);
    const over = await ask('POST /api/desktop-pairing/poll', { device_code: 'none' });
    assert.deepEqual([over.status, over.body['code']], [404, 'not_found']);
    const token = await registrationToken();
    const { status, body } = await ask('POST /api/mobile/register', {
      ...{ token, device_info: PHONE, token_validity_days: 90 },
    });
    assert.equal(status, 200, JSON.stringify(body));
    const user = body['user'] as Record<string, unknown>;
    assert.match(String(user['created_at']), /Z$/);
  });

  it('refresh at night though their token was never used', async () => {
    const token = await registrationToken();
    const { body } = await ask('POST /api/mobile/register', { token, device_info: PHONE });
    const desktop = await pairDesktop('desk-night');
    assert.equal(desktop.body['status'], 'approved');
    await pi.nas.sleep('suspend');
    await online(false);
    for (const refresh of [body['refresh_token'], desktop.body['refresh_token']]) {
      const fresh = await ask('POST /api/auth/refresh', { refresh_token: refresh });
      assert.equal(fresh.status, 200, JSON.stringify(fresh.body));
      const own = String(fresh.body['access_token']);
      assert.ok(isPiToken(own));
      assert.equal((await ask('GET /api/auth/me', undefined, { token: own })).status, 200);
    }
    const own = String(body['access_token']);
    assert.equal((await ask('GET /api/auth/me', undefined, { token: own })).status, 200);
  });

  it('are told to wait while the NAS sleeps, and never that they are nobody', async () => {
    for (const [line, body] of [
      ['POST /api/mobile/register', { token: 'reg_x', device_info: PHONE }],
      ['POST /api/desktop-pairing/device-code', { device_id: 'd' }],
      ['POST /api/desktop-pairing/poll', { device_code: 'c' }],
    ] as const) {
      const told = await ask(line, body);
      assert.deepEqual([told.status, told.body['code']], [503, 'nas_asleep'], line);
      assert.match(String(told.headers['retry-after']), /^\d+$/);
    }
    await pi.nas.wake();
    await online(true);
  });

  it('have a rate of their own by address, so that nobody uses up everybody’s', async () => {
    const from = '127.0.6.1';
    const statuses: number[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      const told = await ask('POST /api/mobile/register', { token: 'reg_no' }, { from });
      statuses.push(told.status);
      if (told.status === 429) assert.equal(typeof told.body['retry_after'], 'number');
    }
    assert.deepEqual(statuses, [422, 422, 429, 429]);
    const other = await ask('POST /api/mobile/register', { token: 'reg_no' });
    assert.equal(other.status, 422);
  });

  it('are refused what is no JSON, or too much of it', async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const asked = request(
      `${pi.url}/api/mobile/register`,
      { method: 'POST', localAddress: '127.0.6.9' },
      (answered) => {
        answered.resume();
        resolve(answered.statusCode ?? 0);
      },
    );
    asked.end('no json');
    assert.equal(await promise, 400);
    const large = await ask('POST /api/mobile/register', { token: 'x'.repeat(20_000) });
    assert.equal(large.status, 413);
  });

  it('keep what a device is told to its owner, as the NAS itself does not', async () => {
    const token = await registrationToken();
    const { body } = await ask('POST /api/mobile/register', { token, device_info: PHONE });
    const device = (body['device'] as { readonly id: string }).id;
    const path = `GET /api/mobile/sync/folders/${device}`;
    const alice = pi.nas.accounts.accessToken('alice');
    const bob = pi.nas.accounts.accessToken('bob');
    assert.equal((await ask(path, undefined, { token: alice })).status, 200);
    assert.equal((await ask(path, undefined, { token: bob })).status, 404);
    const direct = await fetch(`${pi.nas.url}/api/mobile/sync/folders/${device}`, {
      headers: { Authorization: `Bearer ${bob}` },
    });
    assert.equal(direct.status, 200, 'the NAS lets bob in');
  });
});
