import assert from 'node:assert/strict';
import { ENDPOINTS } from '../../../nodes/lib/api/api.ts';
import { type Match, Matcher } from '../../../nodes/lib/api/match.ts';
import { Target } from '../../../nodes/lib/api/normalise.ts';

const matcher = new Matcher(ENDPOINTS);

function matched(method: string, url: string): Match {
  return matcher.match(method, new Target(url));
}

function idOf(method: string, url: string): string {
  const match = matched(method, url);
  return match.kind === 'endpoint' ? match.endpoint.id : match.kind;
}

describe('finding the endpoint', () => {
  it('finds every endpoint at its own address', () => {
    for (const { id, method, path } of ENDPOINTS) {
      assert.equal(idOf(method, path.replace(/\{\w+\}/g, '7')), id);
    }
  });

  it('has every endpoint of the first release', () => {
    const wanted = [
      'GET /api/health',
      'GET /api/ping',
      'GET /api/system/status',
      'POST /api/auth/login',
      'POST /api/auth/verify-2fa',
      'POST /api/auth/refresh',
      'POST /api/auth/logout',
      'GET /api/auth/me',
      'GET /api/energy/current',
      'GET /api/energy/history',
      'GET /api/energy/costs',
      'GET /api/energy/summary',
      'GET /api/energy/prices',
      'POST /api/energy/prices',
      'PUT /api/energy/prices/{id}',
      'DELETE /api/energy/prices/{id}',
      'POST /api/energy/prices/recalculate',
      'GET /api/tapo/devices',
      'POST /api/tapo/devices',
      'POST /api/tapo/devices/discover',
      'PUT /api/tapo/devices/{id}',
      'DELETE /api/tapo/devices/{id}',
      'POST /api/tapo/devices/{id}/toggle',
      'GET /api/nas/status',
      'POST /api/nas/wol',
      'POST /api/system/sleep/wake',
      'GET /api/files/list',
      'GET /api/files/download',
      'GET /api/files/download/{id}',
      'POST /api/files/upload',
      'GET /api/files/sync/status',
      'GET /api/files/uploads',
      'POST /api/files/uploads/{id}/retry',
      'DELETE /api/files/uploads/{id}',
      'GET /api/cache/stats',
      'DELETE /api/cache/entries',
      'GET /metrics',
      'GET /docs',
      'GET /api/openapi.json',
    ];
    const have = new Set(ENDPOINTS.map(({ method, path }) => `${method} ${path}`));
    assert.deepEqual(
      wanted.filter((route) => !have.has(route)),
      [],
    );
  });

  it('opens without a token exactly what the contract opens', () => {
    const open = ENDPOINTS.filter(({ access }) => access === 'open').map(({ path }) => path);
    assert.deepEqual([...open].sort(), [
      '/api/auth/login',
      '/api/auth/refresh',
      '/api/auth/verify-2fa',
      '/api/desktop-pairing/device-code',
      '/api/desktop-pairing/poll',
      '/api/handshake/nas-coming-online',
      '/api/handshake/nas-going-offline',
      '/api/health',
      '/api/mobile/register',
      '/api/openapi.json',
      '/api/ping',
      '/docs',
      '/docs/{name}',
    ]);
  });

  it('asks for an admin wherever plugs, prices, credentials, the cache or what others left are changed', () => {
    const changing = ENDPOINTS.filter(
      ({ method, tags: [group = ''] }) => method !== 'GET' && ['tapo', 'energy'].includes(group),
    );
    const wanted = new Set<string>([
      ...changing.map(({ id }) => id),
      'cache-empty',
      'energy-corrections-undo',
      'energy-history-correct',
      'energy-prices-add',
      'energy-prices-change',
      'energy-prices-delete',
      'energy-prices-recalculate',
      'energy-prices-slots',
      'files-uploads-take-up',
      'nas-credentials',
      'nas-credentials-drop',
      'nas-credentials-put',
      'system-care',
      'system-doctor',
      'tapo-devices-add',
      'tapo-devices-change',
      'tapo-devices-delete',
      'tapo-devices-discover',
      'tapo-devices-merge',
      'tapo-devices-toggle',
    ]);
    const admin = ENDPOINTS.filter(({ access }) => access === 'admin').map(({ id }) => id);
    assert.deepEqual(
      [...wanted].filter((id) => !new Set<string>(admin).has(id)),
      [],
    );
  });

  it('opens to the wake-only caller waking and the status, nothing else', () => {
    const open = ENDPOINTS.filter(({ wakeScope }) => wakeScope).map(({ id }) => id);
    assert.deepEqual([...open].sort(), ['nas-status', 'nas-wol']);
  });

  it('counts HEAD as GET', () => {
    assert.equal(idOf('HEAD', '/api/health'), 'health');
    assert.equal(idOf('HEAD', '/api/files/download/alice/a.jpg'), 'files-download');
  });

  it('prefers the literal address to a parameter', () => {
    assert.equal(idOf('POST', '/api/energy/prices/recalculate'), 'energy-prices-recalculate');
    assert.equal(idOf('POST', '/api/tapo/devices/discover'), 'tapo-devices-discover');
    assert.equal(idOf('DELETE', '/api/tapo/devices/discover'), 'tapo-devices-delete');
  });

  it('decodes a parameter and leaves the rest of a download raw', () => {
    const change = matched('PUT', '/api/tapo/devices/dev%2D1;x');
    assert.ok(change.kind === 'endpoint');
    assert.deepEqual(change.params, { id: 'dev-1;x' });
    assert.equal(change.rest, null);
    const download = matched('GET', '//api/files/download//alice/a%20b+c.jpg/');
    assert.ok(download.kind === 'endpoint');
    assert.equal(download.rest, '/alice/a%20b+c.jpg/');
    assert.deepEqual(download.params, {});
  });

  it('finds an address whose words were escaped', () => {
    assert.equal(idOf('GET', '/api/nas/%63redentials'), 'nas-credentials');
    assert.equal(idOf('GET', '/%61pi/files/%64ownload/a%2Fb;c%23d%5Ce.jpg'), 'files-download');
  });

  it('has no address outside a file for what is no plain part of one', () => {
    for (const odd of ['#', '%23', '\\', '%5C', '%00', '%2F', '%C0%AF', '%zz']) {
      for (const url of [
        `/api/nas/credentials${odd}`,
        `/api/nas/cred${odd}entials`,
        `/my/own${odd}`,
      ]) {
        assert.equal(idOf('GET', url), 'no_address', url);
      }
      assert.equal(idOf('DELETE', `/api/tapo/devices/1${odd}`), 'no_address');
      assert.equal(idOf('POST', `/api/admin/x${odd}`), 'no_address');
      assert.equal(idOf('GET', `/api/files/download/alice/a${odd}`), 'files-download', odd);
      const wanted = odd === '%00' ? 'bad_path' : 'passed';
      assert.equal(idOf('DELETE', `/api/files/alice/a${odd}`), wanted, odd);
    }
  });

  it('lets the router behind tell nothing of one of ours in another case', () => {
    for (const method of ['OPTIONS', 'PATCH', 'HEAD', 'DELETE']) {
      assert.equal(idOf(method, '/api/Health'), 'no_address', method);
    }
  });

  it('has no address with dot segments', () => {
    for (const url of ['/api/nas/../nas/status', '/api/./nas/status', '/api/nas/%2e%2E/x', '/..']) {
      assert.equal(idOf('GET', url), 'no_address', url);
    }
    assert.equal(idOf('GET', '/api/files/download/../x'), 'files-download');
  });

  it('has no address for one of ours in another case', () => {
    for (const { method, path } of ENDPOINTS) {
      const url = path.replace(/\{\w+\}/g, '7');
      assert.equal(url, url.toLowerCase(), 'addresses are looked for in lower case');
      for (const other of [
        url.toUpperCase(),
        url.replace(/[a-z](?=[^a-z]*$)/, (c) => c.toUpperCase()),
      ]) {
        // The NAS accepts any path below this one, even one that looks like ours.
        const isFile = method === 'DELETE' && other.startsWith('/api/files/');
        assert.equal(idOf(method, other), isFile ? 'passed' : 'no_address', other);
      }
    }
  });

  it('says 405 with what the address takes', () => {
    assert.deepEqual(matched('PATCH', '/api/health'), {
      kind: 'method_not_allowed',
      allow: 'GET, HEAD, OPTIONS',
    });
    assert.deepEqual(matched('PATCH', '/api/energy/prices'), {
      kind: 'method_not_allowed',
      allow: 'GET, HEAD, OPTIONS, POST',
    });
    assert.deepEqual(matched('OPTIONS', '/api/nas/wol'), {
      kind: 'options',
      allow: 'OPTIONS, POST',
    });
  });

  it('does not know what is below no /api', () => {
    for (const url of ['/api', '/', '/flows', '/API/nope', '/my/own']) {
      assert.equal(idOf('GET', url), 'unknown', url);
    }
  });

  it('lets the NAS say what it has, whatever the address', () => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      for (const url of ['/api/nope', '/api/users/7', '/api/health/x', '/api/energy/prices/1/2']) {
        assert.equal(idOf(method, url), 'passed', `${method} ${url}`);
      }
    }
    assert.equal(idOf('PATCH', '/api/smart-devices'), 'passed', 'the NAS takes more there');
    assert.equal(idOf('DELETE', '/api/files/Uploads/7'), 'passed', 'somebody may have that name');
  });

  it('passes the methods that an API is made of, and tells of them', () => {
    for (const method of ['TRACE', 'PROPFIND', 'CONNECT']) {
      assert.deepEqual(matched(method, '/api/nope'), {
        kind: 'method_not_allowed',
        allow: 'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT',
      });
    }
    assert.equal(idOf('OPTIONS', '/api/nope'), 'options');
  });

  it('never lets pass what must not, however it is written', () => {
    const heads = 'sync/upload setup auth/register auth/login-pin auth/dev auth/recovery-reset';
    for (const head of heads.split(' ')) {
      const [first = '', ...rest] = head;
      const hex = first.charCodeAt(0).toString(16);
      for (const url of [
        `/api/${head}/start`,
        `/api/${head}`,
        `//api//${head}/7/resume`,
        `/api/%${hex}${rest.join('')}/start`,
        `/api/%25${hex}${rest.join('')}/7`,
        `/api/${head.toUpperCase()}/start`,
        `/api//api/${head}/start`,
      ]) {
        for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
          assert.equal(idOf(method, url), 'never_passed', url);
        }
      }
      for (const url of [
        `/api%2F${head}`,
        `/api/x/../${head}/start`,
        `/api/./${head}/7/chunk/1`,
        `/api\\${head}`,
      ]) {
        assert.equal(idOf('POST', url), 'no_address', url);
      }
    }
    assert.equal(idOf('GET', '/api/files/download/api/sync/upload'), 'files-download');
    assert.equal(idOf('GET', '/api/sync/uploads'), 'passed');
    assert.equal(idOf('POST', '/api/auth/registered'), 'passed');
  });

  it('stays fast on an address of very many segments', () => {
    const started = process.cpuUsage().user;
    for (let turn = 0; turn < 100; turn += 1) matched('GET', `/api${'/a'.repeat(8_000)}`);
    assert.ok(process.cpuUsage().user - started < 2_000_000);
  });
});
