import fc from 'fast-check';
import assert from 'node:assert/strict';
import { createHash, createHmac, hkdfSync, KeyObject } from 'node:crypto';
import { bearerOf } from '../../../nodes/lib/accounts/nas-answers.ts';
import { PiTokens } from '../../../nodes/lib/accounts/pi-tokens.ts';
import { MINUTE_MS, SECRET_KEY, Stage, tokenOf, word } from './accounts-stage.ts';

type Json = Record<string, unknown>;

/** The Pi's real key, so that forgeries fail for more than their signature. */
const PI_KEY = Buffer.from(hkdfSync('sha256', SECRET_KEY, '', 'balupi/pi-token/hs256/1', 32));

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function sign(header: unknown, claims: unknown, key: Buffer | string = PI_KEY): string {
  return signRaw(part(header), part(claims), key);
}

function signRaw(head: string, body: string, key: Buffer | string, hash = 'sha256'): string {
  const signature = createHmac(hash, key).update(`${head}.${body}`).digest('base64url');
  return `${head}.${body}.${signature}`;
}

function open(token: string): { header: Json; claims: Json; parts: [string, string, string] } {
  const parts = token.split('.') as [string, string, string];
  const [header, claims] = parts
    .slice(0, 2)
    .map((text) => JSON.parse(Buffer.from(text, 'base64url').toString()) as Json) as [Json, Json];
  return { header, claims, parts };
}

describe('Pi tokens', () => {
  let stage: Stage;
  let good: string;

  before(async () => {
    stage = new Stage();
    await stage.login('alice', 'alice-password');
    await stage.login('bob', 'bob-password');
    stage.sleep();
    good = tokenOf(await stage.login('alice', 'alice-password'));
  });

  after(async () => {
    await stage.close();
  });

  const authenticate = async (token: string): Promise<string> =>
    word(await stage.authenticate(token));

  it('of which nothing is known are no refused ones while the disk with the sign-ins is gone', async () => {
    const ended = tokenOf(await stage.login('alice', 'alice-password'));
    stage.store
      .prepare('DELETE FROM pi_sessions WHERE jti = ?')
      .run(String(open(ended).claims['jti']));
    assert.equal(await authenticate(ended), 'bad_token');
    Object.defineProperty(stage.store.file, 'isWhole', { value: false, configurable: true });
    try {
      assert.equal(await authenticate(ended), 'nas_asleep');
      assert.equal(await authenticate(good), 'alice');
    } finally {
      Reflect.deleteProperty(stage.store.file, 'isWhole');
    }
  });

  it('open this Pi for their user, and are never to be shown to the NAS', async () => {
    assert.deepEqual(await stage.caller(good), {
      user: { id: 4, username: 'alice', role: 'user' },
      kind: 'pi',
      nasToken: null,
      scope: 'all',
      device: `session:${String(open(good).claims['jti'])}`,
    });
  });

  it('say what the contract says and nothing else', () => {
    const { header, claims } = open(good);
    const iat = Math.floor(stage.clock.nowMs() / 1_000);
    assert.deepEqual(header, { alg: 'HS256', typ: 'JWT' });
    assert.match(String(claims['jti']), /^[\da-f-]{36}$/);
    assert.deepEqual(
      { ...claims, jti: '' },
      { iss: 'balupi', type: 'access', sub: '4', role: 'user', jti: '', iat, exp: iat + 900 },
    );
  });

  it('are spelt in one way only: the same bytes signed again open nothing else', async () => {
    const { header, claims } = open(good);
    assert.equal(sign(header, claims), good, 'the forger below does hold the key');
    assert.equal(await authenticate(sign(header, { ...claims, role: 'admin' })), 'bad_token');
  });

  it('are verified with a secret key, which nothing ever tries to read as a public one', () => {
    const tokens = new PiTokens({
      secretKey: SECRET_KEY,
      registry: {} as never,
      time: {} as never,
    });
    assert.ok(tokens.key instanceof KeyObject);
    assert.equal(tokens.key.type, 'secret');
  });

  describe('that are forged', () => {
    const now = (): number => Math.floor(stage.clock.nowMs() / 1_000);
    const withClaims = (more: Json): string => {
      const { header, claims } = open(good);
      return sign(header, { ...claims, ...more });
    };
    const without = (name: string): string => {
      const { header, claims } = open(good);
      return sign(
        header,
        Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name)),
      );
    };
    const withHeader = (more: Json, key: Buffer | string = PI_KEY): string => {
      const { header, claims } = open(good);
      return sign({ ...header, ...more }, claims, key);
    };
    const rehashed = (alg: string, hash: string): string => {
      const { header, parts } = open(good);
      return signRaw(part({ ...header, alg }), parts[1], PI_KEY, hash);
    };
    const unsigned = (alg: string, tail = ''): string => {
      const { parts } = open(good);
      return `${part({ alg, typ: 'JWT' })}.${parts[1]}.${tail}`;
    };
    const spliced = (make: (head: string, body: string, tail: string) => string): string =>
      make(...open(good).parts);

    const forgeries: Record<string, () => string> = {
      'alg none': () => unsigned('none'),
      'alg nOnE': () => unsigned('nOnE'),
      'alg NONE with the old signature': () =>
        spliced((_h, b, t) => `${part({ alg: 'NONE' })}.${b}.${t}`),
      'alg empty': () => withHeader({ alg: '' }),
      'alg missing': () => sign({ typ: 'JWT' }, open(good).claims),
      'alg null': () => withHeader({ alg: null }),
      'alg as an array': () => withHeader({ alg: ['HS256'] }),
      'alg hs256 in small letters': () => withHeader({ alg: 'hs256' }),
      'alg HS384 with the right key': () => rehashed('HS384', 'sha384'),
      'alg HS512 with the right key': () => rehashed('HS512', 'sha512'),
      'alg RS256 signed by HMAC': () => rehashed('RS256', 'sha256'),
      'alg ES256 signed by HMAC': () => rehashed('ES256', 'sha256'),
      'an unknown crit': () => withHeader({ crit: ['exp'] }),
      'a kid with a path': () => withHeader({ kid: '../../../../dev/null' }),
      'a kid with SQL': () => withHeader({ kid: "' UNION SELECT 'x" }),
      'a jku': () => withHeader({ jku: 'http://evil.example/keys' }),
      'a jwk of its own': () => withHeader({ jwk: { kty: 'oct', k: 'AAAA' } }),
      'an x5u': () => withHeader({ x5u: 'http://evil.example/cert' }),
      'a zip header': () => withHeader({ zip: 'DEF' }),
      'b64 false': () => withHeader({ b64: false }),
      'typ at+jwt': () => withHeader({ typ: 'at+jwt' }),
      'typ missing': () => sign({ alg: 'HS256' }, open(good).claims),
      'an empty key': () => withHeader({}, ''),
      'SECRET_KEY itself as the key': () => withHeader({}, SECRET_KEY),
      "another Pi's key": () => withHeader({}, Buffer.alloc(32, 7)),
      'no signature': () => spliced((h, b) => `${h}.${b}.`),
      'only two parts': () => spliced((h, b) => `${h}.${b}`),
      'four parts': () => `${good}.AAAA`,
      'a padded signature': () => `${good}=`,
      'a signature cut short': () => good.slice(0, -1),
      'a signature that goes on': () => `${good}A`,
      'a signature in plain base64': () =>
        spliced((h, b, t) => `${h}.${b}.${Buffer.from(t, 'base64url').toString('base64')}`),
      'another spelling of the same signature': () =>
        spliced((h, b, t) => `${h}.${b}.${respell(t)}`),
      'header and body swapped': () => spliced((h, b, t) => `${b}.${h}.${t}`),
      'no exp': () => without('exp'),
      'exp as a string': () => withClaims({ exp: String(now() + 900) }),
      'exp 1e300': () => withClaims({ exp: 1e300 }),
      'exp null': () => withClaims({ exp: null }),
      'exp as an array': () => withClaims({ exp: [now() + 900] }),
      'exp negative': () => withClaims({ exp: -1 }),
      'exp with a fraction': () => withClaims({ exp: now() + 899.5 }),
      'exp in the past': () => withClaims({ exp: now() - 1, iat: now() - 901 }),
      'exp now': () => withClaims({ exp: now(), iat: now() - 900 }),
      'exp beyond 15 minutes': () => withClaims({ exp: now() + 901 }),
      'exp in milliseconds': () => withClaims({ exp: stage.clock.nowMs() + 900_000 }),
      'exp before iat': () => withClaims({ iat: now() + 100, exp: now() + 50 }),
      'no iat': () => without('iat'),
      'iat far in the future': () => withClaims({ iat: now() + 3_600, exp: now() + 4_500 }),
      'iat as a string': () => withClaims({ iat: String(now()) }),
      'nbf in the future': () => withClaims({ nbf: now() + 600 }),
      'nbf in the past': () => withClaims({ nbf: now() - 600 }),
      'no iss': () => without('iss'),
      'iss of the NAS': () => withClaims({ iss: 'baluhost' }),
      'iss in capitals': () => withClaims({ iss: 'BALUPI' }),
      'iss as an array': () => withClaims({ iss: ['balupi'] }),
      'no type': () => without('type'),
      'type refresh': () => withClaims({ type: 'refresh' }),
      'type 2fa_pending': () => withClaims({ type: '2fa_pending' }),
      'type sse': () => withClaims({ type: 'sse' }),
      'type as an array': () => withClaims({ type: ['access'] }),
      'no sub': () => without('sub'),
      'sub as a number': () => withClaims({ sub: 4 }),
      'sub as an array': () => withClaims({ sub: ['4'] }),
      'sub as an object': () => withClaims({ sub: { $ne: null } }),
      'sub by name': () => withClaims({ sub: 'alice' }),
      'sub with a leading zero': () => withClaims({ sub: '04' }),
      'sub with a space': () => withClaims({ sub: '4 ' }),
      "another user's sub": () => withClaims({ sub: '5' }),
      "an unknown user's sub": () => withClaims({ sub: '999' }),
      'the role admin': () => withClaims({ role: 'admin' }),
      'no role': () => without('role'),
      'role as an array': () => withClaims({ role: ['user'] }),
      'no jti': () => without('jti'),
      'a jti never given out': () => withClaims({ jti: '00000000-0000-4000-8000-000000000000' }),
      'jti as an object': () => withClaims({ jti: {} }),
      'an added aud': () => withClaims({ aud: 'balupi' }),
      'an added scope': () => withClaims({ scope: 'all' }),
      'an added username': () => withClaims({ username: 'admin' }),
      '__proto__ in the body': () => {
        const body = JSON.stringify(open(good).claims).replace(
          '{',
          '{"__proto__":{"role":"admin"},',
        );
        return signRaw(open(good).parts[0], Buffer.from(body).toString('base64url'), PI_KEY);
      },
      'a claim twice': () => {
        const body = JSON.stringify(open(good).claims).replace('{', '{"sub":"1",');
        return signRaw(open(good).parts[0], Buffer.from(body).toString('base64url'), PI_KEY);
      },
      'a body that is an array': () => sign(open(good).header, [open(good).claims]),
      'a body that is a string': () => sign(open(good).header, 'balupi'),
      'a body that is null': () => sign(open(good).header, null),
      'a body that is no JSON': () =>
        signRaw(open(good).parts[0], Buffer.from('{').toString('base64url'), PI_KEY),
      'an empty body': () => signRaw(open(good).parts[0], '', PI_KEY),
    };

    it('come in more than 40 kinds', () => {
      assert.ok(Object.keys(forgeries).length >= 40);
    });

    for (const [name, forge] of Object.entries(forgeries)) {
      it(`are refused: ${name}`, async () => {
        const forged = forge();
        assert.notEqual(forged, good);
        stage.wake();
        const awake = await authenticate(forged);
        stage.sleep();
        assert.equal(awake, 'bad_token');
        assert.notEqual((await stage.authenticate(forged)).kind, 'caller');
      });
    }

    it('are refused by what they say alone, though a row knew them to the letter', async () => {
      // The role and a duplicated claim have no effect: the role is the user's.
      const harmless = new Set(['the role admin', 'a claim twice']);
      const plant = stage.store.prepare('UPDATE pi_sessions SET token_hash = ?');
      const accepted: string[] = [];
      for (const [name, forge] of Object.entries(forgeries)) {
        const forged = forge();
        plant.run(createHash('sha256').update(forged).digest());
        const answer = await stage.authenticate(forged);
        if (answer.kind === 'caller' && !harmless.has(name)) accepted.push(name);
      }
      plant.run(createHash('sha256').update(good).digest());
      assert.deepEqual(accepted, []);
      assert.equal(await authenticate(good), 'alice');
    });

    it('are not shown to the NAS when they claim to be the Pi’s or carry its signature', async () => {
      stage.wake();
      const asked = stage.nas.asks.length;
      await authenticate(unsigned('none', 'AAAA'));
      const { header, claims } = open(good);
      const likeNas = { ...claims, username: 'alice' };
      assert.equal(await authenticate(sign(header, likeNas, Buffer.alloc(32, 7))), 'bad_token');
      await authenticate(withClaims({ iss: 'baluhost', username: 'alice' }));
      assert.equal(stage.nas.asks.length, asked);
      stage.sleep();
    });

    it('are refused in all of 10,000 mutations of a good one', async () => {
      const alphabet =
        'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \u00e9';
      const mutation = fc.record({
        at: fc.nat(good.length - 1),
        cut: fc.nat(3),
        put: fc.array(fc.constantFrom(...alphabet), { maxLength: 3 }),
      });
      let accepted = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
          let token = good;
          for (const { at, cut, put } of mutations) {
            token = token.slice(0, at) + put.join('') + token.slice(at + cut);
          }
          if (token === good) return;
          if ((await stage.authenticate(token)).kind === 'caller') accepted += 1;
        }),
        { numRuns: 10_000 },
      );
      assert.equal(accepted, 0);
      assert.equal(await authenticate(good), 'alice');
    }).timeout(30_000);
  });

  describe('that were good', () => {
    let own: Stage;
    const fresh = async (name = 'alice'): Promise<string> =>
      tokenOf(await own.login(name, `${name}-password`));

    beforeEach(async () => {
      own = new Stage();
      await own.login('alice', 'alice-password');
      await own.login('bob', 'bob-password');
      own.sleep();
    });

    afterEach(async () => {
      await own.close();
    });

    const check = async (token: string): Promise<string> => word(await own.authenticate(token));

    it('end after 15 minutes', async () => {
      const token = await fresh();
      await own.clock.advance(15 * MINUTE_MS - 1_000);
      assert.equal(await check(token), 'alice');
      await own.clock.advance(1_000);
      assert.equal(await check(token), 'bad_token');
    });

    it('do not come alive again when the wall clock goes back', async () => {
      const token = await fresh();
      await own.clock.advance(20 * MINUTE_MS);
      assert.equal(await check(token), 'bad_token');
      own.clock.stepWallTo(0);
      assert.equal(await check(token), 'bad_token');
    });

    it('outlive a power cut that sets the clock to 1970, and end in time all the same', async () => {
      const token = await fresh();
      own.restart(0);
      assert.equal(own.time.unsynced, true);
      assert.equal(await check(token), 'alice');
      await own.clock.advance(15 * MINUTE_MS);
      assert.equal(await check(token), 'bad_token');
    });

    it('go on while the NAS is awake, for routes that do not need it', async () => {
      const token = await fresh();
      own.wake();
      const asked = own.nas.asks.length;
      assert.equal(await check(token), 'alice');
      assert.equal(own.nas.asks.length, asked);
    });

    it('end with the logout of their user, and nobody else’s', async () => {
      const alice = await fresh();
      const bob = await fresh('bob');
      await own.accounts.profile.logout(await own.caller(alice));
      assert.equal(await check(alice), 'bad_token');
      assert.equal(await check(bob), 'bob');
    });

    it('end when the NAS calls their user inactive', async () => {
      const token = await fresh();
      own.wake();
      own.nas.account('alice').isActive = false;
      await own.login('alice', 'alice-password');
      assert.equal(await check(token), 'bad_token');
    });

    it('end with another SECRET_KEY', async () => {
      const token = await fresh();
      const other = new Stage({ secretKey: 'another secret of the Pi, also long enough 42' });
      assert.equal(word(await other.authenticate(token)), 'bad_token');
      await other.close();
    });

    it('carry the role as last known, not as it was', async () => {
      const token = await fresh('bob');
      own.wake();
      own.nas.account('bob').role = 'admin';
      await own.clock.advance(1_000);
      await own.login('bob', 'bob-password');
      assert.equal((await own.caller(token)).user.role, 'admin');
    });
  });

  it('are taken from an Authorization header of the right scheme only', () => {
    assert.equal(bearerOf('Bearer abc'), 'abc');
    assert.equal(bearerOf('bearer   abc '), 'abc');
    for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic abc', 'Bearer a b', 'abc']) {
      assert.equal(bearerOf(header), null);
    }
  });
});

/** Changes the two last bits of a 43-character signature, which decode to nothing. */
function respell(signature: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(signature.slice(-1));
  return signature.slice(0, -1) + (alphabet[last ^ 1] ?? '');
}
