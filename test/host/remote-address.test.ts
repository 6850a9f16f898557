import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { RemoteAddresses, shareOf } from '../../host/remote-address.ts';

function from(peer: string, forwarded?: string): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return { socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage;
}

describe('Who is at the other end', () => {
  const alone = new RemoteAddresses([]);
  const behind = new RemoteAddresses(['10.0.0.1', '192.168.0.0/16', 'fd00::/8']);

  it('is whoever opened the connection', () => {
    assert.deepEqual(alone.of(from('192.168.1.7')), { address: '192.168.1.7', loopback: false });
    assert.equal(alone.of(from('::ffff:192.168.1.7')).address, '192.168.1.7');
    assert.equal(alone.of(from('fe80::1%eth0')).address, 'fe80::1%eth0');
  });

  it('is this machine for loopback addresses alone', () => {
    for (const own of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
      assert.equal(alone.of(from(own)).loopback, true, own);
    }
  });

  it('is not believed from anybody, and never loopback when somebody says so', () => {
    const claimed = alone.of(from('127.0.0.1', '10.0.0.1'));
    assert.deepEqual(claimed, { address: '127.0.0.1', loopback: false });
    assert.equal(behind.of(from('10.0.0.1', '127.0.0.1')).loopback, false);
  });

  it('is believed from a configured proxy: the last hop that is no proxy', () => {
    assert.equal(behind.of(from('10.0.0.1', '1.2.3.4, 5.6.7.8')).address, '5.6.7.8');
    assert.equal(behind.of(from('10.0.0.1', '5.6.7.8, 192.168.3.3')).address, '5.6.7.8');
    assert.equal(behind.of(from('fd12::5', '5.6.7.8')).address, '5.6.7.8');
  });

  it('is the proxy where all hops are proxies', () => {
    assert.equal(behind.of(from('10.0.0.1', '192.168.3.3')).address, '10.0.0.1');
  });

  it('is told of once where it speaks for others and is no proxy of ours, and of 20 at most', () => {
    const told: string[] = [];
    const some = new RemoteAddresses(['10.0.0.1'], (peer) => told.push(peer));
    some.of(from('10.0.0.1', '5.6.7.8'));
    some.of(from('192.168.1.7'));
    assert.deepEqual(told, []);
    for (let count = 0; count < 3; count += 1) some.of(from('::ffff:192.168.1.7', '5.6.7.8'));
    assert.deepEqual(told, ['192.168.1.7']);
    for (let count = 0; count < 100; count += 1) some.of(from(`192.168.2.${String(count)}`, '::1'));
    assert.equal(told.length, 20);
  });
});

describe('What counts as one address', () => {
  for (const [address, share] of [
    ['192.168.1.7', '192.168.1.7'],
    ['::ffff:192.168.1.7', '192.168.1.7'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:5:6:7:8', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::8', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ] as const) {
    it(`is ${share} for ${address}`, () => {
      assert.equal(shareOf(address), share);
    });
  }
});
