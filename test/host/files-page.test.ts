import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FilesPage } from '../../host/files-page.ts';

const INDEX =
  '<!doctype html>\n<html lang="en">\n<head><title>x</title></head><body></body></html>';
const READER = { language: 'de', username: `o"'<b>&$1`, isAdmin: false, mayWake: true } as const;

describe('The page Files, as it was built', () => {
  let folder = '';
  let server: Server;
  let url = '';

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-files-page-'));
    const [built, packed] = [join(folder, 'built'), join(folder, 'packed')];
    for (const place of [built, packed]) mkdirSync(join(place, 'assets'), { recursive: true });
    writeFileSync(join(built, 'index.html'), INDEX);
    writeFileSync(join(built, 'assets', 'page-1a2b.js'), 'let a = 1;');
    writeFileSync(join(packed, 'assets', 'page-1a2b.js.gz'), gzipSync('let a = 1;'));
    const page = new FilesPage({ built, packed }, 'Europe/Berlin');
    server = createServer((request, response) => {
      const { url: asked = '' } = request;
      const isSent =
        asked === '/'
          ? page.sendIndex({ request, response }, READER)
          : page.sendAsset({ request, response }, decodeURIComponent(asked.slice(1)));
      if (!isSent) response.writeHead(404).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });

  after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  it('is told who reads it and how, and no name gets out of that', async () => {
    const shown = await fetch(url, { headers: { Cookie: 'balupi_look=dark' } });
    const html = await shown.text();
    for (const part of ['lang="de"', 'data-look="dark"', 'data-time-zone="Europe/Berlin"']) {
      assert.ok(html.includes(part), part);
    }
    assert.ok(html.includes('data-is-admin="false"') && html.includes('data-may-wake="true"'));
    assert.ok(html.includes('data-username="o&quot;&#39;&lt;b&gt;&amp;$1"'));
    assert.equal(html.match(/<html/g)?.length, 1);
    assert.ok(html.includes('rel="manifest"'));
  });

  it('runs its own scripts, and none that stands in it or comes from elsewhere', async () => {
    const policy = (await fetch(url)).headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self'(;|$)/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  });

  it('sends its parts packed, to be kept for ever', async () => {
    const sent = await fetch(`${url}page-1a2b.js`, { headers: { 'Accept-Encoding': 'gzip' } });
    assert.equal(sent.headers.get('content-encoding'), 'gzip');
    assert.match(sent.headers.get('cache-control') ?? '', /max-age=31536000, immutable/);
    assert.equal(await sent.text(), 'let a = 1;');
    const plain = await fetch(`${url}page-1a2b.js`, { headers: { 'Accept-Encoding': 'identity' } });
    assert.equal(plain.headers.get('content-encoding'), null);
    assert.equal(plain.headers.get('content-length'), '10');
  });

  it('sends nothing that its build did not name', async () => {
    for (const name of ['../index.html', '..%2Findex.html', '', 'other.js', 'page-1a2b.js.gz']) {
      assert.equal((await fetch(`${url}${name === '' ? '%20' : name}`)).status, 404, name);
    }
  });

  it('is not there where none was built', () => {
    const page = new FilesPage({ built: join(folder, 'no'), packed: folder }, 'Europe/Berlin');
    assert.equal(page.sendAsset({} as never, 'page-1a2b.js'), false);
    assert.equal(page.sendIndex({} as never, READER), false);
  });
});
