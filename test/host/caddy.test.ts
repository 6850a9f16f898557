import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type ClientRequest, type IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Socket } from 'node:net';
import { freePort } from '../bench/world/nginx.ts';
import { ended, findProgram } from '../bench/world/programs.ts';
import { isOpen } from '../bench/world/is-open.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { until } from '../fakes/until.ts';

const NAME = 'balupi.home.arpa';
const SIZE = 2_000_000;
const BYTES = Buffer.alloc(SIZE, 'BaluPi keeps what the NAS gave. ');
const FILE = '/api/files/download/alice/film.bin';

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** A Caddy with the shipped deploy/Caddyfile before a BaluPi, including the editor's site. */
class CaddyFront {
  readonly port: number;
  readonly editorPort: number;
  readonly #child: ChildProcess;
  readonly #root: string;

  private constructor(child: ChildProcess, root: string, port: number, editorPort: number) {
    this.#child = child;
    this.#root = root;
    this.port = port;
    this.editorPort = editorPort;
  }

  static async start(program: string, pi: BootedBaluPi): Promise<CaddyFront> {
    const folder = join(pi.folder, 'caddy');
    mkdirSync(folder);
    const [port, editorPort] = [await freePort(), await freePort()];
    const file = join(folder, 'Caddyfile');
    writeFileSync(file, site(pi, port, editorPort));
    const env = { PATH: process.env['PATH'], HOME: folder, XDG_DATA_HOME: folder };
    const args = ['run', '--config', file, '--adapter', 'caddyfile'];
    const child = spawn(program, args, { env, stdio: 'ignore' });
    await until('Caddy to listen', async () => (await isOpen(port)) && (await isOpen(editorPort)));
    const root = join(folder, 'caddy', 'pki', 'authorities', 'local', 'root.crt');
    return new CaddyFront(child, root, port, editorPort);
  }

  /** As a browser or an app that trusts the CA. */
  open(path: string, more: RequestOptions = {}, port = this.port, name = NAME): ClientRequest {
    const headers = { Host: `${name}:${port}`, ...(more.headers as Record<string, string>) };
    const to = { host: '127.0.0.1', port, servername: name, path, agent: false };
    return httpsRequest({ ...more, ...to, headers, ca: this.certificate });
  }

  async ask(path: string, more: RequestOptions = {}, body?: string | Buffer): Promise<Answered> {
    const asked = this.open(path, more);
    asked.end(body);
    return await answerOf(asked);
  }

  get certificate(): Buffer {
    return readFileSync(this.#root);
  }

  async stop(): Promise<void> {
    await ended(this.#child);
  }
}

/** The shipped file, with the test's ports and without installing into the system's trust store. */
function site(pi: BootedBaluPi, port: number, editorPort: number): string {
  const given = readFileSync(resolve('deploy', 'Caddyfile'), 'utf8');
  const { port: editorAt } = new URL(pi.editorUrl);
  const changes = [
    ['{\n', '{\n\tadmin off\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n'],
    ['reverse_proxy 127.0.0.1:8000', `reverse_proxy 127.0.0.1:${pi.port}`],
    [`\n${NAME} {`, `\n${NAME}:${port} {`],
    ['# https://raspberrypi.local:1443 {', `https://${hostname()}:${editorPort} {`],
    [
      '# \ttls internal\n# \treverse_proxy 127.0.0.1:1880\n# }',
      `\ttls internal\n\treverse_proxy 127.0.0.1:${editorAt}\n}`,
    ],
  ] as const;
  return changes.reduce(
    (text, [from, to]) => {
      assert.ok(text.includes(from), from);
      return text.replace(from, to);
    },
    given.replace(/^#(?! https| \t| \}).*\n/gm, ''),
  );
}

async function answerOf(asked: ClientRequest): Promise<Answered> {
  const [answered] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answered as AsyncIterable<Buffer>) chunks.push(chunk);
  const headers = answered.headers as Record<string, string | undefined>;
  return { status: answered.statusCode ?? 0, headers, body: Buffer.concat(chunks) };
}

describe('BaluPi behind Caddy', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let caddy: CaddyFront;
  let token: string;

  before(async function () {
    const program = findProgram('caddy');
    if (program === null) {
      console.log('      caddy is not installed here: the site for it was not tried');
      this.skip();
    }
    pi = await BootedBaluPi.start({
      environment: {
        BALUPI_TRUSTED_PROXIES: '127.0.0.1',
        BALUPI_ACCEL: 'nginx',
        BALUPI_EDITOR: 'on',
      },
    });
    await pi.nas.putFile('alice/film.bin', BYTES, 'alice');
    token = await pi.signIn();
    caddy = await CaddyFront.start(program, pi);
    await until('the file to be kept', async () => {
      const { headers } = await direct(FILE);
      return headers['x-balupi-cache'] === 'hit';
    });
  });

  after(async () => {
    await (caddy as CaddyFront | undefined)?.stop();
    await (pi as BootedBaluPi | undefined)?.stop();
  });

  const bearer = (more: Record<string, string> = {}): { headers: Record<string, string> } => ({
    headers: { Authorization: `Bearer ${token}`, ...more },
  });

  async function direct(path: string, headers: Record<string, string> = {}): Promise<Answered> {
    const answered = await fetch(pi.url + path, bearer(headers));
    const body = Buffer.from(await answered.arrayBuffer());
    return { status: answered.status, headers: Object.fromEntries(answered.headers), body };
  }

  it('answers by https under its name, with a certificate of its own CA', async () => {
    const { status, body, headers } = await caddy.ask('/api/ping');
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body.toString()), { status: 'ok' });
    assert.equal(headers['server'], undefined);
  });

  for (const [what, headers] of [
    ['a file', {}],
    ['a file that might be packed', { 'Accept-Encoding': 'gzip, zstd, br' }],
    ['a range', { Range: 'bytes=1000-70000' }],
    ['a range that is not there', { Range: 'bytes=99999999-' }],
    ['a range of another version', { Range: 'bytes=0-9', 'If-Range': '"another"' }],
    ['another tag', { 'If-None-Match': '"another"' }],
    ['a condition', { 'If-Match': '"another"' }],
  ] as const) {
    it(`gives ${what} just as it comes without Caddy`, async () => {
      const without = await direct(FILE, headers);
      const through = await caddy.ask(FILE, bearer(headers));
      assert.equal(through.status, without.status);
      assert.ok(through.body.equals(without.body));
      for (const name of [
        ...['etag', 'last-modified', 'content-type', 'content-disposition', 'content-length'],
        ...['content-range', 'content-encoding', 'cache-control', 'accept-ranges'],
        ...['x-balupi-cache', 'age', 'x-content-type-options', 'referrer-policy'],
      ]) {
        assert.equal(through.headers[name], without.headers[name], name);
      }
      assert.match(through.headers['x-request-id'] ?? '', /^[\w-]{36}$/);
    });
  }

  it('gives the bytes, and no place of a file, to whoever says that it is nginx', async () => {
    const { status, headers, body } = await caddy.ask(FILE, bearer({ 'X-Balupi-Accel': 'nginx' }));
    assert.equal(status, 200);
    assert.equal(headers['x-accel-redirect'], undefined);
    assert.ok(body.equals(BYTES));
  });

  it('believes nobody that they come from the Pi itself', async () => {
    const forged = { 'X-Forwarded-For': '127.0.0.1', Forwarded: 'for=127.0.0.1' };
    assert.equal((await caddy.ask('/metrics', { headers: forged })).status, 401);
    assert.equal((await caddy.ask('/metrics')).status, 401);
    assert.equal((await fetch(`${pi.url}/metrics`)).status, 200);
    assert.doesNotMatch(pi.output, /not in BALUPI_TRUSTED_PROXIES/);
  });

  it('takes an upload as it comes, and answers what the headers of the caller ask for', async () => {
    const headers = bearer({
      'Content-Type': 'multipart/form-data; boundary=x',
      'Idempotency-Key': 'once',
      'Transfer-Encoding': 'chunked',
    });
    const sending = caddy.open('/api/files/upload?path=alice', { method: 'POST', ...headers });
    const half = Buffer.alloc(1_000_000, 'half ');
    sending.write('--x\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n');
    sending.write(half);
    const incoming = join(pi.dataFolder, 'queue', 'incoming');
    await until('the first half to lie on the Pi', () => readdirSync(incoming).length > 0);
    sending.write(half);
    sending.end('\r\n--x--\r\n');
    const first = await answerOf(sending);
    assert.equal(first.status, 200, first.body.toString());
    const again = caddy.open('/api/files/upload?path=alice', { method: 'POST', ...headers });
    again.write('--x\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n');
    again.write(half);
    again.write(half);
    again.end('\r\n--x--\r\n');
    const ids = [first, await answerOf(again)].map(
      ({ body }) => (JSON.parse(body.toString()) as { upload_ids: string[] }).upload_ids[0],
    );
    assert.equal(ids[0], ids[1]);
    const wrong = bearer({ ...headers.headers, 'X-Content-SHA256': '0'.repeat(64) });
    const other = caddy.open('/api/files/upload?path=alice', { method: 'POST', ...wrong });
    other.end(
      '--x\r\nContent-Disposition: form-data; name="file"; filename="c.bin"\r\n\r\nc\r\n--x--\r\n',
    );
    assert.equal((await answerOf(other)).status, 422);
  });

  it('says no to an upload before its body is sent', async () => {
    const more = bearer({
      'Content-Type': 'multipart/form-data; boundary=x',
      'Content-Length': '1000000000',
    });
    const sending = caddy.open('/api/files/upload?path=bob', { method: 'POST', ...more });
    sending.on('error', () => undefined);
    sending.flushHeaders();
    const { status, body } = await answerOf(sending);
    sending.destroy();
    assert.equal(status, 403);
    assert.equal((JSON.parse(body.toString()) as { code: string }).code, 'not_yours');
  });

  it('speaks HTTP/2, as browsers do', async () => {
    const session = connectHttp2(`https://127.0.0.1:${caddy.port}`, {
      servername: NAME,
      ca: caddy.certificate,
    });
    const authority = `${NAME}:${caddy.port}`;
    const asked = session.request({
      ...{ ':path': FILE, ':authority': authority, authorization: `Bearer ${token}` },
    });
    const chunks: Buffer[] = [];
    for await (const chunk of asked as AsyncIterable<Buffer>) chunks.push(chunk);
    session.close();
    assert.ok(Buffer.concat(chunks).equals(BYTES));
  });

  /** @returns the status of a WebSocket upgrade; 0 if the connection closed without one */
  async function upgrade(
    path: string,
    headers: Record<string, string>,
    at: { port: number; name: string },
  ): Promise<number> {
    const more = {
      headers: {
        ...{ Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
        ...{ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers },
      },
    };
    const asked = caddy.open(path, more, at.port, at.name);
    asked.end();
    const status = Promise.withResolvers<number>();
    asked.once('upgrade', (answered: IncomingMessage, socket: Socket) => {
      socket.destroy();
      status.resolve(answered.statusCode ?? 0);
    });
    asked.once('response', (answered: IncomingMessage) => {
      answered.resume();
      status.resolve(answered.statusCode ?? 0);
    });
    asked.once('error', () => {
      status.resolve(0);
    });
    return await status.promise;
  }

  it('opens the Dashboard: its sign-in, its pages and its socket, to its own pages alone', async () => {
    const origin = `https://${NAME}:${caddy.port}`;
    const form = new URLSearchParams({ username: 'bob', password: 'Practice-bob-1' }).toString();
    const type = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const post = { method: 'POST', headers: { ...type, Origin: origin } };
    const signedIn = await caddy.ask('/dashboard/sign-in', post, form);
    assert.equal(signedIn.status, 303, signedIn.body.toString());
    const cookie = String(signedIn.headers['set-cookie']);
    assert.match(cookie, /; Secure/);
    const Cookie = cookie.split(';')[0] ?? '';
    const page = await caddy.ask('/dashboard/', { headers: { Cookie, Accept: 'text/html' } });
    assert.equal(page.status, 200);
    const at = { port: caddy.port, name: NAME };
    const path = '/dashboard/socket.io/?EIO=4&transport=websocket';
    assert.equal(await upgrade(path, { Cookie, Origin: origin }, at), 101);
    assert.notEqual(await upgrade(path, { Cookie, Origin: 'https://evil.example' }, at), 101);
    assert.notEqual(await upgrade(path, { Origin: origin }, at), 101);
  });

  it('opens the editor and its socket, to its own pages alone', async () => {
    const at = { port: caddy.editorPort, name: hostname() };
    const origin = `https://${hostname()}:${caddy.editorPort}`;
    const asked = caddy.open('/auth/login', {}, at.port, at.name);
    asked.end();
    const login = await answerOf(asked);
    assert.equal(login.status, 200);
    assert.match(login.body.toString(), /credentials/);
    assert.equal(await upgrade('/comms', { Origin: origin }, at), 101);
    assert.notEqual(await upgrade('/comms', { Origin: 'https://evil.example' }, at), 101);
  });

  it('counts guesses by who makes them, whatever address they claim', async () => {
    const seen: number[] = [];
    for (let tried = 0; tried < 12; tried += 1) {
      const headers = { 'Content-Type': 'application/json', 'X-Forwarded-For': `10.0.0.${tried}` };
      const body = JSON.stringify({ username: `somebody${tried}`, password: 'wrong' });
      seen.push((await caddy.ask('/api/auth/login', { method: 'POST', headers }, body)).status);
    }
    assert.equal(seen.at(-1), 429, seen.join());
  });

  it('says in JSON that BaluPi does not run', async () => {
    pi.signal('SIGTERM');
    await pi.exit();
    const { status, headers, body } = await caddy.ask('/api/files/list?path=alice', bearer());
    assert.equal(status, 503);
    assert.match(headers['content-type'] ?? '', /^application\/json/);
    assert.equal(headers['retry-after'], '5');
    assert.equal((JSON.parse(body.toString()) as { code: string }).code, 'restarting');
  });
});
