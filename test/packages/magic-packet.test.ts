import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { NetworkInterfaceInfo } from 'node:os';
import {
  broadcastAddresses,
  parseWakeAddress,
  udpMagicPacket,
  wakeTargets,
} from '../../packages/node-red-contrib-balupi-wol/lib/wake.ts';

function network(address: string, netmask: string, internal = false): NetworkInterfaceInfo {
  return { address, netmask, internal, family: 'IPv4', mac: '02:00:00:00:00:01', cidr: null };
}

const IPV6: NetworkInterfaceInfo = {
  address: 'fe80::1',
  netmask: 'ffff:ffff:ffff:ffff::',
  internal: false,
  family: 'IPv6',
  mac: '02:00:00:00:00:01',
  cidr: null,
  scopeid: 2,
};

describe('A magic packet', () => {
  it('is six 0xff and sixteen times the MAC address, sent three times', async () => {
    const received: Buffer[] = [];
    const socket = createSocket('udp4');
    const { promise, resolve } = Promise.withResolvers<undefined>();
    socket.on('message', (bytes) => {
      received.push(bytes);
      if (received.length === 3) resolve(undefined);
    });
    await new Promise<void>((bound) => {
      socket.bind(0, '127.0.0.1', bound);
    });
    const { port } = socket.address();
    await udpMagicPacket.send('aa:bb:cc:dd:ee:0f', { address: '127.0.0.1', port });
    await promise;
    socket.close();
    const wanted = 'ff'.repeat(6) + 'aabbccddee0f'.repeat(16);
    assert.deepEqual(
      received.map((bytes) => bytes.toString('hex')),
      [wanted, wanted, wanted],
    );
  });

  it('reports an address that takes none', async () => {
    const target = { address: 'name.invalid', port: 9 };
    await assert.rejects(udpMagicPacket.send('aa:bb:cc:dd:ee:ff', target), /could not be sent/);
  });
});

describe('Where a magic packet goes', () => {
  it('is the directed broadcast of every network but loopback', () => {
    const interfaces = {
      lo: [network('127.0.0.1', '255.0.0.0', true)],
      eth0: [network('192.168.178.20', '255.255.255.0'), IPV6],
      eth1: [network('192.168.178.21', '255.255.255.0')],
      wlan0: [network('10.1.2.3', '255.255.240.0')],
      wg0: [network('10.8.0.2', '255.255.255.255')],
      gone: undefined,
    };
    assert.deepEqual(broadcastAddresses(interfaces), ['192.168.178.255', '10.1.15.255']);
  });

  it('is the limited broadcast on a machine in no network', () => {
    assert.deepEqual(broadcastAddresses({}), ['255.255.255.255']);
  });

  it('is the set address where there is one, port 9 where none is named', () => {
    assert.deepEqual(wakeTargets(parseWakeAddress('127.0.0.1:4009'), {}), [
      { address: '127.0.0.1', port: 4009 },
    ]);
    assert.deepEqual(parseWakeAddress('nas.local'), { address: 'nas.local', port: 9 });
    assert.deepEqual(parseWakeAddress('[fe80::1]:7'), { address: 'fe80::1', port: 7 });
    assert.deepEqual(wakeTargets(null, {}), [{ address: '255.255.255.255', port: 9 }]);
    for (const text of ['', 'a b', 'nas:0', 'nas:70000', 'nas:x', 'http://nas']) {
      assert.equal(parseWakeAddress(text), null);
    }
  });
});
