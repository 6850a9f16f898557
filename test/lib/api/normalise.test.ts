import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ENDPOINTS } from '../../../nodes/lib/api/api.ts';
import { Matcher } from '../../../nodes/lib/api/match.ts';
import { Target } from '../../../nodes/lib/api/normalise.ts';

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
    ['/api/n%61s/%C3%A4;b', '/api/nas/%C3%A4;b', ''],
    ['/api/files/list/?path=a//b/&x=%', '/api/files/list', 'path=a//b/&x=%'],
    ['/api/ping?', '/api/ping', ''],
    ['/api/ping?a=1?b=2', '/api/ping', 'a=1?b=2'],
    ['http://pi.local:8000//api/ping?x', '/api/ping', 'x'],
    ['/%', '/%25', ''],
    ['/api/%zz/%E0%A4%A', '/api/%25zz/%25E0%25A4%25A', ''],
  ];
  for (const [raw, path, query] of SAME) {
    it(`reads ${JSON.stringify(raw)} as ${path}`, () => {
      const target = new Target(raw);
      assert.deepEqual([target.path, target.query], [path, query]);
    });
  }

  it('gives what follows the download address as it was sent', () => {
    for (const rest of ['alice//a.jpg', 'a%2Fb+c/', '/alice/a.jpg', '100%.txt', 'a/../b', '%zz']) {
      for (const head of [
        '/api/files/download/',
        '//api/files/download/',
        '/api//api//files/download/',
        '/api/files/%64ownload/',
      ]) {
        assert.equal(new Target(`${head}${rest}`).rawFrom(3), rest);
      }
    }
  });

  it('keeps a raw # and backslash of a query where Express would lose them', () => {
    const target = new Target('/api/files/list?path=a#b\\c');
    assert.equal(target.query, 'path=a#b\\c');
    assert.equal(target.plainQuery, 'path=a%23b%5Cc');
  });

  it('takes a download address without a rest as the one with ?path=', () => {
    const target = new Target('/api/files/download/?path=a');
    assert.deepEqual([target.path, target.query], ['/api/files/download', 'path=a']);
  });

  it('never throws, and what it hands on is read as the same segments', () => {
    const words = ({ segments }: Target): string[] => segments.map(({ text }) => text);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (raw) => {
        const target = new Target(`/${raw}`);
        const again = new Target(target.path);
        if (target.isPlain && words(target)[0] !== 'api') {
          assert.deepEqual(
            words(again),
            words(target).map((text) => text.toWellFormed()),
          );
          assert.ok(again.isPlain);
        }
      }),
    );
  });

  it('stays fast on a hostile address', () => {
    const started = process.cpuUsage().user;
    new Matcher(ENDPOINTS).match(
      'GET',
      new Target(`${'/'.repeat(200_000)}api${'/'.repeat(200_000)}`),
    );
    assert.ok(process.cpuUsage().user - started < 500_000);
  });
});
