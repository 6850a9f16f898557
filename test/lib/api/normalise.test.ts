import assert from 'node:assert/strict';
import fc from 'fast-check';
import { normaliseTarget } from '../../../nodes/lib/api/normalise.ts';

describe('the request target', () => {
  const SAME: readonly (readonly [raw: string, path: string, query: string])[] = [
    ['/api/ping', '/api/ping', ''],
    ['//api/ping', '/api/ping', ''],
    ['/api//api/health', '/api/health', ''],
    ['///api////api//health///', '/api/health', ''],
    ['/api/users/', '/api/users', ''],
    ['/api/api-keys', '/api/api-keys', ''],
    ['/', '/', ''],
    ['', '/', ''],
    ['*', '/*', ''],
    ['/api/files/list/?path=a//b/&x=%', '/api/files/list', 'path=a//b/&x=%'],
    ['/api/ping?', '/api/ping', ''],
    ['/api/ping?a=1?b=2', '/api/ping', 'a=1?b=2'],
    ['http://pi.local:8000//api/ping?x', '/api/ping', 'x'],
    ['/%', '/%', ''],
    ['/api/%zz/%E0%A4%A', '/api/%zz/%E0%A4%A', ''],
  ];
  for (const [raw, path, query] of SAME) {
    it(`reads ${JSON.stringify(raw)} as ${path}`, () => {
      assert.deepEqual(normaliseTarget(raw), { path, query });
    });
  }

  it('leaves what follows the download address as it was sent', () => {
    for (const rest of ['alice//a.jpg', 'a%2Fb+c/', '/alice/a.jpg', '100%.txt', 'a/../b', '%zz']) {
      for (const head of [
        '/api/files/download/',
        '//api/files/download/',
        '/api//api//files/download/',
      ]) {
        assert.equal(normaliseTarget(`${head}${rest}`).path, `/api/files/download/${rest}`);
      }
    }
  });

  it('takes a download address without a rest as the one with ?path=', () => {
    assert.deepEqual(normaliseTarget('/api/files/download/?path=a'), {
      path: '/api/files/download',
      query: 'path=a',
    });
  });

  it('never throws, and what it gives it gives again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (raw) => {
        const { path } = normaliseTarget(`/${raw}`);
        assert.ok(path.startsWith('/'));
        if (!path.includes('?') && !path.startsWith('/api/api/')) {
          assert.equal(normaliseTarget(path).path, path);
        }
      }),
    );
  });

  it('stays fast on a hostile address', () => {
    const started = process.cpuUsage().user;
    normaliseTarget(`${'/'.repeat(200_000)}api${'/'.repeat(200_000)}`);
    assert.ok(process.cpuUsage().user - started < 500_000);
  });
});
