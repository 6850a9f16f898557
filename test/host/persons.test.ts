import assert from 'node:assert/strict';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { BootedBaluPi, isPiToken } from '../fakes/boot-balupi.ts';
import { dashboardCookie } from '../fakes/raw-page.ts';

/** Who comes in through the running BaluPi, and who no longer does. */
describe('Who comes in', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;

  beforeEach(async () => {
    pi = await BootedBaluPi.start({
      hurry: 5,
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' },
    });
  });

  afterEach(async () => {
    await pi.stop();
  });

  interface Answered {
    readonly status: number;
    readonly body: Readonly<Record<string, unknown>>;
  }

  /** From an address of this machine, as another device of the home would. */
  async function ask(
    path: string,
    body: object | null,
    { from = '127.0.0.1', token = '' } = {},
  ): Promise<Answered> {
    const { promise, resolve, reject } = Promise.withResolvers<Answered>();
    const sent = request(
      `${pi.url}${path}`,
      {
        method: body === null ? 'GET' : 'POST',
        localAddress: from,
        agent: false,
        headers: {
          ...(body === null ? {} : { 'Content-Type': 'application/json' }),
          ...(token === '' ? {} : { Authorization: `Bearer ${token}` }),
        },
      },
      (answered) => {
        json(answered).then((read) => {
          resolve({ status: answered.statusCode ?? 0, body: read as Answered['body'] });
        }, reject);
      },
    );
    sent.on('error', reject);
    sent.end(body === null ? undefined : JSON.stringify(body));
    return await promise;
  }

  const signIn = (username: string, from: string, password = `Practice-${username}-1`) =>
    ask('/api/auth/login', { username, password }, { from });

  async function upload(token: string, name: string): Promise<void> {
    const form = new FormData();
    form.set('file', new Blob(['of whoever sent it']), name);
    const answered = await fetch(`${pi.url}/api/files/upload?path=alice`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
      body: form,
    });
    assert.equal(answered.status, 200);
  }

  it('is not decided by one stranger who uses up the sign-ins of the minute', async () => {
    pi.nas.setRateLimits('production');
    for (const [name, from] of [
      ['alice', '127.0.0.11'],
      ['bob', '127.0.0.12'],
    ] as const) {
      assert.equal((await signIn(name, from)).status, 200, name);
    }
    const guesses: number[] = [];
    for (let guess = 0; guess < 12; guess += 1) {
      const name = ['alice', 'bob', 'dora', `made-up-${guess}`][guess % 4] ?? '';
      guesses.push((await signIn(name, '127.0.0.66', `guess ${guess}`)).status);
      const refresh_token = `made.up.${guess}`;
      const asked = await ask('/api/auth/refresh', { refresh_token }, { from: '127.0.0.66' });
      assert.ok(asked.status === 401 || asked.status === 504, `${asked.status}`);
    }
    assert.ok(
      guesses.every((status) => status === 401 || status === 429),
      guesses.join(),
    );
    const shown = pi.nas.requests.filter(({ url }) => url === '/api/auth/login').length;
    assert.ok(shown <= 5, `${shown} sign-ins shown to the NAS`);
    assert.ok(pi.nas.requests.filter(({ url }) => url === '/api/auth/refresh').length <= 4);
    for (const [name, from] of [
      ['alice', '127.0.0.11'],
      ['bob', '127.0.0.12'],
    ] as const) {
      const startedMs = performance.now();
      assert.equal((await signIn(name, from)).status, 200, name);
      assert.ok(performance.now() - startedMs < 3_000, name);
    }
  });

  it('is another once the NAS gave the id to somebody else', async () => {
    const token = await pi.signIn('alice');
    const cookie = await dashboardCookie(pi.url, 'alice');
    const refresh = pi.nas.accounts.refreshToken('alice');
    assert.equal((await ask('/api/auth/refresh', { refresh_token: refresh })).status, 200);
    const Authorization = `Bearer ${token}`;
    const pinned = await fetch(`${pi.url}/api/cache/pins`, {
      method: 'PUT',
      headers: { Authorization, 'Content-Type': 'application/json' },
      body: JSON.stringify({ path: 'alice' }),
    });
    assert.equal(pinned.status, 200);
    await pi.nas.sleep('suspend');
    await upload(token, 'from the night.txt');
    // Before the NAS is up again for the Pi, so that nothing of hers is delivered yet.
    pi.nas.faults.set({ path: /chunked/, status: 503 });
    await pi.nas.wake();
    await pi.nas.accounts.reuseId('alice', {
      username: 'carol',
      password: 'Practice-carol-1',
      role: 'user',
    });
    await pi.until('the Pi to see the NAS awake', async () => {
      const { body } = await ask('/api/nas/status', null, { token });
      return body['online'] === true ? body : null;
    });
    const hers = await pi.signIn('carol');
    const theirs = async (path: string, of = hers): Promise<Answered> =>
      await ask(path, null, { token: of });
    assert.deepEqual((await theirs('/api/files/uploads')).body['uploads'], []);
    assert.deepEqual((await theirs('/api/cache/pins')).body['pins'], []);
    assert.equal((await theirs('/api/auth/me', token)).status, 401);
    const again = await ask('/api/auth/refresh', { refresh_token: refresh });
    assert.equal(again.status, 401);
    const page = await fetch(`${pi.url}/dashboard/energy`, {
      headers: { Cookie: cookie, Accept: 'text/html' },
      redirect: 'manual',
    });
    assert.notEqual(page.status, 200);
    const held = await theirs('/api/files/uploads?state=held', await pi.signIn('admin'));
    const rows = held.body['uploads'] as { path: string; state: string }[];
    assert.deepEqual(
      rows.map(({ path, state }) => [path, state]),
      [['alice/from the night.txt', 'held']],
    );
    const stored = await theirs('/api/nas/credentials', await pi.signIn('admin'));
    const kept = stored.body['credentials'] as { username: string }[];
    assert.ok(!kept.some(({ username }) => username === 'alice'));
  });

  it('stays out after a logout at night, and the NAS hears of it in the morning', async () => {
    const refresh_token = pi.nas.accounts.refreshToken('alice');
    const first = await ask('/api/auth/refresh', { refresh_token });
    assert.equal(first.status, 200);
    const admin = await pi.signIn('admin');
    await pi.until('the Pi to be a device of alice', async () => {
      const { body } = await ask('/api/nas/credentials', null, { token: admin });
      const kept = body['credentials'] as { username: string; state: string }[];
      return kept.find((row) => row.username === 'alice' && row.state === 'ok') ?? null;
    });
    const elsewhere = pi.nas.accounts.refreshToken('alice');
    await pi.nas.sleep('suspend');
    const token = await pi.until('a token of the Pi', async () => {
      const { status, body } = await ask('/api/auth/refresh', { refresh_token });
      return status === 200 && isPiToken(String(body['access_token']))
        ? String(body['access_token'])
        : null;
    });
    assert.equal((await ask('/api/auth/logout', {}, { token })).status, 200);
    await pi.nas.wake();
    await pi.until('the NAS to hear of the logout', () => {
      const heard = pi.nas.requests.find(({ url }) => url === '/api/auth/logout');
      return Promise.resolve(heard?.status ?? null);
    });
    assert.equal((await ask('/api/auth/refresh', { refresh_token })).status, 401);
    assert.equal((await ask('/api/auth/refresh', { refresh_token: elsewhere })).status, 401);
  });

  async function online(is: boolean, token: string): Promise<void> {
    await pi.until(`the NAS to be ${is ? 'up' : 'asleep'}`, async () => {
      const { body } = await ask('/api/nas/status', null, { token });
      return body['online'] === is ? body : null;
    });
  }

  /** Everywhere a token can lead. */
  async function tellsNothing(token: string, when: string): Promise<void> {
    for (const path of [
      '/api/nas/status',
      '/api/auth/me',
      '/api/files/list?path=alice',
      '/api/files/download/alice/Photos/IMG_0001.png',
      '/api/energy/current',
      '/api/users/',
    ]) {
      const { status, body } = await ask(path, null, { token });
      assert.deepEqual([status, body['code']], [401, 'bad_token'], `${when}: ${path}`);
    }
  }

  it('is not who signed out at night, whatever the NAS still takes in the morning', async () => {
    const token = await pi.signIn('alice');
    const cookie = await dashboardCookie(pi.url, 'alice');
    const admin = pi.nas.accounts.accessToken('admin');
    await pi.until('the Pi to be a device of alice', async () => {
      const { body } = await ask('/api/nas/credentials', null, { token: admin });
      const kept = body['credentials'] as { username: string; state: string }[];
      return kept.find((row) => row.username === 'alice' && row.state === 'ok') ?? null;
    });
    await pi.nas.sleep('suspend');
    await online(false, admin);
    assert.equal((await ask('/api/auth/logout', {}, { token })).status, 200);
    await tellsNothing(token, 'asleep');
    const before = pi.nas.requests.length;
    await pi.nas.wake();
    await online(true, admin);
    await pi.until('the NAS to hear of the logout', () => {
      const heard = pi.nas.requests.find(({ url }) => url === '/api/auth/logout');
      return Promise.resolve(heard?.status ?? null);
    });
    await tellsNothing(token, 'awake');
    const page = await fetch(`${pi.url}/dashboard/energy`, {
      headers: { Cookie: cookie, Accept: 'text/html' },
      redirect: 'manual',
    });
    assert.equal(page.status, 303);
    await pi.restart();
    await tellsNothing(token, 'after a restart');
    const made = pi.nas.requests.slice(before).filter(({ url }) => url.includes('register'));
    assert.deepEqual(made, []);
    const direct = await fetch(`${pi.nas.url}/api/auth/me`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    assert.equal(direct.status, 200, 'the NAS itself still takes it');
    const again = await signIn('alice', '127.0.0.21');
    assert.equal(again.status, 200);
    const next = String(again.body['access_token']);
    assert.equal((await ask('/api/files/list?path=alice', null, { token: next })).status, 200);
  });

  it('is not who signed out while the NAS is awake, which still takes the token', async () => {
    const token = await pi.signIn('alice');
    assert.equal((await ask('/api/files/list?path=alice', null, { token })).status, 200);
    assert.equal((await ask('/api/auth/logout', {}, { token })).status, 200);
    await tellsNothing(token, 'awake');
    const admin = pi.nas.accounts.accessToken('admin');
    await online(true, admin);
    await pi.nas.sleep('suspend');
    await online(false, admin);
    await tellsNothing(token, 'asleep');
  });
});
