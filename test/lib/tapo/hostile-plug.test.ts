import assert from 'node:assert/strict';
import type { DriverChoice } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug-driver.ts';
import type { Tapo } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { HostilePlug, type KlapRefusal } from '../../practice/plug/hostile-plug.ts';
import { Bench, OWNER } from './setup.ts';

/**
 * Polls until it is so. A BaluPi that has just started generates the key of its first query, which
 * takes real time while the bench's clock runs on.
 */
async function polledUntil(bench: Bench, tapo: Tapo, isSo: () => boolean): Promise<void> {
  for (let round = 0; round < 20 && !isSo(); round += 1) {
    await bench.until(tapo.pollAll());
    await bench.clock.advance(30_000);
  }
  assert.ok(isSo(), JSON.stringify(tapo.list()));
}

const REFUSALS: readonly KlapRefusal[] = [
  'not_found',
  'other_protocol',
  'garbage',
  'forbidden',
  'wrong_proof',
];
const CHOICES: readonly DriverChoice[] = ['auto', 'klap', 'connect'];

for (const driver of CHOICES) {
  describe(`a hostile plug, with the driver ${driver}`, () => {
    let bench: Bench;
    let hostile: HostilePlug;

    beforeEach(async () => {
      bench = new Bench();
      hostile = new HostilePlug();
      await hostile.start();
    });

    afterEach(async () => {
      await bench.close();
      await hostile.stop();
    });

    function started(...udpPorts: readonly number[]): Tapo {
      const ports = [hostile.udpPort, ...udpPorts];
      const discoveryAddresses = ports.map((port) => ({ host: '127.0.0.1', port }));
      return bench.tapo([], { driver, discoveryAddresses });
    }

    async function polled(tapo: Tapo, rounds = 3): Promise<void> {
      for (let round = 0; round < rounds; round += 1) {
        await bench.until(tapo.pollAll());
        // Past every pause after a failure, and past the time between two searches for lost plugs.
        await bench.clock.advance(301_000);
      }
    }

    it('gets nothing for saying AES to a search, however it answers KLAP', async () => {
      const tapo = started();
      for (const refusal of REFUSALS) {
        hostile.klap = refusal;
        await bench.until(tapo.discover());
        await polled(tapo, 1);
        await bench.until(tapo.toggle(tapo.list()[0]?.id ?? ''));
      }
      assert.ok(hostile.took.some(({ path }) => path === '/app/handshake1'));
      const discover = '{"method":"login","params":{"sub_method":"discover"}}';
      const isHarmless = (bytes: Buffer): boolean =>
        bytes.length === 16 || bytes.toString() === discover;
      assert.ok(hostile.took.every(({ bytes }) => isHarmless(bytes)));
      assert.deepEqual(hostile.gotOf(OWNER), []);
    });

    it('gets nothing for changing to AES at the handshake', async () => {
      const tapo = started();
      for (const says of ['KLAP', '', 'SOMETHING', 'TPAP']) {
        hostile.says = says;
        for (const refusal of REFUSALS) {
          hostile.klap = refusal;
          await bench.until(tapo.add({ address: hostile.address }));
          await polled(tapo, 1);
        }
      }
      hostile.setQuiet(true);
      await polled(tapo);
      assert.deepEqual(hostile.gotOf(OWNER), []);
    });

    it('gets nothing in the place of a plug that spoke KLAP, not even with a confirmation', async () => {
      const plug = await bench.plug();
      const tapo = started(plug.udpPort);
      await bench.until(tapo.add({ address: plug.address }));
      const [known] = tapo.list();
      assert.equal(known?.state, 'ok');
      const { port } = plug;
      await plug.stop();
      await hostile.stop();
      hostile.mac = plug.mac.replaceAll(':', '-');
      await hostile.start(port);
      const after = started(hostile.udpPort);
      await polledUntil(bench, after, () => hostile.took.length > 0);
      const outcome = after.update(known?.id ?? '', { confirmOldProtocol: true });
      assert.equal(outcome.kind, 'old_protocol_not_asked');
      await polled(after);
      assert.ok(hostile.took.length > 0);
      assert.deepEqual(hostile.gotOf(OWNER), []);
    });

    it('draws no plug to its address by the id that plug uses by UDP', async () => {
      const plug = await bench.plug();
      const tapo = started(plug.udpPort);
      await bench.until(tapo.add({ address: plug.address }));
      plug.setQuiet(true);
      plug.setFault('reset');
      hostile.discoveryId = 'D15C0000000000000000000000000001';
      await polled(tapo, 4);
      assert.equal(tapo.list()[0]?.ipAddress, plug.address);
      await bench.until(tapo.discover());
      assert.deepEqual(
        tapo.list().map(({ ipAddress }) => ipAddress),
        [plug.address, hostile.address],
      );
      assert.deepEqual(hostile.gotOf(OWNER), []);
    });

    it('gets nothing at another address, although the plug was confirmed at its own', async () => {
      const plug = await bench.plug({ sample: 'P110(EU)_1.0_1.0.7', protocol: 'aes' });
      const tapo = started(plug.udpPort);
      await bench.until(tapo.add({ address: plug.address }));
      await polled(tapo, 1);
      tapo.update(tapo.list()[0]?.id ?? '', { confirmOldProtocol: true });
      await polled(tapo, 1);
      plug.setQuiet(true);
      plug.setFault('reset');
      hostile.mac = plug.mac.replaceAll(':', '-');
      await polled(tapo, 6);
      assert.equal(tapo.list().length, 1);
      assert.equal(tapo.list()[0]?.ipAddress, hostile.address);
      assert.equal(tapo.list()[0]?.state, 'unsupported_protocol');
      assert.deepEqual(hostile.gotOf(OWNER), []);
    });
  });
}

describe('the old protocol AES', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  afterEach(async () => {
    await bench.close();
  });

  const OLD = { sample: 'P110(EU)_1.0_1.0.7', protocol: 'aes' } as const;

  async function asked(): Promise<{ tapo: Tapo; plug: Awaited<ReturnType<Bench['plug']>> }> {
    const plug = await bench.plug(OLD);
    const tapo = bench.tapo([plug]);
    await bench.until(tapo.discover());
    return { tapo, plug };
  }

  it('is asked for, and says what it would mean, before anything is sent', async () => {
    const { tapo, plug } = await asked();
    const [device] = tapo.list('de');
    assert.equal(device?.state, 'unsupported_protocol');
    assert.equal(device?.oldProtocol, 'asked');
    assert.match(device?.stateHint ?? '', /Passwort.*an jeden.*antwortet/);
    assert.ok(plug.received.every(({ path }) => path === '/app/handshake1'));
  });

  it('is spoken with a plug once it is confirmed, after a restart too', async () => {
    const { tapo, plug } = await asked();
    const id = tapo.list()[0]?.id ?? '';
    assert.equal(tapo.update(id, { confirmOldProtocol: true }).kind, 'updated');
    await bench.until(tapo.pollAll());
    assert.equal(tapo.list()[0]?.state, 'ok');
    assert.equal(tapo.list()[0]?.oldProtocol, 'confirmed');
    assert.ok(bench.log.lines.some((line) => /confirmed that plug 1/.test(line)));
    const later = bench.tapo([plug]);
    await polledUntil(bench, later, () => later.list()[0]?.state === 'ok');
  });

  it('cannot be confirmed for a plug that has not asked for it, or for a new address', async () => {
    const klap = await bench.plug();
    const tapo = bench.tapo([klap]);
    await bench.until(tapo.discover());
    const id = tapo.list()[0]?.id ?? '';
    assert.deepEqual(tapo.update(id, { confirmOldProtocol: true, name: 'Herd' }), {
      kind: 'old_protocol_not_asked',
    });
    assert.notEqual(tapo.list()[0]?.name, 'Herd');
    const old = await asked();
    const oldId = old.tapo.list().find(({ macAddress }) => macAddress === old.plug.mac)?.id ?? '';
    const moved = old.tapo.update(oldId, { confirmOldProtocol: true, address: '127.0.0.1:9' });
    assert.equal(moved.kind, 'old_protocol_not_asked');
  });

  it('ends when another device answers at the address', async () => {
    const { tapo, plug } = await asked();
    const id = tapo.list()[0]?.id ?? '';
    tapo.update(id, { confirmOldProtocol: true });
    await bench.until(tapo.pollAll());
    const { port } = plug;
    await plug.stop();
    const other = new HostilePlug('AES', '02-50-4C-77-77-77');
    await other.start(port);
    const addresses = [{ host: '127.0.0.1', port: other.udpPort }];
    const later = bench.tapo([], { discoveryAddresses: addresses });
    await polledUntil(bench, later, () => later.list()[0]?.oldProtocol === null);
    // Even if it takes the plug's own MAC address afterwards.
    other.mac = plug.mac.replaceAll(':', '-');
    await polledUntil(bench, later, () => later.list()[0]?.state === 'unsupported_protocol');
    assert.deepEqual(other.gotOf(OWNER), []);
    await other.stop();
  });

  it('ends when the admin says so, and when the plug is given another address', async () => {
    const { tapo, plug } = await asked();
    const id = tapo.list()[0]?.id ?? '';
    for (const change of [{ confirmOldProtocol: false }, { address: '127.0.0.1:9' }]) {
      tapo.update(id, { confirmOldProtocol: true });
      await bench.until(tapo.pollAll());
      assert.equal(tapo.list()[0]?.state, 'ok');
      tapo.update(id, change);
      tapo.update(id, { address: plug.address });
      await bench.until(tapo.pollAll());
      assert.equal(tapo.list()[0]?.state, 'unsupported_protocol');
    }
  });

  it('ends for good with the first word of KLAP', async () => {
    const { tapo, plug } = await asked();
    const id = tapo.list()[0]?.id ?? '';
    tapo.update(id, { confirmOldProtocol: true });
    await bench.until(tapo.pollAll());
    const { port } = plug;
    await plug.stop();
    const updated = await bench.plug({ ...OLD, protocol: 'klap', serial: 1, port });
    const later = bench.tapo([updated]);
    await polledUntil(bench, later, () => later.list()[0]?.state === 'ok');
    assert.equal(later.list()[0]?.oldProtocol, null);
    const { kind } = later.update(id, { confirmOldProtocol: true });
    assert.equal(kind, 'old_protocol_not_asked');
  });

  it('shows that the hostile plug of these tests would know what to do with a password', async () => {
    const hostile = new HostilePlug();
    await hostile.start();
    const tapo = bench.tapo([], {
      discoveryAddresses: [{ host: '127.0.0.1', port: hostile.udpPort }],
    });
    await bench.until(tapo.discover());
    tapo.update(tapo.list()[0]?.id ?? '', { confirmOldProtocol: true });
    await bench.until(tapo.pollAll());
    assert.ok(hostile.gotOf(OWNER).length > 0);
    await hostile.stop();
  });
});
