import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { BootedBaluPi, isPiToken } from '../fakes/boot-balupi.ts';
import { RawClient } from '../fakes/raw-client.ts';

/** An owner's own route below a prefix of the NAS. */
const OWN_FLOW = [
  { id: 'own', type: 'tab', label: 'own', disabled: false, info: '', env: [] },
  {
    ...{ id: 'own-in', type: 'http in', z: 'own', name: '', url: '/api/vpn/mine', method: 'post' },
    ...{ upload: false, skipBodyParsing: false, swaggerDoc: '', x: 100, y: 100 },
    wires: [['own-reply']],
  },
  {
    ...{ id: 'own-reply', type: 'http response', z: 'own', name: '', statusCode: '299' },
    ...{ headers: {}, x: 300, y: 100, wires: [] },
  },
];

interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

describe('What BaluPi does not answer itself', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1' },
      prepare: ({ flows }) => {
        writeFileSync(join(flows, 'own.json'), `${JSON.stringify(OWN_FLOW, null, 2)}\n`);
      },
    });
    token = await pi.signIn('alice');
  });

  after(async () => {
    await pi.stop();
  });

  async function ask(
    line: string,
    init: RequestInit & { token?: string | null } = {},
  ): Promise<Told> {
    const [method = 'GET', path = ''] = line.split(' ');
    const { token: given = token, headers, ...rest } = init;
    const authorization = given === null ? {} : { Authorization: `Bearer ${given}` };
    const answered = await fetch(`${pi.url}${path}`, {
      ...{ method, redirect: 'error', ...rest },
      headers: { ...authorization, ...(headers as Record<string, string> | undefined) },
    });
    const text = await answered.text();
    const isJson = answered.headers.get('content-type')?.startsWith('application/json') === true;
    const body = isJson && text !== '' ? (JSON.parse(text) as Told['body']) : { text };
    return { status: answered.status, headers: answered.headers, body };
  }

  async function online(wanted: boolean): Promise<void> {
    await pi.until(
      `the NAS to be ${wanted ? 'awake' : 'asleep'}`,
      async () => (await ask('GET /api/nas/status')).body['online'] === wanted,
    );
  }

  it('goes to the NAS as it came, by every method', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const body = method === 'GET' ? {} : { body: `${method} body` };
      const told = await ask(`${method} /api/vpn/some/where?a=1&a=2`, {
        ...body,
        headers: { 'X-Device-ID': 'd-1', 'X-Forwarded-For': '10.0.0.9' },
      });
      assert.equal(told.status, 200, method);
      assert.equal(told.body['method'], method);
      assert.equal(told.body['url'], '/api/vpn/some/where?a=1&a=2');
      assert.equal(told.body['user'], 'alice');
      assert.equal(told.body['body_bytes'], method === 'GET' ? 0 : method.length + 5);
      const headers = told.body['headers'] as Record<string, string>;
      assert.equal(headers['host'], new URL(pi.nas.url).host);
      assert.equal(headers['x-device-id'], 'd-1');
      assert.equal(headers['x-forwarded-for'], undefined);
      assert.equal(told.headers.get('cache-control'), 'private, no-store');
    }
  });

  it('gets the NAS’s own answer where it has no such route, or none of that method', async () => {
    const none = await ask('GET /api/no/such/route');
    assert.deepEqual([none.status, none.body], [404, { detail: 'Not Found', code: 'not_found' }]);
    const wrong = await ask('PUT /api/system/info');
    assert.equal(wrong.status, 405);
    assert.deepEqual(wrong.body, { detail: 'Method Not Allowed', code: 'method_not_allowed' });
    const odd = await ask('PATCH /api/smart-devices');
    assert.notEqual(odd.body['code'], 'failed');
  });

  it('is nobody’s without a token, and reaches the NAS for nobody', async () => {
    pi.nas.resetCounters();
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      const told = await ask(`${method} /api/vpn/clients`, { token: null });
      assert.deepEqual([told.status, told.body['code']], [401, 'no_token']);
    }
    const bad = await ask('GET /api/vpn/clients', { token: 'balu_0123456789' });
    assert.equal(bad.status, 401);
    assert.deepEqual(
      pi.nas.requests.filter(({ path }) => path.startsWith('/api/vpn')),
      [],
    );
  });

  it('keeps a tinkerer’s own route, with its body', async () => {
    const body = JSON.stringify({ mine: true });
    const headers = { 'Content-Type': 'application/json' };
    pi.nas.resetCounters();
    const own = await ask('POST /api/vpn/mine', { body, headers });
    assert.deepEqual([own.status, own.body], [299, { mine: true }]);
    assert.deepEqual(
      pi.nas.requests.filter(({ path }) => path === '/api/vpn/mine'),
      [],
    );
    const theirs = await ask('GET /api/vpn/mine');
    assert.equal(theirs.body['method'], 'GET', 'another method of it is the NAS’s');
  });

  it('follows a redirect of a GET on the NAS, and lets none out', async () => {
    const users = await ask('GET /api/users', { token: pi.nas.accounts.accessToken('admin') });
    assert.equal(users.status, 200);
    assert.ok(Array.isArray(users.body['users']));
    for (const to of ['http://elsewhere.example/x', '/api/setup/status', '/login']) {
      const query = `echo_status=302&echo_location=${encodeURIComponent(to)}`;
      const led = await ask(`GET /api/vpn/led?${query}`);
      assert.deepEqual([led.status, led.body['code']], [502, 'nas_bad_answer'], to);
      assert.equal(led.headers.get('location'), null);
    }
    const posted = await ask('POST /api/vpn/led?echo_status=307&echo_location=/api/vpn/x');
    assert.equal(posted.status, 502);
  });

  it('takes BaluDesk’s form of a delete, which the NAS itself redirects', async () => {
    await pi.nas.putFile('alice/gone.txt', Buffer.from('x'), 'alice');
    const told = await ask('DELETE /api/files?path=alice%2Fgone.txt');
    assert.equal(told.status, 200, JSON.stringify(told.body));
    assert.ok(!(await pi.nas.tree()).some(({ path }) => path === 'alice/gone.txt'));
  });

  it('is never HTML, and no refusal without a code', async () => {
    const page = await ask('GET /api/vpn/page?echo_type=text/html');
    assert.deepEqual([page.status, page.body['code']], [502, 'nas_bad_answer']);
    for (const [status, code] of [
      [413, 'too_large'],
      [404, 'not_found'],
      [500, 'nas_failed'],
      [429, 'nas_busy'],
      [503, 'nas_busy'],
    ] as const) {
      const told = await ask(`GET /api/vpn/page?echo_type=text/html&echo_status=${status}`);
      assert.equal(told.body['code'], code, String(status));
      assert.equal(typeof told.body['detail'], 'string');
    }
    const refused = await ask('GET /api/vpn/x?echo_status=409');
    assert.equal(refused.status, 409);
    assert.equal(refused.body['code'], 'conflict');
    assert.equal(refused.body['detail'], 'As it was asked.');
    const broken = await ask('GET /api/vpn/x?echo_status=500');
    assert.deepEqual([broken.status, broken.body['code']], [500, 'nas_failed']);
  });

  it('tells no one to wait who need not, and keeps what the NAS says of its own cache', async () => {
    const told = await ask('GET /api/vpn/x?echo_header=retry-after:60&echo_header=etag:"a"');
    assert.equal(told.headers.get('retry-after'), null);
    assert.equal(told.headers.get('etag'), '"a"');
    const kept = await ask('GET /api/vpn/x?echo_header=cache-control:max-age=60');
    assert.equal(kept.headers.get('cache-control'), 'max-age=60');
    const busy = await ask('GET /api/vpn/x?echo_status=429&echo_header=retry-after:7');
    assert.equal(busy.headers.get('retry-after'), '7');
  });

  it('answers a HEAD as the GET, without its body', async () => {
    const client = new RawClient(pi.port);
    const head = await client.ask('HEAD', '/api/vpn/x?echo_bytes=1000', [
      `Authorization: Bearer ${token}`,
    ]);
    assert.equal(head.status, 200);
    assert.match(head.head, /^content-length: 1000\r?$/im);
    client.close();
  });

  it('begins a body only when nothing speaks against it', async () => {
    const seen: string[] = [];
    const body = Buffer.alloc(1_000, 'x');
    const send = async (bearer: string): Promise<number> => {
      const asked = request(`${pi.url}/api/vpn/up`, {
        method: 'POST',
        headers: {
          Authorization: `Bearer ${bearer}`,
          Expect: '100-continue',
          'Content-Length': body.length,
        },
      });
      asked.on('continue', () => {
        seen.push('continue');
        asked.end(body);
      });
      asked.on('error', () => undefined);
      asked.flushHeaders();
      const [answered] = (await once(asked, 'response')) as [
        { statusCode: number; resume(): void },
      ];
      answered.resume();
      if (answered.statusCode >= 400) asked.destroy();
      return answered.statusCode;
    };
    assert.equal(await send('balu_0123456789'), 401);
    assert.deepEqual(seen, []);
    assert.equal(await send(token), 200);
    assert.deepEqual(seen, ['continue']);
  });

  it('streams both ways, byte for byte, with and without a length', async () => {
    const sent = Buffer.alloc(3_000_000, 'practice ');
    const sha256 = createHash('sha256').update(sent).digest('hex');
    const up = await ask('POST /api/vpn/up', { body: sent });
    assert.deepEqual([up.body['body_bytes'], up.body['body_sha256']], [sent.length, sha256]);
    for (const more of ['', '&echo_chunked=1']) {
      const answered = await fetch(`${pi.url}/api/vpn/down?echo_bytes=3000000${more}`, {
        headers: { Authorization: `Bearer ${token}` },
      });
      const bytes = Buffer.from(await answered.arrayBuffer());
      assert.equal(bytes.length, 3_000_000);
      assert.equal(answered.headers.get('content-length'), more === '' ? '3000000' : null);
    }
  });

  it('is cut where the NAS dies in the middle, with a length and chunked', async () => {
    for (const more of ['', '&echo_chunked=1']) {
      const over = pi.nas.faults.set({ path: /vpn\/dying/, cutAfterBytes: 400_000 });
      await assert.rejects(async () => {
        const answered = await fetch(`${pi.url}/api/vpn/dying?echo_bytes=3000000${more}`, {
          headers: { Authorization: `Bearer ${token}` },
        });
        assert.equal(answered.status, 200);
        await answered.arrayBuffer();
      });
      over();
    }
    await online(true);
  });

  it('is answered though the NAS takes no more of the body, or is gone', async () => {
    const body = Buffer.alloc(2_000_000, 'x');
    for (const [fault, status] of [
      [{ refuse: true }, 503],
      [{ cutBodyAfterBytes: 100_000 }, 503],
      [{ status: 413 }, 413],
    ] as const) {
      const over = pi.nas.faults.set({ path: /vpn\/broken/, times: 1, ...fault });
      const told = await ask('POST /api/vpn/broken', { body });
      over();
      assert.equal(told.status, status, JSON.stringify(fault));
      assert.equal(typeof told.body['code'], 'string');
      await online(true);
    }
  });

  it('ends on the NAS when its caller goes away', async () => {
    pi.nas.resetCounters();
    const away = new AbortController();
    const answered = await fetch(`${pi.url}/api/vpn/long?echo_bytes=900000000&echo_pause=5`, {
      headers: { Authorization: `Bearer ${token}` },
      signal: away.signal,
    });
    const reader = answered.body?.getReader();
    await reader?.read();
    away.abort();
    let before = -1;
    await pi.until('the NAS to end what it sends', async () => {
      const now = pi.nas.bytesSent;
      const stands = now === before;
      before = now;
      await wait(100);
      return stands;
    });
    assert.ok(before < 100_000_000, String(before));
  });

  it('ends a token with the NAS’s 401, and not with its 403', async () => {
    const own = pi.nas.accounts.accessToken('bob');
    assert.equal((await ask('GET /api/vpn/x?echo_status=403', { token: own })).status, 403);
    assert.equal((await ask('GET /api/files/list?path=', { token: own })).status, 200);
    const over = pi.nas.faults.set({ path: /vpn\/x/, status: 401 });
    assert.equal((await ask('GET /api/vpn/x', { token: own })).status, 401);
    over();
    const after = await ask('GET /api/files/list?path=', { token: own });
    assert.deepEqual([after.status, after.body['code']], [401, 'bad_token']);
  });

  it('is refused at once while the NAS sleeps, in the form the apps read', async () => {
    token = pi.nas.accounts.accessToken('alice');
    assert.equal((await ask('GET /api/vpn/x')).status, 200);
    await pi.nas.sleep('suspend');
    await online(false);
    pi.nas.resetCounters();
    for (const line of ['GET /api/vpn/x', 'POST /api/vpn/x', 'DELETE /api/files/alice/a.txt']) {
      const startedMs = performance.now();
      const told = await ask(line, line.startsWith('POST') ? { body: 'x' } : {});
      assert.deepEqual([told.status, told.body['code']], [503, 'nas_asleep'], line);
      assert.match(told.headers.get('retry-after') ?? '', /^\d+$/);
      const detail = told.body['detail'] as Record<string, unknown>;
      assert.equal(typeof detail['retry_after_seconds'], 'number');
      assert.ok(performance.now() - startedMs < 5_000);
    }
    assert.deepEqual(
      pi.nas.requests.filter(({ path }) => path !== '/api/sync/preflight'),
      [],
    );
  });

  it('never shows the NAS a token of the Pi: what it may not do wants a refresh', async () => {
    const piToken = await pi.signIn('alice');
    assert.ok(isPiToken(piToken));
    pi.nas.resetCounters();
    await pi.nas.wake();
    await online(true);
    for (const line of ['GET /api/vpn/clients', 'POST /api/admin/x', 'POST /api/api-keys']) {
      const told = await ask(line, { token: piToken });
      assert.deepEqual([told.status, told.body['code']], [401, 'refresh_token_now'], line);
    }
    await pi.until(
      'the stored credential to act',
      async () => (await ask('GET /api/monitoring/cpu', { token: piToken })).status === 200,
    );
    const shown = pi.nas.requests.map(({ headers }) => headers['authorization'] ?? '');
    assert.ok(shown.length > 0 && !shown.some((bearer) => isPiToken(bearer)));
  });
});
