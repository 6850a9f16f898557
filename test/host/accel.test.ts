import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Accel, RemoteAddresses } from '../../host/remote-address.ts';
import { type NginxFront, startNginxFront } from '../bench/world/nginx-front.ts';
import { findProgram } from '../bench/world/programs.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { until } from '../fakes/until.ts';

const SIZE = 1024 * 1024 + 4_321;
const BYTES = Buffer.alloc(SIZE, 'BaluPi keeps what the NAS gave. ');
const PATH = '/api/files/download/alice/film.bin';

describe('Letting nginx send the bytes', () => {
  const request = (remoteAddress: string, accel?: string): IncomingMessage =>
    ({
      headers: accel === undefined ? {} : { 'x-balupi-accel': accel },
      socket: { remoteAddress },
    }) as unknown as IncomingMessage;
  const remotes = new RemoteAddresses(['127.0.0.1', '10.1.0.0/16']);

  it('is believed to be wanted by a trusted proxy that says so, and by nobody else', () => {
    const accel = new Accel('nginx', remotes);
    assert.equal(accel.allows(request('127.0.0.1', 'nginx')), true);
    assert.equal(accel.allows(request('::ffff:10.1.2.3', 'nginx')), true);
    assert.equal(accel.allows(request('192.168.178.20', 'nginx')), false);
    assert.equal(accel.allows(request('127.0.0.1')), false);
    assert.equal(accel.allows(request('127.0.0.1', '')), false);
  });

  it('is off unless the setting says otherwise', () => {
    assert.equal(new Accel('off', remotes).allows(request('127.0.0.1', 'nginx')), false);
  });
});

describe('BaluPi behind nginx', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;
  let front: NginxFront;
  let blindFront: NginxFront;

  before(async function () {
    if (findProgram('nginx') === null) {
      console.log('      nginx is not installed here: sending files by nginx was not tried');
      this.skip();
    }
    const environment = { BALUPI_ACCEL: 'nginx', BALUPI_TRUSTED_PROXIES: '127.0.0.1' };
    pi = await BootedBaluPi.start({ environment });
    await pi.nas.putFile('alice/film.bin', chunks(), 'alice');
    await until('somebody to be signed in', async () => {
      token = await pi.signIn();
      return typeof token === 'string';
    });
    const blobs = join(pi.dataFolder, 'cache', 'blobs');
    front = await frontAt(blobs, 'nginx');
    const nowhere = join(pi.folder, 'nothing-here');
    mkdirSync(nowhere);
    blindFront = await frontAt(nowhere, 'blind-nginx');
    await (await ask(pi.port)).arrayBuffer();
    await until('the file to be kept', () => labelOf('hit'));
  });

  after(async () => {
    await (front as NginxFront | undefined)?.stop();
    await (blindFront as NginxFront | undefined)?.stop();
    await (pi as BootedBaluPi | undefined)?.stop();
  });

  async function frontAt(blobs: string, name: string): Promise<NginxFront> {
    const started = await startNginxFront(pi.port, blobs, join(pi.folder, name));
    assert.ok(started !== null);
    return started;
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async function* chunks(): AsyncGenerator<Buffer> {
    yield BYTES;
  }

  function ask(port: number, headers: Record<string, string> = {}, path = PATH): Promise<Response> {
    return fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { Authorization: `Bearer ${token}`, ...headers },
    });
  }

  async function labelOf(wanted: string): Promise<boolean> {
    const answered = await ask(pi.port);
    await answered.arrayBuffer();
    return answered.headers.get('x-balupi-cache') === wanted;
  }

  const sha256 = (bytes: ArrayBuffer | Buffer): string =>
    createHash('sha256')
      .update(Buffer.from(bytes as ArrayBuffer))
      .digest('hex');

  /** The headers of BaluPi itself that have to come through nginx unchanged. */
  const KEPT_HEADERS = [
    'etag',
    'last-modified',
    'content-type',
    'content-disposition',
    'content-length',
    'content-range',
    'cache-control',
    'accept-ranges',
    'x-balupi-cache',
    'x-content-type-options',
    'referrer-policy',
  ];

  it('tells a trusted nginx the file instead of sending it, and everybody else the bytes', async () => {
    const told = await ask(pi.port, { 'X-Balupi-Accel': 'nginx' });
    assert.match(
      told.headers.get('x-accel-redirect') ?? '',
      /^\/_balupi\/blobs\/(\w\w)\/\1\w{30}$/,
    );
    assert.equal((await told.arrayBuffer()).byteLength, 0);
    const sent = await ask(pi.port);
    assert.equal(sent.headers.get('x-accel-redirect'), null);
    assert.equal(sha256(await sent.arrayBuffer()), sha256(BYTES));
  });

  for (const [what, headers] of [
    ['the whole file', {}],
    ['a range', { Range: 'bytes=1000-70000' }],
    ['the end of it', { Range: 'bytes=-17' }],
    ['several ranges', { Range: 'bytes=0-9,100-109' }],
    ['a range that is not there', { Range: 'bytes=99999999-' }],
    ['nonsense for a range', { Range: 'bytes=z' }],
    ['a range of another version', { Range: 'bytes=0-9', 'If-Range': '"another"' }],
    ['what changed since long ago', { 'If-Modified-Since': 'Sat, 01 Jan 2000 00:00:00 GMT' }],
    ['another tag', { 'If-None-Match': '"another"' }],
    ['a condition nginx would judge by the file', { 'If-Match': '*' }],
  ] as const) {
    it(`gives ${what} just as it comes without nginx`, async () => {
      const [direct, through] = [await ask(pi.port, headers), await ask(front.port, headers)];
      assert.equal(through.status, direct.status);
      const several = 'Range' in headers && headers.Range.includes(',');
      const ageOf = ({ headers: told }: Response): number => Number(told.get('age') ?? 0);
      // The two requests follow each other, and a second may begin in between.
      assert.ok([0, 1].includes(ageOf(through) - ageOf(direct)));
      for (const name of KEPT_HEADERS) {
        // Every answer has a multipart boundary of its own.
        if (several && name === 'content-type') continue;
        assert.equal(through.headers.get(name), direct.headers.get(name), name);
      }
      assert.equal(through.headers.get('x-accel-redirect'), null);
      assert.match(through.headers.get('x-request-id') ?? '', /^[\w-]{36}$/);
      const [one, other] = [await direct.arrayBuffer(), await through.arrayBuffer()];
      assert.equal(other.byteLength, one.byteLength);
      if (!several) assert.equal(sha256(other), sha256(one));
    });
  }

  it('gives a range of this version by tag, and says 304 to whoever has it', async () => {
    const etag = (await ask(pi.port, { Range: 'bytes=0-0' })).headers.get('etag') ?? '';
    const resumed = await ask(front.port, { Range: 'bytes=10-19', 'If-Range': etag });
    assert.equal(resumed.status, 206);
    assert.equal(resumed.headers.get('content-range'), `bytes 10-19/${SIZE}`);
    assert.deepEqual(Buffer.from(await resumed.arrayBuffer()), BYTES.subarray(10, 20));
    const known = await ask(front.port, { 'If-None-Match': etag });
    assert.equal(known.status, 304);
    assert.equal(known.headers.get('etag'), etag);
  });

  it('keeps refusing whom BaluPi refuses, and shows nobody the folder of blobs', async () => {
    const bob = await pi.signIn('bob');
    const refused = await ask(front.port, { Authorization: `Bearer ${bob}` });
    assert.equal(refused.status, 404);
    assert.equal((await fetch(`http://127.0.0.1:${front.port}${PATH}`)).status, 401);
    const [blob] = readdirSync(join(pi.dataFolder, 'cache', 'blobs'), { recursive: true })
      .map(String)
      .filter((name) => name.includes('/'));
    for (const path of [`/_balupi/blobs/${blob}`, `/_balupi/blobs/../blobs/${blob}`]) {
      const outside = await rawGet(front.port, path, token);
      assert.match(outside, /^HTTP\/1\.1 40[04] /);
      assert.ok(!outside.includes('BaluPi keeps what'));
    }
  });

  it('sends by itself what nginx cannot open, as when it was evicted that moment', async () => {
    const answered = await ask(blindFront.port, { Range: 'bytes=5-104' });
    assert.equal(answered.status, 206);
    assert.equal(answered.headers.get('x-balupi-cache'), 'hit');
    assert.deepEqual(Buffer.from(await answered.arrayBuffer()), BYTES.subarray(5, 105));
  });
});

/** Exactly as written, where fetch would normalise the path. */
async function rawGet(port: number, path: string, token: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const headers = `Host: here\r\nAuthorization: Bearer ${token}\r\nConnection: close`;
  socket.write(`GET ${path} HTTP/1.1\r\n${headers}\r\n\r\n`);
  const [first] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return first.toString('latin1');
}
