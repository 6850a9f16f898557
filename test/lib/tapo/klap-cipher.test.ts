import assert from 'node:assert/strict';
import {
  isPlugProof,
  klapAuthHash,
  KlapCipher,
  ownProof,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/klap/klap-protocol.ts';
import { OWNER } from './setup.ts';

/**
 * The values below were computed with Python's hashlib and the openssl command from the protocol's
 * description, for the account of `setup.ts` and these two seeds.
 */
const SEEDS = {
  local: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'),
  remote: Buffer.from('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'hex'),
  authHash: klapAuthHash(OWNER),
};

describe('the KLAP cipher', () => {
  it('hashes the account as the plug does', () => {
    assert.equal(
      klapAuthHash(OWNER).toString('hex'),
      'f44824e4b77328cc3afb373b400c42e12be7e0d67bd79f3f77adc33de41841b8',
    );
  });

  it('knows the proof of the plug and gives its own', () => {
    const proof = '229cb36fadb34db32cf9e0e8734fc4414f5ddafcf304dd7815bfcffd5ec11829';
    assert.equal(isPlugProof(Buffer.from(proof, 'hex'), SEEDS), true);
    assert.equal(isPlugProof(Buffer.from(proof.replace('2', '3'), 'hex'), SEEDS), false);
    assert.equal(isPlugProof(Buffer.alloc(0), SEEDS), false);
    assert.equal(
      ownProof(SEEDS).toString('hex'),
      '269d2dd633cc9d0c05ec6dd3c6d5e3988f84908c84b6970ed0fbb5726568771a',
    );
  });

  it('numbers, encrypts and signs a request', () => {
    const { seq, body } = new KlapCipher(SEEDS).seal('{"method":"get_device_info"}');
    assert.equal(seq, -82_704_306);
    assert.equal(
      body.toString('hex'),
      '318fa75166af5942347c584cf6a8d87e21bd038efba3824346eed1709afba916' +
        '570bfb0edf1a7ef7828f0380c04fe745a4e0cda8ba450d75b167b2492a6f7d79',
    );
  });

  it('counts on below zero where a signed 32-bit number ends', () => {
    const cipher = new KlapCipher(SEEDS, 2 ** 31 - 2);
    assert.equal(cipher.seal('{}').seq, 2 ** 31 - 1);
    const { seq, body } = cipher.seal('{}');
    assert.equal(seq, -(2 ** 31));
    assert.equal(cipher.open(seq, body)?.toString(), '{}');
  });

  it('opens nothing that was changed, cut or signed for another request', () => {
    const cipher = new KlapCipher(SEEDS);
    const { seq, body } = cipher.seal('{"error_code":0}');
    assert.equal(cipher.open(seq, body)?.toString(), '{"error_code":0}');
    assert.equal(cipher.open(seq + 1, body), null);
    for (let at = 0; at < body.length; at += 1) {
      const changed = Buffer.from(body);
      changed[at] = (changed[at] ?? 0) ^ 0x80;
      assert.equal(cipher.open(seq, changed), null);
      assert.equal(cipher.open(seq, body.subarray(0, at)), null);
    }
  });
});
