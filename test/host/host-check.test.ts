import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { hostname } from 'node:os';
import { HostCheck } from '../../host/common-headers.ts';

function request(host: string | undefined, origin?: string): IncomingMessage {
  return { headers: { host, origin } } as unknown as IncomingMessage;
}

describe('The check of the name a request came by', () => {
  const check = new HostCheck(['balupi.lan']);

  it('takes addresses, this machine by its names, and the configured one', () => {
    const own = ['127.0.0.1:1880', '[::1]:1880', '192.168.1.5', 'localhost:1880', 'balupi.lan'];
    for (const host of [...own, hostname(), `${hostname()}.local:1880`, 'LOCALHOST']) {
      assert.equal(check.allows(request(host)), true, host);
    }
  });

  it('takes no other name, as a page could have made it point here', () => {
    const foreign = ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'a b', ''];
    for (const host of [...foreign, undefined]) {
      assert.equal(check.allows(request(host)), false, host);
    }
  });

  it('takes pages of the very same name and port alone', () => {
    assert.equal(check.allows(request('localhost:1880', 'http://localhost:1880')), true);
    const others = [
      'http://localhost:8000',
      'http://127.0.0.1:1880',
      'http://evil.example',
      'null',
    ];
    for (const origin of others) {
      assert.equal(check.allows(request('localhost:1880', origin)), false, origin);
    }
  });
});
