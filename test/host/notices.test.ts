import assert from 'node:assert/strict';
import { createECDH, randomBytes } from 'node:crypto';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { dashboardCookie } from '../fakes/raw-page.ts';

interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

const KINDS = ['wake_failed', 'conflict', 'upload_failed', 'plug_lost', 'unusual'];
const ALL = [...KINDS, 'disk', 'update_ready', 'flow'];

/** What a browser sends to subscribe. */
function subscription(endpoint: string, name = 'Phone') {
  const p256dh = createECDH('prime256v1').generateKeys('base64url');
  return { name, endpoint, p256dh, auth: randomBytes(16).toString('base64url') };
}

describe('Notices, through a running BaluPi', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let alice: string;
  let admin: string;

  before(async () => {
    pi = await BootedBaluPi.start();
    alice = await pi.signIn('alice');
    admin = await pi.signIn('admin');
  });

  after(async () => {
    await pi.stop();
  });

  async function call(line: string, token: string | null, body?: object): Promise<Answered> {
    const [method = 'GET', path = ''] = line.split(' ');
    const answered = await fetch(`${pi.url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...{ 'Content-Type': 'application/json', 'Accept-Language': 'de' },
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answered.text();
    return { status: answered.status, body: JSON.parse(text) as Record<string, unknown> };
  }

  const devices = async (token: string) =>
    (await call('GET /api/notices', token)).body['devices'] as { id: string; name: string }[];

  it('are nobody’s who is not signed in', async () => {
    for (const line of ['GET /api/notices', 'PUT /api/notices', 'POST /api/notices/test']) {
      assert.equal((await call(line, null)).status, 401, line);
    }
  });

  it('offer each what they may be told of, all of it wanted at first', async () => {
    const { body } = await call('GET /api/notices', alice);
    assert.deepEqual(
      body['kinds'],
      [...KINDS, 'flow'].map((kind) => ({ kind, is_wanted: true })),
    );
    assert.match(String(body['public_key']), /^B[\w-]{86}$/);
    const ofAdmin = (await call('GET /api/notices', admin)).body;
    const kinds = (ofAdmin['kinds'] as { kind: string }[]).map(({ kind }) => kind);
    assert.deepEqual(kinds, ALL);
    assert.equal(ofAdmin['public_key'], body['public_key']);
  });

  it('take a choice and quiet hours, and nothing that is none', async () => {
    const wanted = { wanted: ['conflict'], quiet_from: '22:00', quiet_to: '06:30' };
    assert.equal((await call('PUT /api/notices', alice, wanted)).status, 200);
    const { body } = await call('GET /api/notices', alice);
    const kinds = body['kinds'] as { kind: string; is_wanted: boolean }[];
    assert.deepEqual(
      kinds.filter(({ is_wanted: isWanted }) => isWanted).map(({ kind }) => kind),
      ['conflict'],
    );
    assert.deepEqual([body['quiet_from'], body['quiet_to']], ['22:00', '06:30']);
    for (const wrong of [
      { ...wanted, quiet_from: '24:00' },
      { ...wanted, wanted: ['what others do'] },
      { wanted: [] },
    ]) {
      assert.equal((await call('PUT /api/notices', alice, wrong)).status, 422);
    }
  });

  it('add a browser, show it to its owner alone, and end it', async () => {
    const sent = subscription('https://push.example.com/of-alice');
    const { status, body } = await call('POST /api/notices/devices', alice, sent);
    assert.equal(status, 200, JSON.stringify(body));
    const id = String(body['id']);
    assert.partialDeepStrictEqual(await devices(alice), [
      { id, name: 'Phone', language: 'de', sent_at: null, problem: null },
    ]);
    assert.deepEqual(await devices(admin), []);
    assert.equal((await call(`DELETE /api/notices/devices/${id}`, admin)).status, 404);
    assert.equal((await call('POST /api/notices/test', admin, { device_id: id })).status, 404);
    assert.ok(!JSON.stringify(await call('GET /api/notices', alice)).includes('push.example.com'));
    assert.equal((await call(`DELETE /api/notices/devices/${id}`, alice)).status, 200);
    assert.deepEqual(await devices(alice), []);
  });

  it('send to no address of the home, however it is written', async () => {
    for (const endpoint of [
      ...['https://127.0.0.1/x', 'https://192.168.178.53/x', 'http://push.example.com/x'],
      ...['https://localhost/x', 'https://[::1]/x', 'https://push.example.com:8000/x'],
    ]) {
      const { status, body } = await call(
        'POST /api/notices/devices',
        alice,
        subscription(endpoint),
      );
      assert.deepEqual([status, body['code']], [422, 'invalid'], endpoint);
      assert.ok(!JSON.stringify(body).includes(endpoint));
    }
    assert.deepEqual(await devices(alice), []);
  });

  it('end with a sign-out in an app, over a restart too', async () => {
    const token = await pi.signIn('bob');
    await call('POST /api/notices/devices', token, subscription('https://push.example.com/bob'));
    await pi.restart();
    const again = await pi.signIn('bob');
    assert.equal((await devices(again)).length, 1);
    assert.equal((await call('POST /api/auth/logout', again)).status, 200);
    assert.deepEqual(await devices(await pi.signIn('bob')), []);
  });

  it('are shown by a worker that anybody may have, keeps nothing and asks for nothing', async () => {
    for (const cookie of ['', await dashboardCookie(pi.url, 'alice')]) {
      const answered = await fetch(`${pi.url}/dashboard/sw.js`, { headers: { Cookie: cookie } });
      const script = await answered.text();
      assert.equal(answered.status, 200);
      const policy = answered.headers.get('content-security-policy');
      assert.equal(policy, "default-src 'none'; img-src 'self'");
      assert.equal(answered.headers.get('cache-control'), 'no-cache');
      assert.match(String(answered.headers.get('content-type')), /^text\/javascript/);
      assert.ok(!/caches|fetch|alice/.test(script));
    }
  });
});
