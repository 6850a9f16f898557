import assert from 'node:assert/strict';
import { passedAddress, Target } from '../../../nodes/lib/api/api.ts';

function sent(method: string, url: string): string {
  const found = passedAddress(method, new Target(url));
  return found.kind === 'address' ? found.address.url : found.kind;
}

function fileOf(method: string, url: string): string | null {
  const found = passedAddress(method, new Target(url));
  return found.kind === 'address' ? found.address.filePath : null;
}

describe('An address that is passed on', () => {
  it('is sent as it was matched, and in no other spelling', () => {
    for (const [url, wanted] of [
      ['/api/users/7', '/api/users/7'],
      ['//api//users///7', '/api/users/7'],
      ['/api//api/users/7', '/api/users/7'],
      ['/%61pi/%75sers/%37', '/api/users/7'],
      ['http://elsewhere/api/users', '/api/users'],
      ['/api/vpn/a%3Bb=1', '/api/vpn/a;b=1'],
      ['/api/vpn/a%2541', '/api/vpn/a%2541'],
      ['/api/vpn/%C3%A4', '/api/vpn/%C3%A4'],
    ] as const) {
      assert.equal(sent('GET', url), wanted, url);
    }
  });

  it('keeps a slash at its end, which is another address to the NAS', () => {
    assert.equal(sent('POST', '/api/users/'), '/api/users/');
    assert.equal(sent('POST', '/api/users///?a=1'), '/api/users/?a=1');
  });

  it('carries its query as it is read, so that no two readers differ', () => {
    assert.equal(sent('GET', '/api/vpn?a=b+c&d=%2B&e&f=%zz'), '/api/vpn?a=b+c&d=%2B&e=&f=%25zz');
    assert.equal(sent('GET', '/api/vpn?a=1&a=2#x'), '/api/vpn?a=1&a=2%23x');
  });

  it('is none with what no address has', () => {
    for (const odd of ['a%2Fb', 'a%5Cb', 'a%00', '..', '%2e%2e', '.', 'a%23', 'a%C0%AF']) {
      assert.equal(sent('POST', `/api/vpn/${odd}`), 'none', odd);
    }
    assert.equal(sent('GET', '/api'), 'none');
    assert.equal(sent('GET', '/my/own'), 'none');
  });

  it('has a file’s path where it ends in one, in every spelling of it', () => {
    for (const url of [
      '/api/files/alice/a%23b;c.jpg',
      '/api/files/alice%2Fa%23b;c.jpg',
      '/api/files//alice//a%23b;c.jpg/',
      '/api/files?path=alice/a%23b;c.jpg',
      '/api/files/?path=x&path=%2Falice%2Fa%23b;c.jpg',
    ]) {
      assert.equal(fileOf('DELETE', url), 'alice/a#b;c.jpg', url);
      assert.equal(sent('DELETE', url), '/api/files/alice/a%23b;c.jpg', url);
    }
    assert.equal(fileOf('DELETE', '/api/files/raw/alice/a.jpg'), 'alice/a.jpg');
    assert.equal(fileOf('POST', '/api/sync/conflicts/alice%2Fa/resolve'), 'alice/a');
    assert.equal(fileOf('GET', '/api/sync/history/alice%2Fa'), 'alice/a');
    assert.equal(fileOf('PUT', '/api/files/rename'), null);
  });

  it('is refused with a file’s path that would lead out of its folder', () => {
    for (const url of [
      '/api/files/alice/../bob/a',
      '/api/files/alice%2F..%2Fbob',
      '/api/files/%2e%2e/setup',
      '/api/files/a%00b',
      '/api/files?path=../bob',
      '/api/files?path=/',
    ]) {
      assert.equal(sent('DELETE', url), 'bad_path', url);
    }
  });
});
