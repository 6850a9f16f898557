import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { askNearNas } from '../../host/nas-finder.ts';

const HEALTH = { status: 'healthy', version: '1.38.0', api_version: '1' };

describe('Finding the NAS', () => {
  const servers: Server[] = [];

  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function listening(server: Server): Promise<number> {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  const answering = (listener: RequestListener): Promise<number> =>
    listening(createServer(listener));
  const json =
    (body: unknown): RequestListener =>
    (_request, response) => {
      response.end(JSON.stringify(body));
    };

  it('asks one address of it, with nothing of whoever asks, and tells its version', async () => {
    const asked: string[] = [];
    const port = await answering((request, response) => {
      asked.push(`${String(request.method)} ${String(request.url)}`);
      assert.equal(request.headers.cookie ?? request.headers.authorization, undefined);
      json(HEALTH)(request, response);
    });
    const found = await askNearNas(`127.0.0.1:${port}`);
    assert.equal(found.kind, 'found');
    assert.deepEqual(found.kind === 'found' && [found.nas.url, found.nas.version], [
      `http://127.0.0.1:${port}`,
      '1.38.0',
    ]);
    assert.deepEqual(asked, ['GET /api/health']);
  });

  it('tells the fingerprint of an https one, which signs its own certificate', async () => {
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) =>
      readFileSync(join('test', 'fixtures', 'nas-tls', name)),
    );
    const port = await listening(createTlsServer({ key, cert }, json(HEALTH)));
    const found = await askNearNas(`https://127.0.0.1:${port}`);
    const wanted = new X509Certificate(cert ?? '').fingerprint256.replace(/:/g, '').toLowerCase();
    assert.equal(found.kind === 'found' && found.nas.fingerprint, wanted);
  });

  it('takes nothing else for one: a redirect, a flood, a page, another BaluPi', async () => {
    const secret = await answering(json(HEALTH));
    for (const listener of [
      ((_request, response) => {
        response.writeHead(302, { Location: `http://127.0.0.1:${secret}/` }).end();
      }) satisfies RequestListener,
      json({ ...HEALTH, padding: 'x'.repeat(70_000) }),
      ((_request, response) => response.end('<p>hello</p>')) satisfies RequestListener,
      json({ ...HEALTH, service: 'balupi' }),
      json([HEALTH]),
      json({ version: '1.0' }),
      ((_request, response) => {
        response.writeHead(500).end(JSON.stringify(HEALTH));
      }) satisfies RequestListener,
    ]) {
      const port = await answering(listener);
      assert.equal((await askNearNas(`127.0.0.1:${port}`)).kind, 'silent');
    }
  });

  it('shows of a version what a version may hold', async () => {
    const port = await answering(json({ ...HEALTH, version: `<b>1.2</b>${'9'.repeat(100)}` }));
    const found = await askNearNas(`127.0.0.1:${port}`);
    assert.match(found.kind === 'found' ? found.nas.version : '', /^b1\.2b9{1,40}$/);
  });

  it('leaves alone what is no home, in any notation', async () => {
    for (const far of ['8.8.8.8', '134744072', '0x08080808', '169.254.169.254', '[fe80::1]']) {
      assert.equal((await askNearNas(far)).kind, 'far', far);
    }
    for (const mapped of ['[::ffff:8.8.8.8]', '[::ffff:169.254.169.254]']) {
      assert.equal((await askNearNas(mapped)).kind, 'far', mapped);
    }
    assert.equal((await askNearNas('nobody-has-this-name.invalid')).kind, 'silent');
  });
});
