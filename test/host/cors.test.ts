import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Cors } from '../../host/common-headers.ts';

const PAGE = 'http://good.example';

describe('The web pages that may call the API', () => {
  let server: Server;
  let url: string;

  before(async () => {
    const cors = new Cors([PAGE]);
    server = createServer((request, response) => {
      cors.apply(request, response);
      response.end();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });

  after(() => {
    server.close();
    server.closeAllConnections();
  });

  async function told(origin: string, name: string, method = 'GET'): Promise<string[]> {
    const { headers } = await fetch(url, { method, headers: { Origin: origin } });
    return (headers.get(`access-control-${name}`) ?? '').toLowerCase().split(', ');
  }

  it('read of a download its name, its place in the file and whether it can go on', async () => {
    const exposed = await told(PAGE, 'expose-headers');
    for (const name of ['content-disposition', 'content-range', 'accept-ranges', 'etag']) {
      assert.ok(exposed.includes(name), name);
    }
  });

  it('may send every condition that a download takes', async () => {
    const allowed = await told(PAGE, 'allow-headers', 'OPTIONS');
    for (const name of ['range', 'if-range', 'if-none-match', 'if-modified-since']) {
      assert.ok(allowed.includes(name), name);
    }
  });

  it('are those that were named, and no other', async () => {
    assert.deepEqual(await told(PAGE, 'allow-origin'), [PAGE]);
    assert.deepEqual(await told('http://evil.example', 'allow-origin'), ['']);
  });
});
