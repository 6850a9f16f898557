import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  add,
  negative,
  ORDER,
  pake,
  pakeNumber,
  pakeSecrets,
  readPoint,
  times,
  timesBase,
  toNumber,
  writePoint,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tpap/spake2plus.ts';
import {
  pakeCredential,
  SessionCipher,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tpap/tpap-protocol.ts';

interface TpapVector {
  readonly name: string;
  readonly username: string;
  readonly password: string;
  readonly extra_crypt: unknown;
  readonly credential: string;
  readonly iterations: number;
  readonly w0_encoding: 'fixed' | 'minimal';
  readonly dev_salt: string;
  readonly user_random: string;
  readonly dev_random: string;
  readonly x: string;
  readonly y: string;
  readonly w0: string;
  readonly w1: string;
  readonly L: string;
  readonly user_share: string;
  readonly dev_share: string;
  readonly user_confirm: string;
  readonly dev_confirm: string;
  readonly shared_key: string;
  readonly sealed: readonly {
    readonly seq: number;
    readonly plain: string;
    readonly body: string;
  }[];
}

const { vectors } = JSON.parse(readFileSync('test/fixtures/tapo-tpap-vectors.json', 'utf8')) as {
  readonly vectors: readonly TpapVector[];
};
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const breathe = (): Promise<void> => Promise.resolve();

async function login(
  vector: TpapVector,
  turn: () => Promise<void> = breathe,
): Promise<Awaited<ReturnType<typeof pake>>> {
  const secrets = await pakeSecrets(vector.credential, bytes(vector.dev_salt), vector.iterations);
  assert.equal(secrets.w0.toString(16).padStart(64, '0'), vector.w0);
  assert.equal(secrets.w1.toString(16).padStart(64, '0'), vector.w1);
  const devShare = readPoint(bytes(vector.dev_share));
  assert.ok(devShare !== null);
  const randoms = { userRandom: bytes(vector.user_random), devRandom: bytes(vector.dev_random) };
  return await pake(secrets, { ...randoms, devShare, x: toNumber(bytes(vector.x)) }, turn);
}

describe('the curve P-256', () => {
  it('multiplies as OpenSSL does, whole points and at the edges of the order', () => {
    for (let round = 0; round < 40; round += 1) {
      const [k, l] = [pakeNumber(randomBytes(40)), pakeNumber(randomBytes(40))];
      assert.deepEqual(times(k, timesBase(l)), timesBase((k * l) % ORDER));
    }
    const point = timesBase(7n);
    for (const k of [1n, 2n, 3n, ORDER - 3n, ORDER - 2n, ORDER - 1n]) {
      assert.deepEqual(times(k, point), timesBase((7n * k) % ORDER));
    }
  });

  it('adds, doubles and comes to infinity', () => {
    const [three, five] = [timesBase(3n), timesBase(5n)];
    assert.deepEqual(add(three, five), timesBase(8n));
    assert.deepEqual(add(three, three), timesBase(6n));
    assert.equal(add(three, negative(three)), null);
  });

  it('reads points of 33 and 65 bytes that lie on it, and no others', () => {
    const point = timesBase(5n);
    const whole = writePoint(point);
    const short = Buffer.concat([Buffer.of(2 + Number(point.y & 1n)), whole.subarray(1, 33)]);
    assert.deepEqual(readPoint(whole), point);
    assert.deepEqual(readPoint(short), point);
    const bent = Buffer.from(whole);
    bent[64] = (bent[64] ?? 0) ^ 1;
    const beyond = Buffer.concat([Buffer.of(4), Buffer.alloc(64, 0xff)]);
    const wrong = [Buffer.of(0), Buffer.alloc(0), Buffer.alloc(65), whole.subarray(0, 64), bent];
    for (const bytesOf of [
      ...wrong,
      beyond,
      Buffer.concat([Buffer.of(2), Buffer.alloc(32, 0xff)]),
    ]) {
      assert.equal(readPoint(bytesOf), null, bytesOf.toString('hex'));
    }
  });
});

describe('a TPAP login', () => {
  for (const vector of vectors) {
    it(`has every value of vector ${vector.name}`, async () => {
      const result = await login(vector);
      assert.ok(result !== null);
      const isOurs = vector.w0_encoding === 'fixed';
      assert.equal(result.userShare.toString('hex'), vector.user_share);
      assert.equal(result.userConfirm.toString('hex') === vector.user_confirm, isOurs);
      assert.equal(result.devConfirm.toString('hex') === vector.dev_confirm, isOurs);
      assert.equal(result.sharedKey.toString('hex') === vector.shared_key, isOurs);
    });

    it(`seals and opens as vector ${vector.name}`, () => {
      for (const { seq, plain, body } of vector.sealed) {
        const cipher = new SessionCipher(bytes(vector.shared_key), seq);
        const sealed = cipher.seal(plain);
        assert.equal(sealed.seq, seq);
        assert.equal(sealed.body.toString('hex'), body);
        assert.equal(cipher.open(seq, bytes(body))?.toString(), plain);
      }
    });
  }

  it('is fed what plugs ask for, and refuses a kind it does not know', () => {
    const known = vectors.filter(({ name }) => /^[A-E]/.test(name));
    assert.equal(known.length, 5);
    for (const { extra_crypt: kind, credential, username, password } of known) {
      assert.equal(pakeCredential(kind, { username, password }), credential);
    }
    for (const kind of [{ type: 'password_shadow', params: { passwd_id: 3 } }, {}, 'x', 7]) {
      assert.equal(pakeCredential(kind, { username: 'a', password: 'b' }), null);
    }
  });

  it('gives nothing away for a share that would make everything known', async () => {
    const [vector] = vectors;
    assert.ok(vector !== undefined);
    const secrets = await pakeSecrets(vector.credential, bytes(vector.dev_salt), 3_000);
    const result = await pake({ ...secrets, w0: 0n }, {} as never, breathe);
    assert.equal(result, null);
  });

  it('uses no number twice, and opens nothing but what the session sealed to this request', () => {
    const cipher = new SessionCipher(Buffer.alloc(32, 7), 0x7fff_fffe);
    const seqs = Array.from({ length: 4 }, () => cipher.seal('{}').seq);
    assert.deepEqual(seqs, [0x7fff_fffe, 0x7fff_ffff, -0x8000_0000, -0x7fff_ffff]);
    const { seq, body } = cipher.seal('{"method":"a"}');
    const bent = Buffer.from(body);
    bent[6] = (bent[6] ?? 0) ^ 1;
    for (const wrong of [
      bent,
      Buffer.alloc(0),
      body.subarray(0, 19),
      Buffer.from('{"error_code":0}'),
    ]) {
      assert.equal(cipher.open(seq, wrong), null);
    }
    assert.equal(cipher.open(seq + 1, body), null);
  });

  it('lets others have a turn between any two products', async () => {
    const [vector] = vectors;
    assert.ok(vector !== undefined);
    let turns = 0;
    await login(vector, () => {
      turns += 1;
      return Promise.resolve();
    });
    assert.equal(turns, 4);
  });
});
