import assert from 'node:assert/strict';
import type { NasCaller } from './nas-under-test.ts';

/** How paths and methods are matched, as recorded on 1.38. */
export function describeRouting(caller: () => NasCaller): void {
  describe('routing', () => {
    it('answers health with its versions, and every reply carries the version of the API', async () => {
      const reply = await caller().call('GET /api/health');
      assert.equal(reply.status, 200);
      assert.equal(reply.headers.get('x-api-version'), '1');
      assert.equal(reply.headers.get('x-api-min-version'), '1');
      assert.equal(reply.headers.get('cache-control'), null);
      const body = reply.body as Record<string, unknown>;
      assert.equal(body['status'], 'ok');
      assert.equal(body['api_version'], '1');
      assert.equal(typeof body['version'], 'string');
    });

    it('knows no HEAD', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      for (const path of ['/api/health', '/api/files/download/x.txt']) {
        const reply = await nas.call(`HEAD ${path}`, { token });
        assert.equal(reply.status, 405);
        assert.equal(reply.headers.get('allow'), 'GET');
      }
    });

    it('redirects a slash too many with 307 and knows nothing of a double one', async () => {
      const nas = caller();
      const slash = await nas.call('GET /api/health/');
      assert.equal(slash.status, 307);
      assert.equal(slash.headers.get('location'), `${nas.nas.url}/api/health`);
      const double = await nas.call('GET //api/health');
      assert.equal(double.status, 404);
      assert.deepEqual(double.body, { detail: 'Not Found' });
      const query = await nas.call('DELETE /api/files?path=alice/a.txt');
      assert.equal(query.status, 307);
      assert.equal(query.headers.get('location'), `${nas.nas.url}/api/files/?path=alice/a.txt`);
    });

    it('names only the first method of a path it knows', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const lines: readonly (readonly [string, string])[] = [
        ['GET /api/files/thumbnail/alice/blob.bin', 'DELETE'],
        ['GET /api/files/download?path=alice/a.txt', 'DELETE'],
        ['GET /api/files/upload/chunked/00000000-0000-0000-0000-000000000000', 'DELETE'],
        ['DELETE /api/mobile/upload/queue/abc', 'GET'],
      ];
      for (const [line, allow] of lines) {
        const reply = await nas.call(line, { token });
        assert.equal(reply.status, 405, line);
        assert.equal(reply.headers.get('allow'), allow, line);
        assert.deepEqual(reply.body, { detail: 'Method Not Allowed' });
      }
    });

    it('has no handshake, no trigger and no retry routes', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const lines = [
        'GET /api/handshake/status',
        'POST /api/mobile/sync/folders/x/trigger',
        'GET /api/mobile/sync/folders/x/status',
        'POST /api/mobile/upload/queue/abc/retry',
      ];
      for (const line of lines) {
        const reply = await nas.call(line, { token });
        assert.equal(reply.status, 404, line);
        assert.deepEqual(reply.body, { detail: 'Not Found' });
      }
    });

    it('wants a token for system info, which proves that it lives', async () => {
      const reply = await caller().call('GET /api/system/info');
      assert.equal(reply.status, 401);
      assert.deepEqual(reply.body, { detail: 'No authentication token provided' });
    });

    it('tells in preflight how it sleeps', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const reply = await nas.call('GET /api/sync/preflight', { token });
      assert.deepEqual(Object.keys(reply.body as object), [
        'sync_allowed',
        'current_sleep_state',
        'sleep_schedule',
        'next_sleep_at',
        'next_wake_at',
        'block_reason',
      ]);
    });

    it('puts retry-after on every limited success', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const reply = await nas.call('GET /api/files/list?path=', { token });
      assert.equal(reply.status, 200);
      assert.match(reply.headers.get('retry-after') ?? '', /^\d+$/);
      assert.match(reply.headers.get('x-ratelimit-limit') ?? '', /^\d+$/);
      assert.match(reply.headers.get('x-ratelimit-reset') ?? '', /^\d+(\.\d+)?$/);
    });

    it('wants the path of the permissions, and 8 characters of who is present', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const permissions = await nas.call('GET /api/files/permissions', { token });
      assert.equal(permissions.status, 422);
      assert.deepEqual(permissions.body, {
        detail: [{ type: 'missing', loc: ['query', 'path'], msg: 'Field required', input: null }],
      });
      const json = { client_id: 'short' };
      const presence = await nas.call('POST /api/system/sleep/presence', { token, json });
      assert.equal(presence.status, 422);
      assert.deepEqual(presence.body, {
        detail: [
          {
            type: 'string_too_short',
            loc: ['body', 'client_id'],
            msg: 'String should have at least 8 characters',
            input: 'short',
            ctx: "{'min_length': 8}",
          },
        ],
      });
    });

    it('forbids browsers the same in every answer', async () => {
      const reply = await caller().call('GET /api/health');
      assert.match(reply.headers.get('content-security-policy') ?? '', /^default-src 'self';/);
      assert.match(reply.headers.get('permissions-policy') ?? '', /camera=\(\)/);
      assert.equal(reply.headers.get('x-frame-options'), 'DENY');
    });

    it('validates with the place of each fault', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const empty = await nas.call('POST /api/files/mkdir', { token, json: {} });
      assert.equal(empty.status, 422);
      assert.deepEqual(empty.body, {
        detail: [{ type: 'missing', loc: ['body', 'path'], msg: 'Field required', input: '{}' }],
      });
      const json = { source_path: 'alice/a', destination_path: 'alice/b' };
      const move = await nas.call('PUT /api/files/move', { token, json });
      assert.deepEqual(move.body, {
        detail: [
          {
            type: 'missing',
            loc: ['body', 'target_path'],
            msg: 'Field required',
            input: "{'source_path': 'alice/a', 'destination_path': 'alice/b'}",
          },
        ],
      });
    });
  });
}
