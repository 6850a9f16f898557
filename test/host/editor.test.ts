import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { EditorAuth } from '../../host/editor.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { uncheckedFetch } from '../fakes/checked-answers.ts';

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly [key: string]: unknown;
}

describe("The editor's sign-in", () => {
  it('takes no password that it did not give out itself as a ticket', async () => {
    const editor = new EditorAuth({
      editorSignIn: () => Promise.resolve(null),
      editorUser: () => Promise.resolve(true),
    });
    const { authenticate } = editor.auth as {
      authenticate: (username: string, password: string) => Promise<unknown>;
    };
    assert.equal(await authenticate('admin', 'Practice-admin-1'), null);
    assert.equal(await authenticate('admin', ''), null);
  });
});

describe('The editor', function () {
  this.timeout(40_000);
  let pi: BootedBaluPi;
  let session = '';

  before(async () => {
    pi = await BootedBaluPi.start({ environment: { BALUPI_EDITOR: 'on' } });
  });

  after(async () => {
    await pi.stop();
  });

  async function signIn(username: string, password: string): Promise<number> {
    const answered = await fetch(`${pi.editorUrl}/auth/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        client_id: 'node-red-editor',
        grant_type: 'password',
        scope: '*',
        username,
        password,
      }),
    });
    if (answered.status === 200) {
      session = ((await answered.json()) as { access_token: string }).access_token;
    }
    return answered.status;
  }

  const api = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${pi.editorUrl}${path}`, {
      ...init,
      headers: { Authorization: `Bearer ${session}`, ...init.headers },
    });

  async function flows(): Promise<{ rev: string; flows: FlowNode[] }> {
    const answered = await api('/flows', { headers: { 'Node-RED-API-Version': 'v2' } });
    return (await answered.json()) as { rev: string; flows: FlowNode[] };
  }

  async function deploy(changed: readonly FlowNode[]): Promise<number> {
    const { rev } = await flows();
    const answered = await api('/flows', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Node-RED-API-Version': 'v2' },
      body: JSON.stringify({ rev, flows: changed }),
    });
    return answered.status;
  }

  /** Where a deploy is written: over the shipped flows, in the data folder. */
  const deployed = (): string => join(pi.dataFolder, 'flows');
  const filesNow = (): Map<string, string> =>
    new Map(
      readdirSync(deployed()).map((name) => [name, readFileSync(join(deployed(), name), 'utf8')]),
    );

  /** Tries to sign in from another loopback address. */
  async function tryFrom(
    localAddress: string,
    password: string,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const { promise, resolve: told, reject } = Promise.withResolvers<IncomingMessage>();
    const { hostname, port } = new URL(pi.editorUrl);
    httpRequest(
      {
        hostname,
        port,
        path: '/auth/token',
        method: 'POST',
        localAddress,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      },
      told,
    )
      .on('error', reject)
      .end(
        new URLSearchParams({
          client_id: 'node-red-editor',
          grant_type: 'password',
          scope: '',
          username: 'admin',
          password,
        }).toString(),
      );
    const answered = await promise;
    return {
      status: answered.statusCode ?? 0,
      body: JSON.parse(await text(answered)) as Record<string, unknown>,
    };
  }

  it('shows nothing without a sign-in', async () => {
    for (const path of ['/flows', '/settings', '/nodes', '/context/global']) {
      assert.equal((await fetch(`${pi.editorUrl}${path}`)).status, 401, path);
    }
  });

  it('lets in admins of the NAS, and nobody else', async () => {
    assert.equal(await signIn('alice', 'Practice-alice-1'), 403);
    assert.equal(await signIn('admin', 'wrong'), 401);
    assert.equal(await signIn('admin', 'Practice-admin-1'), 200);
    assert.equal((await api('/flows')).status, 200);
  });

  it('gives each address tries of its own, and lets no guesser lock an admin out', async () => {
    const guesses: number[] = [];
    for (let count = 0; count < 8; count += 1) {
      guesses.push((await tryFrom('127.0.0.2', `guess ${count}`)).status);
    }
    // The NAS counts everybody behind the Pi as one: strangers get two of its five a minute, and
    // one was spent on the wrong password above.
    assert.deepEqual(guesses, [401, 429, 429, 429, 429, 429, 429, 429]);
    const { body } = await tryFrom('127.0.0.2', 'Practice-admin-1');
    assert.equal(body['code'], 'too_many_tries');
    assert.ok(Number(body['retry_after']) > 0);
    const mine = await tryFrom('127.0.0.3', 'Practice-admin-1');
    assert.equal(mine.status, 200);
    assert.equal(typeof mine.body['access_token'], 'string');
  });

  it('lets a stranger claim no other address', async () => {
    const claimed = await tryFrom('127.0.0.2', 'Practice-admin-1', {
      'X-Forwarded-For': '10.9.8.7',
    });
    assert.equal(claimed.status, 429);
  });

  it('answers a sign-in that cannot be read in JSON', async () => {
    const post = async (body: string): Promise<unknown> => {
      const headers = { 'Content-Type': 'application/json' };
      const answered = await fetch(`${pi.editorUrl}/auth/token`, { method: 'POST', headers, body });
      const { code } = (await answered.json()) as { code: string };
      return [answered.status, code];
    };
    assert.deepEqual(await post('{'), [400, 'malformed']);
    assert.deepEqual(await post('{}'), [422, 'invalid']);
    assert.deepEqual(await post('{"username":["admin"],"password":{}}'), [422, 'invalid']);
    assert.deepEqual(await post(`{"username":"${'a'.repeat(20_000)}"}`), [413, 'too_large']);
  });

  it('has no page, file or route of the API', async () => {
    for (const path of ['/api/ping', '/dashboard', '/no/such/page', '/../settings.js']) {
      const answered = await api(path);
      assert.deepEqual(
        [answered.status, ((await answered.json()) as { code: string }).code],
        [404, 'not_found'],
        path,
      );
    }
  });

  it('refuses names and origins that are not its own, preflights too', async () => {
    const ask = (method: string, headers: Record<string, string>): Promise<number> =>
      new Promise((told, failed) => {
        const { hostname, port } = new URL(pi.editorUrl);
        httpRequest({ hostname, port, path: '/flows', method, headers }, (response) => {
          assert.equal(response.headers['access-control-allow-origin'], undefined);
          response.resume();
          told(response.statusCode ?? 0);
        })
          .on('error', failed)
          .end();
      });
    const own = new URL(pi.editorUrl).host;
    const auth = { Authorization: `Bearer ${session}` };
    assert.equal(await ask('GET', { ...auth, Host: 'evil.example' }), 403);
    assert.equal(await ask('GET', { ...auth, Host: own, Origin: 'http://evil.example' }), 403);
    const preflight = {
      Host: own,
      Origin: 'http://evil.example',
      'Access-Control-Request-Method': 'POST',
    };
    assert.equal(await ask('OPTIONS', preflight), 403);
    assert.equal(await ask('GET', { ...auth, Host: own, Origin: pi.editorUrl }), 200);
  });

  it('opens its socket to its own page only', async () => {
    const upgrade = async (headers: string): Promise<string> => {
      const { hostname, port } = new URL(pi.editorUrl);
      const socket = connect(Number(port), hostname);
      socket.write(
        `GET /comms HTTP/1.1\r\n${headers}Connection: Upgrade\r\nUpgrade: websocket\r\n` +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      );
      let seen = '';
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        seen += chunk.toString('latin1');
        if (seen.includes('\r\n\r\n')) break;
      }
      socket.destroy();
      return seen;
    };
    const { host } = new URL(pi.editorUrl);
    assert.match(await upgrade(`Host: ${host}\r\nOrigin: http://${host}\r\n`), /^HTTP\/1\.1 101 /);
    assert.equal(await upgrade(`Host: ${host}\r\nOrigin: http://evil.example\r\n`), '');
    assert.equal(await upgrade('Host: evil.example\r\n'), '');
  });

  it('installs nothing, and tells no secret', async () => {
    const install = await api('/nodes', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ module: 'left-pad' }),
    });
    assert.ok(install.status >= 400, String(install.status));
    const upload = new FormData();
    upload.append('tarball', new Blob(['x']), 'x.tgz');
    assert.ok((await api('/nodes', { method: 'POST', body: upload })).status >= 400);
    const settings = await (await api('/settings')).text();
    assert.doesNotMatch(settings, /secret|password|balupi-boot/i);
    assert.match(settings, /"allowInstall":false/);
    for (const path of ['/context/global', '/diagnostics', '/settings/user', '/plugins']) {
      assert.doesNotMatch(await (await api(path)).text(), /balupi-boot|secret_?key/i, path);
    }
  });

  it('changes no file by a deploy that changes nothing', async () => {
    const before = filesNow();
    assert.equal(await deploy((await flows()).flows), 200);
    assert.deepEqual(filesNow(), before);
  });

  it('saves a deploy to its file and lets it take effect at once', async () => {
    const before = filesNow();
    const { flows: now } = await flows();
    const changed = now.map((node) =>
      node.id === 'api-health-ping'
        ? {
            ...node,
            rules: [{ t: 'set', p: 'payload', pt: 'msg', to: '{"status":"fine"}', tot: 'json' }],
          }
        : node,
    );
    assert.equal(await deploy(changed), 200);
    const after = filesNow();
    const touched = [...after].filter(([name, text]) => before.get(name) !== text);
    assert.deepEqual(
      touched.map(([name]) => name),
      ['api-health.json'],
    );
    const ping = await untilAnswered(`${pi.url}/api/ping`);
    assert.deepEqual(ping, { status: 'fine' });
    assert.equal(await deploy(now), 200);
    assert.deepEqual(filesNow(), before);
  });

  /** While flows start the answer is 503 `restarting`, never a 404. */
  async function untilAnswered(url: string): Promise<unknown> {
    for (const endMs = performance.now() + 8_000; performance.now() < endMs;) {
      const answered = await uncheckedFetch(url);
      if (answered.status === 200) return await answered.json();
      assert.equal(answered.status, 503);
      assert.equal(((await answered.json()) as { code: string }).code, 'restarting');
    }
    throw new Error('The flows did not come back.');
  }

  it('never answers 404 while flows are exchanged, and finishes what runs', async () => {
    await pi.nas.putFile('alice/long.bin', Buffer.alloc(3_000_000, 7), 'alice');
    pi.nas.faults.set({ path: /download/, bytesPerSecond: 3_000_000 });
    // The previous test's deploy may still be starting flows.
    await untilAnswered(`${pi.url}/api/health`);
    const token = await pi.signIn();
    const reading = await fetch(`${pi.url}/api/files/download/alice/long.bin`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const statuses = new Set<number>();
    let deploying = true;
    const asking = (async () => {
      while (deploying) statuses.add((await fetch(`${pi.url}/api/health`)).status);
    })();
    const { flows: now } = await flows();
    for (let round = 0; round < 3; round += 1) assert.equal(await deploy(now), 200);
    deploying = false;
    await asking;
    pi.nas.faults.clear();
    assert.ok(
      [...statuses].every((status) => status === 200 || status === 503),
      [...statuses].join(),
    );
    assert.equal((await reading.arrayBuffer()).byteLength, 3_000_000);
  });

  it('lets a known admin in while the NAS sleeps, and says why it lets no other in', async () => {
    await untilAnswered(`${pi.url}/api/health`);
    await pi.nas.sleep('suspend');
    const Authorization = `Bearer ${pi.nas.accounts.accessToken('maria')}`;
    const asked = await fetch(`${pi.url}/api/files/list?path=maria`, {
      headers: { Authorization },
    });
    assert.equal(asked.status, 503);
    assert.equal(await signIn('admin', 'Practice-admin-1'), 200);
    assert.equal(await signIn('alice', 'Practice-alice-1'), 403);
    assert.equal(await signIn('bob', 'Practice-bob-1'), 503);
    await pi.nas.wake();
  });

  it('holds up no stop by the socket of a page that is still open', async () => {
    const { host, hostname, port } = new URL(pi.editorUrl);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(
      `GET /comms HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await once(socket, 'data');
    const startedMs = performance.now();
    pi.signal('SIGTERM');
    assert.equal(await pi.exit(), 0);
    assert.ok(performance.now() - startedMs < 4_000);
    socket.destroy();
  });
});
