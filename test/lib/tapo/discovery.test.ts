import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import {
  directedBroadcast,
  Discovery,
  discoveryQuery,
  parseAnnouncement,
  parseDiscoveryAddresses,
  parsePlugAddress,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/discovery.ts';
import {
  openNodeUdp,
  type OpenUdp,
  type UdpListener,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug-http.ts';
import { plugSample } from '../../practice/plug/plug-samples.ts';
import { Bench } from './setup.ts';

function announcement(change: Readonly<Record<string, unknown>> = {}): Buffer {
  const result = { ...plugSample('P110M(EU)_1.0_1.2.3').discovery, ...change };
  return packet(JSON.stringify({ error_code: 0, result }));
}

function packet(body: string): Buffer {
  return Buffer.concat([Buffer.alloc(16), Buffer.from(body)]);
}

describe('discovery', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('finds plugs of every protocol without credentials, at the address they answer from', async () => {
    const klap = await bench.plug();
    const aes = await bench.plug({ protocol: 'aes', sample: 'P110(EU)_1.0_1.2.3' });
    const tpap = await bench.plug({ protocol: 'tpap' });
    const found = await bench.until(bench.discovery(klap, aes, tpap).search());
    assert.deepEqual(
      found
        .map(({ mac, ip, port, encryptType, level }) => [mac, ip, port, encryptType, level])
        .sort(),
      [
        [klap.mac, '127.0.0.1', klap.port, 'KLAP', 2],
        [aes.mac, '127.0.0.1', aes.port, 'AES', 2],
        [tpap.mac, '127.0.0.1', tpap.port, 'TPAP', 2],
      ],
    );
    assert.equal(klap.received.length, 0);
  });

  it('listens for three seconds and asks again each second, as packets get lost', async () => {
    const practice = await bench.plug();
    const started = bench.clock.monotonicMs();
    await bench.until(bench.discovery(practice).search());
    assert.equal(bench.clock.monotonicMs() - started, 3_000);
    assert.ok(practice.queries >= 2, `${practice.queries} queries`);
    assert.equal(bench.clock.pending, 0);
  });

  it('ends at once where one that answered is enough', async () => {
    const [one, two] = [await bench.plug(), await bench.plug()];
    const started = bench.clock.monotonicMs();
    const found = await bench.discovery(one, two).search(undefined, ({ mac }) => mac === two.mac);
    assert.ok(found.some(({ mac }) => mac === two.mac));
    assert.equal(bench.clock.monotonicMs(), started);
    assert.equal(bench.clock.pending, 0);
  });

  it('ends early when its caller gives up', async () => {
    const controller = new AbortController();
    const search = bench.discovery(await bench.plug()).search(controller.signal);
    controller.abort();
    assert.deepEqual(await search, []);
  });

  it('asks one plug who it is and needs no waiting when it answers', async () => {
    const [one, two] = [await bench.plug(), await bench.plug()];
    const discovery = bench.discovery(one, two);
    assert.equal((await discovery.identify('127.0.0.1', two.port))?.mac, two.mac);
    two.setQuiet(true);
    assert.equal(await bench.until(discovery.identify('127.0.0.1', two.port)), null);
  });

  it('survives a flood of hostile answers and keeps the true one', async () => {
    const practice = await bench.plug();
    const liar = createSocket('udp4');
    const bound = Promise.withResolvers<undefined>();
    liar.bind(0, '127.0.0.1', () => {
      bound.resolve(undefined);
    });
    await bound.promise;
    const answers = [
      Buffer.alloc(0),
      Buffer.alloc(15),
      Buffer.alloc(60_000, 0x7b),
      packet('not json'),
      packet('[]'),
      packet('{"result":null}'),
      packet(`${'['.repeat(5_000)}`),
      announcement({ mac: '<script>' }),
      announcement({ device_id: { toString: 1 } }),
      announcement({ device_type: 'SMART.IPCAMERA' }),
      announcement({ mgt_encrypt_schm: { http_port: 70_000 } }),
      packet(
        JSON.stringify({ error_code: -1, result: plugSample('P110M(EU)_1.0_1.2.3').discovery }),
      ),
    ];
    liar.on('message', (_query, from) => {
      for (const answer of answers) liar.send(answer, from.port, from.address);
    });
    const addresses = [liar.address().port, practice.udpPort].map((port) => ({
      host: '127.0.0.1',
      port,
    }));
    const discovery = new Discovery({
      clock: bench.clock,
      log: bench.log,
      addresses,
      openUdp: openNodeUdp,
    });
    const found = await bench.until(discovery.search());
    assert.deepEqual(
      found.map(({ mac }) => mac),
      [practice.mac],
    );
    liar.close();
  });

  it('believes the sender, not the address an answer claims, and nobody from the internet', async () => {
    const listeners: UdpListener[] = [];
    const openUdp: OpenUdp = (listener) => {
      listeners.push(listener);
      return Promise.resolve({ send: () => undefined, close: () => undefined });
    };
    const discovery = new Discovery({
      clock: bench.clock,
      log: bench.log,
      openUdp,
      addresses: [{ host: '192.168.178.255', port: 20_002 }],
      makePublicPem: () => Promise.resolve('key'),
    });
    const search = discovery.search();
    await bench.clock.advance(0);
    const from = (host: string): { host: string; port: number } => ({ host, port: 20_002 });
    listeners[0]?.onPacket(announcement({ ip: '203.0.113.9' }), from('192.168.178.60'));
    listeners[0]?.onPacket(announcement({ mac: '00-11-22-33-44-55' }), from('203.0.113.9'));
    await bench.clock.advance(3_000);
    assert.deepEqual(
      (await search).map(({ ip }) => ip),
      ['192.168.178.60'],
    );
  });
});

describe('a discovery packet', () => {
  it('has the header and checksum that plugs want', () => {
    // Computed with Python's struct and zlib.crc32 from the protocol's description.
    const query = discoveryQuery('PEM', 7);
    assert.equal(query.subarray(0, 16).toString('hex'), '02000001001c1100000000070a375432');
  });

  it('is read from every recorded plug', () => {
    for (const name of ['P110(EU)_1.0_1.0.7', 'P115(US)_1.0_1.1.3', 'P316M(US)_1.6_1.0.5']) {
      const result = plugSample(name).discovery;
      const read = parseAnnouncement(packet(JSON.stringify({ error_code: 0, result })));
      assert.equal(read?.model, result['device_model']);
      assert.match(read?.mac ?? '', /^([0-9A-F]{2}:){5}[0-9A-F]{2}$/);
    }
  });
});

describe('addresses', () => {
  it('are taken with or without a port, from local networks only', () => {
    assert.deepEqual(parsePlugAddress('192.168.178.60'), { ip: '192.168.178.60', port: 80 });
    assert.deepEqual(parsePlugAddress(' 10.0.0.7:8080 '), { ip: '10.0.0.7', port: 8_080 });
    for (const bad of [
      '8.8.8.8',
      'plug.lan',
      '192.168.1',
      '10.0.0.7:0',
      '10.0.0.7:70000',
      '::1',
      '',
    ]) {
      assert.equal(parsePlugAddress(bad), null, bad);
    }
  });

  it('of discovery come as a list', () => {
    assert.deepEqual(parseDiscoveryAddresses('192.168.178.255, 127.0.0.1:4242'), [
      { host: '192.168.178.255', port: 20_002 },
      { host: '127.0.0.1', port: 4_242 },
    ]);
    assert.equal(parseDiscoveryAddresses('192.168.178.255,nowhere'), null);
  });

  it('reach a whole network by its broadcast address', () => {
    assert.equal(directedBroadcast('192.168.178.20', '255.255.255.0'), '192.168.178.255');
    assert.equal(directedBroadcast('10.1.2.3', '255.255.252.0'), '10.1.3.255');
  });
});
