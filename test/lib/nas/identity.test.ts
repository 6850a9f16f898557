import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { NasCallError } from '../../../nodes/lib/nas/nas-client.ts';
import { identityCheck, NeighbourTable } from '../../../nodes/lib/nas/server-profile.ts';
import { normaliseMac } from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { clientFor, type ClientRig } from './client-rig.ts';
import { json, type LoopbackNas, serveBytes, serveHttp, serveHttps } from './loopback-nas.ts';
import { until } from '../../fakes/until.ts';

const TLS_FILES = new URL('../../fixtures/nas-tls/', import.meta.url);
const key = readFileSync(new URL('key.pem', TLS_FILES));
const cert = readFileSync(new URL('cert.pem', TLS_FILES));
const FINGERPRINT = new X509Certificate(cert).fingerprint256;

const HEAD = 'IP address       HW type     Flags       HW address            Mask     Device\n';
const NAS_MAC = 'aa:bb:cc:dd:ee:ff';

function neighbour(address: string, mac: string, flags = '0x2'): string {
  return `${address.padEnd(17)}0x1         ${flags}         ${mac}     *        eth0\n`;
}

function codeOf(outcome: { readonly kind: string; readonly cause?: Error }): string {
  return outcome.cause instanceof NasCallError ? outcome.cause.code : outcome.kind;
}

describe('Is it the NAS', () => {
  let nas: LoopbackNas | undefined;
  let rig: ClientRig | undefined;

  afterEach(async () => {
    rig?.close();
    await nas?.close();
  });

  it('speaks https to the NAS whose certificate is pinned', async () => {
    nas = await serveHttps({ key, cert }, json({ ok: true }));
    rig = clientFor(nas.url, { fingerprint: FINGERPRINT });
    const result = await rig.client.me('token');
    assert.deepEqual(result, { kind: 'answer', status: 200, body: { ok: true } });
  });

  it('checks the pin on every new connection', async () => {
    nas = await serveHttps({ key, cert }, json({}));
    rig = clientFor(nas.url, { fingerprint: FINGERPRINT });
    for (let turn = 0; turn < 3; turn += 1) {
      assert.equal((await rig.client.me('token')).kind, 'answer');
      await rig.clock.advance(5_000);
    }
    assert.equal(nas.connections(), 3);
  });

  it('sends nothing to another certificate and does not try again in the open', async () => {
    let requests = 0;
    nas = await serveHttps({ key, cert }, () => {
      requests += 1;
    });
    rig = clientFor(nas.url, { fingerprint: 'ab'.repeat(32) });
    assert.equal(codeOf(await rig.client.login('alice', 'secret')), 'tls');
    assert.deepEqual(rig.presence.news, ['silent nas_tls']);
    assert.equal(requests, 0);
    assert.equal(nas.connections(), 1);
  });

  it('trusts no self-signed certificate without a pin', async () => {
    nas = await serveHttps({ key, cert }, json({}));
    rig = clientFor(nas.url);
    assert.equal(codeOf(await rig.client.me('token')), 'tls');
  });

  it('gives up a connection that is not made within two seconds', async () => {
    const plain = await serveBytes(() => undefined);
    nas = plain;
    rig = clientFor(new URL(plain.url.href.replace('http:', 'https:')), {
      fingerprint: FINGERPRINT,
    });
    const call = rig.client.me('token');
    await until('the connection', () => plain.connections() === 1);
    await rig.clock.advance(2_000);
    assert.equal(codeOf(await call), 'timeout');
  });

  it('sends nothing when another machine holds the address of the NAS', async () => {
    let requests = 0;
    nas = await serveHttp((request, response) => {
      requests += 1;
      json({})(request, response);
    });
    let holder = '02:00:00:00:00:01';
    const table = new NeighbourTable(() => HEAD + neighbour('127.0.0.1', holder));
    rig = clientFor(nas.url, { identityOf: identityCheck(table, NAS_MAC) });
    assert.equal(codeOf(await rig.client.login('alice', 'secret')), 'mismatch');
    assert.deepEqual(rig.presence.news, ['silent nas_mismatch']);
    assert.equal(requests, 0);
    holder = NAS_MAC;
    assert.equal((await rig.client.me('token')).kind, 'answer');
    holder = '02:00:00:00:00:01';
    assert.equal(codeOf(await rig.client.me('token')), 'mismatch');
    assert.equal(requests, 1);
  });

  it('takes an address that the neighbour table does not know for the NAS', () => {
    const text =
      HEAD +
      neighbour('192.168.178.53', '00:00:00:00:00:00', '0x0') +
      neighbour('192.168.178.5', '02:00:00:00:00:01') +
      'broken line\n';
    const check = identityCheck(new NeighbourTable(() => text), NAS_MAC);
    assert.equal(check('192.168.178.53'), 'ok');
    assert.equal(check('192.168.178.99'), 'ok');
    assert.equal(check('::ffff:192.168.178.5'), 'mismatch');
    assert.equal(identityCheck(new NeighbourTable(() => ''), NAS_MAC)('192.168.178.5'), 'ok');
  });

  it('reads MAC addresses as people write them', () => {
    for (const text of ['AA:BB:CC:DD:EE:FF', 'aa-bb-cc-dd-ee-ff', ' aabbccddeeff ']) {
      assert.equal(normaliseMac(text), NAS_MAC);
    }
    for (const text of ['', 'aa:bb:cc:dd:ee', 'aa:bb-cc:dd:ee:ff', 'aa:bb:cc:dd:ee:fg', 'a b']) {
      assert.equal(normaliseMac(text), null);
    }
  });
});
