import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Discovery } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/discovery.ts';
import { plugDriver } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug-driver.ts';
import {
  nodePlugHttp,
  openNodeUdp,
  type PlugHttpOutcome,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug-http.ts';
import type { Plug } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug.ts';
import type { PracticePlug } from '../../practice/plug/practice-plug.ts';
import type { LostSession } from '../../practice/plug/practice-tpap.ts';
import { Bench, OWNER } from './setup.ts';

interface Vector {
  readonly name: string;
  readonly username: string;
  readonly password: string;
  readonly dev_salt: string;
  readonly user_random: string;
  readonly dev_random: string;
  readonly x: string;
  readonly y: string;
  readonly dev_confirm: string;
  readonly shared_key: string;
}

const HOUR_MS = 3_600_000;

describe('a plug that speaks TPAP', () => {
  let bench: Bench;
  let practice: PracticePlug;
  let plug: Plug;

  beforeEach(async () => {
    bench = new Bench();
    practice = await bench.plug({ protocol: 'tpap' });
    plug = bench.driver(practice);
  });

  afterEach(async () => {
    plug.close();
    await bench.close();
  });

  const kindOf = async (): Promise<string> => (await bench.until(plug.read())).kind;
  const logins = (): number => practice.tpap?.logins ?? 0;
  const refusals = (): number => practice.tpap?.refusals ?? 0;
  const choose = (choices: NonNullable<PracticePlug['tpap']>['choices']): void => {
    assert.ok(practice.tpap !== null);
    practice.tpap.choices = choices;
  };

  it('is read at once, and no KLAP or AES is tried with it', async () => {
    assert.equal(await kindOf(), 'reading');
    assert.ok(practice.received.every(({ path }) => path === '/' || path.startsWith('/stok=')));
  });

  for (const vector of (
    JSON.parse(readFileSync('test/fixtures/tapo-tpap-vectors.json', 'utf8')) as {
      readonly vectors: readonly Vector[];
    }
  ).vectors.filter(({ name }) => /^[ABC]:/.test(name))) {
    it(`goes through vector ${vector.name} with the practice plug`, async () => {
      const { username, password } = vector;
      const old = await bench.plug({ protocol: 'tpap', username, password });
      assert.ok(old.tpap !== null);
      const devRandom = Buffer.from(vector.dev_random, 'hex');
      const devSalt = Buffer.from(vector.dev_salt, 'hex');
      old.tpap.choices = { devRandom, devSalt, y: BigInt(`0x${vector.y}`) };
      const x = (BigInt(`0x${vector.x}`) - 1n).toString(16).padStart(80, '0');
      const discovery = new Discovery({
        ...{ clock: bench.clock, log: bench.log, openUdp: openNodeUdp },
        addresses: [{ host: '127.0.0.1', port: old.udpPort }],
      });
      const driver = plugDriver({
        clock: bench.clock,
        http: nodePlugHttp,
        identify: (ip, port, signal) => discovery.identify(ip, port, signal),
        credentials: () => ({ username, password }),
        choice: 'tpap',
        randomBytes: (size) => Buffer.from(size === 40 ? x : vector.user_random, 'hex'),
      })({
        ...{ ip: '127.0.0.1', port: old.port, deviceId: null, mac: null },
        ...{ protocol: null, oldProtocolMac: null },
      });
      assert.equal((await bench.until(driver.read())).kind, 'reading');
      assert.equal(old.tpap.last?.devConfirm.toString('hex'), vector.dev_confirm);
      assert.equal(old.tpap.last.sharedKey.toString('hex'), vector.shared_key);
    });
  }

  it('is found out by its own HTTP where UDP tells no details, or nothing at all', async () => {
    practice.tellNoDetails();
    assert.equal(await kindOf(), 'reading');
    practice.setQuiet(true);
    plug = bench.driver(practice);
    assert.equal(await kindOf(), 'reading');
    assert.equal(logins(), 2);
  });

  it('loses no poll when its owner switches compatibility on and off', async () => {
    const seen: string[] = [];
    for (const isOn of [true, false, true, false, false, true]) {
      seen.push(await kindOf());
      practice.setCompatibility(isOn);
    }
    seen.push(await kindOf());
    assert.deepEqual(seen, Array(7).fill('reading'));
  });

  it('names KLAP that its owner has not allowed where TPAP is left out', async () => {
    practice.setQuiet(true);
    plug = bench.driver(practice, { choice: 'klap' });
    assert.equal(await kindOf(), 'third_party_off');
  });

  for (const lost of [-2_402, -2_203, -40_401, '401', '403', 'plain success'] as LostSession[]) {
    it(`reads in the same call when its session is gone, which it tells by ${lost}`, async () => {
      assert.equal(await kindOf(), 'reading');
      choose({ lost });
      practice.stealSession();
      const outcome = await plug.read();
      assert.ok(outcome.kind === 'reading');
      assert.equal(outcome.reading.powerMw, 42_500);
      assert.equal(logins(), 2);
    });
  }

  for (const startSeq of [-5, 2 ** 31 - 2, 0x7b00_0000, -(2 ** 31)]) {
    it(`counts on from ${startSeq} and over the end of its numbers`, async () => {
      choose({ startSeq });
      for (let round = 0; round < 4; round += 1) assert.equal(await kindOf(), 'reading');
      assert.equal(logins(), 1);
    });
  }

  it('never sends a number twice, also after a request nobody answered', async () => {
    assert.equal(await kindOf(), 'reading');
    practice.setFault('silent', 1);
    assert.equal(await kindOf(), 'unreachable');
    assert.equal(await kindOf(), 'reading');
    const sent = practice.received.filter(({ path }) => path.startsWith('/stok='));
    const numbers = sent.map(({ path, body }) => `${path} ${body.readInt32BE()}`);
    assert.equal(new Set(numbers).size, numbers.length);
  });

  it('costs a wrong password three attempts in an hour, and none of the last five', async () => {
    plug = bench.driver(practice, { credentials: { ...OWNER, password: 'Wrong-Horse 9' } });
    for (let minute = 0; minute < 60; minute += 5) {
      assert.equal(await kindOf(), 'wrong_password');
      await bench.clock.advance(300_000);
    }
    assert.equal(refusals(), 2);
    for (let day = 0; day < 40; day += 1) {
      await bench.clock.advance(24 * HOUR_MS);
      assert.equal(await kindOf(), 'wrong_password');
    }
    assert.equal(refusals(), 10);
  });

  it('says when a plug that is locked takes a password again, and asks nothing before', async () => {
    choose({ lockedMinutes: 45 });
    practice.tpap?.lock();
    const tapo = bench.tapo([practice]);
    await bench.until(tapo.discover());
    const [device] = tapo.list('en');
    assert.equal(device?.state, 'locked');
    assert.match(device.stateHint, /accepts none before 22 Feb 2026, 16:1[5-6]/);
    assert.match(
      tapo.list('de')[0]?.stateHint ?? '',
      /nimmt vor 22\.02\.2026, 16:1[5-6] keines an/,
    );
    const asked = practice.received.length;
    for (let minute = 0; minute < 44; minute += 4) {
      await bench.until(tapo.pollAll());
      await bench.clock.advance(240_000);
    }
    assert.equal(practice.received.length, asked);
    await bench.clock.advance(120_000);
    await bench.until(tapo.pollAll());
    assert.equal(tapo.list()[0]?.state, 'ok');
  });

  it('doubts a refusal of a password that worked once, and believes the second', async () => {
    assert.equal(await kindOf(), 'reading');
    practice.stealSession();
    choose({
      devSalt: randomBytes(16),
      registered: { dev_salt: randomBytes(16).toString('base64') },
    });
    const doubted = await plug.read();
    assert.ok(doubted.kind === 'session_taken' && doubted.cause === 'password_doubted');
    await bench.clock.advance(5_000);
    assert.equal(await kindOf(), 'wrong_password');
    assert.equal(refusals(), 2);
  });

  it('recovers from one refusal of a password that worked', async () => {
    assert.equal(await kindOf(), 'reading');
    practice.stealSession();
    choose({ registered: { dev_salt: randomBytes(16).toString('base64') } });
    assert.equal(await kindOf(), 'session_taken');
    choose({});
    await bench.clock.advance(5_000);
    assert.equal(await kindOf(), 'reading');
  });

  it('refuses what it does not know before it costs an attempt', async () => {
    const strange = [
      { extra_crypt: { type: 'password_shadow', params: { passwd_id: 9 } } },
      { cipher_suites: 2 },
      { encryption: 'chacha20_poly1305' },
    ];
    for (const registered of strange) {
      choose({ registered });
      plug = bench.driver(practice);
      const outcome = await plug.read();
      assert.ok('cause' in outcome && outcome.cause === 'tpap_variant', JSON.stringify(outcome));
    }
    const broken = [
      { dev_random: 'AAAA' },
      { dev_salt: '' },
      { dev_share: randomBytes(65).toString('base64') },
      { dev_share: 'AA==' },
      { iterations: 1e9 },
      { iterations: 0 },
    ];
    for (const registered of broken) {
      choose({ registered });
      plug = bench.driver(practice);
      assert.equal(await kindOf(), 'bad_answer', JSON.stringify(registered));
    }
    for (const offered of [{ tls: 2 }, { pake: [0, 2] }, { pake: [3] }]) {
      choose({});
      practice.offered = offered;
      plug = bench.driver(practice);
      assert.equal(await kindOf(), 'unsupported_protocol', JSON.stringify(offered));
    }
    assert.equal(refusals(), 0);
    assert.equal(logins(), 0);
  });

  it('is reached by TLS with any certificate where it says so', async () => {
    const file = (name: string): Buffer => readFileSync(`test/fixtures/nas-tls/${name}`);
    const tls = { key: file('key.pem'), cert: file('cert.pem') };
    const sealed = await bench.plug({ protocol: 'tpap', tls });
    sealed.offered = { tls: 1 };
    plug = bench.driver(sealed);
    assert.equal(await kindOf(), 'reading');
    assert.equal(await kindOf(), 'reading');
    assert.equal(sealed.logins, 1);
  });

  it('gives a stranger twelve guesses a day at most, however the stranger breaks logins off', async () => {
    const ends: readonly ((answer: PlugHttpOutcome) => PlugHttpOutcome)[] = [
      () => ({ kind: 'unreachable', detail: 'cut' }),
      () => ({ kind: 'bad_answer', detail: 'garbage' }),
      (answer) => ({ ...answer, body: Buffer.from('{"error_code":1003}') }) as PlugHttpOutcome,
      (answer) => ({ ...answer, body: Buffer.from('{"error_code":0}') }) as PlugHttpOutcome,
    ];
    let shares = 0;
    plug = bench.driver(practice, {
      target: { mac: practice.mac },
      http: async (request) => {
        const answer = await nodePlugHttp(request);
        if (!request.body.toString().includes('pake_share')) return answer;
        shares += 1;
        return ends[shares % ends.length]?.(answer) ?? answer;
      },
    });
    for (let minute = 0; minute < 23 * 60; minute += 5) {
      assert.notEqual(await kindOf(), 'reading');
      await bench.clock.advance(300_000);
    }
    assert.equal(shares, 12);
  });

  it('opens its port after a power cut when it is asked who it is, and is read again', async () => {
    assert.equal(await kindOf(), 'reading');
    for (const isOn of [false, true]) {
      practice.setCompatibility(isOn);
      assert.equal(await kindOf(), 'reading');
      await practice.cutPower();
      assert.equal(await kindOf(), 'unreachable');
      assert.equal(await kindOf(), 'reading');
    }
  });

  it('is remembered as such, and never spoken to in AES again', async () => {
    const tapo = bench.tapo([practice]);
    await bench.until(tapo.discover());
    const [device] = tapo.list();
    assert.equal(device?.state, 'ok');
    const stored = bench.store.prepare('SELECT protocol FROM tapo_devices').get();
    assert.equal(stored?.['protocol'], 'tpap');
    const { kind } = tapo.update(device.id, { confirmOldProtocol: true });
    assert.equal(kind, 'old_protocol_not_asked');
  });
});
