import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { passedAddress, Target } from '../../../nodes/lib/api/api.ts';
import { plainAnswer } from '../../../nodes/lib/http/http.ts';
import {
  NasCallError,
  type NasExchange,
  type NasRequest,
} from '../../../nodes/lib/nas/nas-client.ts';
import type { PassHook, PassResult } from '../../../nodes/lib/pass/pass-hook.ts';
import { type PassOutcome, PassThrough } from '../../../nodes/lib/pass/pass.ts';
import { ALICE, ASLEEP, AWAKE } from '../../fakes/fake-services.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const PI_TOKEN = { ...ALICE, kind: 'pi', nasToken: null } as const;

type PassAsked = Parameters<PassThrough['pass']>[0];
type Said = Partial<Extract<NasExchange, { kind: 'response' }>> & { readonly text?: string };

/** A NAS with one fixed answer, and a Pi before it. */
class Rig {
  readonly sent: NasRequest[] = [];
  readonly bodies: string[] = [];
  readonly refused: string[] = [];
  readonly log = new KeptLog();
  said: Said | NasCallError['code'] = { status: 200, text: '{"a":1}' };
  then: Said | null = null;
  awake = true;
  stored: string | null = 'stored-token';
  needed = 0;
  readonly #hooks: readonly PassHook[];

  constructor(...hooks: readonly PassHook[]) {
    this.#hooks = hooks;
  }

  async pass(method: string, url: string, more: Partial<PassAsked> = {}): Promise<PassOutcome> {
    const found = passedAddress(method === 'HEAD' ? 'GET' : method, new Target(url));
    assert.ok(found.kind === 'address', url);
    return await this.#passThrough().pass({
      ...{ method, address: found.address, caller: ALICE, auto: false, headers: {} },
      ...{ signal: new AbortController().signal, openBody: null },
      ...more,
    });
  }

  #passThrough(): PassThrough {
    const state = this.awake ? AWAKE : ASLEEP;
    return new PassThrough({
      clock: new ManualClock(),
      log: this.log,
      nas: { relay: (wanted) => this.#relay(wanted) },
      presence: { state } as never,
      url: new URL('http://nas.local:8000'),
      needed: () => (this.needed += 1),
      storedTokenOf: () => Promise.resolve(this.stored),
      refused: (token) => {
        this.refused.push(token);
        return Promise.resolve();
      },
      hooks: this.#hooks,
    });
  }

  async #relay(wanted: NasRequest): Promise<NasExchange> {
    this.sent.push(wanted);
    const { body } = wanted;
    if (body !== undefined) {
      this.bodies.push(
        Buffer.isBuffer(body) ? body.toString() : (await buffer(body.stream)).toString(),
      );
    }
    const said = this.sent.length > 1 && this.then !== null ? this.then : this.said;
    if (typeof said === 'string') return { kind: 'failed', cause: new NasCallError(said) };
    const { text = '', headers = { 'content-type': 'application/json' }, ...rest } = said;
    const lengthBytes = rest.lengthBytes === undefined ? Buffer.byteLength(text) : null;
    return {
      ...{ kind: 'response', status: 200, headers, lengthBytes },
      ...{ body: Readable.from(text === '' ? [] : [Buffer.from(text)]) },
      ...rest,
    };
  }
}

async function textOf(outcome: PassOutcome): Promise<string> {
  assert.ok(outcome.kind === 'passed', outcome.kind);
  const rest = outcome.rest === null ? Buffer.alloc(0) : await buffer(outcome.rest);
  return Buffer.concat([...outcome.first, rest]).toString();
}

/** A hook that permits everything and records the results. */
function noting(told: PassResult[], more: object = {}): PassHook {
  return {
    concerns: () => true,
    before: () => ({
      kind: 'go',
      after: (result) => {
        told.push(result);
        return undefined;
      },
      ...more,
    }),
  };
}

describe('Passing a request on to the NAS', () => {
  it('shows the NAS the caller’s own token, and neither where they sit nor what the Pi set', async () => {
    const rig = new Rig();
    await rig.pass('GET', '/api/vpn/clients?x=1', {
      headers: {
        host: 'pi',
        authorization: 'Bearer something',
        connection: 'close, X-Secret-Hop',
        'x-secret-hop': '1',
        'transfer-encoding': 'chunked',
        te: 'trailers',
        upgrade: 'h2c',
        expect: '100-continue',
        'x-forwarded-for': '10.0.0.9',
        'x-forwarded-proto': 'https',
        forwarded: 'for=10.0.0.9',
        'x-real-ip': '10.0.0.9',
        'x-balupi-signature': 'a',
        origin: 'http://pi',
        cookie: 'balupi_dashboard=secret; theirs=1; balupi_look=dark',
        'x-device-id': 'device',
        'x-sync-trigger': 'manual',
        range: 'bytes=0-1',
        'accept-encoding': 'gzip',
      },
    });
    const [wanted] = rig.sent;
    assert.equal(wanted?.path, '/api/vpn/clients?x=1');
    assert.deepEqual(wanted.headers, {
      accept: '*/*',
      authorization: 'Bearer token-of-alice',
      cookie: 'theirs=1',
      'x-device-id': 'device',
      'x-sync-trigger': 'manual',
      range: 'bytes=0-1',
    });
  });

  it('gives the answer on without what binds or leads a client to the NAS', async () => {
    const rig = new Rig();
    rig.said = {
      text: '{}',
      headers: {
        'content-type': 'application/json',
        connection: 'keep-alive',
        server: 'uvicorn',
        'retry-after': '60',
        'strict-transport-security': 'max-age=1',
        'access-control-allow-origin': '*',
        'alt-svc': 'h3',
        'x-balupi-cache': 'hit',
        'x-ratelimit-limit': '30',
        'set-cookie': ['balupi_dashboard=forged; path=/', 'theirs=1'],
        etag: '"a"',
      },
    };
    const outcome = await rig.pass('GET', '/api/vpn/clients');
    assert.ok(outcome.kind === 'passed');
    assert.deepEqual(outcome.headers, {
      'cache-control': 'private, no-store',
      'content-type': 'application/json',
      etag: '"a"',
      'set-cookie': ['theirs=1'],
      'x-ratelimit-limit': '30',
    });
  });

  it('sends nothing while the NAS sleeps', async () => {
    const rig = new Rig();
    rig.awake = false;
    assert.equal((await rig.pass('POST', '/api/vpn/clients')).kind, 'asleep');
    assert.deepEqual([rig.sent, rig.needed], [[], 0]);
  });

  it('counts as need of the NAS what somebody waits for, and nothing that came by itself', async () => {
    const rig = new Rig();
    await rig.pass('GET', '/api/vpn/clients', { auto: true });
    assert.equal(rig.needed, 0);
    await rig.pass('GET', '/api/vpn/clients');
    assert.equal(rig.needed, 1);
  });

  it('lets a stored credential act for a Pi token where the contract says so, and nowhere else', async () => {
    for (const [method, url, wanted] of [
      ['DELETE', '/api/files/alice/a.jpg', true],
      ['POST', '/api/sync/register-desktop', true],
      ['GET', '/api/mobile/devices', true],
      ['POST', '/api/shares/user-shares', true],
      ['POST', '/api/notifications/ws-token', true],
      ['GET', '/api/system/raid/status', true],
      ['HEAD', '/api/monitoring/cpu/current', true],
      ['POST', '/api/system/sleep/wol', true],
      ['POST', '/api/system/sleep/suspend', false],
      ['POST', '/api/auth/change-password', false],
      ['GET', '/api/auth/2fa/status', false],
      ['GET', '/api/users', false],
      ['GET', '/api/users/7/power-permissions', false],
      ['POST', '/api/api-keys', false],
      ['GET', '/api/api-keys', false],
      ['GET', '/api/admin/services', false],
      ['POST', '/api/mobile/token/generate', false],
      ['POST', '/api/desktop-pairing/approve', false],
      ['POST', '/api/vpn/generate', false],
      ['GET', '/api/vpn/clients', false],
      ['GET', '/api/plugins', false],
      ['POST', '/api/backups', false],
      ['POST', '/api/files/transfer-ownership', false],
    ] as const) {
      const rig = new Rig();
      const { kind } = await rig.pass(method, url, { caller: PI_TOKEN });
      assert.equal(kind, wanted ? 'passed' : 'needs_nas_token', `${method} ${url}`);
      const tokens = rig.sent.map(({ headers }) => headers?.['authorization']);
      assert.deepEqual(tokens, wanted ? ['Bearer stored-token'] : [], url);
    }
  });

  it('ends a token at a 401 of the NAS, and none at a 403, a 429 or a 503', async () => {
    const rig = new Rig();
    for (const status of [403, 429, 503, 500]) {
      rig.said = { status, text: '{"detail":"no"}' };
      const outcome = await rig.pass('GET', '/api/vpn/clients');
      assert.ok(outcome.kind === 'refused' && outcome.status === status);
      assert.deepEqual(outcome.body, { detail: 'no' });
    }
    assert.deepEqual(rig.refused, []);
    rig.said = { status: 401, text: '{"detail":"no"}' };
    await rig.pass('GET', '/api/vpn/clients');
    assert.deepEqual(rig.refused, ['token-of-alice']);
    const stored = await rig.pass('GET', '/api/files/mountpoints', { caller: PI_TOKEN });
    assert.equal(stored.kind, 'needs_nas_token');
    assert.deepEqual(rig.refused, ['token-of-alice', 'stored-token']);
  });

  it('makes no page of the NAS’s proxy the caller’s', async () => {
    const headers = { 'content-type': 'text/html; charset=utf-8' };
    for (const [status, kind] of [
      [200, 'nas_bad_answer'],
      [413, 'refused'],
      [429, 'nas_busy'],
      [503, 'nas_busy'],
      [502, 'asleep'],
      [504, 'asleep'],
    ] as const) {
      const rig = new Rig();
      rig.said = { status, headers, text: '<html>' };
      const outcome = await rig.pass('GET', '/api/vpn/clients');
      assert.equal(outcome.kind, kind, String(status));
      if (outcome.kind === 'refused') assert.equal(outcome.body, undefined);
    }
  });

  describe('a redirect', () => {
    const led = (location: string): Said => ({ status: 307, headers: { location } });

    it('of a GET to the NAS itself is followed once', async () => {
      const rig = new Rig();
      rig.said = led('https://nas.local:8000/api/vpn/clients/?x=1');
      rig.then = { text: 'there', headers: { 'content-type': 'text/plain' } };
      assert.equal(await textOf(await rig.pass('GET', '/api/vpn/clients')), 'there');
      assert.equal(rig.sent[1]?.path, '/api/vpn/clients/?x=1');
      assert.equal(rig.sent[1].headers?.['authorization'], 'Bearer token-of-alice');
      rig.then = led('/api/vpn/more');
      assert.equal((await rig.pass('GET', '/api/vpn/clients')).kind, 'nas_bad_answer');
    });

    it('leads nowhere else, and to nothing that is never passed', async () => {
      for (const to of [
        'http://elsewhere.example/api/vpn',
        'http://nas.local/api/vpn',
        '//elsewhere.example/api/vpn',
        '/login',
        '/api/setup/status',
        '/api/%73etup/status',
        '/api/auth/dev/x',
        '/api/x/..%2Fsetup',
        'file:///etc/passwd',
        '',
      ]) {
        const rig = new Rig();
        rig.said = led(to);
        assert.equal((await rig.pass('GET', '/api/vpn/clients')).kind, 'nas_bad_answer', to);
        assert.equal(rig.sent.length, 1, to);
      }
    });

    it('of anything but a GET is not followed', async () => {
      for (const method of ['POST', 'PUT', 'DELETE']) {
        const rig = new Rig();
        rig.said = led('/api/vpn/clients/');
        assert.equal((await rig.pass(method, '/api/vpn/clients')).kind, 'nas_bad_answer');
        assert.equal(rig.sent.length, 1);
      }
    });
  });

  it('asks with GET for a HEAD, and gives its head alone', async () => {
    const rig = new Rig();
    const outcome = await rig.pass('HEAD', '/api/vpn/clients');
    assert.equal(rig.sent[0]?.method, 'GET');
    assert.ok(outcome.kind === 'passed' && outcome.rest === null && outcome.lengthBytes === 7);
  });

  it('goes on as asleep where the NAS turns out to be gone', async () => {
    for (const [code, kind] of [
      ['refused', 'asleep'],
      ['timeout', 'asleep'],
      ['cut', 'asleep'],
      ['mismatch', 'asleep'],
      ['protocol', 'nas_bad_answer'],
      ['aborted', 'gone'],
      ['body', 'gone'],
    ] as const) {
      const rig = new Rig();
      rig.said = code;
      assert.equal((await rig.pass('GET', '/api/vpn/clients')).kind, kind, code);
    }
  });

  describe('with hooks', () => {
    it('gives a hook’s answer while the NAS sleeps, and tells those before it', async () => {
      const told: PassResult[] = [];
      const kept: PassHook = {
        concerns: ({ segments }) => segments[0] === 'notifications',
        before: () => ({ kind: 'answer', answer: plainAnswer({ kept: true }) }),
      };
      const rig = new Rig(noting(told), kept, noting(told));
      rig.awake = false;
      const outcome = await rig.pass('GET', '/api/notifications');
      assert.ok(outcome.kind === 'answer');
      assert.deepEqual(outcome.answer.payload, { kept: true });
      assert.deepEqual(told, [{ kind: 'not_sent' }]);
    });

    it('tells each what came of it, once, in the reverse order', async () => {
      const told: PassResult[] = [];
      const order: string[] = [];
      const named = (name: string): PassHook => ({
        concerns: () => true,
        before: () => ({ kind: 'go', after: () => void order.push(name) }),
      });
      const rig = new Rig(named('first'), noting(told, { readsAnswer: true }), named('last'));
      const outcome = await rig.pass('GET', '/api/notifications');
      assert.deepEqual(told, [{ kind: 'answered', status: 200, body: { a: 1 } }]);
      assert.deepEqual(order, ['last', 'first']);
      assert.equal(await textOf(outcome), '{"a":1}');
    });

    it('tells whether the NAS may have done it', async () => {
      for (const [said, wanted] of [
        ['cut', { kind: 'no_answer' }],
        ['timeout', { kind: 'no_answer' }],
        ['aborted', { kind: 'no_answer' }],
        ['refused', { kind: 'not_sent' }],
        [
          { status: 500, text: '{"detail":"x"}' },
          { kind: 'answered', status: 500 },
        ],
      ] as const) {
        const told: PassResult[] = [];
        const rig = new Rig(noting(told));
        rig.said = said;
        await rig.pass('PUT', '/api/files/rename');
        assert.equal(told.length, 1);
        assert.partialDeepStrictEqual(told[0], wanted);
      }
    });

    it('shows a hook the body it wants, and sends what it makes of it', async () => {
      const seen: unknown[] = [];
      const hook: PassHook = {
        concerns: () => 'with_body',
        before: ({ body, query, filePath }) => {
          seen.push([body, query.get('x'), filePath]);
          return { kind: 'go', body: { new: 'form' } };
        },
      };
      const rig = new Rig(hook);
      const headers = { 'content-type': 'application/json', 'content-length': '12' };
      const body = Readable.from([Buffer.from('{"old":'), Buffer.from('"form"}')]);
      await rig.pass('PUT', '/api/files/move?x=1', { openBody: () => body, headers });
      assert.deepEqual(seen, [[{ old: 'form' }, '1', null]]);
      assert.deepEqual(rig.bodies, ['{"new":"form"}']);
      assert.equal(rig.sent[0]?.headers?.['content-type'], 'application/json');
    });

    it('sends the very bytes on where a hook only looks, and refuses more than it may look at', async () => {
      const hook: PassHook = { concerns: () => 'with_body', before: () => ({ kind: 'go' }) };
      const rig = new Rig(hook);
      const headers = { 'content-type': 'application/json' };
      await rig.pass('PUT', '/api/files/move', {
        headers,
        openBody: () => Readable.from([Buffer.from('{ "n": 16.0 }')]),
      });
      assert.deepEqual(rig.bodies, ['{ "n": 16.0 }']);
      const large = Readable.from([Buffer.alloc(40_000, '1'), Buffer.alloc(40_000, '1')]);
      const outcome = await rig.pass('PUT', '/api/files/move', { headers, openBody: () => large });
      assert.equal(outcome.kind, 'too_large');
    });

    it('goes as auto and as nobody’s need where a hook says so', async () => {
      const hook: PassHook = {
        concerns: () => true,
        before: () => ({ kind: 'go', auto: true }),
      };
      const rig = new Rig(hook);
      await rig.pass('GET', '/api/system/info');
      assert.equal(rig.sent[0]?.headers?.['x-sync-trigger'], 'auto');
      assert.equal(rig.needed, 0);
    });

    it('gives what a hook makes of a failure', async () => {
      const hook: PassHook = {
        concerns: () => true,
        before: () => ({
          kind: 'go',
          after: ({ kind }) => (kind === 'no_answer' ? plainAnswer({ kept: 1 }) : undefined),
        }),
      };
      const rig = new Rig(hook);
      rig.said = 'timeout';
      const outcome = await rig.pass('GET', '/api/system/info');
      assert.ok(outcome.kind === 'answer');
    });

    it('gives the NAS’s answer though what follows failed, and says so in the log', async () => {
      const told: PassResult[] = [];
      const broken: PassHook = {
        concerns: () => true,
        before: () => ({
          kind: 'go',
          after: () => {
            throw new Error('planted');
          },
        }),
      };
      const rig = new Rig(noting(told), broken);
      assert.equal(await textOf(await rig.pass('GET', '/api/system/info')), '{"a":1}');
      assert.equal(told.length, 1);
      assert.match(rig.log.problems.join('\n'), /planted/);
    });

    it('tells those that went before one that throws', async () => {
      const told: PassResult[] = [];
      const broken: PassHook = {
        concerns: () => true,
        before: () => {
          throw new Error('planted');
        },
      };
      const rig = new Rig(noting(told), broken);
      await assert.rejects(rig.pass('GET', '/api/system/info'), /planted/);
      assert.deepEqual(told, [{ kind: 'not_sent' }]);
      assert.deepEqual(rig.sent, []);
    });
  });
});
