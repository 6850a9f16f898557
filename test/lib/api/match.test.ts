import assert from 'node:assert/strict';
import { ENDPOINTS } from '../../../nodes/lib/api/api.ts';
import { BALUHOST_ROUTES } from '../../../nodes/lib/api/baluhost-routes.ts';
import { type Match, Matcher } from '../../../nodes/lib/api/match.ts';
import { normaliseTarget } from '../../../nodes/lib/api/normalise.ts';

const matcher = new Matcher(ENDPOINTS);

function matched(method: string, url: string): Match {
  return matcher.match(method, normaliseTarget(url).path);
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
      '/api/handshake/nas-coming-online',
      '/api/handshake/nas-going-offline',
      '/api/health',
      '/api/openapi.json',
      '/api/ping',
      '/docs',
      '/docs/{name}',
    ]);
  });

  it('asks for an admin wherever plugs, prices, credentials or the cache are changed', () => {
    const admin = ENDPOINTS.filter(({ access }) => access === 'admin').map(({ id }) => id);
    assert.deepEqual([...admin].sort(), [
      'cache-empty',
      'energy-prices-add',
      'energy-prices-change',
      'energy-prices-delete',
      'energy-prices-recalculate',
      'nas-credentials',
      'nas-credentials-drop',
      'nas-credentials-put',
      'tapo-devices-add',
      'tapo-devices-change',
      'tapo-devices-delete',
      'tapo-devices-discover',
      'tapo-devices-toggle',
    ]);
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
    const change = matched('PUT', '/api/tapo/devices/dev%2D1%zz');
    assert.ok(change.kind === 'endpoint');
    assert.deepEqual(change.params, { id: 'dev-1%zz' });
    assert.equal(change.rest, null);
    const download = matched('GET', '//api/files/download//alice/a%20b+c.jpg/');
    assert.ok(download.kind === 'endpoint');
    assert.equal(download.rest, '/alice/a%20b+c.jpg/');
    assert.deepEqual(download.params, {});
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

  it('does not know what nobody has', () => {
    for (const url of [
      '/api/nope',
      '/api',
      '/',
      '/api/health/x',
      '/api/Health',
      '/flows',
      '/api/energy/prices/1/2',
    ]) {
      assert.equal(idOf('GET', url), 'unknown', url);
    }
    assert.equal(idOf('OPTIONS', '/api/nope'), 'unknown');
  });

  it('says not yet for each route of the NAS that is not built', () => {
    for (const [methods, path] of BALUHOST_ROUTES) {
      const url = path.replace(/\{\w+\*\}/g, 'a/b').replace(/\{\w+\}/g, '7');
      for (const method of methods.split(' ')) {
        assert.equal(idOf(method, url), 'not_yet', `${method} ${url}`);
        assert.equal(idOf(method, `${url}/`), 'not_yet', `${method} ${url}/`);
      }
    }
    for (const url of ['/api/notifications/ws-token', '/api/monitoring/cpu/current']) {
      assert.equal(idOf('GET', url), 'not_yet', url);
    }
    assert.equal(idOf('DELETE', '/api/files?path=a'), 'not_yet');
    assert.equal(idOf('DELETE', '/api/files/alice/a.jpg'), 'not_yet');
  });

  it('lists no route of the NAS that BaluPi answers itself', () => {
    const ours = new Set(ENDPOINTS.map(({ method, path }) => `${method} ${path}`));
    const both = BALUHOST_ROUTES.flatMap(([methods, path]) =>
      methods.split(' ').map((method) => `${method} ${path}`),
    ).filter((route) => ours.has(route));
    assert.deepEqual(both, []);
  });

  it('never lets the unsafe upload of the NAS pass, however it is written', () => {
    for (const url of [
      '/api/sync/upload/start',
      '/api/sync/upload',
      '//api//sync/upload/7/resume',
      '/api/sync/%75pload/start',
      '/api%2Fsync%2Fupload%2Fstart',
      '/api/x/../sync/upload/start',
      '/api/sync/%2575pload/7',
      '/api/sync/./upload/7/chunk/1',
      '/api/SYNC/upload/start',
      '/api//api/sync/upload/start',
    ]) {
      for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
        assert.equal(idOf(method, url), 'never_proxied', url);
      }
    }
    assert.equal(idOf('GET', '/api/files/download/api/sync/upload'), 'files-download');
    assert.equal(idOf('GET', '/api/sync/uploads'), 'unknown');
  });

  it('stays fast on an address of very many segments', () => {
    const started = process.cpuUsage().user;
    for (let turn = 0; turn < 100; turn += 1) matched('GET', `/api${'/a'.repeat(8_000)}`);
    assert.ok(process.cpuUsage().user - started < 2_000_000);
  });
});
