import { decrypt } from 'http_ece';
import jwt from 'jsonwebtoken';
import assert from 'node:assert/strict';
import { createECDH, createPublicKey, randomBytes } from 'node:crypto';
import { PUBLIC, type PushKeys, PushService } from '../../../nodes/lib/notices/push-service.ts';
import { PracticePush } from '../../fakes/practice-push.ts';

const NOW_MS = Date.parse('2026-02-22T14:30:00Z');
const CONTACT = 'mailto:owner@example.com';
/** RFC 8291, appendix A: the pair of the application server. */
const PUBLIC_KEY =
  'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8';
const POINT = Buffer.from(PUBLIC_KEY, 'base64url');
const PUBLIC_JWK = {
  ...{ kty: 'EC', crv: 'P-256' },
  x: POINT.subarray(1, 33).toString('base64url'),
  y: POINT.subarray(33).toString('base64url'),
};
const KEYS: PushKeys = {
  publicKey: PUBLIC_KEY,
  privateJwk: { ...PUBLIC_JWK, d: 'yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw' },
};
const { signal } = new AbortController();

describe('The push service', () => {
  let practice: PracticePush;
  let push: PushService;

  before(async () => {
    practice = await PracticePush.start();
  });

  after(async () => {
    await practice.stop();
  });

  beforeEach(() => {
    push = serviceAt(['127.0.0.1']);
    practice.taken.length = 0;
    practice.answer = { status: 201 };
  });

  /** @param addresses what the name resolves to */
  function serviceAt(addresses: readonly string[], rule = practice.rule): PushService {
    return new PushService({
      ...{ keys: () => KEYS, contact: CONTACT, nowMs: () => NOW_MS, rule, ca: practice.ca },
      resolve: () =>
        Promise.resolve(
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        ),
    });
  }

  const send = (text: string, topic = 'conflict') =>
    push.send(practice.target, { text, topic }, signal);

  it('is sent what only that browser reads', async () => {
    assert.deepEqual(await send('{"title":"Konflikt"}'), { kind: 'sent' });
    const [first] = practice.taken;
    assert.ok(first);
    assert.ok(!first.body.includes('Konflikt'));
    assert.equal(practice.read(first), '{"title":"Konflikt"}');
    assert.throws(() =>
      decrypt(first.body, {
        ...{ version: 'aes128gcm', privateKey: pair() },
        authSecret: randomBytes(16).toString('base64url'),
      }),
    );
    assert.equal(first.headers['content-encoding'], 'aes128gcm');
    assert.equal(first.headers['ttl'], '86400');
  });

  it('learns neither from the size nor from the topic what a message is about', async () => {
    await send('a', 'conflict');
    await send('b'.repeat(900), 'plug_lost 02:00:5E:00:53:01');
    const [one, other] = practice.taken;
    assert.equal(one?.body.length, other?.body.length);
    for (const { headers } of practice.taken) assert.match(String(headers['topic']), /^[\w-]{32}$/);
    assert.ok(!JSON.stringify(practice.taken.map(({ headers }) => headers)).includes('plug_lost'));
  });

  it('knows the Pi by a token for itself, of twelve hours (RFC 8292)', async () => {
    await send('x');
    const authorization = practice.taken[0]?.headers.authorization ?? '';
    const [, token = '', key = ''] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(authorization) ?? [];
    assert.equal(key, KEYS.publicKey);
    const publicKey = createPublicKey({ key: PUBLIC_JWK, format: 'jwk' });
    const claims = jwt.verify(token, publicKey, {
      algorithms: ['ES256'],
      clockTimestamp: NOW_MS / 1_000,
    });
    assert.deepEqual(claims, {
      aud: new URL(practice.target.endpoint).origin,
      exp: NOW_MS / 1_000 + 12 * 3_600,
      sub: CONTACT,
    });
  });

  it('says what becomes of a message', async () => {
    for (const [status, wanted] of [
      [200, { kind: 'sent' }],
      [404, { kind: 'gone' }],
      [410, { kind: 'gone' }],
      [413, { kind: 'refused', status: 413 }],
      [403, { kind: 'later', afterMs: null, why: '403' }],
      [503, { kind: 'later', afterMs: null, why: '503' }],
      [302, { kind: 'refused', status: 302 }],
    ] as const) {
      practice.answer = { status, headers: { Location: 'https://elsewhere.example/' } };
      assert.deepEqual(await send('x'), wanted, String(status));
    }
    practice.answer = { status: 429, headers: { 'Retry-After': '120' } };
    assert.deepEqual(await send('x'), { kind: 'later', afterMs: 120_000, why: '429' });
    assert.equal(practice.taken.length, 8, 'a redirect is not followed');
  });

  it('is read no further than its status, however much it says', async () => {
    practice.answer = { status: 201, body: Buffer.alloc(5_000_000) };
    assert.deepEqual(await send('x'), { kind: 'sent' });
  });

  it('is tried again later where nobody answers', async () => {
    push = serviceAt([]);
    assert.equal((await send('x')).kind, 'later');
  });

  it('is no machine of the home, by whatever name', async () => {
    for (const address of [
      ...['127.0.0.1', '192.168.178.53', '10.1.2.3', '172.16.9.9', '169.254.169.254'],
      ...['100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '::1', '::', 'fe80::1'],
      ...['fd00::1', '::ffff:192.168.178.53', '64:ff9b::c0a8:b235', 'ff02::1', '2002:c0a8::1'],
    ]) {
      push = serviceAt([address], { ...practice.rule, address: PUBLIC.address });
      const why = (await send('x')) as { readonly why?: string };
      assert.equal(why.why, 'not_public', address);
    }
    assert.equal(practice.taken.length, 0);
    assert.ok(PUBLIC.address('142.250.185.106') && PUBLIC.address('2a00:1450:4001:82a::200a'));
  });

  it('has an address that a browser can have given out', () => {
    push = serviceAt([], PUBLIC);
    const { p256dh, auth } = practice.target;
    const fault = (endpoint: string) => push.faultOf({ endpoint, p256dh, auth });
    for (const endpoint of [
      'https://fcm.googleapis.com/fcm/send/abc',
      'https://updates.push.services.mozilla.com/wpush/v2/abc',
      'https://web.push.apple.com/abc',
    ]) {
      assert.equal(fault(endpoint), null, endpoint);
    }
    for (const endpoint of [
      ...['http://push.example.com/1', 'https://192.168.178.53/1', 'https://[::1]/1'],
      ...['https://localhost/1', 'https://push.example.com:8443/1', 'file:///etc/passwd'],
      ...['https://user:word@push.example.com/1', 'https://2130706433/1', 'push', ''],
      `https://push.example.com/${'a'.repeat(2_048)}`,
    ]) {
      assert.match(String(fault(endpoint)), /https address/, endpoint);
    }
  });

  it('wants keys that are some', () => {
    const { endpoint, p256dh, auth } = practice.target;
    for (const [key, secret] of [
      [p256dh, ''],
      [p256dh, auth.slice(2)],
      [auth, auth],
      [Buffer.alloc(65, 4).toString('base64url'), auth],
      ['no key', auth],
    ] as const) {
      assert.match(String(push.faultOf({ endpoint, p256dh: key, auth: secret })), /keys/);
    }
  });

  it('speaks as RFC 8291 has it in its example', () => {
    const receiver = createECDH('prime256v1');
    receiver.setPrivateKey('q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94', 'base64url');
    const body =
      'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS' +
      '6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qu' +
      'lcy4a-fN';
    const told = decrypt(Buffer.from(body, 'base64url'), {
      ...{ version: 'aes128gcm', privateKey: receiver, authSecret: 'BTBZMqHH6r4Tts7J_aSIgg' },
    });
    assert.equal(told.toString(), 'When I grow up, I want to be a watermelon');
  });
});

function pair() {
  const made = createECDH('prime256v1');
  made.generateKeys();
  return made;
}
