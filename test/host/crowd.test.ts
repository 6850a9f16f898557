import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const STRANGER = '127.0.0.66';
const FAMILY = '127.0.0.2';
const BUNDLE = '/docs/swagger-ui-bundle.js';

describe('A running BaluPi in a crowd', function () {
  this.timeout(40_000);
  const sockets: Socket[] = [];
  let balupi: BootedBaluPi;

  before(async () => {
    balupi = await BootedBaluPi.start();
  });

  after(async () => {
    await balupi.stop();
  });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  async function open(localAddress: string, words: string): Promise<Socket> {
    const socket = connect({ port: balupi.port, host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(words);
    return socket;
  }

  function ask(path: string): string {
    return `GET ${path} HTTP/1.1\r\nHost: pi\r\n\r\n`;
  }

  async function statusFor(localAddress: string, path: string): Promise<number> {
    const asked = get(`${balupi.url}${path}`, { localAddress, agent: false });
    const [answered] = (await once(asked, 'response')) as [IncomingMessage];
    await text(answered);
    return answered.statusCode ?? 0;
  }

  it('ends the body of a sign-in after 3 s, at whatever address', async () => {
    const signIns = [
      'POST /api/auth/login HTTP/1.1\r\nHost: pi\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{',
      'POST /dashboard/sign-in HTTP/1.1\r\nHost: pi\r\nContent-Length: 90\r\n\r\nusername=',
    ];
    const startedMs = performance.now();
    const told = await Promise.all(signIns.map(async (words) => text(await open(STRANGER, words))));
    const tookMs = performance.now() - startedMs;
    for (const answer of told) assert.match(answer, /^HTTP\/1\.1 408 [^]*"code":"too_slow"/);
    assert.ok(tookMs >= 2_900 && tookMs < 7_000, `${String(Math.round(tookMs))} ms`);
  });

  it('goes on for others while one address holds more connections than there are places', async () => {
    const words = 'POST /api/auth/login HTTP/1.1\r\nHost: pi\r\nContent-Length: 90\r\n\r\n{';
    for (let wave = 0; wave < 9; wave += 1)
      await Promise.all(Array.from({ length: 50 }, () => open(STRANGER, words)));
    assert.equal(await statusFor(FAMILY, '/api/health'), 200);
    assert.match(balupi.output, /places for connections are taken, \d+ of them by 127\.0\.0\.66/);
  });

  it('sends one address at most 12 of the large open answers at once, and another its own', async () => {
    for (let count = 0; count < 12; count += 1) (await open(STRANGER, ask(BUNDLE))).pause();
    const one = await open(STRANGER, ask(BUNDLE));
    const [told] = (await once(one, 'data')) as [Buffer];
    assert.match(told.toString(), /^HTTP\/1\.1 429 [^]*"code":"too_many_tries"/);
    assert.equal(await statusFor(FAMILY, BUNDLE), 200);
  });

  it('warns of a proxy that is not listed', async () => {
    const headers = { 'X-Forwarded-For': '203.0.113.9' };
    const answered = await fetch(`${balupi.url}/api/health`, { headers });
    assert.equal(answered.status, 200);
    assert.match(balupi.output, /127\.0\.0\.1 come with X-Forwarded-For[^]*BALUPI_TRUSTED_PROXIES/);
  });
});

describe('A running BaluPi behind a proxy', function () {
  this.timeout(40_000);
  let balupi: BootedBaluPi;

  before(async () => {
    balupi = await BootedBaluPi.start({ environment: { BALUPI_TRUSTED_PROXIES: '127.0.0.1' } });
    await balupi.nas.sleep('suspend');
  });

  after(async () => {
    await balupi.stop();
  });

  async function codeFor(address: string, username: string): Promise<unknown> {
    const answered = await fetch(`${balupi.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': address },
      body: JSON.stringify({ username, password: 'guess' }),
    });
    return ((await answered.json()) as { readonly code: unknown }).code;
  }

  it('counts tries of a whole /64 as those of one address', async () => {
    const codes = new Set<unknown>();
    for (let count = 0; count < 10; count += 1)
      codes.add(await codeFor(`2001:db8:0:1::${String(count)}`, `nobody-${String(count)}`));
    assert.ok(!codes.has('too_many_tries'), [...codes].join(', '));
    assert.equal(await codeFor('2001:db8:0:1::ffff', 'nobody-11'), 'too_many_tries');
    assert.notEqual(await codeFor('2001:db8:0:2::1', 'nobody-12'), 'too_many_tries');
  });
});
