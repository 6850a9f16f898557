import assert from 'node:assert/strict';
import { GONE, HOUR_MS, MINUTE_MS, ok, said, Stage, word } from './accounts-stage.ts';

describe('the introspection of NAS tokens', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(async () => {
    await stage.close();
  });

  const authenticate = async (token: string): Promise<string> =>
    word(await stage.authenticate(token));

  it('lets in whom the NAS lets in, with id, name and role of the token', async () => {
    const token = stage.nas.token('alice');
    const caller = await stage.caller(token);
    assert.deepEqual(caller, {
      user: { id: 4, username: 'alice', role: 'user' },
      kind: 'nas',
      nasToken: token,
      scope: 'all',
    });
  });

  it('asks by preflight with X-Sync-Trigger auto, and once who somebody new is', async () => {
    stage.budget = 0;
    await authenticate(stage.nas.token('alice'));
    await stage.clock.advance(1_000);
    await authenticate(stage.nas.token('alice'));
    assert.deepEqual(
      stage.nas.asks.map(({ call, auto }) => [call, auto]),
      [
        ['preflight', true],
        ['me', true],
        ['preflight', true],
      ],
    );
  });

  it('keeps the result for 5 minutes while the NAS answers, then asks again', async () => {
    const token = stage.nas.token('alice');
    await authenticate(token);
    await stage.clock.advance(5 * MINUTE_MS - 1);
    await authenticate(token);
    assert.equal(stage.nas.asked('preflight'), 1);
    await stage.clock.advance(1);
    await authenticate(token);
    assert.equal(stage.nas.asked('preflight'), 2);
  });

  it('does not let an expired token in on a fresh result while the NAS answers', async () => {
    const token = stage.nas.token('alice', { exp: stage.clock.nowMs() / 1_000 + 60 });
    assert.equal(await authenticate(token), 'alice');
    await stage.clock.advance(MINUTE_MS);
    assert.equal(await authenticate(token), 'bad_token');
  });

  it('makes one call of a hundred concurrent asks for one token', async () => {
    const token = stage.nas.token('alice');
    const all = await Promise.all(Array.from({ length: 100 }, () => authenticate(token)));
    assert.deepEqual(new Set(all), new Set(['alice']));
    assert.equal(stage.nas.asked('preflight'), 1);
  });

  it('asks the NAS in soft sleep too', async () => {
    stage.softSleep();
    assert.equal(await authenticate(stage.nas.token('alice')), 'alice');
    assert.ok(stage.nas.asks.every((ask) => ask.auto));
  });

  it('asks once more without the header when the NAS shuts its sync routes in soft sleep', async () => {
    stage.softSleep();
    stage.nas.brokenCalls.set('preflight', said(503, 'Internal server error'));
    stage.nas.before = () => {
      if (stage.nas.asked('preflight') === 2) stage.nas.brokenCalls.clear();
      return Promise.resolve();
    };
    assert.equal(await authenticate(stage.nas.token('alice')), 'alice');
    assert.deepEqual(
      stage.nas.asks.map((ask) => ask.auto),
      [true, false, true],
    );
  });

  describe('while the NAS sleeps', () => {
    it('lets a token in until its own exp plus the grace', async () => {
      const token = stage.nas.token('alice');
      await authenticate(token);
      stage.sleep();
      await stage.clock.advance(15 * MINUTE_MS + 72 * HOUR_MS - 1_000);
      assert.equal(await authenticate(token), 'alice');
      await stage.clock.advance(1_000);
      assert.equal(await authenticate(token), 'bad_token');
    });

    it('does not ask the NAS', async () => {
      const token = stage.nas.token('alice');
      await authenticate(token);
      stage.sleep();
      await stage.clock.advance(HOUR_MS);
      await authenticate(token);
      await authenticate(stage.nas.token('bob'));
      assert.equal(stage.nas.asked('preflight'), 1);
    });

    it('says nas_asleep to a token it never saw', async () => {
      stage.sleep();
      assert.equal(await authenticate(stage.nas.token('alice')), 'nas_asleep');
    });

    it('says nas_never_seen when the NAS was never seen', async () => {
      stage.sleep();
      stage.presence.state = { ...stage.presence.state, everSeen: false };
      assert.equal(await authenticate(stage.nas.token('alice')), 'nas_never_seen');
    });

    it('ends with the exp of the token when the grace is 0 hours', async () => {
      await stage.close();
      stage = new Stage({ graceHours: 0 });
      const token = stage.nas.token('alice');
      await authenticate(token);
      stage.sleep();
      await stage.clock.advance(15 * MINUTE_MS - 1);
      assert.equal(await authenticate(token), 'alice');
      await stage.clock.advance(1);
      assert.equal(await authenticate(token), 'bad_token');
    });

    it('still refuses what the NAS refused', async () => {
      const forged = stage.nas.token('alice').slice(0, -4) + 'AAAA';
      assert.equal(await authenticate(forged), 'bad_token');
      stage.sleep();
      assert.equal(await authenticate(forged), 'bad_token');
    });
  });

  describe('that cannot be asked for', () => {
    const silences = {
      'a transport failure': GONE,
      'a 500': said(500, 'Internal server error'),
      'a 503': said(503, 'Internal server error'),
      'an HTML page': { kind: 'bad_answer', status: 502 },
    } as const;
    for (const [name, answer] of Object.entries(silences)) {
      it(`fall back to the kept one on ${name}`, async () => {
        const token = stage.nas.token('alice');
        await authenticate(token);
        stage.nas.broken = answer;
        await stage.clock.advance(HOUR_MS);
        assert.equal(await authenticate(token), 'alice');
      });

      it(`are nas_asleep for a token never seen on ${name}`, async () => {
        stage.nas.broken = answer;
        assert.equal(await authenticate(stage.nas.token('alice')), 'nas_asleep');
      });
    }

    it('are asked for once after a start, so that what waits for their user goes on', async () => {
      const token = stage.nas.token('alice');
      await authenticate(token);
      stage.restart();
      const heard: string[] = [];
      stage.accounts.onConfirmed((user) => {
        heard.push(user.username);
      });
      for (let call = 0; call < 3; call += 1) assert.equal(await authenticate(token), 'alice');
      assert.deepEqual(heard, ['alice']);
      assert.equal(stage.accounts.liveTokens.ofUser(4)?.token, token);
      assert.equal(stage.nas.asked('preflight'), 2);
    });

    it('do not make each call wait for a NAS that just was silent', async () => {
      const token = stage.nas.token('alice');
      await authenticate(token);
      stage.nas.broken = GONE;
      await stage.clock.advance(HOUR_MS);
      for (let call = 0; call < 10; call += 1) await authenticate(token);
      assert.equal(stage.nas.asked('preflight'), 2);
      await stage.clock.advance(5_000);
      await authenticate(token);
      assert.equal(stage.nas.asked('preflight'), 3);
    });

    for (const [name, answer] of [
      ['a 429', said(429, 'Rate limit exceeded. Please try again later.')],
      ['a page with 429 of its proxy', { kind: 'bad_answer', status: 429 }],
    ] as const) {
      it(`stand on ${name}, and let in nobody who was never seen`, async () => {
        const token = stage.nas.token('alice');
        await authenticate(token);
        await stage.clock.advance(6 * MINUTE_MS);
        stage.nas.broken = answer;
        assert.equal(await authenticate(token), 'alice');
        assert.equal(await authenticate(stage.nas.token('bob')), 'nas_asleep');
        stage.nas.broken = null;
        assert.equal(await authenticate(stage.nas.token('bob')), 'bob');
      });
    }
  });

  describe('that end', () => {
    it('end at once and for good by a 401 on any call', async () => {
      const token = stage.nas.token('alice');
      await authenticate(token);
      stage.accounts.introspection.refused(token);
      assert.equal(await authenticate(token), 'bad_token');
      stage.sleep();
      assert.equal(await authenticate(token), 'bad_token');
      stage.restart();
      assert.equal(await authenticate(token), 'bad_token');
      // Once at the start, and once to learn whether the whole account is disabled.
      assert.equal(stage.nas.asked('preflight'), 2);
    });

    it('end for good by a 401 on a token never seen good', async () => {
      const token = stage.nas.token('alice');
      stage.accounts.introspection.refused(token);
      assert.equal(await authenticate(token), 'bad_token');
      assert.equal(stage.nas.asked('preflight'), 0);
    });

    for (const status of [401, 403]) {
      it(`end by a ${status} on preflight, and stay so when the NAS would say yes again`, async () => {
        const token = stage.nas.token('alice');
        await authenticate(token);
        stage.nas.broken = said(status, 'no');
        await stage.clock.advance(5 * MINUTE_MS);
        assert.equal(await authenticate(token), 'bad_token');
        stage.nas.broken = null;
        assert.equal(await authenticate(token), 'bad_token');
      });
    }

    it('end although the NAS said yes to an ask that was under way', async () => {
      const token = stage.nas.token('alice');
      stage.nas.before = () => {
        stage.accounts.introspection.refused(token);
        return Promise.resolve();
      };
      assert.equal(await authenticate(token), 'bad_token');
      stage.nas.before = () => Promise.resolve();
      assert.equal(await authenticate(token), 'bad_token');
    });

    it('end with everything of a user the NAS calls inactive, after one request', async () => {
      const first = stage.nas.token('alice');
      const second = stage.nas.token('alice', { nonce: 2 });
      await stage.login('alice', 'alice-password');
      await authenticate(first);
      await authenticate(second);
      stage.nas.account('alice').isActive = false;
      await stage.clock.advance(5 * MINUTE_MS);
      assert.equal(await authenticate(first), 'bad_token');
      stage.sleep();
      assert.equal(await authenticate(second), 'bad_token');
      const outcome = await stage.login('alice', 'alice-password');
      assert.equal(outcome.kind === 'refused' && outcome.code, 'bad_credentials');
    });

    it('let a user in again whom the NAS switched on again', async () => {
      stage.nas.account('alice').isActive = false;
      await stage.login('alice', 'alice-password');
      stage.nas.account('alice').isActive = true;
      assert.equal(await authenticate(stage.nas.token('alice')), 'alice');
    });
  });

  describe('of API keys', () => {
    const KEY = 'balu_7fNdjdIabcdefghij';

    beforeEach(() => {
      stage.nas.apiKeys.set(KEY, 4);
    });

    it('take the user from me, with X-Sync-Trigger auto', async () => {
      stage.budget = 0;
      assert.equal(await authenticate(KEY), 'alice');
      assert.deepEqual(
        stage.nas.asks.map(({ call, auto }) => [call, auto]),
        [
          ['preflight', true],
          ['me', true],
        ],
      );
    });

    it('count the grace from the last time the NAS confirmed the key', async () => {
      await authenticate(KEY);
      await stage.clock.advance(5 * MINUTE_MS);
      await authenticate(KEY);
      stage.sleep();
      await stage.clock.advance(72 * HOUR_MS - 1);
      assert.equal(await authenticate(KEY), 'alice');
      await stage.clock.advance(1);
      assert.equal(await authenticate(KEY), 'nas_asleep');
    });

    it('keep the known user while me cannot be asked', async () => {
      await authenticate(KEY);
      await stage.clock.advance(5 * MINUTE_MS);
      stage.nas.brokenCalls.set('me', said(429, 'Rate limit exceeded'));
      assert.equal(await authenticate(KEY), 'alice');
    });

    it('are nas_asleep when preflight says yes and me says nothing', async () => {
      stage.nas.brokenCalls.set('me', said(500, 'Internal server error'));
      assert.equal(await authenticate(KEY), 'nas_asleep');
    });

    it('end when me calls the account inactive', async () => {
      stage.nas.brokenCalls.set(
        'me',
        ok({ id: 4, username: 'alice', role: 'user', is_active: false }),
      );
      assert.equal(await authenticate(KEY), 'bad_token');
    });

    it('end when me refuses the key that preflight still took', async () => {
      stage.nas.brokenCalls.set('me', said(401, 'API key target user inactive'));
      assert.equal(await authenticate(KEY), 'bad_token');
      stage.nas.brokenCalls.clear();
      assert.equal(await authenticate(KEY), 'bad_token');
    });

    it('end when the key is revoked', async () => {
      await authenticate(KEY);
      stage.nas.apiKeys.delete(KEY);
      await stage.clock.advance(5 * MINUTE_MS);
      assert.equal(await authenticate(KEY), 'bad_token');
      stage.sleep();
      assert.equal(await authenticate(KEY), 'bad_token');
    });
  });

  it('refuses what can be no token without asking', async () => {
    const good = stage.nas.token('alice');
    const [head = '', body = '', signature = ''] = good.split('.');
    const forms = [
      '',
      'x',
      'null',
      'undefined',
      'a.b.c',
      `${head}.${body}`,
      `${head}.${body}.`,
      `${head}..${signature}`,
      `.${body}.${signature}`,
      `${good}.${signature}`,
      // White space after a token ends with its header, whoever parses it.
      `${good} x`,
      `${good}=`,
      `${good}\u00e9`,
      `${good}\0`,
      `${head}.${body}.${'A'.repeat(8_192)}`,
      'balu_',
      'balu_ab c',
      `balu_${'x'.repeat(9_000)}`,
      stage.nas.token('alice', { type: 'refresh' }),
      stage.nas.token('alice', { type: '2fa_pending' }),
      stage.nas.token('alice', { type: 'sse' }),
      stage.nas.token('alice', { type: undefined }),
      stage.nas.token('alice', { exp: undefined }),
      stage.nas.token('alice', { sub: 'alice' }),
      stage.nas.token('alice', { sub: '-4' }),
      stage.nas.token('alice', { username: '' }),
    ];
    for (const form of forms) {
      const answer = await stage.authenticate(form);
      assert.equal(answer.kind, 'refused', JSON.stringify(form).slice(0, 80));
    }
    assert.equal(stage.nas.asks.length, 0);
  });

  it('keeps no row of a token that can open nothing any more', async () => {
    const count = (): number =>
      Number(stage.store.prepare('SELECT count(*) AS n FROM token_verdicts').get()?.['n']);
    for (let nonce = 0; nonce < 20; nonce += 1) {
      await authenticate(stage.nas.token('alice', { nonce }));
    }
    assert.equal(count(), 20);
    await stage.clock.advance(16 * MINUTE_MS + 72 * HOUR_MS);
    await authenticate(stage.nas.token('alice'));
    assert.equal(count(), 1);
  });

  it('stores no row for tokens the NAS refuses, however many are sent', async () => {
    for (let nonce = 0; nonce < 50; nonce += 1) {
      const forged = `${stage.nas.token('alice', { nonce }).slice(0, -6)}AAAAAA`;
      assert.equal(await authenticate(forged), 'bad_token');
    }
    const rows = stage.store.prepare('SELECT count(*) AS n FROM token_verdicts').get();
    assert.equal(rows?.['n'], 0);
  });

  it('knows its results after a restart, and with the clock at 1970', async () => {
    const token = stage.nas.token('alice');
    const never = stage.nas.token('bob');
    await authenticate(token);
    stage.time.nowMs();
    stage.time.stop();
    stage.sleep();
    stage.restart(0);
    assert.equal(stage.time.unsynced, true);
    assert.equal(await authenticate(token), 'alice');
    assert.equal(await authenticate(never), 'nas_asleep');
    await stage.clock.advance(72 * HOUR_MS + 15 * MINUTE_MS);
    assert.equal(await authenticate(token), 'bad_token');
  });

  it('does not bring a run-out result back by a clock at 1970', async () => {
    const token = stage.nas.token('alice');
    await authenticate(token);
    stage.sleep();
    await stage.clock.advance(80 * HOUR_MS);
    assert.equal(await authenticate(token), 'bad_token');
    stage.time.stop();
    stage.restart(0);
    assert.equal(await authenticate(token), 'bad_token');
  });

  describe('after a clock that was once ahead', () => {
    const jump = async (): Promise<void> => {
      stage.isClockProved = false;
      stage.clock.stepWallTo(stage.clock.nowMs() + 9 * 365 * 24 * HOUR_MS);
      stage.time.nowMs();
      await stage.clock.advance(1_000);
    };
    const pulledBack = (to: number): void => {
      stage.clock.stepWallTo(to);
      stage.isClockProved = true;
      stage.time.look();
    };

    it('lets in asleep whom the NAS lets in, once both proofs stand', async () => {
      const right = stage.clock.nowMs();
      await jump();
      stage.clock.stepWallTo(right);
      const token = stage.nas.token('alice');
      assert.equal(await authenticate(token), 'alice');
      stage.sleep();
      assert.equal(await authenticate(token), 'bad_token');
      pulledBack(right);
      assert.equal(await authenticate(token), 'alice');
      await stage.clock.advance(72 * HOUR_MS + 15 * MINUTE_MS);
      assert.equal(await authenticate(token), 'bad_token');
    });

    it('keeps over what the higher time had ended, until the NAS says otherwise', async () => {
      const right = stage.clock.nowMs();
      const token = stage.nas.token('alice');
      assert.equal(await authenticate(token), 'alice');
      stage.sleep();
      await jump();
      pulledBack(right + 1_000);
      assert.equal(await authenticate(token), 'nas_asleep');
      stage.wake();
      assert.equal(await authenticate(token), 'alice');
    });

    it('deletes no result for its age while it may be ahead', async () => {
      await authenticate(stage.nas.token('alice'));
      const right = stage.clock.nowMs();
      await jump();
      await authenticate(
        stage.nas.token('alice', { nonce: 2, exp: stage.clock.nowMs() / 1_000 + 900 }),
      );
      const rows = stage.store.prepare('SELECT count(*) AS n FROM token_verdicts').get();
      assert.equal(rows?.['n'], 2);
      pulledBack(right + 1_000);
    });
  });

  describe('and roles', () => {
    it('know an admin', async () => {
      const admin = await stage.caller(stage.nas.token('admin'));
      const alice = await stage.caller(stage.nas.token('alice'));
      assert.equal(stage.accounts.isAdmin(admin), true);
      assert.equal(stage.accounts.isAdmin(alice), false);
    });

    it('let admins wake, and of the others nobody of whom nothing was told', async () => {
      stage.budget = 0;
      const alice = await stage.caller(stage.nas.token('alice'));
      assert.equal(stage.accounts.mayWake(alice), false);
      assert.equal(stage.accounts.mayWake(await stage.caller(stage.nas.token('admin'))), true);
    });

    for (const [can_wake, can_wol] of [
      [false, true],
      [true, false],
      [false, false],
    ]) {
      it(`let wake by my-permissions: can_wake ${can_wake}, can_wol ${can_wol}`, async () => {
        stage.nas.permissions = { can_wake, can_wol };
        stage.budget = 5;
        const alice = await stage.caller(stage.nas.token('alice'));
        await stage.accounts.stop();
        assert.equal(stage.accounts.mayWake(alice), can_wake === true || can_wol === true);
      });
    }

    it('learn permissions and me in the background, within the budget only', async () => {
      stage.nas.brokenCalls.set('me', said(500, 'x'));
      stage.budget = 1;
      await stage.caller(stage.nas.token('alice'));
      await stage.accounts.stop();
      // The first because the user was unknown, the second in the background.
      assert.equal(stage.nas.asked('me'), 2);
      assert.equal(stage.nas.asked('myPermissions'), 0);
      stage.nas.brokenCalls.clear();
      stage.restart();
      stage.budget = 5;
      await stage.clock.advance(5 * MINUTE_MS);
      const alice = await stage.caller(stage.nas.token('alice'));
      await stage.accounts.stop();
      // Once more in this run, to confirm that the id still is alice's.
      assert.equal(stage.nas.asked('me'), 3);
      assert.equal(stage.accounts.mayWake(alice), true);
    });

    it('do not get an old role back from a token minted before the role changed', async () => {
      stage.nas.account('bob').role = 'admin';
      const old = stage.nas.token('bob');
      const caller = await stage.caller(old);
      assert.equal(caller.user.role, 'admin');
      stage.nas.account('bob').role = 'user';
      await stage.accounts.profile.me(caller);
      await stage.clock.advance(5 * MINUTE_MS);
      assert.equal((await stage.caller(old)).user.role, 'user');
      stage.nas.account('bob').role = 'admin';
      assert.equal((await stage.caller(stage.nas.token('bob'))).user.role, 'admin');
    });

    it('switch off whoever had a name that is now another user of the NAS', async () => {
      const old = stage.nas.token('alice');
      await stage.caller(old);
      const at = stage.nas.accounts.findIndex((one) => one.username === 'alice');
      stage.nas.accounts[at] = { ...stage.nas.account('alice'), id: 9 };
      assert.equal((await stage.caller(stage.nas.token('alice'))).user.id, 9);
      stage.sleep();
      // Renamed or deleted: only the NAS can tell.
      assert.equal(await authenticate(old), 'nas_asleep');
      stage.wake();
      assert.equal(await authenticate(old), 'bad_token');
    });
  });

  describe('and live tokens', () => {
    it('are the newest that the NAS said is good', async () => {
      const first = stage.nas.token('alice');
      await stage.caller(first);
      await stage.clock.advance(MINUTE_MS);
      const second = stage.nas.token('alice');
      await stage.caller(second);
      await stage.caller(first);
      assert.equal(stage.accounts.liveTokens.ofUser(4)?.token, second);
      assert.equal(stage.accounts.liveTokens.any()?.token, second);
    });

    it('are gone once expired, refused or logged out', async () => {
      const token = stage.nas.token('alice');
      await stage.caller(token);
      await stage.clock.advance(15 * MINUTE_MS);
      assert.equal(stage.accounts.liveTokens.ofUser(4), null);
      const next = stage.nas.token('alice');
      await stage.caller(next);
      stage.accounts.introspection.refused(next);
      assert.equal(stage.accounts.liveTokens.any(), null);
      await stage.clock.advance(1_000);
      await stage.accounts.profile.logout(await stage.caller(stage.nas.token('alice')));
      assert.equal(stage.accounts.liveTokens.ofUser(4), null);
    });

    it('are not made of a kept result while the NAS sleeps', async () => {
      const token = stage.nas.token('alice');
      await stage.caller(token);
      stage.sleep();
      stage.restart();
      await stage.caller(token);
      assert.equal(stage.accounts.liveTokens.ofUser(4), null);
    });

    it('do not come back by a me that was under way when the NAS refused the token', async () => {
      const token = stage.nas.token('alice');
      const caller = await stage.caller(token);
      stage.nas.before = () => {
        stage.accounts.introspection.refused(token);
        return Promise.resolve();
      };
      await stage.accounts.profile.me(caller);
      assert.equal(stage.accounts.liveTokens.ofUser(4), null);
      assert.equal(await authenticate(token), 'bad_token');
    });

    it('are told to whoever listens, whose faults change nothing', async () => {
      const heard: string[] = [];
      stage.accounts.onConfirmed(() => {
        throw new Error('a broken listener');
      });
      const stop = stage.accounts.onConfirmed((user) => {
        heard.push(user.username);
      });
      await stage.caller(stage.nas.token('alice'));
      stop();
      await stage.caller(stage.nas.token('bob'));
      assert.deepEqual(heard, ['alice']);
    });
  });
});
